//! A client that costs little: it shares the machine with what it measures.
//!
//! Requests are bytes made beforehand; of an answer it reads the status and the length.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A request as it goes over the socket, and how its answer must begin.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    begins: &'static str,
}

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        let bytes = format!("GET {path} HTTP/1.1\r\nhost: tokend\r\n\r\n").into_bytes();
        Self {
            bytes,
            begins: "HTTP/1.1 200",
        }
    }

    pub(crate) fn post(path: &str, body: &str) -> Self {
        Self {
            bytes: with_body("POST", path, body),
            begins: "HTTP/1.1 201",
        }
    }

    pub(crate) fn put(path: &str, body: &str) -> Self {
        Self {
            bytes: with_body("PUT", path, body),
            begins: "HTTP/1.1 200",
        }
    }

    /// What goes to GitHub under a token, there or through the proxy.
    pub(crate) fn to_github(path: &str, host: &str, token: &str) -> Self {
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: load/1\r\n\
             accept: application/vnd.github+json\r\nx-github-api-version: 2022-11-28\r\n\
             authorization: Bearer {token}\r\n\r\n"
        );
        Self {
            bytes: head.into_bytes(),
            begins: "HTTP/1.1 200",
        }
    }

    /// What `tokenctl rekey` sends.
    pub(crate) fn rekey() -> Self {
        Self {
            bytes: with_body("POST", "/v1/rekey", ""),
            begins: "HTTP/1.1 200",
        }
    }

    /// What `tokenctl get label-sync` sends.
    pub(crate) fn lease() -> Self {
        Self::post("/v1/leases", r#"{"purpose":"label-sync"}"#)
    }
}

fn with_body(method: &str, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: tokend\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// What a connection goes over.
pub(crate) trait Transport: Read + Write {
    fn fd(&self) -> BorrowedFd<'_>;
    fn never_block(&self);
}

impl Transport for UnixStream {
    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn never_block(&self) {
        self.set_nonblocking(true).unwrap();
    }
}

/// A kept connection.
pub(crate) struct Connection<T = UnixStream> {
    stream: T,
    buffer: Box<[u8; 16 * 1024]>,
    filled: usize,
}

impl Connection {
    pub(crate) fn open(socket: &Path) -> Self {
        Self::over(UnixStream::connect(socket).unwrap())
    }
}

impl<T: Transport> Connection<T> {
    pub(crate) fn over(stream: T) -> Self {
        Self {
            stream,
            buffer: Box::new([0; 16 * 1024]),
            filled: 0,
        }
    }

    pub(crate) fn send(&mut self, request: &Request) {
        self.filled = 0;
        self.stream.write_all(&request.bytes).unwrap();
    }

    /// Reads once. The answer, if it is whole by now.
    fn read(&mut self, request: &Request) -> Option<&[u8]> {
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => panic!("a connection was closed"),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => panic!("{error}"),
        }
        let answer = &self.buffer[..self.filled];
        whole(answer).then(|| {
            let begins = answer.starts_with(request.begins.as_bytes());
            assert!(begins, "{}", answer.escape_ascii());
            answer
        })
    }

    /// One request and its answer.
    pub(crate) fn exchange(&mut self, request: &Request) -> &[u8] {
        self.send(request);
        while self.read(request).is_none() {}
        &self.buffer[..self.filled]
    }
}

/// Whether this is a whole answer.
fn whole(answer: &[u8]) -> bool {
    const LENGTH: &[u8] = b"content-length: ";
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let at = answer
        .windows(LENGTH.len())
        .position(|window| window == LENGTH);
    let digits = answer[at.expect("answers give their length") + LENGTH.len()..].iter();
    let digits = digits.take_while(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    answer.len() == head + 4 + length
}

/// Answers a second over so many kept connections, each asking again as soon as it is answered.
pub(crate) fn rate(socket: &Path, connections: usize, request: &Request, time: Duration) -> f64 {
    let open = || UnixStream::connect(socket).unwrap();
    rate_over(open, connections, request, time)
}

/// The same over connections of any kind.
pub(crate) fn rate_over<T: Transport>(
    open: impl Fn() -> T + Sync,
    connections: usize,
    request: &Request,
    time: Duration,
) -> f64 {
    // As many threads as the broker has processors: a thread for each connection would measure the
    // scheduler.
    const THREADS: usize = 2;
    let share = connections / THREADS;
    let open = &open;
    let counts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(move || {
                    let connections = (0..share).map(|_| Connection::over(open()));
                    count(connections.collect(), request, time)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    counts.iter().sum()
}

/// The first part of a round, which is not counted.
const WARM_UP: Duration = Duration::from_millis(300);

fn count<T: Transport>(
    mut connections: Vec<Connection<T>>,
    request: &Request,
    time: Duration,
) -> f64 {
    for connection in &mut connections {
        connection.stream.never_block();
        connection.send(request);
    }
    let begun = Instant::now();
    let mut counting = begun;
    let mut answered = 0_u32;
    loop {
        let now = Instant::now();
        if counting == begun && now >= begun + WARM_UP {
            (counting, answered) = (now, 0);
        }
        if now >= begun + WARM_UP + time {
            return f64::from(answered) / (now - counting).as_secs_f64();
        }
        for nth in readable(&connections) {
            if connections[nth].read(request).is_some() {
                answered += 1;
                connections[nth].send(request);
            }
        }
    }
}

fn readable<T: Transport>(connections: &[Connection<T>]) -> Vec<usize> {
    let mut polled: Vec<_> = connections
        .iter()
        .map(|connection| PollFd::new(connection.stream.fd(), PollFlags::POLLIN))
        .collect();
    poll(&mut polled, PollTimeout::from(100_u8)).unwrap();
    let ready = polled
        .iter()
        .enumerate()
        .filter(|(_, fd)| fd.any() == Some(true));
    ready.map(|(nth, _)| nth).collect()
}

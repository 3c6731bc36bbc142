//! The relay over real sockets: what it opens, to where, for whom, and what it says otherwise.

mod elsewhere;
mod refused;
mod to_broker;

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::relay::previous::Previous;

const LEASE: &str = "0123456789abcdef0123456789abcdef";

const OTHER_LEASE: &str = "fedcba9876543210fedcba9876543210";

/// A relay in this process, which ends with it.
struct Running {
    at: SocketAddr,
    dir: tempfile::TempDir,
    /// The command that it is for: dropped, it has ended.
    command: Option<UnixStream>,
    ended: Receiver<()>,
}

struct Setup {
    previous: Option<Previous>,
    no_proxy: &'static str,
    is_own: fn(SocketAddrV4, SocketAddrV4) -> bool,
}

const PLAIN: Setup = Setup {
    previous: None,
    no_proxy: "",
    is_own: |_, _| true,
};

impl Setup {
    /// For GitHub's hosts `github.test:443` and `127.0.0.1:443`.
    fn start(self) -> Running {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let at = listener.local_addr().unwrap();
        let relay = Relay {
            ways: Arc::new(Ways {
                hosts: ["github.test:443", "127.0.0.1:443"]
                    .map(|host| host.parse().unwrap())
                    .into(),
                socket: dir.path().join("proxy.sock"),
                leases: [LEASE, OTHER_LEASE]
                    .map(|lease| lease.parse().unwrap())
                    .into(),
                accepted: AtomicUsize::new(0),
                previous: self.previous,
                no_proxy: self.no_proxy.to_owned(),
                open_elsewhere: Arc::default(),
            }),
            open: Arc::default(),
            is_own: Box::new(self.is_own),
        };
        let (command, watched) = UnixStream::pair().unwrap();
        let (tell, ended) = channel();
        thread::spawn(move || {
            relay.serve(&listener, &watched).unwrap();
            tell.send(()).unwrap_or_default();
        });
        Running {
            at,
            dir,
            command: Some(command),
            ended,
        }
    }
}

impl Running {
    fn socket(&self) -> PathBuf {
        self.dir.path().join("proxy.sock")
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.at).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        client
    }

    /// Sends this, and returns all that is answered.
    fn answer(&self, request: &[u8]) -> String {
        let mut client = self.connect();
        client.write_all(request).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    fn refusal(&self, to: &str) -> String {
        self.answer(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes())
    }

    /// An open tunnel.
    fn tunnel(&self, to: &str) -> TcpStream {
        let mut client = self.connect();
        client
            .write_all(format!("CONNECT {to} HTTP/1.0\r\n\r\n").as_bytes())
            .unwrap();
        assert_eq!(
            head(&mut client),
            "HTTP/1.1 200 Connection established\r\n\r\n"
        );
        client
    }
}

/// Reads up to the empty line, and no further.
fn head(stream: &mut impl io::Read) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
    String::from_utf8(read).unwrap()
}

fn rest(stream: &mut impl io::Read) -> String {
    let mut read = String::new();
    stream.read_to_string(&mut read).unwrap();
    read
}

/// What is said on a connection of its own, as the broker, a proxy or a host.
fn answering<S: io::Read + Send + 'static>(
    accept: impl FnOnce() -> S + Send + 'static,
    serve: impl FnOnce(S) + Send + 'static,
) -> thread::JoinHandle<()> {
    thread::spawn(move || serve(accept()))
}

fn broker(
    relay: &Running,
    serve: impl FnOnce(UnixStream) + Send + 'static,
) -> thread::JoinHandle<()> {
    let listener = UnixListener::bind(relay.socket()).unwrap();
    answering(move || listener.accept().unwrap().0, serve)
}

/// A host or proxy on a port of its own.
fn host(serve: impl FnOnce(TcpStream) + Send + 'static) -> (u16, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, answering(move || listener.accept().unwrap().0, serve))
}

fn through(port: u16, no_proxy: &'static str) -> Setup {
    let url = format!("http://user:p%40ss@127.0.0.1:{port}");
    let env = |name: &str| (name == "HTTPS_PROXY").then(|| url.clone().into());
    Setup {
        previous: previous::find(&env).ok().flatten(),
        no_proxy,
        is_own: |_, _| true,
    }
}

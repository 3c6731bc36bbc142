//! Two gigabytes through the proxy, in each direction: how fast, beside the same asked directly, and what memory
//! that takes.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::canary;

use crate::lease::timed;
use crate::machine::kilobytes;
use crate::proxy::Proxied;
use crate::table::{Row, Table, highest, lowest, median};
use crate::upstream::{ASSET, LARGE, UPLOADS};

/// Until a broker that was started, or used, is at rest: what it still does is done, and memory is given back.
const REST: Duration = Duration::from_secs(9);

struct Round {
    down: Beside,
    up: Beside,
    /// Private memory in MiB: at rest before, the most while it streams, and at rest again.
    idle: f64,
    most: f64,
    after: f64,
}

/// Seconds, past the proxy and through it.
struct Beside {
    past: f64,
    through: f64,
}

impl Beside {
    fn share(&self) -> f64 {
        self.past / self.through
    }
}

pub(crate) fn measure(rounds: usize, table: &mut Table) {
    let rounds: Vec<Round> = (0..rounds.min(3)).map(|_| round()).collect();
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    let speed = |seconds: f64| LARGE as f64 / seconds / 1e6;
    let mut push = |what, [past, through]: [f64; 2], shares: Vec<f64>| {
        table.push(Row {
            what,
            goal: String::new(),
            raw: format!("direct {:.0} MB/s", speed(past)),
            median: format!(
                "{:.0} MB/s, {:.2} × direct",
                speed(through),
                median(shares.iter().copied())
            ),
            worst: format!("{:.2} × direct", lowest(shares)),
            met: None,
        });
    };
    push(
        "2 GiB down through the proxy",
        [of(|round| round.down.past), of(|round| round.down.through)],
        rounds.iter().map(|round| round.down.share()).collect(),
    );
    push(
        "2 GiB up through the proxy",
        [of(|round| round.up.past), of(|round| round.up.through)],
        rounds.iter().map(|round| round.up.share()).collect(),
    );
    let more = |figure: fn(&Round) -> f64| {
        let more = rounds.iter().map(|round| figure(round) - round.idle);
        let more: Vec<f64> = more.map(|mebibytes| mebibytes * 1.048_576).collect();
        let worst = highest(more.iter().copied());
        (median(more), worst)
    };
    let (most, worst) = more(|round| round.most);
    table.push(Row {
        what: "private memory while 2 GiB stream",
        goal: "≤ at rest + 10 MB".to_owned(),
        raw: format!(
            "at rest, before its first request, {:.1} MiB",
            of(|round| round.idle)
        ),
        median: format!("+ {most:.1} MB"),
        worst: format!("+ {worst:.1} MB"),
        met: Some(most <= 10.0),
    });
    let (after, worst) = more(|round| round.after);
    table.push(Row {
        what: "private memory at rest after that, lease still live",
        goal: String::new(),
        raw: "the same".to_owned(),
        median: format!("+ {after:.1} MB"),
        worst: format!("+ {worst:.1} MB"),
        met: None,
    });
}

fn round() -> Round {
    let proxied = Proxied::start();
    std::thread::sleep(REST);
    let idle = private_memory(&proxied);
    let token = &proxied.take_lease();
    let upstream = &proxied.upstream;
    let host = upstream.host();
    let open = || UnixStream::connect(proxied.broker.proxy_socket()).unwrap();
    let streamed = AtomicBool::new(false);
    let (most, down, up) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut most = 0.0_f64;
            while !streamed.load(Ordering::Relaxed) {
                most = most.max(private_memory(&proxied));
                std::thread::sleep(Duration::from_millis(5));
            }
            most
        });
        let down = Beside {
            past: download(upstream.connect(), &host, canary::CLASSIC),
            through: download(open(), &host, token),
        };
        let up = Beside {
            past: upload(upstream.connect(), &host, canary::CLASSIC),
            through: upload(open(), &host, token),
        };
        streamed.store(true, Ordering::Relaxed);
        (watching.join().unwrap(), down, up)
    });
    std::thread::sleep(REST);
    Round {
        down,
        up,
        idle,
        most,
        after: private_memory(&proxied),
    }
}

/// In MiB.
fn private_memory(proxied: &Proxied) -> f64 {
    kilobytes(proxied.broker.pid().as_raw(), "RssAnon:") / 1024.0
}

/// Returns how many seconds it took.
fn download(mut stream: impl Read + Write, host: &str, token: &str) -> f64 {
    let request = format!(
        "GET {ASSET} HTTP/1.1\r\nhost: {host}\r\naccept: application/octet-stream\r\n\
         authorization: Bearer {token}\r\n\r\n"
    );
    let mut buffer = vec![0; PIECE];
    timed(|| {
        stream.write_all(request.as_bytes()).unwrap();
        let mut left = LARGE - after_head(&mut stream, "200");
        while left > 0 {
            let read = stream.read(&mut buffer).unwrap() as u64;
            assert!(read > 0, "{left} bytes are missing");
            left -= read;
        }
    })
    .as_secs_f64()
}

/// Returns how many seconds it took, the answer included.
fn upload(mut stream: impl Read + Write, host: &str, token: &str) -> f64 {
    let head = format!(
        "POST {UPLOADS} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/octet-stream\r\n\
         content-length: {LARGE}\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let piece = vec![0; PIECE];
    timed(|| {
        stream.write_all(head.as_bytes()).unwrap();
        for _ in 0..LARGE / PIECE as u64 {
            stream.write_all(&piece).unwrap();
        }
        stream.flush().unwrap();
        after_head(&mut stream, "201");
    })
    .as_secs_f64()
}

/// Reads an answer's head, and returns how many bytes of its body came with it.
fn after_head(stream: &mut impl Read, status: &str) -> u64 {
    let mut read = Vec::new();
    let mut buffer = vec![0; PIECE];
    loop {
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "the connection was closed");
        read.extend_from_slice(&buffer[..length]);
        if let Some(head) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let begins = format!("HTTP/1.1 {status}");
            let head_is = read[..head].escape_ascii();
            assert!(read.starts_with(begins.as_bytes()), "{head_is}");
            return (read.len() - head - 4) as u64;
        }
    }
}

/// What is read or written at once.
const PIECE: usize = 64 * 1024;

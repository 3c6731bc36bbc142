//! What reads the broker's words and does not: neither requests nor an end wait for it.

use std::io::{ErrorKind, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::sys::signal::Signal;
use support::stalled::Stalled;
use support::{Home, TestBroker, http, wait};

/// What is no request leaves a line in the trace. Some of it, and whether any was dropped.
fn dropped(broker: &TestBroker) -> bool {
    for _ in 0..50 {
        let mut stream = http::connect(&broker.socket());
        stream.write_all(b"no request\r\n\r\n").unwrap();
        // Until it is closed, so that no two wait for an answer at once.
        drop(http::read_answer(&mut stream));
    }
    let figures = String::from_utf8(broker.http("GET", "/metrics", "").body).unwrap();
    let figure = figures
        .lines()
        .find_map(|line| line.strip_prefix("tokend_traces_dropped_total "));
    figure.is_some_and(|count| count != "0")
}

#[test]
fn a_reader_of_standard_error_that_stalls_stops_neither_requests_nor_the_kill_switch_nor_an_end() {
    let mut stderr = Stalled::new();
    let broker = TestBroker::start(Home::ready(), |command| {
        command
            .args(["--trace", "debug", "--trace-format", "json"])
            .stderr(stderr.end());
    });
    wait::until(|| dropped(&broker));
    let status = broker.home.ctl(&["status"]).success();
    assert!(
        status.contains("traces were dropped since the start"),
        "{status}"
    );
    broker.home.ctl(&["lock", "--revoke"]).success();
    stderr.read_until("standard error took nothing for a while; traces were dropped");
    broker.signal(Signal::SIGTERM);
    wait::gone(&broker.pid().to_string());
}

/// A systemd that reads one message, passes it on, and is busy from then on.
fn busy_systemd(at: &Path, then_to: &Path) -> UnixDatagram {
    let systemd = UnixDatagram::bind(at).unwrap();
    let (queue, then_to) = (systemd.try_clone().unwrap(), then_to.to_owned());
    let at = at.to_owned();
    std::thread::spawn(move || {
        let mut message = [0; 256];
        let length = queue.recv(&mut message).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.set_nonblocking(true).unwrap();
        loop {
            match sender.send_to(b"STATUS=busy", &at) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        // Another one: what waits to be read counts against the room of who sent it.
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(&message[..length], then_to).unwrap();
    });
    systemd
}

#[test]
fn a_systemd_that_does_not_read_stops_neither_requests_nor_an_end() {
    let home = Home::ready();
    let at = home.path().join("systemd");
    let systemd = busy_systemd(&at, &home.path().join("notify"));
    let broker = TestBroker::start(home, |command| {
        command.env("NOTIFY_SOCKET", &at);
    });
    broker.signal(Signal::SIGHUP);
    wait::until(|| broker.home.records_of("policy.loaded").len() == 2);
    broker.home.ctl(&["status"]).success();
    broker.signal(Signal::SIGTERM);
    wait::gone(&broker.pid().to_string());
    drop(systemd);
}

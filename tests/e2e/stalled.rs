//! What reads the broker's words and does not: neither requests nor an end wait for it.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::sys::signal::Signal;
use support::{Home, TestBroker, wait};

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

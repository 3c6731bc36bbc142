//! What is led to the broker.

use super::*;

#[test]
fn githubs_hosts_are_led_to_the_broker_under_the_lease_however_they_are_written() {
    for asked in ["github.test:443", "GitHub.TEST:443", "github.test.:443"] {
        let relay = PLAIN.start();
        let broker = broker(&relay, |mut broker| {
            let request = head(&mut broker);
            let want = "CONNECT github.test:443 HTTP/1.1\r\nHost: github.test:443\r\n";
            assert_eq!(request, format!("{want}tokend-lease: {LEASE}\r\n\r\n"));
            broker
                .write_all(b"HTTP/1.1 200 OK\r\ndate: x\r\n\r\nfirst ")
                .unwrap();
            assert_eq!(rest(&mut broker), "from the client");
            broker.write_all(b"and last").unwrap();
        });
        let mut client = relay.tunnel(asked);
        client.write_all(b"from the client").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut client), "first and last");
        broker.join().unwrap();
    }
}

#[test]
fn what_a_client_sends_too_early_is_sent_once_the_tunnel_is_open() {
    let relay = PLAIN.start();
    let broker = broker(&relay, |mut broker| {
        head(&mut broker);
        broker
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        assert!(broker.read(&mut [0]).is_err(), "sent before the answer");
        broker.set_read_timeout(None).unwrap();
        broker.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let mut early = [0; 5];
        broker.read_exact(&mut early).unwrap();
        assert_eq!(&early, b"early");
    });
    let answer = relay.answer(b"CONNECT github.test:443 HTTP/1.1\r\n\r\nearly");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    broker.join().unwrap();
}

#[test]
fn a_refusal_of_the_brokers_is_passed_on_whole() {
    let refusal =
        "HTTP/1.1 403 Forbidden\r\ntokend-error: denied\r\ncontent-length: 9\r\n\r\nnot yours";
    for at in [0, 12, refusal.len() - 4] {
        let relay = PLAIN.start();
        let broker = broker(&relay, move |mut broker| {
            head(&mut broker);
            let (first, second) = refusal.split_at(at);
            broker.write_all(first.as_bytes()).unwrap();
            broker.write_all(second.as_bytes()).unwrap();
            // It would go on with a next request; there is none.
            assert_eq!(rest(&mut broker), "");
        });
        assert_eq!(relay.refusal("github.test:443"), refusal);
        broker.join().unwrap();
    }
}

/// A broker that answers one connection after another, and tells under which lease each was asked for.
fn answers(relay: &Running, answers: Vec<&'static str>) -> thread::JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(relay.socket()).unwrap();
    thread::spawn(move || {
        let each = answers.into_iter().map(|answer| {
            let (mut broker, _) = listener.accept().unwrap();
            let request = head(&mut broker);
            broker.write_all(answer.as_bytes()).unwrap();
            let lease = request.split("tokend-lease: ").nth(1).unwrap();
            lease.trim_end().to_owned()
        });
        each.collect()
    })
}

const OK: &str = "HTTP/1.1 200 OK\r\n\r\n";
const ENDED: &str =
    "HTTP/1.1 403 Forbidden\r\nTokend-Error: unknown_lease\r\ncontent-length: 5\r\n\r\nended";

#[test]
fn where_a_lease_has_ended_the_next_one_is_tried_and_kept_to() {
    let relay = PLAIN.start();
    let broker = answers(&relay, vec![ENDED, OK, OK, ENDED, OK]);
    for _ in 0..3 {
        drop(relay.tunnel("github.test:443"));
    }
    let want = [LEASE, OTHER_LEASE, OTHER_LEASE, OTHER_LEASE, LEASE];
    assert_eq!(broker.join().unwrap(), want);
}

#[test]
fn where_all_leases_have_ended_the_broker_says_so() {
    let relay = PLAIN.start();
    let broker = answers(&relay, vec![ENDED, ENDED]);
    assert_eq!(relay.refusal("github.test:443"), ENDED);
    assert_eq!(broker.join().unwrap(), [LEASE, OTHER_LEASE]);
}

#[test]
fn another_refusal_is_passed_on_and_no_other_lease_tried() {
    for refusal in [
        "HTTP/1.1 503 Unavailable\r\ntokend-error: locked\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\ntokend-error: not_found\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\ntokend-error: unknown_lease\r\ncontent-length: 0\r\n\r\n",
    ] {
        let relay = PLAIN.start();
        let broker = answers(&relay, vec![refusal]);
        assert_eq!(relay.refusal("github.test:443"), refusal);
        assert_eq!(broker.join().unwrap(), [LEASE]);
    }
}

#[test]
fn a_broker_that_is_not_there_or_says_nothing_is_a_502_that_says_so() {
    let relay = PLAIN.start();
    let answer = relay.refusal("github.test:443");
    let path = relay.socket();
    let why = format!("the broker is not reachable at {}: ", path.display());
    // Clients show the status line, and drop the rest.
    assert!(
        answer.starts_with(&format!("HTTP/1.1 502 {why}")),
        "{answer}"
    );
    let why = format!("tokenctl: {why}");
    assert!(
        answer.contains(&why) && answer.ends_with("start it with `tokend`\n"),
        "{answer}"
    );

    for said in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
    ] {
        let relay = PLAIN.start();
        let broker = broker(&relay, move |mut broker| {
            head(&mut broker);
            broker.write_all(said.as_bytes()).unwrap();
        });
        let answer = relay.refusal("github.test:443");
        assert!(answer.starts_with("HTTP/1.1 502 "), "{said}: {answer}");
        assert!(
            answer.contains("the broker has not answered at"),
            "{answer}"
        );
        broker.join().unwrap();
    }
}

#[test]
fn a_broker_that_closes_ends_the_tunnel_although_the_client_keeps_its_end_open() {
    let relay = PLAIN.start();
    let broker = broker(&relay, |mut broker| {
        head(&mut broker);
        broker.write_all(b"HTTP/1.1 200 OK\r\n\r\nbye").unwrap();
    });
    let mut client = relay.tunnel("github.test:443");
    assert_eq!(rest(&mut client), "bye");
    broker.join().unwrap();
    // Nothing of it is left: a write is refused once the other end has gone.
    let refused = (0..500).any(|_| {
        clock::pause(Duration::from_millis(10));
        client.write_all(b"x").is_err()
    });
    assert!(refused);
}

#[test]
fn megabytes_pass_both_ways_at_once() {
    let relay = PLAIN.start();
    let sent: Vec<u8> = (0..8_000_000_u32)
        .map(|n| n.to_le_bytes()[n as usize % 3])
        .collect();
    let expected = sent.clone();
    let broker = broker(&relay, move |mut broker| {
        head(&mut broker);
        broker.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let mut back = broker.try_clone().unwrap();
        let echo = thread::spawn(move || io::copy(&mut broker, &mut back).unwrap());
        assert_eq!(echo.join().unwrap(), 8_000_000);
    });
    let mut client = relay.tunnel("github.test:443");
    let mut sending = client.try_clone().unwrap();
    let send = thread::spawn(move || {
        sending.write_all(&sent).unwrap();
        sending.shutdown(Shutdown::Write).unwrap();
    });
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    assert!(got == expected);
    send.join().unwrap();
    broker.join().unwrap();
}

//! What the relay does not serve, and when it ends.

use super::*;

#[test]
fn only_connect_is_answered() {
    let relay = PLAIN.start();
    for request in [
        "GET http://github.test/ HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nsomething",
    ] {
        let answer = relay.answer(request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        assert!(answer.contains("\r\nallow: CONNECT\r\n") && answer.contains("CONNECT alone"));
    }
    for request in [
        "CONNECT github.test HTTP/1.1\r\n\r\n",
        "\x16\x03\x01",
        "CONNECT a:1 HTTP/1.1\n\n",
    ] {
        let answer = relay.answer(request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let long = format!("CONNECT a:1 HTTP/1.1\r\nx: {}", "y".repeat(head::LONGEST));
    let answer = relay.answer(long.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let mut early = relay.connect();
    early.write_all(b"CONNECT github").unwrap();
    early.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut early), "");
}

#[test]
fn a_socket_of_another_account_gets_nothing_and_reaches_nothing() {
    let setup = Setup {
        is_own: |_, _| false,
        ..PLAIN
    };
    let relay = setup.start();
    let listener = UnixListener::bind(relay.socket()).unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut client = relay.connect();
    // The relay may have closed by now.
    drop(client.write_all(b"CONNECT github.test:443 HTTP/1.1\r\n\r\n"));
    let mut answer = Vec::new();
    drop(client.read_to_end(&mut answer));
    assert!(answer.is_empty());
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
}

#[test]
fn too_many_connections_are_told_so_and_room_is_made_when_they_end() {
    let relay = PLAIN.start();
    let (port, _host) = host(drop);
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let silent: Vec<TcpStream> = (0..MOST).map(|_| relay.connect()).collect();
    let answer = relay.refusal(&format!("127.0.0.1:{port}"));
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains(&format!("{MOST} connections")), "{answer}");
    drop(silent);
    let served = (0..500).any(|_| {
        clock::pause(Duration::from_millis(10));
        relay
            .refusal(&closed.to_string())
            .starts_with("HTTP/1.1 502 ")
    });
    assert!(served);
}

#[test]
fn other_hosts_leave_room_for_githubs() {
    let relay = PLAIN.start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let open = (0..MOST_ELSEWHERE).map(|_| (relay.tunnel(&to), listener.accept().unwrap()));
    let mut open: Vec<_> = open.collect();
    let answer = relay.refusal(&to);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let why = format!("{MOST_ELSEWHERE} connections to other hosts than GitHub's");
    assert!(answer.contains(&why), "{answer}");
    let broker = broker(&relay, |mut broker| {
        head(&mut broker);
        broker.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    });
    drop(relay.tunnel("github.test:443"));
    broker.join().unwrap();
    // A place is free again once the tunnel has ended on both sides.
    drop(open.pop());
    drop(listener);
    let served = (0..500).any(|_| {
        clock::pause(Duration::from_millis(10));
        relay.refusal(&to).starts_with("HTTP/1.1 502 ")
    });
    assert!(served);
}

#[test]
fn it_ends_with_the_command() {
    let mut relay = PLAIN.start();
    let _open = relay.connect();
    relay.command = None;
    relay.ended.recv_timeout(Duration::from_secs(20)).unwrap();
}

#[test]
fn a_client_that_sends_no_more_is_answered() {
    let setup = Setup {
        is_own: |peer, here| account::owner(peer, here) == Some(geteuid().as_raw()),
        ..PLAIN
    };
    let relay = setup.start();
    // The relay accepts the connection when both are here already.
    for _ in 0..20 {
        let mut client = relay.connect();
        client
            .write_all(b"GET http://github.test/ HTTP/1.1\r\n\r\n")
            .unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let answer = rest(&mut client);
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    }
}

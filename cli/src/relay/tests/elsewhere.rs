//! What is led to other hosts: directly, or through the previous proxy.

use super::*;

#[test]
fn other_hosts_are_dialled_and_so_are_other_ports_of_githubs() {
    for name in ["localhost", "127.0.0.1"] {
        let relay = PLAIN.start();
        let (port, host) = host(|mut host| {
            // The host may speak first.
            host.write_all(b"SSH-2.0-x\r\n").unwrap();
            assert_eq!(rest(&mut host), "ping");
            host.write_all(b"pong").unwrap();
        });
        let mut client = relay.tunnel(&format!("{name}:{port}"));
        client.write_all(b"ping").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut client), "SSH-2.0-x\r\npong");
        host.join().unwrap();
    }
}

#[test]
fn a_host_that_cannot_be_reached_is_a_502_that_names_it() {
    let relay = PLAIN.start();
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for to in [closed.to_string(), "no-such-name.invalid:443".to_owned()] {
        let answer = relay.refusal(&to);
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert!(
            answer.contains(&format!("tokenctl: cannot reach {to}: ")),
            "{answer}"
        );
    }
}

#[test]
fn other_hosts_are_asked_for_at_the_previous_proxy_with_its_password() {
    let (port, proxy) = host(|mut proxy| {
        let request = head(&mut proxy);
        assert_eq!(
            request,
            "CONNECT pypi.test:443 HTTP/1.1\r\nHost: pypi.test:443\r\n\
             Proxy-Authorization: Basic dXNlcjpwQHNz\r\n\r\n"
        );
        proxy
            .write_all(b"HTTP/1.0 200 Connected\r\nVia: x\r\n\r\nhello ")
            .unwrap();
        assert_eq!(rest(&mut proxy), "ping");
        proxy.write_all(b"pong").unwrap();
    });
    let relay = through(port, "corp.test").start();
    let mut client = relay.tunnel("pypi.test:443");
    client.write_all(b"ping").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut client), "hello pong");
    proxy.join().unwrap();
}

#[test]
fn the_previous_proxy_hears_of_no_host_of_githubs_and_of_none_that_no_proxy_names() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    listener.set_nonblocking(true).unwrap();
    let relay = through(port, "localhost").start();
    // No broker, nothing at the port, nothing at the address.
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    for to in [
        "github.test:443",
        "127.0.0.1:1",
        &format!("localhost:{closed}"),
    ] {
        let answer = relay.refusal(to);
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert!(!answer.contains("HTTPS_PROXY"), "{answer}");
    }
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
}

#[test]
fn a_refusal_of_the_previous_proxy_is_told_without_its_password_or_challenge() {
    for (said, why) in [
        ("HTTP/1.1 403 No\r\n\r\n", "it refused with status 403"),
        (
            "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n",
            "it wants another name or password",
        ),
        ("HTTP/1.1 100 Go\r\n\r\n", "it refused with status 100"),
        ("oh\r\n\r\n", "it does not answer as a proxy does"),
        ("", "it closed the connection"),
    ] {
        let (port, proxy) = host(move |mut proxy| {
            head(&mut proxy);
            proxy.write_all(said.as_bytes()).unwrap();
        });
        let answer = through(port, "").start().refusal("pypi.test:443");
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        let names = format!(
            "cannot reach pypi.test:443 through the proxy in `HTTPS_PROXY`, 127.0.0.1:{port}: {why}"
        );
        assert!(answer.contains(&names), "{answer}");
        assert!(
            !answer.contains("p@ss") && !answer.contains("Proxy-Authenticate"),
            "{answer}"
        );
        proxy.join().unwrap();
    }
}

#[test]
fn a_transfer_that_breaks_does_not_look_complete() {
    let relay = PLAIN.start();
    let (port, host) = host(|mut host| {
        host.write_all(b"half").unwrap();
        let mut word = [0; 5];
        host.read_exact(&mut word).unwrap();
        Stream::Tcp(host).break_on_close();
    });
    let mut client = relay.tunnel(&format!("localhost:{port}"));
    let mut half = [0; 4];
    client.read_exact(&mut half).unwrap();
    client.write_all(b"break").unwrap();
    let error = client.read(&mut half).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    host.join().unwrap();
}

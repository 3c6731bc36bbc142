//! Inside a tunnel: TLS for one host of GitHub's, HTTP/1.1, and requests for that host alone.

use tokio_rustls::rustls::AlertDescription;

use super::*;

/// Why there was no handshake.
#[track_caller]
fn failure(handshake: std::io::Result<Tls>) -> Error {
    let error = handshake.map(drop).unwrap_err();
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    cause.cloned().unwrap_or_else(|| panic!("{error}"))
}

#[test]
fn p8_tls_for_another_host_than_the_tunnels_is_served_nothing() {
    if !can_be_played() {
        return;
    }
    let scene = Scene::new();
    let lease = scene.lease(SITE);
    authority(&scene, &lease);
    let client = Client::trusting_all();
    for (target, name) in [
        (TARGET, "github.com"),
        (TARGET, "uploads.github.com"),
        (TARGET, "evil.example"),
        ("github.com:443", "api.github.com"),
    ] {
        let stream = tunnel(&scene, target, &lease.id);
        let answer = client
            .handshake(stream, name)
            .ok()
            .and_then(|tls| exchange(tls, get(name, LABELS, &lease.token).as_bytes()));
        assert_eq!(answer, None, "{target}, TLS for {name}");
    }
    assert_eq!(scene.reached(), [""; 0]);
    // Without a name it is for the tunnel's host.
    let stream = tunnel(&scene, TARGET, &lease.id);
    let tls = client.without_sni().handshake(stream, "api.github.com");
    let answer = exchange(
        tls.unwrap(),
        get("github.com", LABELS, &lease.token).as_bytes(),
    );
    assert_eq!(answer.unwrap().status, 400);
    assert_eq!(scene.reached(), [""; 0]);
    assert_serves(&scene, &lease);
}

#[test]
fn p8_a_request_for_another_host_than_the_tunnels_is_refused() {
    if !can_be_played() {
        return;
    }
    let scene = Scene::new();
    let lease = scene.lease(SITE);
    let client = Client::trusting(&authority(&scene, &lease));
    let refs = "/acme/site.git/info/refs?service=git-upload-pack";
    let ask = |target: &str, request: &str| {
        let host = target.trim_end_matches(":443");
        let tls = client
            .handshake(tunnel(&scene, target, &lease.id), host)
            .unwrap();
        exchange(tls, request.as_bytes())
    };
    let before = scene.refused().len();
    let token = &lease.token;
    let cases = [
        (TARGET, get("github.com", refs, token)),
        (
            TARGET,
            get(
                "uploads.github.com",
                "/repos/acme/site/releases/1/assets",
                token,
            ),
        ),
        (TARGET, get("api.github.com:8443", LABELS, token)),
        (TARGET, get("api.github.com.evil.example", LABELS, token)),
        (
            TARGET,
            get("api.github.com\r\nHost: github.com", refs, token),
        ),
        ("github.com:443", get("api.github.com", LABELS, token)),
    ];
    for (target, request) in &cases {
        assert_refused(ask(target, request).as_ref(), &[400, 403], request);
    }
    assert_eq!(scene.refused().len(), before + cases.len());
    // In absolute form, in another tunnel, upgraded, and as another protocol.
    let absolute = get("github.com", &format!("https://github.com{refs}"), token);
    let nested = String::from_utf8(connect(TARGET, &lease.id)).unwrap();
    let upgrade = get("api.github.com", LABELS, token).replace(
        "\r\n\r\n",
        "\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    );
    for request in [absolute, nested, upgrade] {
        assert_refused(ask(TARGET, &request).as_ref(), &[400, 403], &request);
    }
    let preface = ask(
        TARGET,
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    );
    assert!(preface.is_none_or(|answer| answer.status == 400));
    assert_eq!(scene.reached(), [""; 0]);
    // With its port, and in capitals, it is the same host.
    for host in ["api.github.com:443", "API.GitHub.com"] {
        let answer = ask(TARGET, &get(host, LABELS, token)).unwrap();
        assert_eq!(answer.status, 200, "{host}: {answer:?}");
    }
    assert_serves(&scene, &lease);
}

#[test]
fn in_a_tunnel_there_is_tls_and_in_that_http_1_1_whatever_is_offered() {
    if !can_be_played() {
        return;
    }
    let scene = Scene::new();
    let lease = scene.lease(LABEL_SYNC);
    let client = Client::trusting(&authority(&scene, &lease));
    // A request in the clear.
    for bytes in [
        get("api.github.com", LABELS, &lease.token).into_bytes(),
        vec![0; 600],
    ] {
        let mut stream = tunnel(&scene, TARGET, &lease.id);
        stream.write_all(&bytes).unwrap();
        let rest = http::read_rest(&mut stream);
        assert!(!rest.starts_with(b"HTTP/"), "{}", rest.escape_ascii());
    }
    // In one write with the CONNECT, before its answer.
    let early = [
        connect(TARGET, &lease.id),
        get("api.github.com", LABELS, &lease.token).into_bytes(),
    ];
    let mut stream = http::connect(&scene.broker.proxy_socket());
    stream.write_all(&early.concat()).unwrap();
    let rest = String::from_utf8(http::read_rest(&mut stream)).unwrap_or_default();
    assert!(rest.matches("HTTP/1.1 ").count() <= 1, "{rest}");
    assert_eq!(scene.reached(), [""; 0]);

    let offering = |protocols: &[&str]| {
        let stream = tunnel(&scene, TARGET, &lease.id);
        client
            .clone()
            .offering(protocols)
            .handshake(stream, "api.github.com")
    };
    let alert = Error::AlertReceived(AlertDescription::NoApplicationProtocol);
    assert_eq!(failure(offering(&["h2"])), alert);
    for protocols in [&["h2", "http/1.1"][..], &["http/1.1"], &[]] {
        let tls = offering(protocols).unwrap();
        let chosen = tls.conn.alpn_protocol().map(<[u8]>::to_vec);
        assert!(chosen.is_none_or(|chosen| chosen == b"http/1.1"));
        let request = get("api.github.com", LABELS, &lease.token);
        assert_eq!(exchange(tls, request.as_bytes()).unwrap().status, 200);
    }
    scene.assert_within(&[LABELS]);
}

#[test]
fn each_lease_has_an_authority_of_its_own_that_certifies_githubs_hosts_alone() {
    if !can_be_played() {
        return;
    }
    let scene = Scene::new();
    let (one, two) = (scene.lease(LABEL_SYNC), scene.lease(LABEL_SYNC));
    let first = authority(&scene, &one);
    let second = authority(&scene, &two);
    assert_ne!(first, second);
    assert_eq!(authority(&scene, &one), first, "it is made once");
    for text in ["PRIVATE", "KEY"] {
        assert!(!first.contains(text), "{first}");
    }
    assert_eq!(first.matches("BEGIN CERTIFICATE").count(), 1, "{first}");
    let stream = tunnel(&scene, TARGET, &two.id);
    let foreign = Client::trusting(&first).handshake(stream, "api.github.com");
    let refused = failure(foreign);
    assert!(matches!(refused, Error::InvalidCertificate(_)), "{refused}");
    // The tunnel is one lease's, the token in it another's, of the same account: the token decides.
    let stream = tunnel(&scene, TARGET, &one.id);
    let tls = Client::trusting(&first)
        .handshake(stream, "api.github.com")
        .unwrap();
    let site = scene.lease(SITE);
    let path = "/repos/acme/site/actions/runs";
    let answer = exchange(tls, get("api.github.com", path, &site.token).as_bytes());
    assert_eq!(answer.unwrap().status, 200);
}

//! `CONNECT` to the proxy's socket: which one opens a tunnel, and that no other does.

use super::*;

/// Targets that are no host of GitHub's with its port, or not written as one.
const TARGETS: [&str; 17] = [
    "api.github.com:80",
    "api.github.com:8443",
    "api.github.com:0443",
    "api.github.com:",
    "api.github.com",
    "api.github.com.:443",
    "raw.githubusercontent.com:443",
    "evil.example:443",
    "xapi.github.com:443",
    "api.github.com.evil.example:443",
    "api.github.com:443@evil.example:443",
    "evil.example@api.github.com:443",
    "127.0.0.1:443",
    "[::1]:443",
    "localhost:443",
    "https://api.github.com:443",
    "/repos/acme/site/labels",
];

#[test]
fn p8_only_a_live_proxy_lease_of_the_account_opens_a_tunnel_and_only_to_github() {
    if !can_be_played() {
        return;
    }
    let scene = Scene::new();
    let lease = scene.lease(LABEL_SYNC);
    authority(&scene, &lease);
    let (raw, ended) = (scene.lease(RAW), scene.lease(LABEL_SYNC));
    authority(&scene, &ended);
    scene
        .broker
        .home
        .ctl(&["lease", "revoke", &ended.id])
        .success();
    let without_certificate = scene.lease(LABEL_SYNC);

    let host = format!("Host: {TARGET}\r\n");
    let of = |lease: &str| format!("{host}Tokend-Lease: {lease}\r\n");
    let unknown = "f0".repeat(16);
    let mut cases = vec![
        ("no lease", connect_with(TARGET, &host)),
        ("an empty lease", connect_with(TARGET, &of(""))),
        (
            "no lease's form",
            connect_with(TARGET, &of("../../etc/passwd")),
        ),
        ("an unknown lease", connect_with(TARGET, &of(&unknown))),
        (
            "its token in place of its id",
            connect_with(TARGET, &of(&lease.token)),
        ),
        ("a raw lease", connect_with(TARGET, &of(&raw.id))),
        (
            "a lease that has ended",
            connect_with(TARGET, &of(&ended.id)),
        ),
        (
            "a lease without a certificate",
            connect_with(TARGET, &of(&without_certificate.id)),
        ),
        (
            "two leases",
            connect_with(TARGET, &(of(&lease.id) + &of(&raw.id).replace(&host, ""))),
        ),
        ("two hosts", connect_with(TARGET, &(of(&lease.id) + &host))),
        (
            "another host",
            connect_with(TARGET, &of(&lease.id).replace("api.", "uploads.")),
        ),
        (
            "a body",
            connect_with(TARGET, &(of(&lease.id) + "Content-Length: 4\r\n")),
        ),
    ];
    cases.extend(TARGETS.map(|target| (target, connect(target, &lease.id))));
    for (what, bytes) in &cases {
        let (mut stream, answer) = opened(&scene, bytes);
        // What is no HTTP at all may get no answer.
        if let Some(answer) = &answer {
            assert!((400..500).contains(&answer.status), "{what}: {answer:?}");
        }
        // And what follows is not passed on.
        stream
            .write_all(get("api.github.com", LABELS, "x").as_bytes())
            .ok();
    }
    let refused = scene.refused();
    let of_target = |target: &str| refused.iter().filter(|one| one["path"] == target).count();
    assert!(of_target(TARGET) >= 10, "{refused:#?}");
    assert!(of_target("evil.example:443") == 1, "{refused:#?}");
    assert_eq!(scene.reached(), [""; 0]);
    assert_serves(&scene, &lease);
}

#[test]
fn a_tunnel_opens_however_its_target_is_written_and_without_a_host() {
    if !can_be_played() {
        return;
    }
    let scene = Scene::new();
    let lease = scene.lease(LABEL_SYNC);
    let client = Client::trusting(&authority(&scene, &lease));
    let id = &lease.id;
    for bytes in [
        connect("API.GitHub.com:443", id),
        connect_with(
            TARGET,
            &format!("Host: API.github.com:443\r\ntokend-LEASE: {id}\r\n"),
        ),
        // An old client sends no `Host`.
        format!("CONNECT {TARGET} HTTP/1.0\r\nTokend-Lease: {id}\r\n\r\n").into_bytes(),
    ] {
        let (stream, answer) = opened(&scene, &bytes);
        assert_eq!(
            answer.map(|answer| answer.status),
            Some(200),
            "{}",
            bytes.escape_ascii()
        );
        let tls = client.handshake(stream, "api.github.com").unwrap();
        let request = get("api.github.com", LABELS, &lease.token);
        assert_eq!(exchange(tls, request.as_bytes()).unwrap().status, 200);
    }
    for host in HOSTS {
        let stream = tunnel(&scene, &format!("{host}:443"), id);
        client.handshake(stream, host).unwrap();
    }
    scene.assert_within(&[LABELS]);
}

#[test]
fn a_lease_that_is_no_proxys_or_not_known_gets_no_certificate() {
    if !can_be_played() {
        return;
    }
    let scene = Scene::new();
    let raw = scene.lease(RAW);
    let answer = make_tunnel(&scene, &raw.id);
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (400, &json!("bad_request"))
    );
    let unknown = make_tunnel(&scene, &"f0".repeat(16));
    assert_eq!(
        (unknown.status, &unknown.json()["code"]),
        (404, &json!("unknown_lease"))
    );
    let lease = scene.lease(LABEL_SYNC);
    scene
        .broker
        .home
        .ctl(&["lease", "revoke", &lease.id])
        .success();
    assert_eq!(make_tunnel(&scene, &lease.id).status, 404);
    let listed = scene.broker.http("GET", "/v1/leases", "");
    assert!(!String::from_utf8(listed.body).unwrap().contains("BEGIN"));
}

#[test]
fn a_caller_that_leaves_after_any_byte_on_the_way_to_a_request_harms_no_one() {
    if !can_be_played() {
        return;
    }
    let scene = Scene::new();
    let lease = scene.lease(LABEL_SYNC);
    let client = Client::trusting(&authority(&scene, &lease));
    let files = || {
        std::fs::read_dir(format!("/proc/{}/fd", scene.broker.pid()))
            .unwrap()
            .count()
    };
    assert_serves(&scene, &lease);
    let before = files();
    let head = connect(TARGET, &lease.id);
    for length in 0..head.len() {
        let mut stream = http::connect(&scene.broker.proxy_socket());
        stream.write_all(&head[..length]).unwrap();
    }
    // The client's first message, at every eighth byte.
    let name = ServerName::try_from("api.github.com").unwrap();
    let mut hello = Vec::new();
    let mut tls = ClientConnection::new(Arc::new(client.0.clone()), name).unwrap();
    tls.write_tls(&mut hello).unwrap();
    for length in (0..hello.len()).step_by(8) {
        let mut stream = tunnel(&scene, TARGET, &lease.id);
        stream.write_all(&hello[..length]).unwrap();
    }
    // After the broker's answer to it, and in a request.
    let mut stream = tunnel(&scene, TARGET, &lease.id);
    stream.write_all(&hello).unwrap();
    stream.read_exact(&mut [0; 16]).unwrap();
    drop(stream);
    let request = get("api.github.com", LABELS, &lease.token);
    let reached = scene.reached().len();
    for length in (0..request.len()).step_by(8) {
        let stream = tunnel(&scene, TARGET, &lease.id);
        let mut tls = client.handshake(stream, "api.github.com").unwrap();
        tls.write_all(&request.as_bytes()[..length]).unwrap();
        tls.flush().unwrap();
    }
    wait::until(|| files() <= before);
    assert_eq!(scene.reached().len(), reached);
    assert_serves(&scene, &lease);
}

#[test]
fn what_stops_on_the_way_to_a_request_is_closed() {
    if !can_be_played() {
        return;
    }
    let scene = Scene::new();
    let lease = scene.lease(LABEL_SYNC);
    let client = Client::trusting(&authority(&scene, &lease));
    let head = connect(TARGET, &lease.id);
    let half = opened_half(&scene, &head[..head.len() / 2]);
    let nothing = tunnel(&scene, TARGET, &lease.id);
    let mut hello = tunnel(&scene, TARGET, &lease.id);
    // The head of a TLS record of 512 bytes, and half of it.
    hello.write_all(&[0x16, 3, 1, 2, 0]).unwrap();
    hello.write_all(&[1; 256]).unwrap();
    let stream = tunnel(&scene, TARGET, &lease.id);
    let mut request = client.handshake(stream, "api.github.com").unwrap();
    request
        .write_all(b"GET / HTTP/1.1\r\nHost: api.gith")
        .unwrap();
    request.flush().unwrap();
    // All at once, so that the test waits once.
    for mut stream in [half, nothing, hello, request.sock] {
        http::read_rest(&mut stream);
    }
    assert_eq!(scene.reached(), [""; 0]);
    assert_serves(&scene, &lease);
}

fn opened_half(scene: &Scene, bytes: &[u8]) -> UnixStream {
    let mut stream = http::connect(&scene.broker.proxy_socket());
    stream.write_all(bytes).unwrap();
    stream
}

//! A tunnel, while its lease, its store and its broker change.

use super::*;

/// One request in an open tunnel.
fn ask(tls: &mut Tls, token: &str) -> Option<Answer> {
    let request = get("api.github.com", LABELS, token);
    tls.write_all(request.as_bytes()).ok()?;
    tls.flush().ok()?;
    http::read_answer(tls)
}

#[test]
fn an_open_tunnel_is_locked_unlocked_and_over_as_the_socket_is() {
    if !can_be_played() {
        return;
    }
    let scene = Scene::new();
    let lease = scene.lease(LABEL_SYNC);
    let pem = authority(&scene, &lease);
    let client = Client::trusting(&pem);
    let open = || {
        client
            .handshake(tunnel(&scene, TARGET, &lease.id), "api.github.com")
            .unwrap()
    };
    let mut tls = open();
    assert_eq!(ask(&mut tls, &lease.token).unwrap().status, 200);
    assert_eq!(
        ask(&mut tls, &lease.token).unwrap().status,
        200,
        "on one connection"
    );

    scene.broker.home.ctl(&["lock"]).success();
    let locked = ask(&mut tls, &lease.token).unwrap();
    assert_eq!(
        (locked.status, locked.header("tokend-error")),
        (503, Some("locked"))
    );
    let (_, answer) = opened(&scene, &connect(TARGET, &lease.id));
    let answer = answer.unwrap();
    assert_eq!(
        (answer.status, answer.header("tokend-error")),
        (503, Some("locked"))
    );
    assert_eq!(make_tunnel(&scene, &lease.id).status, 503);
    scene.broker.home.ctl(&["unlock"]).success();
    assert_eq!(ask(&mut tls, &lease.token).unwrap().status, 200);
    assert_eq!(
        authority(&scene, &lease),
        pem,
        "the certificate outlives a lock"
    );
    assert_eq!(ask(&mut open(), &lease.token).unwrap().status, 200);

    scene.forget();
    scene
        .broker
        .home
        .ctl(&["lease", "revoke", &lease.id])
        .success();
    // The connection may be cut, and what is asked on it is refused.
    let over = ask(&mut tls, &lease.token);
    assert!(over.is_none_or(|answer| answer.status == 403));
    let (_, answer) = opened(&scene, &connect(TARGET, &lease.id));
    assert_refused(answer.as_ref(), &[403], "a tunnel after the end");
    assert_eq!(scene.reached(), [""; 0]);
}

#[test]
fn a_restarted_broker_has_the_same_certificate_and_honours_the_same_token() {
    if !can_be_played() {
        return;
    }
    let scene = Scene::new();
    let lease = scene.lease(LABEL_SYNC);
    let pem = authority(&scene, &lease);
    let over = scene.lease(LABEL_SYNC);
    authority(&scene, &over);
    scene
        .broker
        .home
        .ctl(&["lease", "revoke", &over.id])
        .success();
    let scene = scene.restarted();
    // Without being asked for the certificate first, as a relay that goes on.
    let client = Client::trusting(&pem);
    let stream = tunnel(&scene, TARGET, &lease.id);
    let mut tls = client.handshake(stream, "api.github.com").unwrap();
    assert_eq!(ask(&mut tls, &lease.token).unwrap().status, 200);
    assert_eq!(authority(&scene, &lease), pem);
    assert_eq!(make_tunnel(&scene, &over.id).status, 404);
    let (_, answer) = opened(&scene, &connect(TARGET, &over.id));
    assert_refused(answer.as_ref(), &[403], "a lease that has ended before");
    assert_serves(&scene, &lease);
    // The certificate's key is kept sealed, and what is kept holds no key in the clear.
    let home = scene.broker.home.path();
    for form in ["BEGIN PRIVATE KEY", "BEGIN EC PRIVATE KEY"] {
        assert_eq!(canary::files_with(home, form), [""; 0], "{form}");
    }
}

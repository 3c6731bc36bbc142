//! The relay's port, the tunnel and the token, in the hands of another account.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use support::accounts::{self, ALICE};
use support::broker::run_as;

use super::running::Waiting;
use super::*;

#[test]
fn p8_another_account_gets_nothing_by_the_relay_the_lease_and_the_token() {
    if !can_be_played() || !accounts::can_be_used() {
        return;
    }
    let scene = Scene::open_to_all();
    let mut waiting = Waiting::start(
        &scene,
        &[LABEL_SYNC],
        "echo \"$HTTPS_PROXY\"; echo \"$SSL_CERT_FILE\"; echo \"$GITHUB_TOKEN\"; read line",
    );
    let (proxy, bundle, token) = (waiting.line(), waiting.line(), waiting.line());
    let lease = scene.last_lease();
    let mode = fs::metadata(&bundle).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{bundle} is the account's alone");
    // All that there is, in a place where Alice can read it.
    let shared = tempfile::tempdir().unwrap();
    fs::set_permissions(shared.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let authorities = shared.path().join("bundle.pem");
    fs::copy(&bundle, &authorities).unwrap();
    fs::set_permissions(&authorities, fs::Permissions::from_mode(0o644)).unwrap();
    let curl = |uid: u32| {
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--fail",
            "--proxy",
            &proxy,
        ])
        .arg("--cacert")
        .arg(&authorities)
        .args(["-H", &format!("Authorization: Bearer {token}")])
        .arg(format!("{API}{LABELS}"))
        .current_dir("/");
        run_as(&mut curl, uid, uid);
        Ran::of(&mut curl)
    };
    let refused = curl(ALICE);
    assert!(!refused.status.success(), "{refused:?}");
    assert_eq!(scene.reached(), [""; 0]);
    curl(support::broker::own_uid()).success();
    scene.assert_within(&[LABELS]);
    scene.forget();

    // Past the relay, at the broker's sockets.
    let socket = scene.broker.proxy_socket();
    let path = format!("/v1/leases/{lease}/tunnel");
    let made = accounts::request(&scene.broker, ALICE, "POST", &path, "");
    assert_eq!(
        (made.status, &made.json()["code"]),
        (404, &json!("unknown_lease"))
    );
    let connect = format!(
        "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
         s.sendall({:?}.encode())\nsys.stdout.write(s.recv(65536).decode())",
        String::from_utf8(connect(TARGET, &lease)).unwrap()
    );
    let as_account = |uid: u32| {
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", &connect]).arg(&socket).current_dir("/");
        run_as(&mut python, uid, uid);
        Ran::of(&mut python).success()
    };
    if needs::path("/usr/bin/python3") {
        let refused = as_account(ALICE);
        assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
        assert!(refused.contains("tokend-error: unknown_lease"), "{refused}");
        let opened = as_account(support::broker::own_uid());
        assert!(opened.starts_with("HTTP/1.1 200"), "{opened}");
        let record = scene.refused().pop().unwrap();
        let caller = &record["caller"]["uid"];
        assert_eq!(
            (caller, &record["method"]),
            (&json!(ALICE), &json!("CONNECT"))
        );
    }
    assert_eq!(scene.reached(), [""; 0]);
    waiting.end();
}

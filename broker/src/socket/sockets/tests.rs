//! Both sockets at a start.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use tempfile::TempDir;

use super::*;

fn home() -> (TempDir, Paths) {
    let home = tempfile::tempdir().unwrap();
    let mut paths = Paths::below(home.path());
    paths.set_socket(home.path().join("x.sock"));
    (home, paths)
}

fn config(mode: u32) -> SocketConfig {
    SocketConfig { mode, group: None }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

/// As systemd makes it.
fn made(path: &Path, mode: u32) -> UnixListener {
    let socket = UnixListener::bind(path).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    socket
}

/// Whether what connects to the path arrives at this socket.
async fn leads_to(path: &Path, socket: &OpenSocket) -> bool {
    let Ok(_client) = UnixStream::connect(path) else {
        return false;
    };
    socket.listener.accept().await.is_ok()
}

#[tokio::test]
async fn both_are_made_with_one_mode_and_each_replaces_one_left_over() {
    let (_home, paths) = home();
    drop(made(&paths.socket, 0o600));
    drop(made(&paths.proxy_socket, 0o600));
    let both = Sockets::with(Vec::new(), &paths, &config(0o666)).unwrap();
    let proxy = both.proxy.unwrap();
    for (path, socket) in [(&paths.socket, &both.api), (&paths.proxy_socket, &proxy)] {
        assert_eq!(mode(path), 0o666);
        assert_eq!(socket.guard.as_ref().unwrap().path(), path);
        assert!(leads_to(path, socket).await);
    }
}

#[tokio::test]
async fn those_that_are_passed_on_are_told_apart_in_either_order() {
    for proxy_first in [false, true] {
        let (_home, paths) = home();
        let api = made(&paths.socket, 0o660);
        let proxy = made(&paths.proxy_socket, 0o660);
        let passed = if proxy_first {
            vec![proxy, api]
        } else {
            vec![api, proxy]
        };
        let both = Sockets::with(passed, &paths, &config(0o600)).unwrap();
        let proxy = both.proxy.unwrap();
        assert!(leads_to(&paths.socket, &both.api).await);
        assert!(leads_to(&paths.proxy_socket, &proxy).await);
        assert_eq!(mode(&paths.proxy_socket), 0o660, "left as systemd made it");
        fs::remove_file(&paths.proxy_socket).unwrap();
        let lost = proxy.guard.unwrap().look().unwrap_err().to_string();
        assert!(lost.contains("proxy.sock, which is gone"), "{lost}");
    }
}

#[tokio::test]
async fn beside_one_from_an_older_unit_the_proxys_is_made_for_the_same_accounts() {
    let (home, paths) = home();
    // A unit may put it where the configuration does not say.
    let elsewhere = home.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let passed = made(&elsewhere.join("any.sock"), 0o660);
    let both = Sockets::with(vec![passed], &paths, &config(0o600)).unwrap();
    let mut proxy = both.proxy.unwrap();
    let path = elsewhere.join("proxy.sock");
    assert!(leads_to(&path, &proxy).await);
    assert_eq!(mode(&path), 0o660);
    fs::remove_file(&path).unwrap();
    let again = proxy.guard.as_mut().unwrap().look().unwrap();
    assert!(again.is_some() && mode(&path) == 0o660);
}

#[tokio::test]
async fn where_that_cannot_be_made_the_broker_starts_without_it() {
    let (_home, paths) = home();
    let api = made(&paths.socket, 0o660);
    fs::write(&paths.proxy_socket, "a file").unwrap();
    let both = Sockets::with(vec![api], &paths, &config(0o600)).unwrap();
    assert!(both.proxy.is_none());
    assert!(leads_to(&paths.socket, &both.api).await);
    assert_eq!(fs::read_to_string(&paths.proxy_socket).unwrap(), "a file");
    // Without systemd it is an error, which says what to do.
    fs::remove_file(&paths.socket).unwrap();
    let error = Sockets::with(Vec::new(), &paths, &config(0o600)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("proxy.sock: exists and is not a socket"),
        "{error}"
    );
}

#[tokio::test]
async fn the_proxys_alone_may_be_passed_on_and_one_too_many_is_not_served() {
    let (home, paths) = home();
    let proxy = made(&paths.proxy_socket, 0o660);
    let both = Sockets::with(vec![proxy], &paths, &config(0o600)).unwrap();
    assert!(leads_to(&paths.socket, &both.api).await);
    assert!(leads_to(&paths.proxy_socket, &both.proxy.unwrap()).await);

    let one = made(&home.path().join("1.sock"), 0o660);
    let other = made(&home.path().join("2.sock"), 0o660);
    let both = Sockets::with(vec![one, other], &paths, &config(0o600)).unwrap();
    assert!(leads_to(&home.path().join("1.sock"), &both.api).await);
    assert!(UnixStream::connect(home.path().join("2.sock")).is_err());
}

#[test]
fn the_other_socket_may_not_have_the_proxys_name() {
    let (home, mut paths) = home();
    refuse_same_name(&paths).unwrap();
    paths.set_socket(home.path().join("proxy.sock"));
    let error = refuse_same_name(&paths).unwrap_err().to_string();
    assert!(
        error.contains("choose another one with `--socket`"),
        "{error}"
    );
}

//! The socket, removed under a running broker.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};

use serde_json::Value;
use support::{TestBroker, http, wait};

fn not_ready(open: &mut UnixStream) -> Vec<Value> {
    let status = http::exchange(open, "GET", "/v1/status", "");
    assert_eq!(status.status, 200, "{status:?}");
    status.json()["not_ready"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

#[test]
fn a_socket_that_is_removed_with_its_directory_is_made_again_and_open_connections_go_on() {
    let broker = TestBroker::with_label_sync();
    let socket = broker.socket();
    let mut open = http::connect(&socket);
    fs::remove_dir_all(socket.parent().unwrap()).unwrap();
    assert_eq!(
        http::exchange(&mut open, "GET", "/v1/status", "").status,
        200
    );
    wait::until(|| http::try_connect(&socket).is_some());
    assert_eq!(
        fs::metadata(&socket).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 201);
    assert_eq!(not_ready(&mut open), Vec::<Value>::new());
}

#[test]
fn a_socket_that_another_program_put_in_its_place_is_left_alone_and_taken_back_when_it_is_free() {
    let broker = TestBroker::with_label_sync();
    let socket = broker.socket();
    let mut open = http::connect(&socket);
    let aside = broker.home.path().join("aside");
    let other = UnixListener::bind(&aside).unwrap();
    fs::rename(&aside, &socket).unwrap();
    wait::until(|| {
        let text = format!("{:?}", not_ready(&mut open));
        let us = format!(
            "another broker is listening there (process {})",
            std::process::id()
        );
        text.contains("no caller can connect") && text.contains(&us)
    });
    let figures = http::exchange(&mut open, "GET", "/metrics", "").body;
    let figures = String::from_utf8(figures).unwrap();
    assert!(figures.contains("\ntokend_socket_lost 1\n"), "{figures}");
    drop(other);
    wait::until(|| http::try_connect(&socket).is_some());
    wait::until(|| not_ready(&mut open).is_empty());
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 201);
    let said = broker.home.trace().matches("no caller can connect").count();
    assert_eq!(said, 1, "once");
}

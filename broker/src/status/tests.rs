//! What is shown, in process.

use std::path::Path;

use crate::app::scratch::{CALLER, Scratch, caller};

#[tokio::test]
async fn a_caller_sees_whether_it_is_served_and_an_operator_why_not() {
    let scratch = Scratch::new("");
    let status = &scratch.app.status;
    assert!(status.status(&caller(CALLER)).ready);
    scratch.app.vault.lock();
    let socket = Path::new("/run/tokend/tokend.sock");
    assert!(status.note_socket_fault(socket, Some("it is gone".to_owned())));
    assert!(!status.note_socket_fault(socket, Some("it is gone".to_owned())));
    let seen = status.status(&caller(CALLER));
    assert!(!seen.ready && seen.not_ready.is_empty() && seen.broker.is_none());
    let operator = status.status(&caller(0));
    assert_eq!(operator.not_ready.len(), 2, "{:?}", operator.not_ready);
    assert!(operator.broker.is_some());
}

#[tokio::test]
async fn each_socket_is_lost_and_found_by_itself() {
    let scratch = Scratch::new("");
    let status = &scratch.app.status;
    let (api, proxy) = (Path::new("/run/tokend.sock"), Path::new("/run/proxy.sock"));
    let note =
        |socket, fault: Option<&str>| status.note_socket_fault(socket, fault.map(str::to_owned));
    assert!(note(api, Some("one")) && note(proxy, Some("two")));
    assert_eq!(status.socket_faults(), ["two", "one"]);
    assert!(note(api, None) && !note(api, None));
    assert_eq!(status.not_ready(), ["two"]);
    assert!(note(proxy, None) && status.not_ready().is_empty());
}

#[tokio::test]
async fn a_caller_is_shown_the_purposes_it_may_use_and_no_other() {
    let scratch = Scratch::new("");
    let status = &scratch.app.status;
    assert_eq!(status.purposes(&caller(CALLER)).len(), 1);
    assert!(status.purposes(&caller(CALLER + 1)).is_empty());
    assert_eq!(status.purposes(&caller(0)).len(), 1, "an operator sees all");
}

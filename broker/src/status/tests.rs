//! What is shown, in process.

use crate::app::scratch::{CALLER, Scratch, caller};

#[tokio::test]
async fn a_caller_sees_whether_it_is_served_and_an_operator_why_not() {
    let scratch = Scratch::new("");
    let status = &scratch.app.status;
    assert!(status.status(&caller(CALLER)).ready);
    scratch.app.vault.lock();
    assert!(status.note_socket_fault(Some("it is gone".to_owned())));
    assert!(!status.note_socket_fault(Some("it is gone".to_owned())));
    let seen = status.status(&caller(CALLER));
    assert!(!seen.ready && seen.not_ready.is_empty() && seen.broker.is_none());
    let operator = status.status(&caller(0));
    assert_eq!(operator.not_ready.len(), 2, "{:?}", operator.not_ready);
    assert!(operator.broker.is_some());
}

#[tokio::test]
async fn a_caller_is_shown_the_purposes_it_may_use_and_no_other() {
    let scratch = Scratch::new("");
    let status = &scratch.app.status;
    assert_eq!(status.purposes(&caller(CALLER)).len(), 1);
    assert!(status.purposes(&caller(CALLER + 1)).is_empty());
    assert_eq!(status.purposes(&caller(0)).len(), 1, "an operator sees all");
}

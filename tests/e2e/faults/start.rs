//! A second broker. What else a start refuses is tested in process, in `broker/src/tests/store/start.rs`.

use support::broker::Ran;
use support::scenes::leases::{lease, live};
use support::scenes::log::says;
use support::{Home, TestBroker, binaries};

#[test]
fn a_second_broker_on_the_same_store_or_the_same_socket_names_the_first_which_goes_on() {
    let broker = TestBroker::with_label_sync();
    let held = lease(&broker);
    let (pid, socket) = (broker.pid(), broker.socket());
    let refused = |home: &Home, socket: &std::path::Path, words: &[&str]| {
        let mut second = home.command(&binaries::tokend());
        let ran = Ran::of(second.arg("--socket").arg(socket));
        assert_eq!(ran.code(), Some(1), "{ran:?}");
        says(&ran.stderr, words);
    };
    let other = broker.home.path().join("other.sock");
    let first = format!("process {pid}, socket {}", socket.display());
    refused(
        &broker.home,
        &other,
        &["another broker has this store open", &first, "stop it"],
    );
    assert!(!other.exists());
    let first = format!("another broker is listening there (process {pid})");
    refused(&Home::ready(), &socket, &[&first, socket.to_str().unwrap()]);
    assert_eq!(live(&broker), [held]);
    lease(&broker);
    broker.home.ctl(&["status"]).success();
}

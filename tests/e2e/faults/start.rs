//! A second broker on the same store. What else a start refuses is tested in process, in
//! `broker/src/tests/store/start.rs`.

use std::path::PathBuf;

use support::TestBroker;
use support::broker::Ran;
use support::scenes::leases::{lease, live};
use support::scenes::log::says;

#[test]
fn a_second_broker_on_the_same_store_is_refused_and_the_first_goes_on() {
    let broker = TestBroker::with_label_sync();
    let held = lease(&broker);
    let other: PathBuf = broker.home.path().join("other.sock");
    let mut second = broker.home.command(&support::binaries::tokend());
    let ran = Ran::of(second.arg("--socket").arg(&other));
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    let first = format!(
        "process {}, socket {}",
        broker.pid(),
        broker.socket().display()
    );
    says(
        &ran.stderr,
        &["another broker has this store open", &first, "stop it"],
    );
    assert!(!other.exists());
    assert_eq!(live(&broker), [held]);
    lease(&broker);
}

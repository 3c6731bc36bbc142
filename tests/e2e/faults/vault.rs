//! A vault of yesterday. One of another version or with another key is tested in process, in
//! `broker/src/tests/store/vault.rs`.

use std::fs;

use support::scenes::leases::ASK;
use support::{TestBroker, canary};

use super::refused;

#[test]
fn a_vault_put_back_to_yesterdays_copy_is_refused() {
    let home = TestBroker::with_label_sync().stop();
    let yesterday = fs::read(&home.places.vault).unwrap();
    let broker = home.start();
    broker
        .home
        .ctl_with(
            &["secret", "set", "org-label-sync-token"],
            canary::CLASSIC_TWO,
        )
        .success();
    let home = broker.stop();
    let today = fs::read(&home.places.vault).unwrap();
    fs::write(&home.places.vault, yesterday).unwrap();
    let home = refused(
        home,
        &[
            "version 2 of `org-label-sync-token`",
            "the vault knows 1",
            "put back the newest copy of the vault",
        ],
    );
    fs::write(&home.places.vault, today).unwrap();
    let answer = home.start().lease(ASK).json();
    assert_eq!(answer["token"], canary::CLASSIC_TWO);
}

//! What becomes of old copies, and what is in the way of that.

use super::*;

#[test]
fn a_value_goes_into_the_keyring_and_is_erased_there_when_it_left() {
    if !support::keyring::is_here() {
        return;
    }
    let keyring = support::keyring::SessionKeyring::start();
    let session = keyring.session();
    let broker = start_with(home(""), |command| {
        session.enter(command);
    });
    run(&broker, &[NAME, "--to", "keyring:label-sync"]).success();
    assert_eq!(
        session.look_up("tokend-secrets", "label-sync").as_deref(),
        Some(VALUE)
    );
    assert_serves(&broker, NAME, VALUE);
    run(&broker, &[NAME, "--finish"]).success();
    run(&broker, &[NAME, "--to", "vault"]).success();
    run(&broker, &[NAME, "--finish"]).success();
    assert_eq!(session.look_up("tokend-secrets", "label-sync"), None);
    assert_serves(&broker, NAME, VALUE);
}

//! What becomes of old copies, and what is in the way of that.

use super::*;

#[test]
fn a_value_goes_into_the_keyring_but_over_none_in_use_and_is_erased_there_when_it_left() {
    if !support::keyring::is_here() {
        return;
    }
    let keyring = support::keyring::SessionKeyring::start();
    let session = keyring.session();
    session.put("1password", "ops_another");
    let home = home("[onepassword]\ntoken = \"keyring:1password\"\n");
    let broker = start_with(home, |command| {
        session.enter(command);
    });
    // What is shown to 1Password is not replaced.
    let shown = run(&broker, &[NAME, "--to", "keyring:1password", "--replace"]);
    assert_eq!(shown.code(), Some(1), "{shown:?}");
    let says = "the token for 1Password is taken from keyring:1password too";
    assert!(shown.stderr.contains(says), "{shown:?}");
    let there = session.look_up("tokend-secrets", "1password");
    assert_eq!(there.as_deref(), Some("ops_another"));

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

//! The set in force, in process.

use crate::app::scratch::{Scratch, bot};

#[tokio::test]
async fn a_request_keeps_the_set_it_began_with_and_can_tell_that_another_came() {
    let scratch = Scratch::new("");
    let policies = &scratch.app.policies;
    let before = policies.in_force();
    assert!(policies.still_in_force(&before));
    let loaded = policies.load_again().await.unwrap().ok().unwrap();
    policies.replace(loaded, scratch.app.journal.now().wall);
    assert!(!policies.still_in_force(&before));
    assert!(before.set.secret(&bot()).is_some());
}

#[tokio::test]
async fn a_value_is_taken_from_the_vault_unless_policies_name_another_place() {
    let scratch = Scratch::new("");
    let policies = &scratch.app.policies;
    assert!(policies.take_from_vault(&bot()));
    assert!(policies.take_from_vault(&"undeclared".parse().unwrap()));
    scratch.policy(
        "s.toml",
        "[secret.bot]\nkind = 'classic'\nsource = 'env:BOT'\n",
    );
    let loaded = policies.load_again().await.unwrap().ok().unwrap();
    policies.replace(loaded, scratch.app.journal.now().wall);
    assert!(!policies.take_from_vault(&bot()));
}

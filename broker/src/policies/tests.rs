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

const OTHER_PURPOSE: &str = "purpose = 'other'\nsecret = 'bot'\ndeliver = 'raw'\nrepositories = ['acme/*']\n\
                             permissions = { issues = 'read' }\n";

#[tokio::test]
async fn all_who_look_at_the_files_at_once_see_what_changed() {
    let scratch = Scratch::new("");
    let policies = &scratch.app.policies;
    scratch.policy("other.toml", OTHER_PURPOSE);
    let look = || async {
        policies.look_at_files().await;
        policies.changed_files()
    };
    let (first, second, third) = tokio::join!(look(), look(), look());
    assert_eq!([first, second, third], [["other.toml"]; 3]);
}

#[tokio::test]
async fn files_that_were_just_loaded_are_not_changed_by_a_look_before() {
    let scratch = Scratch::new("");
    let policies = &scratch.app.policies;
    policies.look_at_files().await;
    scratch.policy("other.toml", OTHER_PURPOSE);
    let loaded = policies.load_again().await.unwrap().ok().unwrap();
    policies.replace(loaded, scratch.app.journal.now().wall);
    assert_eq!(policies.changed_files(), [""; 0]);
}

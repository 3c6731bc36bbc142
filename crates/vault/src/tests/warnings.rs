//! Warnings that were given.

use super::*;

fn given(key: &str, mark: i64) -> StoredWarning {
    StoredWarning {
        key: key.into(),
        occasion: "version 1".into(),
        mark: at(mark),
        hook: true,
        webhook: false,
        body: r#"{"text":"x"}"#.into(),
    }
}

#[tokio::test]
async fn warnings_are_there_after_a_restart_the_last_of_each_key_locked_or_not() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    let both = vec![given("deadline/b", 1), given("deadline/a", 1)];
    vault.keep_warnings(both).await.unwrap();
    vault.lock();
    let later = StoredWarning {
        hook: false,
        ..given("deadline/b", 2)
    };
    vault.keep_warnings(vec![later.clone()]).await.unwrap();
    drop(vault);

    let vault = scratch.open();
    let kept = vault.warnings().await.unwrap();
    assert_eq!(kept, [given("deadline/a", 1), later.clone()]);
    let keys = vec!["deadline/a".into(), "deadline/none".into()];
    vault.forget_warnings(keys).await.unwrap();
    assert_eq!(vault.warnings().await.unwrap(), [later]);
}

#[tokio::test]
async fn a_warning_that_cannot_be_kept_is_said_to_be_none() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    vault.ask(|work| work.store.limit_pages()).await.unwrap();
    let many = (0..5000).map(|n| given(&format!("deadline/{n}"), n));
    let refused = vault.keep_warnings(many.collect()).await.unwrap_err();
    assert!(matches!(refused, VaultError::Storage { .. }), "{refused}");
    assert_eq!(vault.warnings().await.unwrap(), []);
}

//! Since when values have been known is kept beside the secrets.

use super::*;
use crate::first_seen::FirstSeen;

fn seen(hashed: &str, second: i64) -> FirstSeen {
    let hashed = HashedToken::from_stored(hashed);
    FirstSeen::default().with(&hashed, at(second)).unwrap()
}

#[tokio::test]
async fn since_when_a_value_has_been_known_survives_restarts_and_the_end_of_a_copy_in_the_vault() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    let moved = name("moved-pat");
    let these = vec![
        (name("source-pat"), seen("a", 5)),
        (moved.clone(), seen("b", 6)),
    ];
    vault.keep_first_seen(these).await.unwrap();
    for secret in ["source-pat", "moved-pat"] {
        set(&vault, secret, CANARY).await;
    }
    vault
        .remove(recorded("source-pat", 1), ValueRole::InForce)
        .await
        .unwrap();
    vault
        .remove(recorded("moved-pat", 1), ValueRole::Elsewhere)
        .await
        .unwrap();
    let assert_kept = |vault: &Vault| {
        assert_eq!(vault.first_seen(&moved), seen("b", 6));
        assert_eq!(vault.first_seen(&name("source-pat")), FirstSeen::default());
    };
    assert_kept(&vault);
    drop(vault);
    assert_kept(&scratch.open());
}

#[tokio::test]
async fn what_could_not_be_written_is_not_known() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    let secret = name("source-pat");
    let kept = vec![(secret.clone(), seen("a", 5))];
    vault.keep_first_seen(kept).await.unwrap();
    vault.ask(|work| work.store.limit_pages()).await.unwrap();
    let long = seen(&"x".repeat(100_000), 9);
    let failed = vault.keep_first_seen(vec![(secret.clone(), long)]).await;
    assert!(failed.is_err());
    assert_eq!(vault.first_seen(&secret), seen("a", 5));
}

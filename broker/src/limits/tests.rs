//! Whose budget a secret draws on, in process.

use super::*;
use crate::app::scratch::{Scratch, bot};

#[tokio::test]
async fn a_tokens_requests_count_against_the_login_that_policy_declares_until_github_names_one() {
    let scratch = Scratch::new("");
    let limits = &scratch.app.limits;
    assert_eq!(limits.principal_of(&bot()), None);
    let declared = "[secret.bot]\nkind = 'classic'\nowner = 'acme-bot'\n";
    scratch.policy("s.toml", declared);
    scratch.app.operations.reload_policies(None).await.unwrap();
    let principal = limits.principal_of(&bot());
    assert_eq!(principal, Some(Principal::user("acme-bot")));
    let unknown = limits.principal_of(&"unknown".parse().unwrap());
    assert_eq!(unknown, None);
}

#[tokio::test]
async fn nobody_is_asked_for_who_has_no_lease_and_nobody_while_the_store_is_locked() {
    let scratch = Scratch::new("");
    let declared = "[secret.bot]\nkind = 'classic'\nowner = 'acme-bot'\n";
    scratch.policy("s.toml", declared);
    scratch.app.operations.reload_policies(None).await.unwrap();
    let limits = &scratch.app.limits;
    let due = |leased: &[SecretName]| {
        let leased = leased.iter().cloned().collect();
        let every = Duration::from_secs(300);
        limits
            .due_polls(leased, &mut LastAsked::default(), every)
            .len()
    };
    assert_eq!(due(&[]), 0);
    assert_eq!(due(&[bot()]), 1);
    scratch.app.vault.lock();
    assert_eq!(due(&[bot()]), 0);
}

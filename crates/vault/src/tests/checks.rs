//! What checks found is kept beside the secrets.

use broker_protocol::check::Verdict;

use super::*;

pub(super) fn found(version: u64, expires_at: Option<Timestamp>) -> Checked {
    Checked {
        version: Some(version),
        hashed: None,
        checked_at: moment(100),
        verdict: Verdict::Warning,
        accepted: true,
        login: Some("acme-bot".into()),
        expires_at,
    }
}

async fn set_until(vault: &Vault, secret: &str, end: Timestamp) -> StoredSecret {
    let version = vault.reserve_version(&name(secret), at(1)).await.unwrap();
    let usage = recorded(secret, version);
    let new = new(token(CANARY), Some(end));
    let stored = vault.store(usage, new, ValueRole::InForce, at(2)).await;
    stored.unwrap()
}

#[tokio::test]
async fn what_a_check_found_of_the_version_in_use_goes_before_what_was_entered() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    let secret = name("source-pat");
    let entered = at(1000);
    assert_eq!(
        set_until(&vault, "source-pat", entered).await.expires_at,
        Some(entered)
    );

    vault
        .keep_check(&secret, found(1, Some(at(500))), "[]".to_owned())
        .await
        .unwrap();
    let held = vault.held(&secret).unwrap();
    assert_eq!(held.expires_at, Some(at(500)));
    assert_eq!(held.entered_expires_at, Some(entered));
    assert_eq!(vault.list()[0].1, held);

    // Of another version, it says nothing of this one.
    let held = set_until(&vault, "source-pat", at(2000)).await;
    assert_eq!(held.expires_at, Some(at(2000)));
    assert_eq!(vault.check(&secret).checked.unwrap().version, Some(1));

    // A token without an end, whatever someone entered for it.
    vault
        .keep_check(&secret, found(2, None), "[]".to_owned())
        .await
        .unwrap();
    assert_eq!(vault.held(&secret).unwrap().expires_at, None);
}

#[tokio::test]
async fn a_check_survives_a_restart_and_an_attempt_without_an_answer_takes_nothing_away() {
    let scratch = Scratch::new();
    let (secret, elsewhere) = (name("source-pat"), name("from-env"));
    let vault = scratch.unlocked();
    set(&vault, "source-pat", CANARY).await;
    let findings = r#"[{"verdict":"warning"}]"#.to_owned();
    vault
        .keep_check(&secret, found(1, Some(at(500))), findings.clone())
        .await
        .unwrap();
    vault
        .keep_failed_check(&secret, moment(200), "GitHub was away".to_owned())
        .await
        .unwrap();
    let of_env = Checked {
        version: None,
        ..found(1, None)
    };
    vault
        .keep_check(&elsewhere, of_env.clone(), "[]".to_owned())
        .await
        .unwrap();
    vault
        .keep_failed_check(&name("never"), moment(7), "the same".to_owned())
        .await
        .unwrap();

    let reopened = {
        let before = vault.check(&secret);
        drop(vault);
        let reopened = scratch.open(); // also while locked
        assert_eq!(reopened.check(&secret), before);
        reopened
    };
    let attempt = reopened.check(&secret);
    assert_eq!(attempt.checked, Some(found(1, Some(at(500)))));
    assert_eq!(attempt.failed_at, Some(moment(200)));
    let details = reopened.check_details(&secret).await.unwrap();
    assert_eq!(details.findings, Some(findings));
    assert_eq!(details.failed_why.as_deref(), Some("GitHub was away"));
    assert_eq!(reopened.check(&elsewhere).checked, Some(of_env));
    assert_eq!(reopened.check(&name("never")).checked, None);
    assert_eq!(reopened.check(&name("nobody")), CheckAttempt::default());

    reopened
        .keep_check(&secret, found(1, None), "[]".to_owned())
        .await
        .unwrap();
    assert_eq!(reopened.check(&secret).failed_at, None);
    let details = reopened.check_details(&secret).await.unwrap();
    assert_eq!(details.failed_why, None);
}

#[tokio::test]
async fn a_removed_secret_takes_its_checks_with_it() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    set(&vault, "source-pat", CANARY).await;
    let secret = name("source-pat");
    vault
        .keep_check(&secret, found(1, None), "[]".to_owned())
        .await
        .unwrap();
    vault
        .remove(recorded("source-pat", 1), ValueRole::InForce)
        .await
        .unwrap();
    assert_eq!(vault.check(&secret), CheckAttempt::default());
    drop(vault);
    assert_eq!(scratch.open().check(&secret), CheckAttempt::default());
}

#[tokio::test]
async fn a_check_that_cannot_be_written_leaves_what_was_known() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    set(&vault, "source-pat", CANARY).await;
    let secret = name("source-pat");
    vault
        .keep_check(&secret, found(1, Some(at(500))), "[]".to_owned())
        .await
        .unwrap();
    let before = vault.check(&secret);
    vault.ask(|work| work.store.limit_pages()).await.unwrap();
    let long = "x".repeat(100_000);
    assert!(
        vault
            .keep_check(&secret, found(1, None), long.clone())
            .await
            .is_err()
    );
    assert!(
        vault
            .keep_failed_check(&secret, moment(600), long)
            .await
            .is_err()
    );
    assert_eq!(vault.check(&secret), before);
    assert_eq!(vault.held(&secret).unwrap().expires_at, Some(at(500)));
}

#[tokio::test]
async fn ten_thousand_results_share_the_text_of_one_login() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    for secret in ["one", "two"] {
        vault
            .keep_check(&name(secret), found(1, None), "[]".to_owned())
            .await
            .unwrap();
    }
    let login = |vault: &Vault, secret| vault.check(&name(secret)).checked.unwrap().login.unwrap();
    assert!(Arc::ptr_eq(&login(&vault, "one"), &login(&vault, "two")));
    drop(vault);
    let vault = scratch.open();
    assert!(Arc::ptr_eq(&login(&vault, "one"), &login(&vault, "two")));
    assert!(size_of::<crate::checks::CompactCheck>() <= 96);
}

#[tokio::test]
async fn an_attempt_in_another_boot_leaves_the_check_before_it_to_the_wall_clock() {
    let scratch = Scratch::new();
    let secret = name("source-pat");
    let vault = scratch.unlocked();
    vault
        .keep_check(&secret, found(1, None), "[]".to_owned())
        .await
        .unwrap();
    let failed_at = Moment::stored(at(300), Some((broker_clock::BootId::new("another"), 5)));
    vault
        .keep_failed_check(&secret, failed_at.clone(), "away".to_owned())
        .await
        .unwrap();
    let want = CheckAttempt {
        checked: Some(Checked {
            checked_at: Moment::stored(at(100), None),
            ..found(1, None)
        }),
        failed_at: Some(failed_at),
    };
    assert_eq!(vault.check(&secret), want);
    drop(vault);
    assert_eq!(scratch.open().check(&secret), want);
}

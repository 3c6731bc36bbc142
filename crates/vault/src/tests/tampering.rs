//! What was changed behind the vault's back.

use super::*;

#[tokio::test]
async fn a_row_that_was_changed_or_moved_does_not_open() {
    for (sql, secret) in [
        (
            "UPDATE version SET envelope = x'00' WHERE secret = 'a'",
            "a",
        ),
        (
            "UPDATE version SET hashed_credential = 'x' WHERE secret = 'a'",
            "a",
        ),
        (
            "UPDATE version SET expires_at = 4102444800000000 WHERE secret = 'a'",
            "a",
        ),
        (
            "UPDATE version SET set_at = set_at + 1 WHERE secret = 'a'",
            "a",
        ),
        ("UPDATE version SET kind = 'app' WHERE secret = 'a'", "a"),
        (
            "UPDATE version SET envelope =
                (SELECT envelope FROM version WHERE secret = 'a') WHERE secret = 'b'",
            "b",
        ),
    ] {
        let scratch = Scratch::new();
        let vault = scratch.unlocked();
        set(&vault, "a", CANARY).await;
        set(&vault, "b", CANARY).await;
        drop(vault);
        scratch.edit(sql);
        let vault = scratch.unlocked();
        let error = value(&vault, secret, 1).unwrap_err();
        assert!(
            matches!(error, VaultError::Tampered { .. }),
            "{sql}: {error}"
        );
        let other = if secret == "a" { "b" } else { "a" };
        assert_eq!(value(&vault, other, 1).unwrap(), CANARY, "{sql}");
    }
}

#[tokio::test]
async fn a_row_that_is_missing_or_put_back_is_noticed_when_unlocking() {
    for sql in [
        "DELETE FROM version WHERE secret = 'a' AND version = 2",
        "DELETE FROM version; DELETE FROM secret",
        "UPDATE secret SET last_version = 9 WHERE name = 'a'",
        "UPDATE secret SET created_at = 0",
        "INSERT INTO secret VALUES ('c', 0, 0)",
        "UPDATE vault SET log_id = '00000000000000000000000000000000'",
        "UPDATE vault SET log_public_key = 'AAAA'",
        "UPDATE vault SET changes = changes + 1",
        "UPDATE vault SET mac_key = (SELECT log_seed FROM vault)",
    ] {
        let scratch = Scratch::new();
        let vault = scratch.unlocked();
        set(&vault, "a", "first").await;
        set(&vault, "a", "second").await;
        set(&vault, "b", "other").await;
        drop(vault);
        scratch.edit(sql);
        let error = scratch.open().unlock(scratch.root.copy().unwrap());
        let error = error.unwrap_err();
        assert!(
            matches!(error, VaultError::Tampered { .. }),
            "{sql}: {error}"
        );
        assert!(error.to_string().contains("put back a backup"), "{error}");
    }
}

#[tokio::test]
async fn a_vault_put_back_to_yesterdays_copy_is_found_by_the_log() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    set(&vault, "a", "first").await;
    drop(vault);
    let yesterday = fs::read(scratch.path()).unwrap();
    let vault = scratch.unlocked();
    set(&vault, "a", "second").await;
    // Reserved and recorded, and then the broker died: the vault has heard of it.
    let reserved = vault.reserve_version(&name("b"), at(1)).await.unwrap();
    let log = BTreeMap::from([(name("a"), 2), (name("b"), reserved)]);
    vault.check_not_put_back(&log).unwrap();
    drop(vault);
    fs::write(scratch.path(), yesterday).unwrap();
    let vault = scratch.unlocked();
    let error = vault.check_not_put_back(&log).unwrap_err();
    assert!(
        matches!(
            error,
            VaultError::PutBack {
                recorded: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_damaged_file_is_refused_with_what_to_do() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    for number in 0..50 {
        set(&vault, &format!("secret-{number}"), CANARY).await;
    }
    drop(vault);
    let whole = fs::read(scratch.path()).unwrap();
    let mut overwritten = whole.clone();
    overwritten[..4096].fill(0x5a);
    for torn in [&whole[..whole.len() / 2], &whole[..4096], &overwritten] {
        fs::write(scratch.path(), torn).unwrap();
        let error = scratch.refusal();
        assert!(matches!(error, VaultError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("put back a backup"), "{error}");
    }
    fs::write(scratch.path(), "").unwrap();
    assert!(matches!(scratch.refusal(), VaultError::NotAVault(_)));
    fs::remove_file(scratch.path()).unwrap();
    assert!(matches!(scratch.refusal(), VaultError::Missing(_)));
}

#[test]
fn a_word_the_vault_never_writes_is_damage_and_no_panic() {
    for sql in [
        "UPDATE vault SET root_key_source = 'hsm'",
        "UPDATE vault SET noted_records = -1, noted_hash = zeroblob(32)",
        "UPDATE vault SET noted_records = 1, noted_hash = x'00'",
        "DELETE FROM vault",
        "INSERT INTO secret VALUES ('../x', 0, 1)",
        "INSERT INTO secret VALUES ('x', 9223372036854775807, 1)",
        "INSERT INTO tombstone VALUES ('x', 1)",
        "INSERT INTO exposure VALUES ('x', -1, 'p', 0, 1)",
        "PRAGMA user_version = 0",
    ] {
        let scratch = Scratch::new();
        scratch.edit(sql);
        let error = scratch.refusal();
        assert!(
            matches!(error, VaultError::Damaged { .. }),
            "{sql}: {error}"
        );
    }
}

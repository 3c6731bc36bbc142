//! A restore that was interrupted, and then run again.

use super::*;

/// Takes back the last steps of a restore, as if it had been interrupted before them.
#[test]
fn an_interrupted_run_is_finished_or_started_over() {
    let machines = Machines::new();
    let places = &machines.places;
    let log_id = machines.restored().log.unwrap().log_id;
    // All is in place, and the staging directory is left over.
    let staging = Staging::beside(places);
    staging.begin(&"cd".repeat(32), &log_id).unwrap();
    fs::hard_link(&places.vault, machines.staging().join("vault.db")).unwrap();
    assert!(machines.restored().log.is_none());
    machines.assert_whole();
    // The log is in place, and the vault is not.
    staging.begin(&"cd".repeat(32), &log_id).unwrap();
    fs::rename(&places.vault, machines.staging().join("vault.db")).unwrap();
    let other = RestoreOptions {
        sha256: "ef".repeat(32),
        ..machines.options(RootKeySource::File)
    };
    let error = machines.restore(other).unwrap_err().to_string();
    assert!(error.contains("restore of another backup"), "{error}");
    assert!(machines.restored().log.is_none());
    machines.assert_whole();
    // Neither is.
    staging.begin(&"cd".repeat(32), &log_id).unwrap();
    fs::rename(&places.vault, machines.staging().join("vault.db")).unwrap();
    fs::rename(&places.audit, machines.staging().join("audit")).unwrap();
    let restarted = machines.restored();
    assert_ne!(restarted.log.unwrap().log_id, log_id);
    machines.assert_whole();
}

#[test]
fn another_log_beside_a_staged_vault_is_not_taken_for_ours() {
    let machines = Machines::new();
    let places = &machines.places;
    let log_id = machines.restored().log.unwrap().log_id;
    Staging::beside(places)
        .begin(&"cd".repeat(32), &log_id)
        .unwrap();
    fs::rename(&places.vault, machines.staging().join("vault.db")).unwrap();
    let first = places.audit.join("00000000000000000000.jsonl");
    let text = fs::read_to_string(&first).unwrap();
    fs::write(&first, text.replace(&log_id, VAULT)).unwrap();
    let error = machines.refusal();
    assert!(
        error.contains("an audit log, which cannot be joined"),
        "{error}"
    );
    assert!(!places.vault.exists());
}

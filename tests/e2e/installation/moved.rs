//! An App's key, which is of many lines, goes from place to place like any other value.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn an_apps_key_moves_into_a_file_and_back_and_tokens_are_minted_with_it() {
    let Some(setting) = Setting::new() else {
        return;
    };
    let home = &setting.broker.home;
    let moved = |words: &[&str]| {
        let ran = home.ctl(&[&["secret", "move", "acme-import-app"], words].concat());
        (ran.code(), ran.stderr.clone(), ran.stdout)
    };
    let minted = |count| {
        assert!(setting.alive(&setting.take(&json!({"fresh": true}))));
        assert_eq!(setting.github.calls(MINT), count);
    };
    minted(1);

    let path = key_file(&setting.broker);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let place = format!("file:{}", path.display());
    let there = moved(&["--to", &place]);
    assert_eq!(there.0, Some(0), "{there:?}");
    minted(2);
    let finished = moved(&["--finish"]);
    assert!(
        finished.2.contains("the old copy in vault is erased"),
        "{finished:?}"
    );
    minted(3);

    // Into the vault the broker writes it, and compares what it reads there.
    let back = moved(&["--to", "vault"]);
    assert_eq!(back.0, Some(0), "{back:?}");
    fs::remove_file(&path).unwrap();
    let finished = moved(&["--finish"]);
    assert!(finished.2.contains("no old copy any more"), "{finished:?}");
    minted(4);
}

//! An edit changes what it is for, and nothing else; and it can be undone.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

const TEXT: &str = "[secret.ci]\nsource = \"env:A\"  # \u{e9}\n\nkind = \"classic\"";

fn ci() -> SecretName {
    "ci".parse().unwrap()
}

fn to_vault(path: &Path) -> PolicyChange {
    PolicyChange {
        file: path.display().to_string(),
        line: 1,
        source: "vault".to_owned(),
        sha256: sha256(TEXT.as_bytes()),
        changed_sha256: None,
    }
}

fn changed(text: &str, source: &str) -> Option<String> {
    edit(text, |document| {
        set_source(declaration(document, &ci())?, source)
    })
}

#[test]
fn only_the_value_changes_whatever_the_file_looks_like() {
    for text in [
        "# \u{e9} old\n[secret.ci]\nkind = \"classic\"\n  source   = \"OLD\" # why\n\n[secret.other]\nsource = \"env:A\"",
        "[secret.ci]\r\nsource = \"OLD\"\t# why\r\n\r\n# end\r\n",
        "\u{feff}[secret.ci]\nsource = \"OLD\"",
        "\u{feff}\r\n[secret.ci]\r\nsource = \"OLD\"",
        "secret.ci = { kind = \"classic\", source = \"OLD\" }",
        "secret = { ci = {source=\"OLD\"}, other = { } } # x\n\n\n",
        "[secret]\nci.kind = \"classic\"\nci.source = \"OLD\" # x\nother.kind = \"app\"\n",
        "secret.ci.source = \"OLD\"",
        "[\"secret\" . 'ci']\n\"source\"=\"OLD\"\n[x]\n",
        "[secret.b]\nsource = \"env:A\"\n[secret.ci]\nsource = \"OLD\"\n[secret.a]\n",
    ] {
        let before = text.replace("OLD", "env:A");
        let wanted = text.replace("OLD", "op://v/i/f");
        assert_eq!(changed(&before, "op://v/i/f"), Some(wanted), "{text}");
    }
    let literal = "[secret.ci]\nsource = 'env:A' # why\n";
    let wanted = literal.replace("'env:A'", "\"vault\"");
    assert_eq!(changed(literal, "vault"), Some(wanted));
    let long = "[secret.ci]\nsource = \"\"\"\nenv:A\"\"\" # why\n";
    let wanted = "[secret.ci]\nsource = \"vault\" # why\n";
    assert_eq!(changed(long, "vault").as_deref(), Some(wanted));
}

#[test]
fn a_key_that_is_not_there_is_added_to_its_own_table() {
    for (text, wanted) in [
        (
            "[secret.ci] # ours\nkind = \"classic\" # why\n\n# next\n[secret.other]\n",
            "[secret.ci] # ours\nkind = \"classic\" # why\nsource = \"env:A\"\n\n# next\n[secret.other]\n",
        ),
        (
            "[secret.ci]\r\nkind = \"classic\"",
            "[secret.ci]\r\nkind = \"classic\"\r\nsource = \"env:A\"",
        ),
        (
            "[secret]\nci = {kind = \"classic\"}",
            "[secret]\nci = {kind = \"classic\", source = \"env:A\" }",
        ),
        (
            "[secret]\nci.kind = \"classic\"\n[x]\n",
            "[secret]\nci.kind = \"classic\"\nci.source = \"env:A\"\n[x]\n",
        ),
    ] {
        assert_eq!(changed(text, "env:A").as_deref(), Some(wanted));
    }
}

#[test]
fn what_cannot_be_edited_without_touching_the_rest_is_left_to_the_operator() {
    for text in [
        "[secret.ci]\r\nsource = \"env:A\"\n",
        "[secret.other]\n",
        "[secret.ci\n",
        "secret = 1\n",
        "[secret.ci.source]\n",
        "",
    ] {
        assert_eq!(changed(text, "vault"), None, "{text:?}");
    }
}

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ci.toml");
    fs::write(&path, TEXT).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    (dir, path)
}

#[test]
fn one_value_is_changed_and_everything_else_stays_and_it_can_be_undone() {
    let (dir, path) = scratch();
    let Ok(done) = change_source(&ci(), &to_vault(&path)) else {
        panic!("not changed");
    };
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, TEXT.replace("env:A", "vault"));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
    done.undo().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), TEXT);
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "nothing beside"
    );
}

#[test]
fn a_link_stays_a_link() {
    let (dir, path) = scratch();
    let link = dir.path().join("link.toml");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(change_source(&ci(), &to_vault(&link)).is_ok());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&path).unwrap().contains("vault"));
}

#[test]
fn what_is_no_file_by_the_time_it_is_changed_is_neither_opened_nor_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ci.toml");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let Err(NotEdited::Failed(failure)) = change_source(&ci(), &to_vault(&path)) else {
        panic!("a FIFO was taken for a policy");
    };
    assert!(failure.to_string().contains("it is a FIFO"), "{failure}");
    assert!(!fs::symlink_metadata(&path).unwrap().is_file());
}

#[test]
fn a_file_that_was_edited_since_is_left_alone() {
    let (_dir, path) = scratch();
    for text in ["", "\n\n", "[secret.ci]\r\nsource = \"env:B\"\n"] {
        fs::write(&path, text).unwrap();
        assert!(matches!(
            change_source(&ci(), &to_vault(&path)),
            Err(NotEdited::Failed(_))
        ));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_change_that_does_not_lead_to_what_is_in_force_is_not_made() {
    let (_dir, path) = scratch();
    let (mut change, after) = (to_vault(&path), TEXT.replace("env:A", "vault"));
    change.changed_sha256 = Some(sha256(b"in force"));
    let refused = change_source(&ci(), &change);
    assert!(matches!(refused, Err(NotEdited::Failed(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), TEXT);
    change.changed_sha256 = Some(sha256(after.as_bytes()));
    assert!(change_source(&ci(), &change).is_ok());
    assert_eq!(fs::read_to_string(&path).unwrap(), after);
}

#[test]
fn a_file_that_is_read_only_or_missing_is_not_edited_here() {
    let (dir, path) = scratch();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let missing = dir.path().join("missing.toml");
    for path in [&path, &missing] {
        assert!(matches!(
            change_source(&ci(), &to_vault(path)),
            Err(NotEdited::NotHere(_))
        ));
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), TEXT);
}

#[test]
fn what_was_changed_meanwhile_is_not_undone() {
    let (_dir, path) = scratch();
    let Ok(done) = change_source(&ci(), &to_vault(&path)) else {
        panic!("not changed");
    };
    fs::write(&path, "# theirs").unwrap();
    assert!(done.undo().is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "# theirs");
}

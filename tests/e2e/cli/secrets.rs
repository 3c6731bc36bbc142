//! `secret add` and `import`.

use super::*;

/// Every policy file and its bytes.
fn policies(home: &Home) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(&home.places.policies).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn secret_add_writes_one_file_and_edits_none_and_the_registry_shows_it() {
    let broker = Home::ready().start();
    let home = &broker.home;
    let before = policies(home);
    let add = [
        "secret",
        "add",
        "new-token",
        "--owner",
        "acme-bot",
        "--scope",
        "repo",
    ];
    home.ctl_with(&add, &format!("{}\n", canary::CLASSIC_TWO))
        .success();

    let written = home.places.policies.join("new-token.toml");
    let text = fs::read_to_string(&written).unwrap();
    assert!(text.contains("[secret.new-token]"), "{text}");
    assert!(!canary::is_in(text.as_bytes(), canary::CLASSIC_TWO));
    let others: Vec<_> = policies(home)
        .into_iter()
        .filter(|(path, _)| *path != written)
        .collect();
    assert!(others == before, "no other file changed");
    let list = home.ctl(&["secret", "show", "new-token"]).success();
    assert!(
        list.contains("vault") && !list.contains(canary::CLASSIC_TWO),
        "{list}"
    );

    let after = policies(home);
    let again = home.ctl_with(&add, canary::CLASSIC);
    refused(&again, 1, "`new-token` exists already");
    assert!(policies(home) == after);
    let version = home
        .ctl(&["secret", "show", "new-token", "--json"])
        .success();
    let version: Value = serde_json::from_str(&version).unwrap();
    assert_eq!(version["version"], 1, "nor was another value stored");

    // The registry of them is a table in Markdown.
    let text = home.ctl(&["secret", "list", "--format", "md"]).success();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("| name | kind | purposes | scopes | owner |"),
        "{text}"
    );
    let new = "| new-token | classic |";
    assert!(lines[2].starts_with(new), "{text}");
    let start = "| org-label-sync-token | classic | label-sync | repo, workflow | acme-bot |";
    assert!(lines[3].starts_with(start), "{text}");
    assert_eq!(lines.len(), 4);
}

#[test]
fn a_value_of_another_kind_is_refused_with_exit_code_2_and_not_quoted() {
    let broker = TestBroker::with_label_sync();
    let before = broker.home.records();
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\n";
    for (value, why) in [
        (canary::FINE_GRAINED, "it is a fine-grained token"),
        (pem, "it is PEM, and no token"),
        (
            "ghp_CANARY\u{200b}",
            "a zero-width space (U+200B) at character 11",
        ),
        ("TOKEN=ghp_CANARY", "the value alone begins at character 7"),
    ] {
        let set = ["secret", "set", "org-label-sync-token"];
        let ran = broker.home.ctl_with(&set, value);
        refused(&ran, 2, why);
        assert!(!ran.stderr.contains("CANARY"), "{ran:?}");
        assert!(!ran.stderr.contains("MII"), "{ran:?}");
    }
    assert_eq!(broker.home.records(), before);
}

#[test]
fn import_takes_over_a_file_of_four_tokens_and_a_second_run_changes_nothing() {
    let broker = Home::new();
    broker.ctl(&["init", "--root-key", "file"]).success();
    let broker = broker.start();
    let home = &broker.home;
    let names = [
        "org-label-sync-token",
        "org-project-admin-token",
        "org-onboarding-token",
        "org-repo-analysis-token",
    ];
    let mut text = String::from("# tokens of the organisation\n\nEDITOR=vi\n");
    for (index, name) in names.iter().enumerate() {
        let variable = name.to_uppercase().replace('-', "_");
        let token = canary::CLASSIC.replace("0001", &format!("001{index}"));
        text.push_str(&format!("export {variable}=\"{token}\"\n"));
    }
    let file = home.path().join("github-tokens");
    fs::write(&file, &text).unwrap();
    let file = file.to_str().unwrap();

    let before = policies(home);
    home.ctl(&["import", file, "--org", "acme", "--dry-run"])
        .success();
    assert!(policies(home) == before, "a dry run writes nothing");
    home.ctl(&["import", file, "--org", "acme"]).success();
    let list = home.ctl(&["secret", "list", "--json"]).success();
    let list: Value = serde_json::from_str(&list).unwrap();
    let held = |name: &str| {
        let mut all = list["secrets"].as_array().unwrap().iter();
        all.find(|view| view["name"] == name).unwrap().clone()
    };
    for name in names {
        assert_eq!(held(name)["version"], 1, "{name}");
        assert_eq!(held(name)["declared"], true, "{name}");
    }
    let after = policies(home);
    for (path, bytes) in &before {
        assert!(
            after
                .iter()
                .any(|file| file == &(path.clone(), bytes.clone())),
            "{}",
            path.display()
        );
    }
    for (path, bytes) in &after {
        let text = str::from_utf8(bytes).unwrap();
        assert!(!text.contains("ghp_"), "{}", path.display());
        if !before.iter().any(|(other, _)| other == path) {
            let allows = text
                .lines()
                .any(|line| line.trim_start().starts_with("[[allow]]"));
            assert!(
                !allows,
                "{}: no one may before a policy says so",
                path.display()
            );
        }
    }
    assert_eq!(
        fs::read_to_string(file).unwrap(),
        text,
        "the file is only read"
    );

    home.ctl(&["import", file, "--org", "acme"]).success();
    assert!(policies(home) == after);
    let set = home.records_of("secret.set");
    assert_eq!(set.len(), names.len(), "no value was stored twice");
}

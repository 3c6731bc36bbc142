//! `policy new` and `policy allow`: the broker decides, or where none runs, what decides at its next start.

use std::fs;

use support::Home;
use support::accounts::own_name;
use support::broker::Ran;

fn new(home: &Home, purpose: &str, more: &[&str]) -> Ran {
    let secret = ["--secret", "org-label-sync-token"];
    let scope = ["--repo", "acme/site", "--permission", "issues=read"];
    home.ctl(&[&["policy", "new", purpose], &secret[..], &scope, more].concat())
}

fn files(home: &Home) -> Vec<(String, String)> {
    let entries = fs::read_dir(&home.places.policies).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut files: Vec<(String, String)> = paths
        .filter(|path| path.is_file())
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path.display().to_string(), text)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn while_no_broker_runs_a_policy_is_written_for_its_next_start_if_that_would_load_it() {
    let home = Home::ready();
    let me = own_name();
    let before = files(&home);
    let refused = new(&home, "minted", &["--deliver", "installation"]);
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("minted.toml:"), "{refused:?}");
    assert_eq!(files(&home), before);

    let written = new(&home, "site", &["--allow", &me]).success();
    assert!(written.contains("loaded at the next start"), "{written}");
    let written = new(&home, "docs", &[]).success();
    assert!(written.contains("docs.toml"), "{written}");
    let allow = ["policy", "allow", "docs", "--user", &me];
    let added = home.ctl(&allow).success();
    assert!(added.contains("loaded at the next start"), "{added}");

    // One file that would be refused stops every change.
    home.policy("broken.toml", "purpose = \"broken\"\n");
    let before = files(&home);
    let group = ["policy", "allow", "docs", "--unit", "a.service"];
    let refused = home.ctl(&group);
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("broken.toml:"), "{refused:?}");
    assert_eq!(files(&home), before);
    fs::remove_file(home.places.policies.join("broken.toml")).unwrap();

    let broker = home.start();
    let purposes = broker.home.ctl(&["purpose", "list"]).success();
    for purpose in ["site ", "docs "] {
        let line = purposes.lines().find(|line| line.starts_with(purpose));
        let line = line.unwrap_or_else(|| panic!("{purposes}"));
        assert!(line.contains("toml#1"), "{line}");
    }
}

#[test]
fn a_running_broker_loads_the_rule_or_has_it_taken_back() {
    let broker = Home::ready().start();
    let home = &broker.home;
    let me = own_name();
    let written = new(home, "site", &[]).success();
    assert!(written.contains("in force"), "{written}");
    let before = files(home);
    let refused = home.ctl(&["policy", "allow", "site", "--unit", "no unit"]);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(refused.stderr.contains("is not a unit"), "{refused:?}");
    assert_eq!(files(home), before);
    let status = home.ctl(&["--json", "status"]).success();
    assert!(status.contains("\"policy_fault\":null"), "{status}");

    let lease = r#"{"purpose":"site"}"#;
    assert_eq!(broker.lease(lease).status, 403);
    home.ctl(&["policy", "allow", "site", "--user", &me])
        .success();
    let purposes = home.ctl(&["purpose", "show", "site"]).success();
    assert!(purposes.contains("site.toml#1"), "{purposes}");
    let again = home
        .ctl(&["policy", "allow", "site", "--user", &me])
        .success();
    assert!(again.contains("is allowed already, by rule 1"), "{again}");
    // The rule in `label-sync` names the account's number.
    let by_number = home.ctl(&["policy", "allow", "label-sync", "--user", &me]);
    assert!(by_number.success().contains("nothing was changed"));
}

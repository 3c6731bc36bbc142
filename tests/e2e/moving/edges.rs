//! What makes no sense, what others do meanwhile, and files that are not ours to change.

use support::needs;

use super::*;

#[track_caller]
fn refused(broker: &TestBroker, words: &[&str], code: i32, says: &str) {
    let ran = run(broker, words);
    assert_eq!(ran.code(), Some(code), "{words:?}: {ran:?}");
    assert!(ran.stderr.contains(says), "{words:?}: {ran:?}");
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing_and_does_not_stop_the_others() {
    let broker = start(home(""));
    let before = policy(&broker.home);
    refused(&broker, &[NAME, "--to", ENV], 1, "is taken from env:");
    refused(
        &broker,
        &["unknown", "--to", "vault"],
        1,
        "no policy declares",
    );
    refused(
        &broker,
        &[NAME, "--to", "op://x"],
        2,
        "op://VAULT/ITEM/FIELD",
    );
    refused(
        &broker,
        &[NAME, "--to", "ghp_a_value"],
        2,
        "`to` must be `vault`",
    );
    refused(&broker, &[NAME], 2, "--to");
    refused(
        &broker,
        &[NAME, "--to", "vault", "--finish"],
        2,
        "cannot be used with",
    );
    refused(&broker, &[NAME, FOUR[1].0, "--to", "env:X"], 2, "{name}");
    refused(&broker, &[NAME, "--finish"], 1, "no move of");
    let value = run(&broker, &[NAME, "--to", "ghp_a_value"]);
    assert!(!value.stderr.contains("ghp_a_value"), "{value:?}");
    // Not set when the broker started, so the operator sets it.
    refused(&broker, &[NAME, "--to", "env:NOT_THERE"], 75, "NOT_THERE");
    assert_eq!(policy(&broker.home), before);
    assert!(broker.home.records_of("secret.moving").is_empty());

    let other = FOUR[1].0;
    let ran = run(&broker, &[NAME, "unknown", other, "--to", "vault"]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    assert!(ran.stderr.contains("1 of 3 were not moved"), "{ran:?}");
    for name in [NAME, other] {
        assert_eq!(source(&broker, name), "vault");
    }
    let json = run(&broker, &[NAME, "unknown", "--to", "vault", "--json"]);
    let all: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(all[0]["move"]["phase"], "switched");
    assert!(
        all[1]["error"].as_str().unwrap().contains("declares"),
        "{all}"
    );

    broker.home.ctl(&["lock"]).success();
    refused(&broker, &[FOUR[2].0, "--to", "vault"], 5, "locked");
}

#[test]
fn a_move_under_way_keeps_its_ends() {
    let broker = start(home(""));
    run(&broker, &[NAME, "--to", "vault", "--print"]);
    refused(
        &broker,
        &[NAME, "--to", "env:OTHER"],
        1,
        "from env:ORG_LABEL_SYNC_TOKEN to vault is under way",
    );
    refused(&broker, &[NAME, "--finish"], 1, "still taken from env:");
    // It goes on after the broker was killed, and takes nothing again.
    let broker = start(broker.kill());
    run(&broker, &[NAME, "--to", "vault"]).success();
    assert_eq!(broker.home.records_of("secret.set").len(), 1);
    // A third place, put in force by hand.
    broker.home.policy(
        "secrets.toml",
        &policy(&broker.home).replace("\"vault\"", "\"env:ORG_ONBOARDING_TOKEN\""),
    );
    broker.home.ctl(&["policy", "reload"]).success();
    refused(
        &broker,
        &[NAME, "--to", "vault"],
        1,
        "`--back` leads to env:ORG_LABEL_SYNC_TOKEN",
    );
    refused(
        &broker,
        &[NAME, "--back"],
        1,
        "another value than the one in use",
    );
}

#[test]
fn a_policy_that_is_not_ours_to_write_is_left_alone_and_waited_for() {
    let broker = start(home(""));
    let path = broker.home.places.policies.join("secrets.toml");
    let before = policy(&broker.home);
    // A directory above may be written by others: it was in force, and is refused from now on.
    let policies = &broker.home.places.policies;
    let asked = broker.http(
        "POST",
        &format!("/v1/secrets/{NAME}/move"),
        r#"{"to":"vault"}"#,
    );
    assert_eq!(asked.json()["next"]["step"], "switch", "{asked:?}");
    fs::set_permissions(policies, fs::Permissions::from_mode(0o777)).unwrap();
    refused(&broker, &[NAME, "--to", "vault"], 1, "chmod go-w");
    assert_eq!(policy(&broker.home), before);
    fs::set_permissions(policies, fs::Permissions::from_mode(0o700)).unwrap();

    // A line that was changed and never loaded is put back before a move is over.
    run(&broker, &[NAME, "--to", "vault", "--print"]);
    broker
        .home
        .policy("secrets.toml", &before.replace(ENV, "vault"));
    run(&broker, &[NAME, "--back"]).success();
    assert_eq!(policy(&broker.home), before);
    broker.reload();
    assert_eq!(source(&broker, NAME), ENV);
    assert_serves(&broker, NAME, VALUE);
    // It is read-only.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let ran = run(&broker, &[NAME, "--to", "vault"]);
    assert_eq!(ran.code(), Some(75), "{ran:?}");
    assert!(ran.stderr.contains("read-only"), "{ran:?}");
    let change = format!(
        "{}:3\n[secret.{NAME}]\nsource = \"vault\"\n",
        path.display()
    );
    assert_eq!(ran.stdout, change);
    assert_eq!(policy(&broker.home), before);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

    // An operator keeps an access list on it.
    if needs::program("setfacl") {
        let setfacl = |arguments: &[&str]| {
            let ran = Command::new("setfacl").args(arguments).arg(&path).status();
            assert!(ran.unwrap().success());
        };
        setfacl(&["-m", "u:65534:r"]);
        let ran = run(&broker, &[NAME, "--to", "vault"]);
        assert_eq!(ran.code(), Some(75), "{ran:?}");
        assert!(ran.stderr.contains("has an access list"), "{ran:?}");
        assert_eq!(policy(&broker.home), before);
        setfacl(&["-b"]);
    }

    // Changed by hand and not loaded: that is exactly what was asked for, so it is loaded.
    broker
        .home
        .policy("secrets.toml", &before.replace(ENV, "vault"));
    run(&broker, &[NAME, "--to", "vault"]).success();
    assert_eq!(source(&broker, NAME), "vault");
}

#[test]
fn nothing_else_comes_into_force_with_a_move() {
    let broker = start(home(""));
    let before = policy(&broker.home);
    broker
        .home
        .policy("more.toml", "[secret.more]\nkind = \"classic\"\n");
    refused(
        &broker,
        &[NAME, "--to", "vault"],
        1,
        "more.toml on disk is not what is in force",
    );
    broker.home.ctl(&["policy", "reload"]).success();
    broker
        .home
        .policy("secrets.toml", &format!("{before}\n# and more\n"));
    refused(
        &broker,
        &[NAME, "--to", "vault"],
        1,
        "secrets.toml on disk is not what is in force",
    );
    let both = before.replace(ENV, "vault") + "\n[secret.yet-more]\nkind = \"classic\"\n";
    broker.home.policy("secrets.toml", &both);
    refused(
        &broker,
        &[NAME, "--to", "vault"],
        75,
        "more of that file may have changed",
    );
    broker.home.ctl(&["policy", "reload"]).success();
    run(&broker, &[NAME, "--to", "vault"]).success();
    assert_eq!(policy(&broker.home), both);
}

//! What becomes of old copies, and what is in the way of that.

use super::*;

#[test]
fn a_value_that_leaves_the_vault_is_erased_there_and_the_leases_on_it_live_on() {
    let broker = start(home(""));
    run(&broker, &[NAME, "--to", "vault"]).success();
    run(&broker, &[NAME, "--finish"]).success();
    assert_eq!(broker.home.records_of("secret.set").len(), 1);
    let (_, granted) = lease(&broker, NAME);
    let id = granted["lease"].as_str().unwrap().to_owned();

    // The same variable is still there: nothing is to be written.
    run(&broker, &[NAME, "--to", ENV]).success();
    let finished = run(&broker, &[NAME, "--finish"]).success();
    assert!(
        finished.contains("the old copy in vault is erased"),
        "{finished}"
    );
    let shown = broker
        .http("GET", &format!("/v1/secrets/{NAME}"), "")
        .json();
    assert_eq!(shown["version"], Value::Null, "{shown}");
    let finished = broker.home.records_of("secret.move_finished");
    assert_eq!(
        finished
            .iter()
            .map(|record| record["old"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["left", "erased"]
    );
    let renewed = broker.http("POST", &format!("/v1/leases/{id}/renew"), "");
    assert_eq!(renewed.status, 200, "{renewed:?}");
    let broker = start(broker.kill());
    let lives = broker.http("GET", &format!("/v1/leases/{id}"), "");
    assert_eq!(lives.status, 200, "also across a start: {lives:?}");
    assert_serves(&broker, NAME, VALUE);
}

#[test]
fn a_value_goes_into_a_file_by_hand_and_out_of_it() {
    let broker = start(home(""));
    let path = broker.home.path().join("label-sync");
    let place = format!("file:{}", path.display());
    let asked = run(&broker, &[NAME, "--to", &place]);
    assert_eq!(asked.code(), Some(75), "{asked:?}");
    assert!(asked.stderr.contains("with mode 0600"), "{asked:?}");
    fs::write(&path, "ghp_something_else\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let other = run(&broker, &[NAME, "--to", &place]);
    assert_eq!(other.code(), Some(1), "{other:?}");
    assert!(other.stderr.contains("holds another value"), "{other:?}");
    fs::write(&path, VALUE).unwrap();
    run(&broker, &[NAME, "--to", &place]).success();
    assert_serves(&broker, NAME, VALUE);
    run(&broker, &[NAME, "--finish"]).success();
    run(&broker, &[NAME, "--to", "vault"]).success();
    let left = run(&broker, &[NAME, "--finish"]).success();
    assert!(
        left.contains(&format!("shred -u '{}'", path.display())),
        "{left}"
    );
}

#[test]
fn nothing_is_erased_while_the_two_copies_differ_and_there_is_no_way_back_to_nothing() {
    let broker = start(home(""));
    run(&broker, &[NAME, "--to", "vault"]).success();
    broker
        .home
        .ctl_with(&["secret", "set", NAME], "ghp_another")
        .success();
    let finish = run(&broker, &[NAME, "--finish"]);
    assert_eq!(finish.code(), Some(1), "{finish:?}");
    assert!(finish.stderr.contains("nothing is erased"), "{finish:?}");
    let back = run(&broker, &[NAME, "--back"]);
    assert!(
        back.stderr
            .contains("holds another value than the one in use"),
        "{back:?}"
    );
    // The environment file went too early.
    let broker = broker.kill().start();
    let back = run(&broker, &[NAME, "--back"]);
    assert_eq!(back.code(), Some(1), "{back:?}");
    assert!(
        back.stderr.contains("gives no value; put the value"),
        "{back:?}"
    );
    assert_eq!(source(&broker, NAME), "vault");
    let finish = run(&broker, &[NAME, "--finish"]).success();
    assert!(finish.contains("no old copy any more"), "{finish}");
}

#[test]
fn another_value_in_the_vault_is_replaced_only_when_told_so() {
    let broker = start(home(""));
    broker
        .home
        .ctl_with(&["secret", "set", NAME], "ghp_older")
        .success();
    for words in [&["--to", "vault"][..], &["--to", "vault", "--dry-run"]] {
        let ran = run(&broker, &[&[NAME], words].concat());
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("--replace"), "{ran:?}");
    }
    assert_eq!(broker.home.records_of("secret.set").len(), 1);
    run(&broker, &[NAME, "--to", "vault", "--replace"]).success();
    assert_serves(&broker, NAME, VALUE);
    let shown = broker
        .http("GET", &format!("/v1/secrets/{NAME}"), "")
        .json();
    assert_eq!(shown["version"], 2);
}

#[test]
fn a_value_goes_into_the_keyring_and_is_erased_there_when_it_left() {
    if !support::keyring::is_here() {
        return;
    }
    let keyring = support::keyring::SessionKeyring::start();
    let session = keyring.session();
    let broker = start_with(home(""), |command| {
        session.enter(command);
    });
    run(&broker, &[NAME, "--to", "keyring:label-sync"]).success();
    assert_eq!(
        session.look_up("tokend-secrets", "label-sync").as_deref(),
        Some(VALUE)
    );
    assert_serves(&broker, NAME, VALUE);
    run(&broker, &[NAME, "--finish"]).success();
    run(&broker, &[NAME, "--to", "vault"]).success();
    run(&broker, &[NAME, "--finish"]).success();
    assert_eq!(session.look_up("tokend-secrets", "label-sync"), None);
    assert_serves(&broker, NAME, VALUE);
}

#[test]
fn a_move_that_nobody_finishes_within_a_week_is_warned_of() {
    if !support::needs::program("faketime") {
        return;
    }
    let broker = start(home(""));
    run(&broker, &[NAME, "--to", "vault"]).success();
    let warned = |broker: &TestBroker, command: &str| {
        let ran = broker.home.ctl(&[command]);
        format!("{}{}", ran.stdout, ran.stderr).contains("and is not finished")
    };
    assert!(!warned(&broker, "status") && !warned(&broker, "doctor"));

    let broker = start_with(broker.stop(), |command| {
        let lines = Command::new("faketime")
            .args(["-f", "+8d", "env"])
            .output()
            .unwrap();
        let lines = String::from_utf8(lines.stdout).unwrap();
        let all = lines.lines().filter_map(|line| line.split_once('='));
        command.envs(all.filter(|(name, _)| ["LD_PRELOAD", "FAKETIME"].contains(name)));
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    });
    assert!(warned(&broker, "status") && warned(&broker, "doctor"));
    run(&broker, &[NAME, "--finish"]).success();
    assert!(!warned(&broker, "status") && !warned(&broker, "doctor"));
}

#[test]
fn who_was_handed_a_value_is_known_wherever_it_moves() {
    let broker = start(home(""));
    let exposed = || {
        let shown = broker.http("GET", &format!("/v1/secrets/{NAME}"), "");
        shown.json()["exposed_to"].as_array().unwrap().len()
    };
    assert_serves(&broker, NAME, VALUE);
    support::wait::until(|| exposed() == 1);
    run(&broker, &[NAME, "--to", "vault"]).success();
    assert_eq!(exposed(), 1, "the value is the same");
    run(&broker, &[NAME, "--back"]).success();
    let remove = ["secret", "remove", NAME, "--yes"];
    broker.home.ctl(&remove).success();
    assert_eq!(exposed(), 1, "what was removed was a copy");
    run(&broker, &[NAME, "--to", "vault"]).success();
    let set = ["secret", "set", NAME];
    broker.home.ctl_with(&set, "ghp_another").success();
    assert_eq!(exposed(), 0, "nobody was handed that one");
}

/// When the value must have changed.
fn deadline(broker: &TestBroker) -> Value {
    let shown = broker.http("GET", &format!("/v1/secrets/{NAME}"), "");
    shown.json()["deadline"].clone()
}

#[test]
fn a_deadline_counts_from_when_the_value_was_first_seen_over_moves_and_restarts() {
    let home = home("");
    let line = format!("source = \"{ENV}\"");
    let rotated = format!("rotate_every = \"90d\"\n{line}");
    home.policy("secrets.toml", &policy(&home).replace(&line, &rotated));
    let broker = start(home);
    assert!(deadline(&broker).is_string(), "known at once");
    // Until it is kept, it is seen for the first time at each look.
    support::wait::until(|| deadline(&broker) == deadline(&broker));
    let first = deadline(&broker);
    run(&broker, &[NAME, "--to", "vault"]).success();
    assert_eq!(source(&broker, NAME), "vault");
    assert_eq!(deadline(&broker), first);
    let broker = start(broker.stop());
    assert_eq!(deadline(&broker), first);
    run(&broker, &[NAME, "--back"]).success();
    assert_eq!(source(&broker, NAME), ENV);
    assert_eq!(deadline(&broker), first);
}

#[test]
fn a_file_that_a_deployment_mounts_is_moved_away_and_back_although_others_may_read_it() {
    if !support::needs::root() {
        return;
    }
    let theirs = tempfile::tempdir().unwrap();
    let path = theirs.path().join("label-sync");
    fs::write(&path, VALUE).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let place = format!("file:{}", path.display());
    let home = home("");
    let line = format!("source = \"{ENV}\"");
    let mounted = format!("source = \"{place}\"\nmounted = true");
    home.policy("secrets.toml", &policy(&home).replace(&line, &mounted));
    let broker = start(home);
    assert_serves(&broker, NAME, VALUE);

    let there = place.as_str();
    let steps = [
        (vec![NAME, "--to", "vault"], "vault"),
        (vec![NAME, "--back"], there),
        (vec![NAME, "--to", "vault"], "vault"),
        (vec![NAME, "--finish"], "vault"),
        (vec![NAME, "--to", there], there),
    ];
    for (words, then) in steps {
        run(&broker, &words).success();
        assert_eq!(source(&broker, NAME), then, "{words:?}");
        assert_serves(&broker, NAME, VALUE);
    }
}

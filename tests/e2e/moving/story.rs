//! Four tokens go from an environment file to 1Password and back.

use support::one_password::StandInOp;
use support::terminal::Terminal;
use support::{canary, wait};

use super::*;

const TO: &str = "op://Github-Tokens/{name}/credential";
const NAMES: [&str; 4] = [FOUR[0].0, FOUR[1].0, FOUR[2].0, FOUR[3].0];

fn with_op() -> (StandInOp, TestBroker) {
    let home = home("[onepassword]\nprogram = \"op-here/op\"\n");
    let op = StandInOp::in_dir(&home.path().join("op-here"));
    op.sign_in("acme");
    op.set("Github-Tokens", "something else", "credential", "x");
    let config = home.places.config.parent().unwrap();
    assert_eq!(config.join("op-here/op"), op.program());
    (op, start(home))
}

fn all<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&NAMES[..], more].concat()
}

#[test]
fn four_tokens_go_from_an_environment_file_to_1password_and_back_and_no_lease_fails() {
    let (op, broker) = with_op();
    let original = policy(&broker.home);
    let mut first_lease = String::new();
    let taken = while_leases_are_taken(&broker, || {
        first_lease = lease(&broker, NAME).1["lease"].as_str().unwrap().to_owned();
        // `op` takes no values from us: the operator puts them there.
        let asked = run(&broker, &all(&["--to", TO]));
        assert_eq!(asked.code(), Some(75), "{asked:?}");
        for name in NAMES {
            let put = format!("into op://Github-Tokens/{name}/credential yourself");
            assert!(asked.stdout.contains(&put), "{asked:?}");
        }
        assert_eq!(policy(&broker.home), original);
        for (name, _, value) in FOUR {
            op.set("Github-Tokens", name, "credential", value);
        }
        let moved = run(&broker, &all(&["--to", TO]));
        assert_eq!(moved.code(), Some(0), "{moved:?}");
        assert_eq!(moved.stdout.matches("switched").count(), 4, "{moved:?}");
        let mut wanted = original.clone();
        for (name, variable, _) in FOUR {
            let to = format!("op://Github-Tokens/{name}/credential");
            wanted = wanted.replace(&format!("env:{variable}"), &to);
            assert_eq!(source(&broker, name), to);
        }
        assert_eq!(policy(&broker.home), wanted, "and every other byte stays");

        let back = run(&broker, &all(&["--back"]));
        assert_eq!(back.code(), Some(0), "{back:?}");
        assert_eq!(policy(&broker.home), original);
        let again = run(&broker, &all(&["--to", TO]));
        assert_eq!(again.code(), Some(0), "{again:?}");
        assert_eq!(policy(&broker.home), wanted);

        let finished = run(&broker, &all(&["--finish"]));
        assert_eq!(finished.code(), Some(0), "{finished:?}");
        for (_, variable, _) in FOUR {
            let fix = format!("remove the line {variable}=…");
            assert!(finished.stdout.contains(&fix), "{finished:?}");
        }
    });
    assert!(taken > 20, "{taken} leases");
    let kept = broker.http("GET", &format!("/v1/leases/{first_lease}"), "");
    assert_eq!(kept.status, 200, "no lease ended by it");

    // The environment file is gone, and all is there.
    let home = broker.stop();
    for (name, _, value) in FOUR {
        let kinds: Vec<String> = [
            "secret.moving",
            "secret.moved",
            "secret.moved_back",
            "secret.move_finished",
        ]
        .into_iter()
        .flat_map(|kind| home.records_of(kind))
        .filter(|record| record["secret"] == name)
        .map(|record| record["kind"].as_str().unwrap().to_owned())
        .collect();
        assert_eq!(
            kinds,
            [
                "secret.moving",
                "secret.moving",
                "secret.moved",
                "secret.moved",
                "secret.moved_back",
                "secret.move_finished"
            ],
            "{name}"
        );
        let text = home.records().join("\n");
        assert!(!canary::is_in(text.as_bytes(), value), "a value in the log");
    }
    let used = home.records_of("secret.used");
    let moves = used.iter().filter(|used| used["what_for"] == "move");
    let places = |place: &str| moves.clone().filter(|used| used["source"] == place).count();
    assert!(places(ENV) > 2 && places(&TO.replace("{name}", NAME)) > 2);
    home.ctl(&["audit", "verify"]).success();
    let broker = home.start();
    for (name, _, value) in FOUR {
        assert_serves(&broker, name, value);
    }
}

#[test]
fn what_is_moved_is_shown_and_after_it_is_finished_nothing_is_left_of_it() {
    let (op, broker) = with_op();
    op.set("Github-Tokens", NAME, "credential", VALUE);
    let to = TO.replace("{name}", NAME);
    let planned = run(&broker, &[NAME, "--to", &to, "--dry-run"]);
    assert!(
        planned
            .success()
            .contains("the value is there already; then change")
    );
    assert_eq!(source(&broker, NAME), ENV);
    assert!(broker.home.records_of("secret.moving").is_empty());
    run(&broker, &[NAME, "--to", &to]).success();
    let shown = broker.home.ctl(&["secret", "show", NAME]).success();
    assert!(
        shown.contains("switched from env:ORG_LABEL_SYNC_TOKEN to op://"),
        "{shown}"
    );
    let moving = &broker
        .http("GET", &format!("/v1/secrets/{NAME}"), "")
        .json()["move"];
    assert_eq!(
        (moving["from"].as_str(), moving["step"].as_str()),
        (Some(ENV), Some("switched"))
    );
    run(&broker, &[NAME, "--finish"]).success();
    let after = broker
        .http("GET", &format!("/v1/secrets/{NAME}"), "")
        .json();
    assert!(after.get("move").is_none(), "{after}");
    for way in ["--finish", "--back"] {
        let ran = run(&broker, &[NAME, way]);
        assert_eq!(ran.code(), Some(1), "{ran:?}");
        assert!(ran.stderr.contains("no move of"), "{ran:?}");
    }
}

#[test]
fn at_a_terminal_the_change_is_printed_and_waited_for() {
    let broker = start(home(""));
    let command = moving(&broker.home, &[NAME, "--to", "vault", "--print"]);
    let mut terminal = Terminal::start(&command);
    terminal.expect("[secret.org-label-sync-token]");
    terminal.expect("source = \"vault\"");
    terminal.expect("waiting for that");
    assert_eq!(source(&broker, NAME), ENV);
    let changed = policy(&broker.home).replace(ENV, "vault");
    broker.home.policy("secrets.toml", &changed);
    broker.home.ctl(&["policy", "reload"]).success();
    terminal.expect("it is taken from vault");
    let (_, status) = terminal.end();
    assert!(status.success());
    assert_serves(&broker, NAME, VALUE);

    // Interrupted, and run again.
    let command = moving(&broker.home, &[NAME, "--back", "--print"]);
    let mut terminal = Terminal::start(&command);
    terminal.expect("waiting for that");
    terminal.type_in("\x03");
    terminal.end();
    broker.home.policy(
        "secrets.toml",
        &changed.replace("\"vault\"", &format!("\"{ENV}\"")),
    );
    broker.home.ctl(&["policy", "reload"]).success();
    wait::until(|| source(&broker, NAME) == ENV);
    run(&broker, &[NAME, "--back"]).success();
    assert_eq!(broker.home.records_of("secret.moved_back").len(), 1);
}

//! A value that GitHub refuses: whoever is given it hears of it, and the operator too, once.

use serde_json::{Value, json};

use crate::fake_broker::{FakeBroker, err, out, purpose, rejected_lease};

/// What is printed beside the token.
const SAYS: &str = "GitHub refused the value of `org-label-sync-token` at 2026-11-20T06:00:00Z";
const DO: &str = "an operator replaces it, as `tokenctl secret check org-label-sync-token` says";

fn broker() -> FakeBroker {
    FakeBroker::answering(|seen| match &*seen.line {
        "GET /v1/purposes" => {
            let purposes = json!({"purposes": [purpose("clone", "raw")]});
            (200, purposes.to_string())
        }
        line if line.starts_with("GET /v1/purposes/") => (200, purpose("clone", "raw").to_string()),
        _ => (201, rejected_lease("ghp_canary")),
    })
}

#[test]
fn get_exec_and_git_credential_give_the_token_and_say_on_stderr_that_github_refused_it() {
    let broker = broker();
    let asked = "protocol=https\nhost=github.com\n\n";
    let printed = [
        (broker.run(&["get", "clone"]), "ghp_canary\n"),
        (
            broker.run(&["exec", "clone", "--", "sh", "-c", "echo $GH_TOKEN"]),
            "ghp_canary\n",
        ),
        (
            broker.run_with(&["git-credential", "get"], asked),
            "username=x-access-token\npassword=ghp_canary\npassword_expiry_utc=1795245300\n",
        ),
    ];
    for (ran, stdout) in printed {
        assert_eq!(out(&ran), stdout, "{ran:?}");
        assert!(ran.status.success(), "{ran:?}");
        assert_eq!(err(&ran).lines().count(), 1, "{ran:?}");
        assert!(
            err(&ran).contains(SAYS) && err(&ran).contains(DO),
            "{ran:?}"
        );
    }
    let ran = broker.run(&["--json", "get", "clone"]);
    let answer: Value = serde_json::from_str(out(&ran)).unwrap();
    assert_eq!(answer["rejected_since"], "2026-11-20T06:00:00Z");
    assert!(err(&ran).contains(SAYS), "{ran:?}");
}

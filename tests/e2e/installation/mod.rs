//! `deliver = "installation"` through the command line and in the hands of a script. What is minted, shared and
//! revoked is tested in process, in `broker/src/tests/installation`.

mod faults;
mod kill_switch;
mod moved;
mod restart;
mod stalled;

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use support::github::ask::{Got, ask, tell};
use support::github::{AppKey, StandIn};
use support::scenes::app::{self, END, MINT, OLD_TOKEN};
use support::{Home, TestBroker, needs};

/// The App's key as GitHub gave it out.
fn key_file(broker: &TestBroker) -> PathBuf {
    broker.home.path().join("acme-import.private-key.pem")
}

/// A stand-in with an App on three of four repositories, and a broker that holds the App's key.
struct Setting {
    github: StandIn,
    broker: TestBroker,
}

impl Setting {
    /// `None` if this machine has no curl to be a script with.
    fn new() -> Option<Self> {
        Self::with("")
    }

    fn with(fallback: &str) -> Option<Self> {
        Self::started(fallback, "", Home::start)
    }

    /// With more configuration, and started in another way.
    fn started(
        fallback: &str,
        config: &str,
        start: impl FnOnce(Home) -> TestBroker,
    ) -> Option<Self> {
        if !needs::program("curl") {
            return None;
        }
        let key = AppKey::generate();
        let (github, home) = app::with(Home::ready(), &key, fallback, config);
        let broker = start(home);
        fs::write(key_file(&broker), key.pem()).unwrap();
        let set = ["secret", "set", "acme-import-app"];
        broker.home.ctl_with(&set, key.pem()).success();
        let set = ["secret", "set", "acme-import-old-token"];
        broker.home.ctl_with(&set, OLD_TOKEN).success();
        github.forget_calls();
        Some(Self { github, broker })
    }

    fn take(&self, what: &Value) -> Value {
        app::take(&self.broker, what)
    }

    fn refusal(&self) -> Value {
        app::refusal(&self.broker)
    }

    fn read(&self, lease: &Value, path: &str) -> Got {
        let token = lease["token"].as_str().unwrap();
        ask(&self.github, &format!("GET {path}"), token)
    }

    fn alive(&self, lease: &Value) -> bool {
        self.read(lease, "/installation/repositories").status == 200
    }
}

#[test]
fn a_script_reads_exactly_the_repositories_it_was_granted_and_its_token_is_dead_after_revoke() {
    let Some(setting) = Setting::new() else {
        return;
    };
    let lease = setting.take(&json!({"repositories": ["acme/one"]}));
    assert_eq!(lease["deliver"], "installation");
    assert_eq!(lease["enforced_by"], "github");
    assert_eq!(lease["repositories"], json!(["acme/one"]));

    assert_eq!(setting.read(&lease, "/repos/acme/one").status, 200);
    for elsewhere in ["/repos/acme/two", "/repos/acme/three", "/repos/acme/four"] {
        assert_eq!(setting.read(&lease, elsewhere).status, 404, "{elsewhere}");
    }
    let reached = setting.read(&lease, "/installation/repositories").json();
    assert_eq!(reached["total_count"], 1);
    let token = lease["token"].as_str().unwrap();
    let issue = json!({"title": "found by the import"});
    let made = tell(
        &setting.github,
        "POST /repos/acme/one/issues",
        token,
        &issue,
    );
    assert_eq!(made.status, 201, "{made:?}");

    let revoke = ["lease", "revoke", lease["lease"].as_str().unwrap()];
    let said = setting.broker.home.ctl(&revoke).success();
    assert!(said.contains("its token is revoked at GitHub"), "{said}");
    assert_eq!(setting.read(&lease, "/repos/acme/one").status, 401);

    let records = setting.broker.home.records_of("token.revoked");
    assert_eq!(records.len(), 1);
    let issued = &setting.broker.home.records_of("lease.issued")[0];
    assert_eq!(records[0]["hashed_credential"], issued["hashed_credential"]);
    let hashed = support::github::hashed(token);
    assert_eq!(issued["hashed_token"], hashed.as_str());

    // What the names mean is pinned by now, until the operator says otherwise.
    let home = &setting.broker.home;
    let id = setting
        .github
        .change(|state| state.repository_id("acme/one"));
    let shown = home.ctl(&["repository", "list"]).success();
    assert!(shown.contains(&format!("acme/one    {id}")), "{shown}");
    let said = home.ctl(&["repository", "unpin", "Acme/One"]).success();
    let unpinned = format!("is no longer pinned to repository {id}");
    assert!(said.contains(&unpinned), "{said}");
    let shown = home.ctl(&["repository", "list"]).success();
    assert!(shown.contains("no pinned repositories"), "{shown}");
    let ran = home.ctl(&["repository", "unpin", "acme/one"]);
    assert_eq!(ran.code(), Some(1), "no longer pinned: {ran:?}");
    assert!(ran.stderr.contains("tokenctl repository list"), "{ran:?}");
}

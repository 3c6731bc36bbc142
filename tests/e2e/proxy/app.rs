//! An App behind the proxy: curl in a script that goes on after the script's first installation token has ended.

use std::process::Command;
use std::thread;
use std::time::Duration;

use support::github::{AppKey, Fault};
use support::needs;
use support::scenes::app::{self, MINT};
use support::scenes::log::says;

use super::{Lease, Ran, StandIn, json, wait};
use support::{Home, TestBroker};

const MINUTE: Duration = Duration::from_secs(60);
/// The broker's clock is the machine's. By GitHub's, which is behind, a new token has so long to live until it is
/// time for the next one.
const UNTIL_NEXT: Duration = Duration::from_secs(4);

/// An App, and a lease whose tokens stay in the broker.
struct Scene {
    github: StandIn,
    broker: TestBroker,
    lease: Lease,
}

impl Scene {
    fn new() -> Self {
        let key = AppKey::generate();
        let (github, home) = app::proxied(Home::ready(), &key, "", "");
        let broker = home.start();
        let set = ["secret", "set", "acme-import-app"];
        broker.home.ctl_with(&set, key.pem()).success();
        broker
            .home
            .ctl(&["secret", "check", "acme-import-app"])
            .success();
        github.forget_calls();
        let taken = app::take(&broker, &json!({}));
        let text = |field: &str| taken[field].as_str().unwrap().to_owned();
        let lease = Lease {
            id: text("lease"),
            token: text("token"),
        };
        Self {
            github,
            broker,
            lease,
        }
    }

    /// curl over the socket, with the lease's token.
    fn curl(&self, method: &str, path: &str, body: &str) -> Ran {
        let host = self.github.api().replace("https://", "");
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--fail-with-body",
            "--max-time",
            "30",
        ])
        .arg("--unix-socket")
        .arg(self.broker.proxy_socket())
        .args(["-H", &format!("Authorization: Bearer {}", self.lease.token)])
        .args(["-X", method, &format!("http://{host}{path}")]);
        if !body.is_empty() {
            curl.args(["-d", body]);
        }
        Ran::of(&mut curl)
    }

    fn minted(&self) -> usize {
        self.github.change(|state| state.minted_tokens().len())
    }

    fn ctl(&self, arguments: &[&str]) -> String {
        self.broker.home.ctl(arguments).success()
    }
}

/// A path that the lease holds.
const ONE: &str = "/repos/acme/one/labels";

#[test]
fn a_script_goes_on_past_the_end_of_its_first_token_and_the_log_names_both_under_one_lease() {
    if !needs::program("curl") {
        return;
    }
    let scene = Scene::new();
    let Scene {
        github,
        broker,
        lease,
    } = &scene;
    github.turn_back(55 * MINUTE - UNTIL_NEXT);
    let first = r#"{"name":"first","color":"ff0000"}"#;
    scene.curl("POST", ONE, first).success();
    github.advance(55 * MINUTE - UNTIL_NEXT);
    assert_eq!(scene.minted(), 1);
    wait::until(|| {
        scene.curl("GET", ONE, "").success();
        broker.home.records_of("lease.issued").len() == 2
    });
    // 90 minutes after the first.
    github.advance(35 * MINUTE);
    let second = r#"{"name":"second","color":"ff0000"}"#;
    scene.curl("POST", ONE, second).success();
    assert_eq!(scene.minted(), 2);
    let names = github.change(|state| state.labels("acme/one"));
    assert_eq!(names, ["first", "second"]);

    let issued = broker.home.records_of("lease.issued");
    assert!(issued.iter().all(|one| one["lease"] == lease.id.as_str()));
    assert_ne!(
        issued[0]["hashed_credential"],
        issued[1]["hashed_credential"]
    );
    // What the caller holds opens nothing at GitHub.
    let alone = support::github::ask::ask(github, &format!("GET {ONE}"), &lease.token);
    assert_eq!(alone.status, 401);
    let beyond = scene.curl("GET", "/repos/acme/three/labels", "");
    assert!(beyond.stdout.contains("acme/three"), "{beyond:?}");

    let shown = scene.ctl(&["lease", "show", &lease.id]);
    says(
        &shown,
        &["proxy", "broker", "acme-import-app", "left at GitHub"],
    );
    let shown = scene.ctl(&["secret", "show", "acme-import-app"]);
    says(&shown, &["acme-import-app", "app"]);
    scene.ctl(&["audit", "verify"]);
    let revoked = scene.ctl(&["lease", "revoke", &lease.id]);
    says(&revoked, &["its token is revoked at GitHub"]);
    assert_eq!(github.live_tokens(), 0);
    let over = scene.curl("GET", ONE, "");
    assert!(over.stdout.contains("has ended"), "{over:?}");
}

#[test]
fn p2_if_a_token_behind_the_proxy_cannot_be_recorded_it_is_revoked_and_not_used() {
    if !needs::program("curl") || !needs::program("prlimit") {
        return;
    }
    let scene = Scene::new();
    let Scene { github, broker, .. } = &scene;
    github.fault(Fault::on(MINT).hold().times(1));
    let refused = thread::scope(|scope| {
        let asking = scope.spawn(|| scene.curl("GET", ONE, ""));
        github.wait_for_calls(MINT, 1);
        broker.limit_files("1");
        github.release();
        asking.join().unwrap()
    });
    assert!(!refused.status.success(), "{refused:?}");
    wait::until(|| github.live_tokens() == 0);
    assert_eq!(github.calls(&format!("GET {ONE}")), 0);
    broker.limit_files("unlimited");
    wait::until(|| scene.curl("GET", ONE, "").status.success());
    assert_eq!(broker.home.records_of("lease.issued").len(), 1);
}

//! Clients of others over the proxy's socket: they do what the lease holds, and understand what the broker says to the
//! rest.

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::broker::own;
use support::curl::Curl;
use support::github::{Fault, StandIn, World, hashed};
use support::{Home, TestBroker, canary, needs, wait};

use crate::script;

const PURPOSE: &str = r#"
purpose      = "label-sync"
secret       = "org-label-sync-token"
repositories = ["acme/site"]
permissions  = { issues = "write" }
deliver      = "proxy"
ttl          = { default = "15m", max = "1h" }
MORE

[[allow]]
caller = { uid = UID }
"#;

struct Setting {
    github: StandIn,
    broker: TestBroker,
    labels: Vec<String>,
    token: String,
}

fn purpose(more: &str) -> String {
    own(&PURPOSE.replace("MORE", more))
}

impl Setting {
    /// A broker whose purpose has these keys too, and a lease.
    fn new(more: &str) -> Self {
        let world = World::new()
            .organization("acme", &["acme-bot"])
            .repository("acme/site")
            .repository("acme/docs")
            .classic(canary::CLASSIC, "acme-bot", &["repo"]);
        let github = StandIn::start(world);
        let labels: Vec<_> = (0..45).map(|number| format!("label-{number:02}")).collect();
        github.change(|state| state.add_labels("acme/site", labels.clone()));
        let home = Home::ready();
        home.github(&github, "check_every = \"off\"\npoll_every = \"off\"");
        home.policy("label-sync.toml", &purpose(more));
        let broker = home.start();
        let set = ["secret", "set", "org-label-sync-token"];
        broker.home.ctl_with(&set, canary::CLASSIC).success();
        let token = broker.home.ctl(&["get", "label-sync"]).success();
        Self {
            github,
            broker,
            labels,
            token: token.trim().to_owned(),
        }
    }

    /// What a client of the socket takes for GitHub's API.
    fn api(&self) -> String {
        self.github.api().replace("https:", "http:")
    }

    fn run(&self, tools: &Path, script: &str, wait_unit: u64) -> Value {
        let told = json!({
            "socket": self.broker.proxy_socket(), "token": self.token, "wait_unit": wait_unit,
            "api": self.api(),
            "owner": "acme", "repo": "site", "other": "docs",
        });
        script::run(tools, script, &told)
    }

    /// It did all that it may, and nothing else reached GitHub.
    #[track_caller]
    fn assert_done(&self, got: &Value) {
        assert_eq!(got["labels"], json!(self.labels), "all pages");
        assert_eq!(
            (&got["made"], &got["found"]),
            (&json!(201), &json!("type/bug"))
        );
        for (refused, why) in [(0, "acme/docs"), (1, "`User.email`")] {
            let refused = &got["refused"][refused];
            assert_eq!(
                (&refused["status"], &refused["code"]),
                (&json!(403), &json!("too_wide"))
            );
            assert!(
                refused["message"].as_str().unwrap().contains(why),
                "{refused}"
            );
        }
        let stored = hashed(canary::CLASSIC);
        for call in self.github.journal() {
            assert_eq!(call.hashed_token.as_ref(), Some(&stored), "{call:?}");
            let is_check = call.path == "/user";
            assert!(
                is_check || call.path.starts_with("/repos/acme/site/labels"),
                "{call:?}"
            );
        }
    }

    /// From here on the broker knows that GitHub limits the account behind the stored token.
    fn run_into(&self, limit: &str) {
        let used = |requests| {
            self.github.change(|state| {
                let began = state.clock.now() - Duration::from_secs(3600 - LIMITED);
                state.limits.set("user acme-bot", 5000, requests, began);
            });
        };
        used(4000);
        // Whose budget it draws on is known once it was checked.
        let check = ["secret", "check", "org-label-sync-token"];
        self.broker.home.ctl(&check);
        if limit == "primary" {
            used(5000);
        } else {
            let limit = Fault::on("GET /repos/**").secondary_limit(Some(LIMITED));
            self.github.fault(limit.times(1));
        }
        let socket = self.broker.proxy_socket();
        let over = ["--unix-socket", socket.to_str().unwrap()];
        let curl = Curl::to(&self.api(), None);
        let got = curl.send("GET /repos/acme/site/labels", &self.token, &over);
        assert_eq!(got.code, 0, "{got:?}");
        self.github.forget_calls();
    }
}

#[test]
fn octokit_and_httpx_do_what_the_lease_holds_and_are_told_what_it_does_not() {
    let Some(tools) = needs::conformance_tools() else {
        return;
    };
    for script in ["octokit_proxy.mjs", "httpx_proxy.py"] {
        let setting = Setting::new("");
        let got = setting.run(&tools, script, 1000);
        setting.assert_done(&got);
        assert_eq!(setting.github.journal().len(), 5 + 2, "{script}");
        assert!(got["waits"].as_array().is_none_or(Vec::is_empty), "{got}");
    }
}

#[test]
fn octokit_waits_as_long_as_a_used_up_budget_says_and_goes_on() {
    let Some(tools) = needs::conformance_tools() else {
        return;
    };
    let setting = Setting::new("budget = \"3/m\"");
    let got = thread::scope(|scope| {
        // It waits a tenth of what it is told, and meanwhile the budget becomes larger.
        let waiting = scope.spawn(|| setting.run(&tools, "octokit_proxy.mjs", 100));
        let home = &setting.broker.home;
        wait::until(|| !home.records_of("proxy.refused").is_empty() || waiting.is_finished());
        home.policy("label-sync.toml", &purpose("budget = \"1000/m\""));
        setting.broker.reload();
        waiting.join().unwrap()
    });
    setting.assert_done(&got);
    let waits = got["waits"].as_array().unwrap();
    assert_eq!(
        (waits.len(), &waits[0]["limit"]),
        (1, &json!("primary")),
        "{got}"
    );
    let seconds = waits[0]["seconds"].as_i64().unwrap();
    assert!((40..=63).contains(&seconds), "{got}");
    assert_eq!(
        setting.broker.home.records_of("proxy.refused")[0]["code"],
        "rate_limited"
    );
}

/// How long GitHub limits, in seconds: Node has to start meanwhile.
const LIMITED: u64 = 10;

#[test]
fn octokit_waits_for_a_limit_of_githubs_that_the_broker_knows_of() {
    let Some(tools) = needs::conformance_tools() else {
        return;
    };
    // Side by side: they mostly wait.
    thread::scope(|scope| {
        for limit in ["primary", "secondary"] {
            let tools = &tools;
            scope.spawn(move || waits_for(limit, tools));
        }
    });
}

fn waits_for(name: &str, tools: &Path) {
    let setting = Setting::new("");
    setting.run_into(name);
    let got = setting.run(tools, "octokit_proxy.mjs", 1000);
    setting.assert_done(&got);
    let refused = setting.broker.home.records_of("proxy.refused");
    assert_eq!(
        refused[0]["code"], "rate_limited",
        "by the broker, not by GitHub"
    );
    let waits = got["waits"].as_array().unwrap();
    assert_eq!(
        (waits.len(), &waits[0]["limit"]),
        (1, &json!(name)),
        "{got}"
    );
    let seconds = waits[0]["seconds"].as_u64().unwrap();
    assert!((1..=LIMITED + 2).contains(&seconds), "{got}");
}

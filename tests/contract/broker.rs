//! A real broker behind prism: what it asks, and what it is told, is as GitHub describes it.

use serde_json::json;
use support::github::{App, AppKey, Level, Repositories, StandIn, World};
use support::{Home, TestBroker, needs};

use crate::prism::Prism;

const CLIENT: &str = "Iv23liBroker";

const SECRETS: &str = r#"
[secret.acme-import-app]
kind      = "app"
client_id = "Iv23liBroker"
"#;

const IMPORT: &str = r#"
purpose      = "acme-import"
secret       = "acme-import-app"
repositories = ["acme/one", "acme/two"]
permissions  = { contents = "read", issues = "write" }
ttl          = { default = "15m", max = "1h" }

[[allow]]
caller = { uid = UID }
"#;

struct Setting {
    github: StandIn,
    prism: Prism,
    broker: TestBroker,
}

impl Setting {
    /// A broker that holds these values, and reaches the stand-in through prism.
    fn new(world: World, policies: &str, values: &[(&str, &str)]) -> Option<Self> {
        let judges = needs::judges()?;
        let repositories = ["acme/one", "acme/two", "acme/three"];
        let github = StandIn::start(repositories.into_iter().fold(world, World::repository));
        let prism = Prism::start(&judges, &github.plain());
        let home = Home::ready();
        home.config(&format!(
            "[github]\napi = \"{}\"\ncheck_every = \"off\"\npoll_every = \"off\"\n",
            prism.address()
        ));
        home.policy("held.toml", policies);
        let uid = nix::unistd::geteuid().to_string();
        if policies.contains(CLIENT) {
            home.policy("acme-import.toml", &IMPORT.replace("UID", &uid));
        }
        let broker = home.start();
        for (name, value) in values {
            let set = ["secret", "set", name];
            broker.home.ctl_with(&set, value).success();
        }
        Some(Self {
            github,
            prism,
            broker,
        })
    }

    /// Nothing was wrong with any of at least so many calls.
    fn all_as_described(&self, least: usize) {
        assert_eq!(self.prism.violations(), Vec::<String>::new());
        let calls = self.github.journal().len();
        assert!(calls >= least, "only {calls} calls came through");
    }
}

fn app(key: &AppKey) -> App {
    let permissions = [("contents", Level::Read), ("issues", Level::Write)];
    App::new(CLIENT, "acme", key, &permissions)
        .installed("acme", Repositories::selected(&["acme/one", "acme/two"]))
}

#[test]
fn what_a_lease_of_an_app_asks_is_as_github_describes_it() {
    let key = AppKey::generate();
    let world = World::new()
        .organization("acme", &["acme-bot"])
        .app(app(&key));
    let values = [("acme-import-app", key.pem())];
    let Some(setting) = Setting::new(world, SECRETS, &values) else {
        return;
    };
    let body = json!({"purpose": "acme-import", "repositories": ["acme/one"]});
    let lease = setting.broker.lease(&body.to_string());
    assert_eq!(lease.status, 201, "{lease:?}");
    let id = lease.json()["lease"].as_str().unwrap().to_owned();
    setting.broker.home.ctl(&["lease", "revoke", &id]).success();
    let calls = |pattern| setting.github.calls(pattern);
    assert_eq!(calls("GET /repos/acme/one/installation"), 1);
    assert_eq!(calls("POST /app/installations/*/access_tokens"), 1);
    assert_eq!(calls("DELETE /installation/token"), 1);
    setting.all_as_described(3);
}

//! A real broker behind prism: what it asks, and what it is told, is as GitHub describes it.

use serde_json::json;
use support::broker::own;
use support::github::{
    App, AppKey, ExpiryHeader, Level, Pat, Place, Repositories, StandIn, World, classic_token,
    fine_grained_token,
};
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

const HELD: &str = r#"
[secret.source-pat]
kind         = "fine-grained"
owner        = "acme-bot"
repositories = ["acme/one"]
permissions  = { contents = "read", issues = "read", pull_requests = "read", actions = "read", secrets = "read", dependabot_secrets = "read", deployments = "read", repository_hooks = "read", statuses = "read", administration = "read", security_events = "read", secret_scanning_alerts = "read", vulnerability_alerts = "read", metadata = "read" }
"#;

const SINKS: &str = r#"
[secret.moving]
kind   = "classic"
owner  = "acme-bot"
scopes = ["repo"]
[[secret.moving.sinks]]
kind = "actions"
repository = "acme/one"
name = "MOVING"
[[secret.moving.sinks]]
kind = "dependabot"
repository = "acme/one"
name = "MOVING"
"#;

struct Setting {
    github: StandIn,
    prism: Prism,
    broker: TestBroker,
}

impl Setting {
    /// A broker that holds these values, and reaches the stand-in through prism.
    fn new(world: World, values: &[(&str, &str)]) -> Option<Self> {
        let tools = needs::conformance_tools()?;
        let repositories = ["acme/one", "acme/two", "acme/three"];
        let github = StandIn::start(repositories.into_iter().fold(world, World::repository));
        let prism = Prism::start(&tools, &github.plain());
        let home = Home::ready();
        home.config(&format!(
            "[github]\napi = \"{}\"\ncheck_every = \"off\"\npoll_every = \"off\"\n",
            prism.address()
        ));
        home.policy("held.toml", &[SECRETS, HELD, SINKS].concat());
        home.policy("acme-import.toml", &own(IMPORT));
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

    /// Nothing is wrong with any of at least so many calls that this makes.
    #[track_caller]
    fn all_as_described(&self, least: usize, calls: impl FnOnce()) {
        self.github.forget_calls();
        calls();
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
fn what_a_lease_of_an_app_a_check_and_a_rotation_ask_is_as_github_describes_it() {
    let (source, key) = (fine_grained_token(), AppKey::generate());
    let (old, new) = (classic_token(), classic_token());
    let reads = [
        "contents",
        "issues",
        "pull_requests",
        "actions",
        "secrets",
        "dependabot_secrets",
        "deployments",
        "repository_hooks",
        "statuses",
        "administration",
        "security_events",
        "secret_scanning_alerts",
        "vulnerability_alerts",
    ]
    .map(|name| (name, Level::Read));
    let one = Repositories::selected(&["acme/one"]);
    let ends = "2099-01-01T00:00:00Z".parse().unwrap();
    let pat = Pat::fine_grained(&source, "acme-bot", "acme", one, &reads);
    let world = World::new()
        .organization("acme", &["acme-bot"])
        .app(app(&key))
        .pat(pat.expires(ends, ExpiryHeader::Utc))
        .classic(&old, "acme-bot", &["repo"])
        .classic(&new, "acme-bot", &["repo"]);
    let values = [
        ("acme-import-app", key.pem()),
        ("source-pat", &*source),
        ("moving", &old),
    ];
    let Some(setting) = Setting::new(world, &values) else {
        return;
    };
    let (github, home) = (&setting.github, &setting.broker.home);

    setting.all_as_described(3, || {
        let body = json!({"purpose": "acme-import", "repositories": ["acme/one"]});
        let lease = setting.broker.lease(&body.to_string());
        assert_eq!(lease.status, 201, "{lease:?}");
        let id = lease.json()["lease"].as_str().unwrap().to_owned();
        home.ctl(&["lease", "revoke", &id]).success();
    });
    assert_eq!(github.calls("GET /repos/acme/one/installation"), 1);
    assert_eq!(github.calls("POST /app/installations/*/access_tokens"), 1);
    assert_eq!(github.calls("DELETE /installation/token"), 1);

    setting.all_as_described(15, || {
        home.ctl(&["secret", "check", "source-pat", "acme-import-app"]);
    });

    setting.all_as_described(8, || {
        let rotate = ["rotate", "moving", "--value-file", "-", "--yes"];
        home.ctl_with(&rotate, &new).success();
    });
    for kind in ["actions", "dependabot"] {
        let place = Place::repository(kind, "acme/one");
        let arrived = github.change(|state| state.secrets.of(&place, "MOVING").cloned());
        assert_eq!(arrived.unwrap().value, new.as_bytes(), "{kind}");
    }
    assert_eq!(github.calls("POST /credentials/revoke"), 1);
}

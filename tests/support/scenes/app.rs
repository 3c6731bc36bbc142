//! An App on three of four repositories, and an import that is granted two of them.

use serde_json::{Value, json};

use crate::broker::{like_label_sync, own, own_uid};
use crate::github::{App, AppKey, Level, Repositories, StandIn, World};
use crate::{AnyBroker, Home};

/// The App's client id.
pub const CLIENT: &str = "Iv23liABCDEF";
/// Mints a token.
pub const MINT: &str = "POST /app/installations/*/access_tokens";
/// Finds where the App is installed.
pub const FIND: &str = "GET /repos/acme/one/installation";
/// Revokes a token.
pub const END: &str = "DELETE /installation/token";
/// The value of the secret that the import used before.
pub const OLD_TOKEN: &str = "ghp_oldTokenOfTheImportoldTokenOfTheImpo";

const SECRETS: &str = r#"
[secret.acme-import-app]
kind      = "app"
client_id = "Iv23liABCDEF"

[secret.acme-import-old-token]
kind   = "classic"
owner  = "acme-bot"
scopes = ["repo"]
"#;

const IMPORT: &str = r#"
purpose      = "acme-import"
secret       = "acme-import-app"
repositories = ["acme/one", "acme/two"]
permissions  = { contents = "read", issues = "write" }
ttl          = { default = "15m", max = "1h" }
FALLBACK

[[allow]]
caller = { uid = UID }
"#;

/// A stand-in with the App, and the home of a broker that may use it, with these lines of policy and of
/// configuration besides.
pub fn with(home: Home, key: &AppKey, fallback: &str, config: &str) -> (StandIn, Home) {
    let permissions = [
        ("contents", Level::Write),
        ("issues", Level::Write),
        ("metadata", Level::Read),
    ];
    let reached = ["acme/one", "acme/two", "acme/three"];
    let app = App::new(CLIENT, "acme", key, &permissions)
        .installed("acme", Repositories::selected(&reached));
    let world = World::new().organization("acme", &["acme-bot"]).app(app);
    let world = ["acme/one", "acme/two", "acme/three", "acme/four"]
        .into_iter()
        .fold(world, World::repository)
        .classic(OLD_TOKEN, "acme-bot", &["repo"]);
    let github = StandIn::start(world);
    let quiet = "check_every = \"off\"\npoll_every = \"off\"";
    home.github(&github, &format!("{quiet}\n{config}"));
    home.policy("apps.toml", SECRETS);
    let import = own(&IMPORT.replace("FALLBACK", fallback));
    home.policy("acme-import.toml", &import);
    (github, home)
}

/// The same where the import's tokens stay in the broker, for a day at the most, with these lines of policy besides.
pub fn proxied(home: Home, key: &AppKey, more: &str, config: &str) -> (StandIn, Home) {
    let (github, home) = with(home, key, "", config);
    home.policy("acme-import.toml", &proxied_import(more));
    (github, home)
}

/// The purpose of [`proxied`].
#[must_use]
pub fn proxied_import(more: &str) -> String {
    let import = IMPORT.replace("FALLBACK", &format!("deliver = \"proxy\"\n{more}"));
    own(&import.replace("max = \"1h\"", "max = \"24h\""))
}

/// Takes a lease for the import, with these further fields of the request.
#[track_caller]
pub fn take(broker: &impl AnyBroker, what: &Value) -> Value {
    let mut body = json!({"purpose": "acme-import"});
    body.as_object_mut()
        .unwrap()
        .extend(what.as_object().unwrap().clone());
    let answer = broker.http("POST", "/v1/leases", &body.to_string());
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

/// Asks for a lease for the import, which must be refused.
#[track_caller]
pub fn refusal(broker: &impl AnyBroker) -> Value {
    let answer = broker.http("POST", "/v1/leases", r#"{"purpose":"acme-import"}"#);
    let problem = answer.json();
    assert!(answer.status >= 400 && problem.get("token").is_none());
    problem
}

/// Takes a lease on [`OLD_TOKEN`] itself, for a purpose of its own.
#[track_caller]
pub fn take_raw(broker: &impl AnyBroker) -> Value {
    let policy = like_label_sync("acme-by-hand", "acme-import-old-token");
    broker.home().policy("acme-by-hand.toml", &policy);
    let reloaded = broker.http("POST", "/v1/policies/reload", "");
    assert_eq!(reloaded.status, 200, "{reloaded:?}");
    let answer = broker.http("POST", "/v1/leases", r#"{"purpose":"acme-by-hand"}"#);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

/// Takes two leases for the import that share no token.
#[track_caller]
pub fn take_two(broker: &impl AnyBroker) -> [Value; 2] {
    ["acme/one", "acme/two"].map(|one| take(broker, &json!({"repositories": [one]})))
}

/// Locks the store and revokes all. Returns what was revoked.
#[track_caller]
pub fn lock_and_revoke(broker: &impl AnyBroker) -> Value {
    let answer = broker.http("POST", "/v1/lock", r#"{"revoke":true}"#);
    assert_eq!(answer.status, 200, "{answer:?}");
    let locked = answer.json();
    assert_eq!(locked["status"], "locked");
    locked["revoked"].clone()
}

/// The status with which the broker answers a question for this lease.
pub fn status_of(broker: &impl AnyBroker, lease: &Value) -> u16 {
    let id = lease["lease"].as_str().unwrap();
    broker.http("GET", &format!("/v1/leases/{id}"), "").status
}

/// How many records end leases on the word of the tests' own account.
#[must_use]
pub fn revoked_by_us(home: &Home) -> usize {
    let records = home.records_of("lease.revoked").into_iter();
    records
        .filter(|record| record["by"]["uid"] == own_uid())
        .count()
}

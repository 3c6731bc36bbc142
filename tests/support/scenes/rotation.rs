//! A secret with a sink, and the value that is to take the place of the one in use.

use std::collections::BTreeSet;

use crate::github::{App, AppKey, Level, Place, Repositories, StandIn, World};
use crate::scenes::leases::ASK;
use crate::{AnyBroker, Home};

/// The secret.
pub const NAME: &str = "org-label-sync-token";
/// In use at first.
pub const OLD: &str = "ghp_OLDcanaryOLDcanaryOLDcanaryOLDcan0001";
/// Created for the rotation.
pub const NEW: &str = "ghp_NEWcanaryNEWcanaryNEWcanaryNEWcan0002";

const SECRETS: &str = r#"
[secret.org-label-sync-token]
kind         = "classic"
owner        = "acme-bot"
scopes       = ["repo", "workflow"]
rotate_every = "90d"
"#;

/// Where its value goes besides.
pub const SINK: &str = r#"
[[secret.org-label-sync-token.sinks]]
kind       = "actions"
repository = "acme/site"
name       = "SYNC_TOKEN"
"#;

/// Both values, and an organisation with two repositories.
#[must_use]
pub fn world() -> World {
    World::new()
        .user("someone-else")
        .organization("acme", &["acme-bot"])
        .repository("acme/site")
        .repository("acme/docs")
        .classic(OLD, "acme-bot", &["repo", "workflow"])
        .classic(NEW, "acme-bot", &["repo", "workflow"])
}

/// The home of a broker that holds the secret, with these sinks, and reaches this stand-in.
pub fn in_home(home: Home, github: &StandIn, sinks: &str) -> Home {
    home.github(github, "");
    home.policy("secrets.toml", &format!("{SECRETS}{sinks}"));
    home
}

/// [`SINK`], written with the token of another secret, which is declared so.
#[must_use]
pub fn sink_with(name: &str, declared: &str) -> String {
    format!("\n[secret.{name}]\n{declared}\n{SINK}with = \"{name}\"\n")
}

/// The App that may write the sink, as a secret.
pub const SINK_APP: &str = "acme-app";

/// Both values and the App, the sink that [`SINK_APP`] writes, and its key.
#[must_use]
pub fn with_an_app() -> (World, String, AppKey) {
    let key = AppKey::generate();
    let app = App::new("Iv23liCANARY", "acme", &key, &[("secrets", Level::Write)]);
    let world = world().app(app.installed("acme", Repositories::All));
    let declared = "kind = \"app\"\nclient_id = \"Iv23liCANARY\"";
    (world, sink_with(SINK_APP, declared), key)
}

/// What the secret of the sinks is in this place.
#[must_use]
pub fn in_place(github: &StandIn, place: &Place) -> Option<String> {
    github.change(|state| {
        let stored = state.secrets.of(place, "SYNC_TOKEN")?;
        Some(String::from_utf8(stored.value.clone()).unwrap())
    })
}

/// Base64 SHA-256 of every installation token that such records name.
#[must_use]
pub fn named_in(home: &Home, kind: &str) -> BTreeSet<String> {
    let records = home.records_of(kind);
    let hashes = records.iter().map(|one| &one["hashed_credential"]);
    hashes
        .map(|hash| hash.as_str().unwrap().to_owned())
        .collect()
}

/// The token that a caller is handed now.
pub fn handed_out(broker: &impl AnyBroker) -> String {
    let lease = broker.http("POST", "/v1/leases", ASK).json();
    lease["token"].as_str().unwrap_or_default().to_owned()
}

/// The one good end: one new secret in the sink, the old token dead, the new one in use.
#[track_caller]
pub fn assert_rotated(github: &StandIn, broker: &impl AnyBroker, how: &str) {
    let path = format!("/v1/rotations/{NAME}");
    let state = broker.http("GET", &path, "").json();
    assert_eq!(state["phase"], "finished", "{how}: {state}");
    let sink = in_place(github, &Place::repository("actions", "acme/site"));
    assert_eq!(sink.as_deref(), Some(NEW), "{how}");
    let is_dead = |token| github.change(|state| state.pat_mut(token).revoked);
    assert!(is_dead(OLD), "{how}: the old token lives");
    assert!(!is_dead(NEW), "{how}: the new token is dead");
    assert_eq!(handed_out(broker), NEW, "{how}");
    let finished = broker.home().records_of("rotation.finished");
    assert!(!finished.is_empty(), "{how}");
}

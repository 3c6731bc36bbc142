//! A secret with a sink, and the value that is to take the place of the one in use.

use crate::Home;
use crate::github::{StandIn, World};

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

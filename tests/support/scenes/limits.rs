//! Two secrets of one user at GitHub, one of another, and a purpose for each.

use crate::Home;
use crate::broker::own_uid;
use crate::canary;
use crate::github::{StandIn, World};

/// A second secret of the same user, one of another user, and a purpose for each.
const POLICIES: &str = r#"
[secret.org-onboarding-token]
kind  = "classic"
owner = "Acme-Bot"

[secret.other-token]
kind  = "classic"
owner = "somebody-else"
"#;

/// Made up, like the canaries.
pub const OTHER: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcan0003";

fn purpose(name: &str, secret: &str) -> String {
    let uid = own_uid();
    format!(
        "purpose = \"{name}\"\nsecret = \"{secret}\"\nrepositories = [\"acme/*\"]\n\
         permissions = {{ issues = \"read\" }}\ndeliver = \"raw\"\nttl = {{ default = \"15m\", max = \"1h\" }}\n\
         [[allow]]\ncaller = {{ uid = {uid} }}\n"
    )
}

/// A stand-in that knows the three.
#[must_use]
pub fn github() -> StandIn {
    let world = World::new()
        .organization("acme", &["acme-bot", "somebody-else"])
        .repository("acme/site")
        .classic(canary::CLASSIC, "acme-bot", &["repo", "workflow"])
        .classic(canary::CLASSIC_TWO, "acme-bot", &["repo"])
        .classic(OTHER, "somebody-else", &["repo"]);
    StandIn::start(world)
}

/// The secrets, and what they hold.
pub const HELD: [(&str, &str); 3] = [
    ("org-label-sync-token", canary::CLASSIC),
    ("org-onboarding-token", canary::CLASSIC_TWO),
    ("other-token", OTHER),
];

/// The home of a broker that asks this stand-in every second what is left.
pub fn in_home(home: Home, github: &StandIn) -> Home {
    home.policy("more.toml", POLICIES);
    home.policy(
        "onboarding.toml",
        &purpose("onboarding", "org-onboarding-token"),
    );
    home.policy("other.toml", &purpose("other", "other-token"));
    home.github(github, "check_every = \"off\"\npoll_every = \"1s\"");
    home
}

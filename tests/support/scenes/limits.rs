//! Two secrets of one user at GitHub, one of another, and a purpose for each.

use serde_json::Value;

use crate::broker::own_uid;
use crate::github::{StandIn, World};
use crate::http::Answer;
use crate::{AnyBroker, Home, canary};

/// A second secret of the same user, one of another user, and a purpose for each.
const POLICIES: &str = r#"
[secret.org-onboarding-token]
kind  = "classic"
owner = "Acme-Bot"

[secret.other-token]
kind  = "classic"
owner = "other-bot"
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
        .organization("acme", &["acme-bot", "other-bot"])
        .repository("acme/site")
        .classic(canary::CLASSIC, "acme-bot", &["repo", "workflow"])
        .classic(canary::CLASSIC_TWO, "acme-bot", &["repo"])
        .classic(OTHER, "other-bot", &["repo"]);
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

/// One principal in the operator's status.
pub fn principal(broker: &impl AnyBroker, name: &str) -> Value {
    let status = broker.http("GET", "/v1/status", "").json();
    let all = status["broker"]["github"]["principals"].as_array().unwrap();
    let found = all.iter().find(|one| one["principal"] == name);
    found.cloned().unwrap_or(Value::Null)
}

/// What this principal has left of its hourly budget, if that is known.
pub fn core(broker: &impl AnyBroker, name: &str) -> Option<Value> {
    let principal = principal(broker, name);
    let resources = principal["resources"].as_array()?;
    let found = resources.iter().find(|one| one["resource"] == "core");
    found.cloned()
}

/// Asks for a lease for this purpose.
pub fn ask(broker: &impl AnyBroker, purpose: &str) -> Answer {
    let body = format!(r#"{{"purpose":"{purpose}"}}"#);
    broker.http("POST", "/v1/leases", &body)
}

/// When a refusal says to come back, in seconds.
#[must_use]
pub fn retry_after(answer: &Answer) -> u64 {
    answer.header("retry-after").unwrap().parse().unwrap()
}

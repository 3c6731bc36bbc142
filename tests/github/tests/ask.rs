//! curl over TLS, trusting the stand-in's authority and nobody else.

use serde_json::Value;

use super::super::StandIn;
use crate::curl::Curl;
pub(super) use crate::curl::Got;

pub(super) fn ask(github: &StandIn, call: &str, token: &str) -> Got {
    curl(github).ask(call, token)
}

pub(super) fn tell(github: &StandIn, call: &str, token: &str, body: &Value) -> Got {
    curl(github).tell(call, token, body)
}

pub(super) fn send(github: &StandIn, call: &str, token: &str, more: &[&str]) -> Got {
    curl(github).send(call, token, more)
}

fn curl(github: &StandIn) -> Curl {
    Curl::to(&github.api(), Some(github.ca().to_owned()))
}

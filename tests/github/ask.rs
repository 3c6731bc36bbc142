//! What a script with a token would see: curl over real TLS, trusting the stand-in's authority and
//! no one else.

use serde_json::Value;

use super::StandIn;
use crate::curl::Curl;
pub use crate::curl::Got;

/// `METHOD /path`, with a token or none.
pub fn ask(github: &StandIn, call: &str, token: &str) -> Got {
    curl(github).ask(call, token)
}

/// The same with a JSON body.
pub fn tell(github: &StandIn, call: &str, token: &str, body: &Value) -> Got {
    curl(github).tell(call, token, body)
}

/// The same with more arguments for curl.
pub fn send(github: &StandIn, call: &str, token: &str, more: &[&str]) -> Got {
    curl(github).send(call, token, more)
}

fn curl(github: &StandIn) -> Curl {
    Curl::to(&github.api(), Some(github.ca().to_owned()))
}

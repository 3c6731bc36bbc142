//! Names that a shell proposes: asked of the broker, which has a moment to answer. Without one there are none, and
//! nothing is said: what the shell would print is in the way of what is being typed.

use std::time::Duration;

use broker_protocol::api::{PurposeList, Status};
use broker_protocol::client::{Connection, Request};
use broker_protocol::paths::{Overrides, Paths};
use clap_complete::engine::CompletionCandidate;
use serde::de::DeserializeOwned;

use crate::commands::purpose::PURPOSES;

/// The purposes that a rule allows the caller.
pub(crate) fn purposes() -> Vec<CompletionCandidate> {
    let list: Option<PurposeList> = ask(PURPOSES);
    let purposes = list.into_iter().flat_map(|list| list.purposes);
    let candidate = |view: broker_protocol::api::PurposeView| {
        let about = view.about.map(Into::into);
        CompletionCandidate::new(view.purpose.to_string()).help(about)
    };
    purposes.map(candidate).collect()
}

/// The secrets, for operators. Asked of `status`, because a refused list of secrets is on record.
pub(crate) fn secrets() -> Vec<CompletionCandidate> {
    let status: Option<Status> = ask("/v1/status");
    let broker = status.and_then(|status| status.broker);
    let secrets = broker.into_iter().flat_map(|broker| broker.secrets);
    secrets
        .map(|secret| CompletionCandidate::new(secret.name.to_string()))
        .collect()
}

fn ask<T: DeserializeOwned>(path: &str) -> Option<T> {
    let places = Paths::find(&Overrides::default(), |name| std::env::var_os(name)).ok()?;
    let connection = Connection::open(&places.socket).ok()?;
    let request = Request::new("GET", path).patience(A_MOMENT);
    connection.send(&request).ok()?.json().ok()
}

/// Longer, and who types thinks that the shell hangs.
const A_MOMENT: Duration = Duration::from_millis(500);

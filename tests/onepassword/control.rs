//! The stand-in from outside: JSON commands on a listener of its own, for shells and other languages.
//!
//! ```text
//! POST /_control          {"set": {…}}    → 200 {}
//! GET  /_control/journal                  → every call so far
//! ```

use std::sync::Arc;

use axum::body::{Body as HttpBody, to_bytes};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpStream;

use super::respond::error;
use super::world::{State, World};
use crate::github::Fault;
use crate::github::answer::Answer;
use crate::github::server::{Closed, Shared, response};

/// What can be said from outside; each in an object of its name: `{"heal": {}}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Command {
    /// Puts a value into a field, as a person would.
    Set {
        /// The vault's name.
        vault: String,
        /// The item's title.
        item: String,
        /// The field's label or id.
        field: String,
        /// The value.
        value: String,
    },
    /// Deletes the items of this title.
    Delete {
        /// The vault's name.
        vault: String,
        /// The item's title.
        item: String,
    },
    /// This is what there is from now on.
    World(World),
    /// From now on this goes wrong.
    Fault(Fault),
    /// Nothing goes wrong any more, and held calls go on.
    Heal {},
    /// Forgets the calls so far.
    ForgetCalls {},
}

/// Serves one connection of the control listener.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared<State>>) {
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move {
            let (parts, body) = request.into_parts();
            let body = to_bytes(HttpBody::new(body), MOST);
            let body = body.await.map_err(|_gone| Closed)?;
            let answer = match (parts.method.as_str(), parts.uri.path()) {
                ("GET", "/_control/journal") => {
                    Answer::json(200, json!(shared.lock().journal.all()))
                }
                ("POST", "/_control") => match serde_json::from_slice(&body) {
                    Ok(command) => {
                        obey(&shared, command);
                        Answer::json(200, json!({}))
                    }
                    Err(refused) => error(400, &refused.to_string()),
                },
                _ => error(404, "POST /_control or GET /_control/journal"),
            };
            Ok::<_, Closed>(response(&answer, false))
        }
    });
    // Whoever steers may hang up.
    let connection = http1::Builder::new();
    connection
        .serve_connection(TokioIo::new(stream), service)
        .await
        .ok();
}

fn obey(shared: &Shared<State>, command: Command) {
    if matches!(command, Command::Heal {}) {
        shared.release();
    }
    let mut state = shared.lock();
    match command {
        Command::Set {
            vault,
            item,
            field,
            value,
        } => state.set(&vault, &item, &field, &value),
        Command::Delete { vault, item } => state.delete(&vault, &item),
        Command::World(world) => state.world = world,
        Command::Fault(fault) => state.faults.add(fault),
        Command::Heal {} => state.faults.clear(),
        Command::ForgetCalls {} => state.journal.clear(),
    }
}

/// Longest command, in bytes.
const MOST: usize = 16 << 20;

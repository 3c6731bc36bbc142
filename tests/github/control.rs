//! The stand-in from outside: JSON commands on a listener of its own, for shells, Python and Node.
//!
//! ```text
//! POST /_control          {"advance": 3600}    → 200 {}, or what was asked for
//! GET  /_control/journal                       → every call so far
//! ```
//!
//! [`Command`] lists what can be said; one that cannot be carried out is 400 with the reason.
//! Nothing here is GitHub's, nothing here is in the journal.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body as HttpBody, Bytes, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::answer::Answer;
use super::app_key::AppKey;
use super::faults::{Fault, merge};
use super::permission::Permissions;
use super::reply::{Closed, response};
use super::secrets::Place;
use super::server::Shared;
use super::settings::Settings;
use super::state::State;
use super::world::{Repositories, World};

/// What can be said from outside; each in an object of its name: `{"revoke": "ghp_…"}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Command {
    /// Adds what a world describes.
    Add(World),
    /// From now on this goes wrong.
    Fault(Fault),
    /// Nothing goes wrong any more, and held calls go on.
    Heal {},
    /// Held calls go on.
    Release {},
    /// Moves the clock forward by so many seconds, or back.
    Advance(i64),
    /// These settings, as a merge patch; [`Settings`] names them.
    Settings(Value),
    /// The token dies now.
    Revoke(String),
    /// The installation on an account is suspended, or no longer.
    Suspend {
        /// The account.
        account: String,
        /// Or no longer.
        suspended: bool,
    },
    /// The installation on an account is granted something else.
    Grant {
        /// The account.
        account: String,
        /// Which repositories.
        repositories: Option<Repositories>,
        /// Which permissions.
        permissions: Option<Permissions>,
    },
    /// The keys of an App are these, as PEM; none of the others is honoured any more.
    AppKeys {
        /// Which App.
        client_id: String,
        /// PKCS#1 PEM.
        keys: Vec<String>,
    },
    /// A repository gets another name.
    Rename {
        /// `owner/name`.
        from: String,
        /// The new name alone.
        to: String,
    },
    /// An issue gets another repository; what comes back is its number there.
    Move {
        /// `owner/name#1`.
        issue: String,
        /// `owner/name`.
        to: String,
    },
    /// What a principal has used of its hour.
    Limit {
        /// `user acme-bot`, `installation 1004`, `app Iv23…`, `anonymous`.
        principal: String,
        /// Of so many.
        limit: u64,
        /// So many.
        used: u64,
    },
    /// A principal is under the secondary limit.
    Penalise {
        /// As above.
        principal: String,
        /// For so long.
        seconds: u64,
        /// Whether `Retry-After` says so.
        tells: bool,
    },
    /// Forgets the calls so far.
    ForgetCalls {},
    /// A secret as it arrived: `{"value", "sealed", "private_key"}` in base64, and its visibility.
    Secret {
        /// `repos/acme/site`, `repos/acme/site/environments/prod`, `orgs/acme`.
        place: String,
        /// `actions`, `dependabot`, `codespaces`.
        kind: String,
        /// Its name.
        name: String,
    },
}

/// Serves one connection of the control listener.
pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move {
            let (parts, body) = request.into_parts();
            let body = to_bytes(HttpBody::new(body), MOST)
                .await
                .map_err(|_gone| Closed)?;
            let answer = match (parts.method.as_str(), parts.uri.path()) {
                ("GET", "/_control/journal") => {
                    Answer::json(200, json!(shared.lock().journal.all()))
                }
                ("POST", "/_control") => obey(&shared, &body),
                _ => Answer::error(404, "POST /_control or GET /_control/journal"),
            };
            Ok::<_, Closed>(response(&answer))
        }
    });
    // The other end may hang up.
    let connection = http1::Builder::new();
    connection
        .serve_connection(TokioIo::new(stream), service)
        .await
        .ok();
}

/// Longest command, in bytes: a world with ten thousand of everything fits.
const MOST: usize = 64 << 20;

fn obey(shared: &Shared, body: &Bytes) -> Answer {
    let command = match serde_json::from_slice(body) {
        Ok(command) => command,
        Err(error) => return Answer::error(400, &error.to_string()),
    };
    if matches!(command, Command::Heal {} | Command::Release {}) {
        shared.release();
    }
    let mut state = shared.lock();
    // A name that is not there is a panic for a test in Rust, and an answer here.
    match catch_unwind(AssertUnwindSafe(|| carry_out(&mut state, command))) {
        Ok(Ok(value)) => Answer::json(200, value),
        Ok(Err(reason)) => Answer::error(400, &reason),
        Err(_) => Answer::error(400, "there is nothing of that name"),
    }
}

fn carry_out(state: &mut State, command: Command) -> Result<Value, String> {
    match command {
        Command::Add(world) => state.add(world),
        Command::Fault(fault) => state.faults.add(fault),
        Command::Heal {} => state.faults.clear(),
        Command::Release {} => {}
        Command::Advance(seconds) => {
            let by = Duration::from_secs(seconds.unsigned_abs());
            match seconds < 0 {
                true => state.clock.turn_back(by),
                false => state.clock.advance(by),
            }
        }
        Command::Settings(patch) => state.settings = patched(&state.settings, &patch)?,
        Command::Revoke(token) => state.revoke(&token),
        Command::Suspend { account, suspended } => {
            state.installation_on(&account).suspended = suspended;
        }
        Command::Grant {
            account,
            repositories,
            permissions,
        } => {
            let installation = state.installation_on(&account);
            if let Some(repositories) = repositories {
                installation.repositories = repositories;
            }
            if permissions.is_some() {
                installation.permissions = permissions;
            }
        }
        Command::AppKeys { client_id, keys } => {
            let keys: Result<_, _> = keys.iter().map(|pem| AppKey::parse(pem)).collect();
            state.app_mut(&client_id).keys = keys?;
        }
        Command::Rename { from, to } => state.rename(&from, &to),
        Command::Move { issue, to } => {
            return Ok(json!({ "number": state.move_issue(&issue, &to) }));
        }
        Command::Limit {
            principal,
            limit,
            used,
        } => {
            let now = state.clock.now();
            state.limits.set(&principal, limit, used, now);
        }
        Command::Penalise {
            principal,
            seconds,
            tells,
        } => {
            let now = state.clock.now();
            state.limits.penalise(&principal, seconds, tells, now);
        }
        Command::ForgetCalls {} => state.journal.clear(),
        Command::Secret { place, kind, name } => return secret(state, &place, &kind, &name),
    }
    Ok(json!({}))
}

fn patched(settings: &Settings, patch: &Value) -> Result<Settings, String> {
    let mut value = serde_json::to_value(settings).map_err(|error| error.to_string())?;
    merge(&mut value, patch);
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn secret(state: &mut State, place: &str, kind: &str, name: &str) -> Result<Value, String> {
    let pieces: Vec<&str> = place.split('/').collect();
    let place = match pieces[..] {
        ["orgs", login] => Place::organization(kind, login),
        ["repos", owner, repository] => Place::repository(kind, &format!("{owner}/{repository}")),
        ["repos", owner, repository, "environments", environment] => {
            Place::environment(&format!("{owner}/{repository}"), environment)
        }
        _ => return Err("orgs/ORG, repos/OWNER/NAME or repos/OWNER/NAME/environments/ENV".into()),
    };
    let private_key = STANDARD.encode(state.secrets.private_key(&place));
    let stored = state
        .secrets
        .of(&place, name)
        .ok_or("there is no such secret")?;
    Ok(json!({
        "value": STANDARD.encode(&stored.value),
        "sealed": STANDARD.encode(&stored.sealed),
        "private_key": private_key,
        "visibility": stored.visibility,
        "selected_repository_ids": stored.selected,
    }))
}

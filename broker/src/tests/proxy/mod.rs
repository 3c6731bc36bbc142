//! Requests to GitHub under a lease whose token only the broker honours.

mod custody;
mod faults;
mod git;
mod graphql;
mod minted;
mod requests;
mod tunnel;

use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use support::broker::own_uid;
use support::canary;
use support::github::{StandIn, World, hashed};
use support::http::Answer;

use super::InProcess;
use super::in_process::ready;

const SECRET: &str = "org-label-sync-token";

/// Two repositories of an organisation, and one of another, all within reach of one token.
fn github() -> StandIn {
    let world = World::new()
        .organization("acme", &["acme-bot"])
        .organization("other", &["acme-bot"])
        .repository("acme/site")
        .repository("acme/docs")
        .repository("other/site")
        .classic(canary::CLASSIC, "acme-bot", &["repo"])
        .classic(canary::CLASSIC_TWO, "acme-bot", &["repo"]);
    StandIn::start(world)
}

fn purpose(more: &str) -> String {
    let uid = own_uid();
    format!(
        "purpose = \"label-sync\"\nsecret = \"{SECRET}\"\nrepositories = [\"acme/site\"]\n\
         permissions = {{ issues = \"write\" }}\ndeliver = \"proxy\"\n{more}\n\
         ttl = {{ default = \"15m\", max = \"1h\" }}\n[[allow]]\ncaller = {{ uid = {uid} }}\n"
    )
}

/// A broker whose `label-sync` delivers `proxy`, with `more` in it.
fn broker_with(github: &StandIn, more: &str) -> InProcess {
    broker_configured(github, more, "")
}

/// The same, with these tables in its configuration.
fn broker_configured(github: &StandIn, more: &str, tables: &str) -> InProcess {
    let home = ready();
    home.policy("label-sync.toml", &purpose(more));
    let settings = format!("check_every = \"off\"\npoll_every = \"off\"\n{tables}");
    home.github(github, &settings);
    let broker = InProcess::start(home);
    broker.set(SECRET, canary::CLASSIC);
    broker
}

fn broker(github: &StandIn) -> InProcess {
    broker_with(github, "")
}

/// A new lease.
struct Lease {
    id: String,
    token: String,
}

fn lease(broker: &InProcess) -> Lease {
    let answer = broker.lease(r#"{"purpose":"label-sync"}"#);
    assert_eq!(answer.status, 201, "{answer:?}");
    let text = |field: &str| answer.json()[field].as_str().unwrap().to_owned();
    Lease {
        id: text("lease"),
        token: text("token"),
    }
}

/// A request to the stand-in's API with a token.
fn request(
    github: &StandIn,
    token: &str,
    (method, path, body): (&str, &str, &str),
) -> Request<Body> {
    let host = github.api().replace("https://", "");
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", host)
        .header("user-agent", "a-script")
        .header("authorization", format!("Bearer {token}"));
    let request = match body.len() {
        0 => request,
        length => request
            .header("content-length", length)
            .header("content-type", "application/json"),
    };
    request.body(Body::from(body.to_owned())).unwrap()
}

fn get(broker: &InProcess, github: &StandIn, token: &str, path: &str) -> Answer {
    broker.proxied(request(github, token, ("GET", path, "")))
}

fn post(broker: &InProcess, github: &StandIn, token: &str, path: &str, body: &str) -> Answer {
    broker.proxied(request(github, token, ("POST", path, body)))
}

const LABELS: &str = "/repos/acme/site/labels";
const A_LABEL: &str = r#"{"name":"bug","color":"ff0000"}"#;

/// What the broker says to the caller in GitHub's place.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("tokend-error"), Some(code), "{answer:?}");
    let body = answer.json();
    assert_eq!(body["status"], json!(status.to_string()));
    assert!(body["message"].is_string());
}

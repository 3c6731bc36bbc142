//! Tunnels: whose they are, where they lead, and how long their certificate lives.

use std::sync::Arc;
use std::time::Duration;

use support::git_server::GitServer;

use crate::proxy::Tunnel;

use super::*;

fn made(broker: &InProcess, lease: &str) -> Answer {
    broker.http("POST", &format!("/v1/leases/{lease}/tunnel"), "")
}

/// Where the certificates of these hosts come from.
#[track_caller]
fn authority(broker: &InProcess, lease: &str) -> String {
    let answer = made(broker, lease);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["authority"].as_str().unwrap().to_owned()
}

fn connect(target: &str, lease: &str) -> Request<Body> {
    connect_with(target, &[("tokend-lease", lease)])
}

fn connect_with(target: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method("CONNECT").uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

fn host(github: &StandIn) -> String {
    github.api().replace("https://", "")
}

#[test]
fn the_authority_of_a_lease_is_the_same_for_as_long_as_it_lives() {
    let github = github();
    let broker = broker(&github);
    let (one, other) = (lease(&broker), lease(&broker));
    let answer = made(&broker, &one.id);
    assert_eq!(answer.json()["hosts"], json!([host(&github)]));
    assert_eq!(answer.json()["lease"], one.id.as_str());
    let first = authority(&broker, &one.id);
    assert!(first.starts_with("-----BEGIN CERTIFICATE-----"), "{first}");
    assert_eq!(answer.json()["authority"], first.as_str());
    assert_ne!(authority(&broker, &other.id), first);
    broker.lock();
    assert_eq!(made(&broker, &one.id).status, 503);
    assert_refused(
        &broker.proxied(connect(&host(&github), &one.id)),
        503,
        "locked",
    );
    broker.unlock();
    assert_eq!(authority(&broker, &one.id), first);
    let broker = broker.restarted();
    broker.tunnel(connect(&host(&github), &one.id));
    assert_eq!(authority(&broker, &one.id), first);
    let broker = broker.killed(|_| {});
    assert_eq!(authority(&broker, &one.id), first);
}

#[test]
fn the_certificate_of_a_lease_that_is_over_is_erased() {
    let github = github();
    let broker = broker(&github);
    let [revoked, expired, lives] = [(); 3].map(|()| lease(&broker));
    for lease in [&revoked, &expired, &lives] {
        authority(&broker, &lease.id);
    }
    broker.round();
    assert_eq!(broker.kept_tunnels(), 3);
    broker.done("DELETE", &format!("/v1/leases/{}", revoked.id), "");
    assert_eq!(made(&broker, &revoked.id).status, 404);
    broker.round();
    assert_eq!(broker.kept_tunnels(), 2);
    let renew = format!("/v1/leases/{}/renew", lives.id);
    broker.done("POST", &renew, r#"{"ttl":3600}"#);
    broker.clock.advance(Duration::from_secs(16 * 60));
    let broker = broker.restarted();
    broker.round();
    assert_eq!(broker.kept_tunnels(), 1);
    assert_eq!(made(&broker, &expired.id).status, 404);
    authority(&broker, &lives.id);
}

#[test]
fn p8_a_tunnel_is_for_the_account_of_its_lease_and_for_githubs_hosts() {
    let github = github();
    let broker = broker(&github);
    let (one, raw) = (lease(&broker), lease(&broker));
    let to = host(&github);
    let before = broker.proxied(connect(&to, &one.id));
    assert_refused(&before, 400, "bad_request");
    authority(&broker, &one.id);
    let other = broker.http_as(4711, "POST", &format!("/v1/leases/{}/tunnel", one.id), "");
    assert_eq!(other.status, 404, "{other:?}");
    let other = broker.proxied_as(4711, connect(&to, &one.id));
    assert_refused(&other, 403, "unknown_lease");
    let unknown = "0".repeat(32);
    let port = to.rsplit_once(':').unwrap().1;
    for (asked, status, code) in [
        (connect(&to, &unknown), 403, "unknown_lease"),
        (connect("github.com:443", &one.id), 403, "not_found"),
        (connect("127.0.0.1:1", &one.id), 403, "not_found"),
        (
            connect(&format!("localhost:{port}"), &one.id),
            403,
            "not_found",
        ),
        (
            connect(&format!("http://{to}/"), &one.id),
            400,
            "bad_request",
        ),
        (connect(&to, "x"), 400, "bad_request"),
        (connect_with(&to, &[]), 400, "bad_request"),
        (
            connect_with(&to, &[("tokend-lease", &one.id), ("tokend-lease", &raw.id)]),
            400,
            "bad_request",
        ),
        (
            connect_with(&to, &[("tokend-lease", &one.id), ("host", "github.com")]),
            400,
            "bad_request",
        ),
        (
            connect_with(&to, &[("tokend-lease", &one.id), ("content-length", "1")]),
            400,
            "bad_request",
        ),
    ] {
        let shown = format!("{asked:?}");
        let answer = broker.proxied(asked);
        assert_eq!(
            (answer.status, answer.header("tokend-error")),
            (status, Some(code)),
            "{shown}: {answer:?}"
        );
    }
    let refused = broker.home.records_of("proxy.refused");
    assert_eq!(refused.len(), 12);
    assert!(refused.iter().all(|one| one["method"] == "CONNECT"));
    assert_eq!(refused[0]["path"], to.as_str());
    assert!(github.journal().is_empty());
}

#[test]
fn a_lease_that_delivers_no_proxy_token_has_no_tunnel() {
    let broker = InProcess::with_label_sync();
    let answer = broker.lease(r#"{"purpose":"label-sync"}"#);
    let id = answer.json()["lease"].as_str().unwrap().to_owned();
    let answer = made(&broker, &id);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("delivers no proxy token")
    );
}

/// A request within a tunnel.
fn within(tunnel: &Arc<Tunnel>, mut request: Request<Body>) -> Request<Body> {
    request.extensions_mut().insert(Arc::clone(tunnel));
    request
}

#[test]
fn p8_in_a_tunnel_a_request_is_for_its_host_and_under_the_lease_of_its_token() {
    let github = github();
    let broker = broker(&github);
    let (one, other) = (lease(&broker), lease(&broker));
    authority(&broker, &one.id);
    let tunnel = broker.tunnel(connect(&host(&github).to_uppercase(), &one.id));
    for token in [&one.token, &other.token] {
        let asked = within(&tunnel, request(&github, token, ("GET", LABELS, "")));
        assert_eq!(broker.proxied(asked).status, 200);
    }
    let calls = github.journal().len();
    let mut elsewhere = within(&tunnel, request(&github, &one.token, ("GET", LABELS, "")));
    let named = "github.com".parse().unwrap();
    elsewhere.headers_mut().insert("host", named);
    assert_refused(&broker.proxied(elsewhere), 400, "bad_request");
    let further = within(&tunnel, connect(&host(&github), &one.id));
    assert_refused(&broker.proxied(further), 400, "bad_request");
    let foreign = within(
        &tunnel,
        request(&github, canary::CLASSIC, ("GET", LABELS, "")),
    );
    assert_refused(&broker.proxied(foreign), 401, "denied");
    let mut none = within(&tunnel, request(&github, "", ("GET", LABELS, "")));
    none.headers_mut().remove("authorization");
    let answer = broker.proxied(none);
    assert_refused(&answer, 401, "denied");
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Basic realm=\"GitHub\"")
    );
    assert_eq!(github.journal().len(), calls, "nothing more reached GitHub");
    // Whoever sends no token is asked for it, which is no refusal.
    assert_eq!(broker.home.records_of("proxy.refused").len(), 3);
}

#[test]
fn in_a_tunnel_what_everyone_may_read_needs_no_token_where_the_purpose_is_public() {
    const SITE: &str = "/acme/site.git/info/refs?service=git-upload-pack";
    const OPEN: &str = "/open/site.git/info/refs?service=git-upload-pack";
    const PUSH: &str = "/open/site.git/info/refs?service=git-receive-pack";
    let server = GitServer::start(canary::CLASSIC);
    let home = ready();
    for (name, public) in [("label-sync", "public = true"), ("closed", "")] {
        let contents = "contents = \"read\"";
        let policy = purpose(public).replace("issues = \"write\"", contents);
        let policy = policy.replace("\"label-sync\"", &format!("\"{name}\""));
        home.policy(&format!("{name}.toml"), &policy);
    }
    home.config(&format!(
        "[github]\napi = \"http://{}/api/v3\"\ncheck_every = \"off\"\npoll_every = \"off\"\n",
        server.host()
    ));
    let broker = InProcess::start(home);
    broker.set(SECRET, canary::CLASSIC);
    let ask = |purpose: &str, path: &str, token: bool| {
        let answer = broker.lease(&format!("{{\"purpose\":\"{purpose}\"}}"));
        let of = |field: &str| answer.json()[field].as_str().unwrap().to_owned();
        authority(&broker, &of("lease"));
        let tunnel = broker.tunnel(connect(&server.host(), &of("lease")));
        let mut request = Request::builder().uri(path).header("host", server.host());
        if token {
            request = request.header("authorization", format!("token {}", of("token")));
        }
        let request = request.body(Body::empty()).unwrap();
        broker.proxied(within(&tunnel, request)).status
    };
    for (purpose, path, token, status) in [
        ("label-sync", OPEN, false, 200),
        ("label-sync", OPEN, true, 200),
        ("label-sync", SITE, false, 401),
        ("label-sync", SITE, true, 200),
        ("label-sync", PUSH, false, 401),
        ("label-sync", PUSH, true, 403),
        ("closed", OPEN, false, 401),
        ("closed", OPEN, true, 403),
        ("closed", SITE, true, 200),
    ] {
        assert_eq!(
            ask(purpose, path, token),
            status,
            "{purpose} {path} {token}"
        );
    }
    for seen in server.seen() {
        let credential = seen.header("authorization").is_some();
        assert_eq!(credential, seen.line.contains("/acme/"), "{seen:?}");
    }
}

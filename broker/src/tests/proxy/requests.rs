//! What is passed on, what is refused, and what is on record of both.

use axum::body::Body;
use axum::http::Request;
use support::github::Fault;
use support::{canary, wait};

use super::*;
use crate::tests::ALICE;

#[test]
fn a_caller_reads_and_writes_within_its_lease_and_never_holds_the_stored_token() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    assert!(lease.token.starts_with("tkp_"), "{}", lease.token);
    github.forget_calls();

    let made = post(&broker, &github, &lease.token, LABELS, A_LABEL);
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["name"], "bug");
    let listed = get(&broker, &github, &lease.token, LABELS);
    assert_eq!(listed.json()[0]["name"], "bug");
    for answer in [&made, &listed] {
        assert!(answer.header("x-oauth-scopes").is_none(), "{answer:?}");
        assert!(!canary::is_in(
            format!("{answer:?}").as_bytes(),
            canary::CLASSIC
        ));
    }
    let calls = github.journal();
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call.principal == "user acme-bot"));
}

#[test]
fn a_write_is_on_record_before_github_hears_of_it_and_a_read_with_its_outcome() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    github.fault(Fault::on("POST /repos/acme/site/labels").hold());
    let writing = request(&github, &lease.token, ("POST", LABELS, A_LABEL));
    let writing = broker.begin_proxied(writing);
    github.wait_for_calls("POST /repos/acme/site/labels", 1);
    let before = broker.home.records_of("proxy.request");
    assert_eq!(before.len(), 1, "durable by then");
    assert!(broker.home.records_of("proxy.response").is_empty());
    github.heal();
    let made = broker.finished(writing);
    assert_eq!(made.status, 201, "{made:?}");
    let read = get(
        &broker,
        &github,
        &lease.token,
        "/repos/acme/site/labels?per_page=1",
    );
    assert_eq!(read.status, 200);
    wait::until(|| broker.home.records_of("proxy.response").len() == 2);

    let records = broker.home.records_of("proxy.response");
    let written = records.iter().find(|one| one["method"] == "POST").unwrap();
    assert_eq!(written["request"], before[0]["seq"]);
    assert_eq!(written["lease"], lease.id);
    assert_eq!(written["status"], 201);
    assert_eq!(written["sent"], A_LABEL.len());
    assert_eq!(written["received"], made.body.len());
    let read = records.iter().find(|one| one["method"] == "GET").unwrap();
    assert!(read.get("request").is_none(), "one record alone: {read}");
    assert_eq!(read["path"], LABELS, "without its query");
    broker.assert_log_verifies();
}

#[test]
fn an_outcome_says_why_it_is_not_whole_and_nothing_where_it_is() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    post(&broker, &github, &lease.token, LABELS, A_LABEL);
    let a_label = format!("{LABELS}/bug");
    for (method, path) in [("GET", LABELS), ("HEAD", LABELS), ("DELETE", &a_label)] {
        broker.proxied_by_length(request(&github, &lease.token, (method, path, "")));
    }
    let outcomes = || broker.home.records_of("proxy.response");
    wait::until(|| outcomes().len() == 4);
    for outcome in outcomes() {
        assert!(outcome.get("why").is_none(), "{outcome}");
    }

    github.fault(Fault::on("GET /repos/**").hold());
    let waiting = broker.begin_proxied(request(&github, &lease.token, ("GET", LABELS, "")));
    github.wait_for_calls("GET /repos/**", 2);
    waiting.abort();
    wait::until(|| outcomes().len() == 5);
    let given_up = &outcomes()[4];
    assert_eq!(given_up["why"], "the caller did not wait for an answer");
    assert!(given_up.get("status").is_none(), "{given_up}");
    wait::until(|| {
        let metrics = broker.http("GET", "/metrics", "").body;
        let metrics = String::from_utf8(metrics).unwrap();
        let counted = |line: &str| {
            line.starts_with("tokend_proxy_requests_total")
                && line.contains("outcome=\"failed\"")
                && line.ends_with(" 1")
        };
        metrics.lines().any(counted)
    });
    github.heal();
}

#[test]
fn reads_are_recorded_first_where_configuration_says_so() {
    let github = github();
    let tables = "[proxy]\nrecord_reads = \"before\"";
    let broker = broker_configured(&github, "", tables);
    let lease = lease(&broker);
    assert_eq!(get(&broker, &github, &lease.token, LABELS).status, 200);
    let recorded = broker.home.records_of("proxy.request");
    assert_eq!(recorded[0]["method"], "GET");
}

#[test]
fn p8_what_the_lease_does_not_hold_never_reaches_github_and_is_on_record() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    github.forget_calls();
    let refused = [
        ("GET", "/repos/acme/docs/labels", "acme/docs"),
        ("GET", "/repos/other/site/labels", "other/site"),
        ("GET", "/repos/acme/site%2F..%2Fdocs/labels", "path"),
        ("GET", "/repos/acme/site/contents/x", "contents"),
        ("POST", "/repos/acme/site/forks", "another repository"),
        ("GET", "/orgs/acme/repos", "acme"),
        ("GET", "/user", "paths = [\"GET /user\"]"),
        ("GET", "/issues", "lease"),
        ("POST", "/graphql", "GraphQL"),
        ("GET", "/repositories/1001/labels", ""),
        ("GET", "//repos/acme/site/labels", "path"),
        ("GET", "/no/such/path", "GitHub documents no such operation"),
    ];
    for (method, path, why) in refused {
        let answer = broker.proxied(request(&github, &lease.token, (method, path, "")));
        let message = answer.json()["message"].to_string();
        assert!((400..=403).contains(&answer.status), "{path}: {answer:?}");
        assert!(
            message.replace("\\\"", "\"").contains(why),
            "{path}: {message}"
        );
    }
    assert!(github.journal().is_empty(), "{:?}", github.journal());
    let records = broker.home.records_of("proxy.refused");
    assert_eq!(records.len(), refused.len());
    assert!(records.iter().all(|one| one["lease"] == lease.id.as_str()));
    assert_eq!(records[0]["caller"]["uid"], own_uid());
    assert_eq!(
        (&records[0]["method"], &records[0]["path"]),
        (&json!("GET"), &json!(refused[0].1))
    );

    let shown = broker
        .http("GET", &format!("/v1/leases/{}", lease.id), "")
        .json();
    assert_eq!(shown["proxy"]["refused"], refused.len());
    assert_eq!(shown["proxy"]["requests"], 0);
    assert!(shown["proxy"]["last_refusal"].is_string(), "{shown}");
}

#[test]
fn what_github_refuses_is_told_apart_from_what_the_broker_refuses() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    let missing = get(&broker, &github, &lease.token, "/repos/acme/site/issues/77");
    assert_eq!(missing.status, 404);
    assert!(missing.header("tokend-error").is_none());
    let shown = broker
        .http("GET", &format!("/v1/leases/{}", lease.id), "")
        .json();
    assert_eq!(shown["proxy"]["refused_by_github"], 1);
    assert_eq!(shown["proxy"]["refused"], 0);
    let api = shown["proxy"]["api"].as_str().unwrap();
    assert!(
        github.api().ends_with(api.trim_start_matches("http://")),
        "{api}"
    );
    assert!(
        shown["proxy"]["socket"]
            .as_str()
            .unwrap()
            .ends_with("/proxy.sock")
    );
}

#[test]
fn a_token_is_taken_in_the_three_ways_in_which_clients_send_it() {
    let github = github();
    let broker = broker(&github);
    let token = lease(&broker).token;
    let basic = STANDARD.encode(format!("x-access-token:{token}"));
    for authorization in [
        format!("Bearer {token}"),
        format!("bearer  {token}"),
        format!("token {token}"),
        format!("Basic {basic}"),
    ] {
        let mut request = request(&github, "", ("GET", LABELS, ""));
        let value = authorization.parse().unwrap();
        request.headers_mut().insert("authorization", value);
        let answer = broker.proxied(request);
        assert_eq!(answer.status, 200, "{authorization}: {answer:?}");
    }
}

#[test]
fn no_token_and_a_foreign_one_are_asked_for_another_and_one_that_ended_is_refused() {
    let github = github();
    let broker = broker(&github);
    let lease = lease(&broker);
    github.forget_calls();
    let mut without = request(&github, "", ("GET", LABELS, ""));
    without.headers_mut().remove("authorization");
    let mut half = request(&github, "", ("GET", LABELS, ""));
    half.headers_mut()
        .insert("authorization", "Basic !".parse().unwrap());
    let foreign = request(&github, canary::CLASSIC, ("GET", LABELS, ""));
    let cut = lease.token.strip_suffix(|_: char| true).unwrap();
    let cut = request(&github, cut, ("GET", LABELS, ""));
    for request in [without, half, foreign, cut] {
        let answer = broker.proxied(request);
        assert_refused(&answer, 401, "denied");
        let asks = answer.header("www-authenticate");
        assert_eq!(asks, Some("Basic realm=\"GitHub\""));
    }
    let foreign = broker.home.records_of("proxy.refused");
    assert_eq!(
        foreign.len(),
        3,
        "whoever sends no token has done nothing yet"
    );

    let by_another = request(&github, &lease.token, ("GET", LABELS, ""));
    let answer = broker.proxied_as(ALICE, by_another);
    assert_refused(&answer, 403, "unknown_lease");
    broker.done("DELETE", &format!("/v1/leases/{}", lease.id), "");
    let answer = get(&broker, &github, &lease.token, LABELS);
    assert_refused(&answer, 403, "unknown_lease");
    let refused = broker.home.records_of("proxy.refused");
    assert_eq!(refused.len(), 5);
    assert_eq!(refused[3]["caller"]["uid"], ALICE);
    assert!(refused.iter().all(|one| one.get("lease").is_none()));
    assert!(github.journal().is_empty());
}

#[test]
fn what_two_servers_might_read_differently_is_refused() {
    let github = github();
    let broker = broker(&github);
    let token = lease(&broker).token;
    github.forget_calls();
    let with = |change: &dyn Fn(&mut Request<Body>)| {
        let mut request = request(&github, &token, ("GET", LABELS, ""));
        change(&mut request);
        broker.proxied(request)
    };
    let header = |request: &mut Request<Body>, name: &'static str, value: &str| {
        request.headers_mut().append(name, value.parse().unwrap());
    };
    let refused = [
        with(&|request| header(request, "host", "api.github.com")),
        with(&|request| header(request, "authorization", "Bearer x")),
        with(&|request| header(request, "upgrade", "h2c")),
        with(&|request| header(request, "content-length", "2")),
        with(&|request| header(request, "transfer-encoding", "chunked")),
        with(&|request| drop(request.headers_mut().remove("host"))),
        with(&|request| *request.uri_mut() = "http://127.0.0.1/user".parse().unwrap()),
        with(&|request| *request.method_mut() = "OPTIONS".parse().unwrap()),
        with(&|request| *request.method_mut() = "CONNECT".parse().unwrap()),
        with(&|request| *request.method_mut() = canary::CLASSIC.parse().unwrap()),
        with(&|request| *request.method_mut() = "X".repeat(200).parse().unwrap()),
        with(&|request| header(request, "content-type", "Multipart/form-data; boundary=x")),
    ];
    for answer in &refused {
        assert_refused(answer, 400, "bad_request");
    }
    for uri in [
        "/repos/acme/site/labels?callback=x",
        "/repos/acme/site/labels?page=1&call%62ack=x",
        "/repos/acme/site/labels?page=1;callback=x",
        "/repos/acme/site/labels?[callback]",
        &format!("/repos/acme/site/labels/{}", canary::CLASSIC),
    ] {
        let answer = with(&|request| *request.uri_mut() = uri.parse().unwrap());
        assert_refused(&answer, 400, "bad_request");
    }
    let elsewhere = with(&|request| {
        let host = "evil.example".parse().unwrap();
        request.headers_mut().insert("host", host);
    });
    assert_refused(&elsewhere, 403, "not_found");
    assert!(github.journal().is_empty());
    let records = broker.home.records_of("proxy.refused");
    assert!(records.len() >= refused.len(), "{records:?}");
    let all = format!("{records:?}");
    assert!(!canary::is_in(all.as_bytes(), canary::CLASSIC), "{all}");
    assert!(!all.contains(&"X".repeat(21)), "{all}");
    let named = get(&broker, &github, &token, &format!("{LABELS}?q=callback"));
    assert_eq!(named.status, 200, "a value may be called so");
}

#[test]
fn a_purpose_may_allow_one_more_operation_by_name() {
    let github = github();
    let broker = broker_with(&github, "paths = [\"GET /user\"]");
    let token = lease(&broker).token;
    let user = get(&broker, &github, &token, "/user");
    assert_eq!(user.json()["login"], "acme-bot");
    let emails = get(&broker, &github, &token, "/user/emails");
    assert_refused(&emails, 403, "too_wide");
}

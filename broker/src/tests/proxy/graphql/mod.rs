//! GraphQL under a lease: what goes on, what is asked about first, and what is on record.

mod at_random;
mod mutations;

use serde_json::Value;
use support::github::{Effect, Fault, Home, Resource, schema};

use super::*;

/// Two repositories of an organisation with issues and a project, and one of another.
fn github() -> Option<StandIn> {
    let world = World::new()
        .organization("acme", &["acme-bot"])
        .organization("other", &["acme-bot"])
        .repository("acme/site")
        .repository("acme/docs")
        .repository("other/site")
        .issue("acme/site", "Broken link")
        .issue("acme/docs", "A typo")
        .issue("other/site", "Not ours")
        .project("acme", "Roadmap", &["acme/site#1", "other/site#1"])
        .classic(canary::CLASSIC, "acme-bot", &["repo", "project"]);
    Some(StandIn::with_schema(world, &schema()?))
}

fn ask(broker: &InProcess, github: &StandIn, token: &str, query: &str) -> Answer {
    ask_with(broker, github, token, &json!({ "query": query }))
}

fn ask_with(broker: &InProcess, github: &StandIn, token: &str, body: &Value) -> Answer {
    post(broker, github, token, "/graphql", &body.to_string())
}

/// The id of an issue, as GitHub has it.
fn issue_id(github: &StandIn, place: &str) -> String {
    github.change(|state| state.issue(place).node_id())
}

fn comment(id: &str) -> String {
    format!(
        "mutation {{ addComment(input: {{subjectId: \"{id}\", body: \"Seen.\"}}) {{ commentEdge {{ node {{ body }} }} }} }}"
    )
}

fn answers(body: &str) -> Fault {
    Fault::on("POST /graphql").effect(Effect::ReplaceBody(body.to_owned()))
}

fn site() -> Home {
    Home::Repository("acme/site".to_owned())
}

const ISSUES: &str =
    "{ repository(owner: \"acme\", name: \"site\") { issues(first: 5) { nodes { title } } } }";

/// A broker whose `label-sync` has these terms.
fn broker_under(github: &StandIn, terms: &str) -> InProcess {
    let home = ready();
    let uid = own_uid();
    let policy = format!(
        "purpose = \"label-sync\"\nsecret = \"{SECRET}\"\n{terms}\ndeliver = \"proxy\"\n\
         ttl = {{ default = \"15m\", max = \"1h\" }}\n[[allow]]\ncaller = {{ uid = {uid} }}\n"
    );
    home.policy("label-sync.toml", &policy);
    let settings =
        "check_every = \"off\"\npoll_every = \"off\"\n[limits]\ndenials_per_minute = 10000\n";
    home.github(github, settings);
    let broker = InProcess::start(home);
    broker.set(SECRET, canary::CLASSIC);
    broker
}

#[test]
fn a_query_gets_what_it_asked_for_and_is_one_record_with_its_names() {
    let Some(github) = github() else { return };
    let broker = broker(&github);
    let lease = lease(&broker);
    let answer = ask(&broker, &github, &lease.token, ISSUES);
    assert_eq!(answer.status, 200, "{answer:?}");
    let titles = &answer.json()["data"]["repository"]["issues"]["nodes"];
    assert_eq!(*titles, json!([{ "title": "Broken link" }]));
    let touched = github.touched();
    assert!(
        touched[0].document.contains("followRenames:false"),
        "{}",
        touched[0].document
    );
    assert!(touched[0].outside(&[site()]).is_empty());
    let call = github.journal().pop().unwrap();
    assert_eq!(
        (call.method.as_str(), call.path.as_str()),
        ("POST", "/graphql")
    );
    drop(answer);
    broker.until(|| !broker.home.records_of("proxy.response").is_empty());
    assert!(broker.home.records_of("proxy.request").is_empty());
    let record = &broker.home.records_of("proxy.response")[0];
    assert_eq!(
        record["graphql"],
        json!({ "fields": ["repository"], "touches": ["acme/site"] })
    );
    assert_eq!(record["status"], 200);
    assert!(
        !record.to_string().contains("title"),
        "no document is on record"
    );
}

#[test]
fn a_query_outside_the_lease_never_reaches_github() {
    let Some(github) = github() else { return };
    let broker = broker(&github);
    let lease = lease(&broker);
    github.forget_calls();
    for (query, status, why) in [
        (
            "{ repository(owner: \"other\", name: \"site\") { id } }",
            403,
            "other/site",
        ),
        (
            "{ search(query: \"x\", type: ISSUE, first: 1) { issueCount } }",
            403,
            "`Query.search`",
        ),
        (
            "{ repository(owner: \"acme\", name: \"site\") { releases(first: 1) { totalCount } } }",
            403,
            "contents = \"read\"",
        ),
        ("{ repository(", 400, "is not GraphQL"),
        ("", 400, "is not GraphQL"),
    ] {
        let answer = ask(&broker, &github, &lease.token, query);
        assert_eq!(answer.status, status, "{query}: {answer:?}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(
            message.starts_with("refused: ") && message.contains(why),
            "{query}: {message}"
        );
    }
    let get = get(
        &broker,
        &github,
        &lease.token,
        "/graphql?query=%7Bviewer%7Blogin%7D%7D",
    );
    assert_refused(&get, 400, "bad_request");
    let with_query = post(
        &broker,
        &github,
        &lease.token,
        "/graphql?query=%7Bviewer%7Blogin%7D%7D",
        "{}",
    );
    assert_refused(&with_query, 400, "bad_request");
    let long = ask(&broker, &github, &lease.token, &" ".repeat(300_000));
    assert_refused(&long, 400, "bad_request");
    let elsewhere = post(&broker, &github, &lease.token, "/graphql/", "{}");
    assert_refused(&elsewhere, 400, "bad_request");
    assert!(github.journal().is_empty());
    assert_eq!(broker.home.records_of("proxy.refused").len(), 9);
}

#[test]
fn a_repository_that_was_renamed_or_transferred_is_not_followed() {
    let Some(github) = github() else { return };
    let broker = broker(&github);
    let lease = lease(&broker);
    github.change(|state| state.rename("acme/site", "acme/elsewhere"));
    let answer = ask(&broker, &github, &lease.token, ISSUES);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["data"]["repository"], Value::Null);
    assert!(
        github
            .touched()
            .iter()
            .all(|one| one.outside(&[]).is_empty())
    );
}

#[test]
fn what_github_answers_of_errors_is_passed_on_with_the_data() {
    let Some(github) = github() else { return };
    let broker = broker(&github);
    let lease = lease(&broker);
    let query =
        "{ repository(owner: \"acme\", name: \"site\") { name issue(number: 77) { title } } }";
    let answer = ask(&broker, &github, &lease.token, query);
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!(body["data"]["repository"]["name"], "site");
    assert_eq!(body["errors"][0]["type"], "NOT_FOUND", "{body}");
}

#[test]
fn graphql_draws_on_limits_of_its_own() {
    let Some(github) = github() else { return };
    let broker = broker(&github);
    let lease = lease(&broker);
    broker.done("POST", &format!("/v1/secrets/{SECRET}/check"), "");
    assert_eq!(ask(&broker, &github, &lease.token, ISSUES).status, 200);
    let shown = broker.http("GET", "/v1/status", "").json();
    let resources = &shown["broker"]["github"]["principals"][0]["resources"];
    assert!(resources.to_string().contains("graphql"), "{shown}");
    github.change(|state| {
        let now = state.clock.now();
        let spent = (5_000, 5_000);
        state
            .limits
            .set_of(Resource::Graphql, "user acme-bot", spent, now);
    });
    ask(&broker, &github, &lease.token, ISSUES);
    github.forget_calls();
    assert_refused(
        &ask(&broker, &github, &lease.token, ISSUES),
        403,
        "rate_limited",
    );
    assert!(github.journal().is_empty(), "GraphQL is left alone");
    assert_eq!(
        get(&broker, &github, &lease.token, LABELS).status,
        200,
        "and REST is not"
    );
}

#[test]
fn a_query_is_on_record_before_it_goes_on_where_configuration_says_so() {
    let Some(github) = github() else { return };
    let broker = broker_configured(&github, "", "[proxy]\nrecord_reads = \"before\"");
    let lease = lease(&broker);
    assert_eq!(ask(&broker, &github, &lease.token, ISSUES).status, 200);
    let recorded = broker.home.records_of("proxy.request");
    assert_eq!(recorded[0]["graphql"]["fields"], json!(["repository"]));
}

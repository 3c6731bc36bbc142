//! Who sees and changes what: as with REST.

use serde_json::{Value, json};

use super::super::super::{App, AppKey, Level, Pat, Repositories, StandIn, schema};
use super::{OTHER, TOKEN, issue, mutation, post_as, site, world};
use crate::github::ask::tell;

const FINE: &str = "github_pat_standin_graphql";

fn github() -> Option<StandIn> {
    let fine = Pat::fine_grained(
        FINE,
        "acme-bot",
        "acme",
        Repositories::selected(&["acme/site"]),
        &[("issues", Level::Read)],
    );
    let schema = schema()?;
    Some(StandIn::with_schema(world().pat(fine), &schema))
}

const SITE: &str = r#"{ repository(owner: "acme", name: "site") { name issue(number: 1) { title }
    object(expression: "HEAD") { oid } pullRequest(number: 2) { title } } }"#;

#[test]
fn a_private_repository_is_not_there_for_strangers() {
    let Some(github) = github() else { return };
    let answer = post_as(&github, OTHER, SITE, &Value::Null);
    assert_eq!(answer["data"]["repository"], Value::Null);
    assert_eq!(answer["errors"][0]["type"], "NOT_FOUND");
    let node = "query($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } }";
    for id in [site(&github), issue(&github, 1)] {
        let answer = post_as(&github, OTHER, node, &json!({ "id": id }));
        assert_eq!(
            answer["data"],
            json!({ "node": null, "nodes": [null] }),
            "{answer}"
        );
    }
    let lists = r#"{ organization(login: "acme") { repositories(first: 9) { totalCount }
        projectsV2(first: 9) { totalCount } }
        search(query: "broken", type: ISSUE, first: 9) { issueCount } }"#;
    let answer = post_as(&github, OTHER, lists, &Value::Null);
    assert_eq!(
        answer["data"]["organization"]["repositories"]["totalCount"],
        0
    );
    assert_eq!(
        answer["data"]["organization"]["projectsV2"]["totalCount"],
        0
    );
    assert_eq!(answer["data"]["search"]["issueCount"], 0);
    // What is outside is nothing, where it may be.
    let fork = r#"{ repository(owner: "globex", name: "site") { isFork parent { name } } }"#;
    let answer = post_as(&github, OTHER, fork, &Value::Null);
    assert_eq!(
        answer["data"]["repository"],
        json!({ "isFork": true, "parent": null })
    );
}

#[test]
fn a_fine_grained_token_reads_and_changes_what_it_may() {
    let Some(github) = github() else { return };
    let answer = post_as(&github, FINE, SITE, &Value::Null);
    assert_eq!(
        answer["data"]["repository"]["issue"]["title"],
        "It is broken"
    );
    let kinds: Vec<&Value> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["type"])
        .collect();
    assert_eq!(kinds, ["FORBIDDEN", "FORBIDDEN"], "{answer}");
    let docs = r#"{ repository(owner: "acme", name: "docs") { id } }"#;
    let answer = post_as(&github, FINE, docs, &Value::Null);
    assert_eq!(answer["errors"][0]["type"], "NOT_FOUND");
    let input = json!({ "input": { "repositoryId": site(&github), "title": "x" } });
    let create = mutation("createIssue", "issue { number }");
    let answer = post_as(&github, FINE, &create, &input);
    assert_eq!(answer["data"]["createIssue"], Value::Null);
    assert_eq!(
        answer["errors"][0]["message"],
        "Resource not accessible by personal access token"
    );
    assert_eq!(github.change(|state| state.issues("acme/site").len()), 3);
}

#[test]
fn an_app_is_a_bot_that_stays_in_its_installation() {
    let Some(schema) = schema() else { return };
    let key = AppKey::generate();
    let app = App::new("Iv23liGraphql", "acme", &key, &[("issues", Level::Write)])
        .installed("acme", Repositories::selected(&["acme/site"]));
    let github = StandIn::with_schema(world().app(app), &schema);
    let jwt = super::super::apps::jwt(&github, "Iv23liGraphql", &key);
    let installation = github.change(|state| state.installation_on("acme").id);
    let call = format!("POST /app/installations/{installation}/access_tokens");
    let token = tell(&github, &call, &jwt, &json!({})).json();
    let token = token["token"].as_str().unwrap();
    let document = r#"{ viewer { login } repository(owner: "acme", name: "site") { issue(number: 1) {
        title subIssues(first: 5) { totalCount } } } }"#;
    let answer = post_as(&github, token, document, &Value::Null);
    let login = answer["data"]["viewer"]["login"].as_str().unwrap();
    assert!(login.ends_with("[bot]"), "{answer}");
    let issue = &answer["data"]["repository"]["issue"];
    assert_eq!(
        issue["subIssues"]["totalCount"], 0,
        "of another installation: {answer}"
    );
    assert_eq!(
        tell(
            &github,
            "POST /graphql",
            &jwt,
            &json!({"query": "{viewer{login}}"})
        )
        .status,
        403
    );
}

#[test]
fn others_are_turned_away_as_github_does() {
    let Some(github) = github() else { return };
    let body = json!({ "query": "{ viewer { login } }" });
    let got = tell(&github, "POST /graphql", "", &body);
    assert_eq!(got.status, 401);
    assert_eq!(
        got.message(),
        "This endpoint requires you to be authenticated."
    );
    let got = tell(&github, "POST /graphql", "ghp_unknown", &body);
    assert_eq!(
        (got.status, got.message().as_str()),
        (401, "Bad credentials")
    );
    assert_eq!(
        tell(&github, "POST /graphql", TOKEN, &json!([body])).status,
        400
    );
    let nothing = tell(&github, "POST /graphql", TOKEN, &json!({}));
    assert!(nothing.body.contains("A query attribute must be specified"));
}

#[test]
fn an_enterprise_server_has_it_beside_its_rest() {
    let Some(github) = github() else { return };
    let body = json!({ "query": "{ viewer { login } }" });
    let got = tell(&github, "POST /api/graphql", TOKEN, &body);
    assert_eq!(got.json()["data"]["viewer"]["login"], "acme-bot");
    assert_eq!(github.calls("POST /graphql"), 1);
    assert_eq!(
        tell(&github, "POST /api/v3/graphql", TOKEN, &body).status,
        404
    );
}

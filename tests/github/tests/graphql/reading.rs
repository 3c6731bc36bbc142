//! What a document gets: everything that it asks for, or errors in GitHub's words.

use serde_json::{Value, json};

use super::{data, error, github, id_of, issue, post, site};
use crate::github::ask::{ask, tell};

#[test]
fn without_a_schema_or_a_document_there_is_no_graphql() {
    let github = super::super::super::StandIn::start(super::world());
    let body = json!({ "query": "{ viewer { login } }" });
    let got = tell(&github, "POST /graphql", super::TOKEN, &body);
    assert_eq!((got.status, got.message().as_str()), (404, "Not Found"));
    assert_eq!(ask(&github, "GET /graphql", super::TOKEN).status, 404);
}

#[test]
fn a_document_that_the_schema_does_not_allow_is_not_carried_out() {
    let Some(github) = github() else { return };
    let none = Value::Null;
    for (document, message) in [
        (
            "{ viewer { nope } }",
            "Field 'nope' doesn't exist on type 'User'",
        ),
        ("{ viewer {", "syntax error"),
        ("", "syntax error"),
        ("{ repository(owner: \"acme\") { id } }", "name"),
        (
            "query($x: Int!) { repository(owner: $x, name: \"site\") { id } }",
            "$x",
        ),
        (
            "query($x: String!) { repository(owner: $x, name: \"site\") { id } }",
            "x",
        ),
        (
            "query a { viewer { id } } query b { viewer { id } }",
            "operation",
        ),
        (
            "{ ...a } fragment a on Query { ...a }",
            "cannot reference itself",
        ),
        ("subscription { viewer { id } }", "subscription"),
    ] {
        let answer = post(&github, document, &none);
        assert!(answer.get("data").is_none(), "{document}: {answer}");
        let text = answer["errors"].to_string();
        assert!(text.contains(message), "{document}: {answer}");
    }
    let deep = format!(
        "{{ {} id {} }}",
        "relay { ".repeat(10_000),
        "}".repeat(10_000)
    );
    assert!(post(&github, &deep, &none)["errors"].is_array());
    let as_deep_as_may_be = format!("{{ {} id {} }}", "relay { ".repeat(100), "}".repeat(100));
    data(&github, &as_deep_as_may_be, &none);
    post(&github, &deep, &none);
    let fields = super::last(&github).read;
    assert!(fields.is_empty(), "{fields:?}");
}

#[test]
fn a_repository_is_found_and_one_that_is_not_there_is_an_error_beside_the_rest() {
    let Some(github) = github() else { return };
    let document = r#"{
        site: repository(owner: "ACME", name: "Site") {
            nameWithOwner isPrivate owner { login __typename }
            defaultBranchRef { name target { oid ... on Commit { history(first: 1) { totalCount } } } }
            issues(first: 10, states: [OPEN]) { totalCount nodes { number title labels(first: 1) { nodes { name } } } }
            object(expression: "HEAD:README.md") { ... on Blob { text } }
        }
        none: repository(owner: "acme", name: "none") { id }
        viewer { login }
    }"#;
    let answer = post(&github, document, &Value::Null);
    let site = &answer["data"]["site"];
    assert_eq!(site["nameWithOwner"], "acme/site");
    assert_eq!(
        site["owner"],
        json!({"login": "acme", "__typename": "Organization"})
    );
    assert_eq!(site["defaultBranchRef"]["name"], "main");
    assert_eq!(site["issues"]["totalCount"], 1);
    assert_eq!(
        site["issues"]["nodes"][0]["labels"]["nodes"][0]["name"],
        "bug"
    );
    assert_eq!(site["object"]["text"], "# acme/site\n");
    assert_eq!(answer["data"]["none"], Value::Null);
    assert_eq!(answer["data"]["viewer"]["login"], "acme-bot");
    let error = &answer["errors"][0];
    assert_eq!(error["type"], "NOT_FOUND");
    assert_eq!(error["path"], json!(["none"]));
    assert_eq!(
        error["message"],
        "Could not resolve to a Repository with the name 'acme/none'."
    );
    assert!(error["locations"][0]["line"].is_number(), "{error}");
}

#[test]
fn every_object_is_found_by_its_id_and_no_other_text_is_one() {
    let Some(github) = github() else { return };
    let document = r#"{ repository(owner: "acme", name: "site") {
        id owner { ... on Node { id } } defaultBranchRef { id target { id } }
        issue(number: 1) { id comments(first: 1) { nodes { id } } labels(first: 1) { nodes { id } }
            projectItems(first: 1) { nodes { id project { id fields(first: 1) { nodes { ... on Node { id } } } }
                fieldValues(first: 1) { nodes { ... on Node { id } } } } } }
        pullRequest(number: 2) { id commits(first: 1) { nodes { id } } }
        object(expression: "HEAD:") { id ... on Tree { entries { object { id } } } }
    } }"#;
    let given = data(&github, document, &Value::Null);
    let mut ids = Vec::new();
    collect(&given, &mut ids);
    assert!(ids.len() >= 15, "{ids:?}");
    for (prefix, some) in [
        ("R_kgDO", 1),
        ("O_kgDO", 1),
        ("I_kwDO", 1),
        ("PR_kwDO", 1),
        ("PVT_kwDO", 1),
    ] {
        let found = ids.iter().filter(|id| id.starts_with(prefix)).count();
        assert_eq!(found, some, "{prefix}: {ids:?}");
    }
    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let given = data(&github, nodes, &json!({ "ids": ids }));
    let back: Vec<&str> = given["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    assert_eq!(back, ids);

    let wrong = [
        "",
        "I_kwDO",
        "I_kwDO99999999",
        "PR_kwDO\u{0}",
        "C_kwDO00001009zz",
        "☃_kwDO00001001",
    ];
    let mut asked = vec![ids[0].clone()];
    asked.extend(wrong.map(str::to_owned));
    let answer = post(&github, nodes, &json!({ "ids": asked }));
    assert_eq!(answer["data"]["nodes"][0]["id"], ids[0]);
    assert_eq!(answer["errors"].as_array().unwrap().len(), wrong.len());
    assert_eq!(answer["errors"][1]["path"], json!(["nodes", 2]));
    let many = vec![&ids[0]; 101];
    let (kind, _) = error(&github, nodes, &json!({ "ids": many }));
    assert_eq!(kind, "ARGUMENT_LIMIT");
    let swapped = issue(&github, 1).replace("I_", "PR_");
    let (kind, message) = error(
        &github,
        "query($id: ID!) { node(id: $id) { id } }",
        &json!({ "id": swapped }),
    );
    assert_eq!(kind, "NOT_FOUND");
    assert_eq!(
        message,
        format!("Could not resolve to a node with the global id of '{swapped}'")
    );
}

fn collect(value: &Value, ids: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().filter(|_| name == "id") {
                    Some(id) if !ids.iter().any(|known| known == id) => ids.push(id.to_owned()),
                    _ => collect(value, ids),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|one| collect(one, ids)),
        _ => {}
    }
}

#[test]
fn rest_and_graphql_name_the_same_objects() {
    let Some(github) = github() else { return };
    let rest = |call: &str| ask(&github, call, super::TOKEN).json();
    assert_eq!(rest("GET /repos/acme/site")["node_id"], site(&github));
    assert_eq!(
        rest("GET /repos/acme/site/issues/1")["node_id"],
        issue(&github, 1)
    );
    assert_eq!(
        rest("GET /repos/acme/site/pulls/2")["node_id"],
        issue(&github, 2)
    );
    assert_eq!(
        rest("GET /user")["node_id"],
        id_of(&github, "viewer { id }")
    );
    let label = rest("GET /repos/acme/site/labels/bug")["node_id"].clone();
    let found = data(
        &github,
        "query($id: ID!) { node(id: $id) { ... on Label { name } } }",
        &json!({ "id": label }),
    );
    assert_eq!(found["node"]["name"], "bug");
}

#[test]
fn lists_come_in_pages_and_must_be_bounded() {
    let Some(github) = github() else { return };
    github.change(|state| {
        for number in 0..5 {
            state.add_issue("globex/site", &format!("number {number}"));
        }
    });
    let document = r#"query($first: Int, $after: String) { repository(owner: "globex", name: "site") {
        issues(first: $first, after: $after) { totalCount edges { cursor node { title } } pageInfo { hasNextPage endCursor } }
    } }"#;
    let mut titles = Vec::new();
    let mut after = Value::Null;
    loop {
        let given = data(&github, document, &json!({ "first": 2, "after": after }));
        let page = &given["repository"]["issues"];
        assert_eq!(page["totalCount"], 5);
        let edges = page["edges"].as_array().unwrap();
        titles.extend(edges.iter().map(|edge| edge["node"]["title"].clone()));
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    let want: Vec<String> = (0..5).map(|number| format!("number {number}")).collect();
    assert_eq!(titles, want);
    let (kind, message) = error(&github, document, &Value::Null);
    assert_eq!(kind, "MISSING_PAGINATION_BOUNDARIES");
    assert_eq!(
        message,
        "You must provide a `first` or `last` value to properly paginate the `issues` connection."
    );
    let (kind, _) = error(&github, document, &json!({ "first": 101 }));
    assert_eq!(kind, "EXCESSIVE_PAGINATION");
    let counted = r#"{ repository(owner: "globex", name: "site") { issues { totalCount } } }"#;
    let given = data(&github, counted, &Value::Null);
    assert_eq!(given["repository"]["issues"]["totalCount"], 5);
}

#[test]
fn a_former_name_leads_to_the_present_one_unless_that_is_declined() {
    let Some(github) = github() else { return };
    github.change(|state| state.rename("acme/site", "pages"));
    let document = r#"query($follow: Boolean) {
        repository(owner: "acme", name: "site", followRenames: $follow) { nameWithOwner }
    }"#;
    let given = data(&github, document, &json!({}));
    assert_eq!(given["repository"]["nameWithOwner"], "acme/pages");
    let (kind, _) = error(&github, document, &json!({ "follow": false }));
    assert_eq!(kind, "NOT_FOUND");
    let through =
        r#"{ organization(login: "acme") { repository(name: "site") { nameWithOwner } } }"#;
    let given = data(&github, through, &Value::Null);
    assert_eq!(
        given["organization"]["repository"]["nameWithOwner"],
        "acme/pages"
    );
}

#[test]
fn what_leads_out_leads_there() {
    let Some(github) = github() else { return };
    let document = r#"{
        viewer { login repositories(first: 9) { totalCount } organizations(first: 9) { nodes { login } } }
        search(query: "repo:globex/secret is:issue part", type: ISSUE, first: 5) {
            issueCount nodes { ... on Issue { title } }
        }
        resource(url: "https://github.com/globex/secret/issues/1") { ... on Issue { title } }
        repositoryOwner(login: "globex") { repositories(first: 9) { nodes { name } } }
        user(login: "mallory") { login }
        repository(owner: "acme", name: "site") {
            forks(first: 5) { nodes { nameWithOwner parent { nameWithOwner } } }
            issue(number: 1) { subIssues(first: 5) { nodes { repository { nameWithOwner } parent { number } } } }
            pullRequest(number: 3) { headRepository { nameWithOwner } isCrossRepository }
        }
        organization(login: "acme") { projectV2(number: 1) { items(first: 5) { nodes { content {
            ... on Issue { repository { nameWithOwner } }
        } } } } }
    }"#;
    let given = data(&github, document, &Value::Null);
    assert_eq!(given["search"]["issueCount"], 1);
    assert_eq!(given["resource"]["title"], "A part of it");
    let site = &given["repository"];
    assert_eq!(
        site["forks"]["nodes"][0]["parent"]["nameWithOwner"],
        "acme/site"
    );
    let part = &site["issue"]["subIssues"]["nodes"][0];
    assert_eq!(part["repository"]["nameWithOwner"], "globex/secret");
    assert_eq!(part["parent"]["number"], 1);
    assert_eq!(
        site["pullRequest"]["headRepository"]["nameWithOwner"],
        "globex/site"
    );
    let items = &given["organization"]["projectV2"]["items"]["nodes"];
    assert_eq!(
        items[2]["content"]["repository"]["nameWithOwner"],
        "globex/secret"
    );
    assert_eq!(
        given["viewer"]["organizations"]["nodes"][1]["login"],
        "globex"
    );
}

#[test]
fn the_schema_itself_can_be_asked() {
    let Some(github) = github() else { return };
    let document = r#"{
        __typename
        __type(name: "PullRequest") { fields(includeDeprecated: true) { name } }
        __schema { queryType { name } }
    }"#;
    let given = data(&github, document, &Value::Null);
    assert_eq!(given["__typename"], "Query");
    let fields = given["__type"]["fields"].as_array().unwrap();
    assert!(fields.iter().any(|field| field["name"] == "isDraft"));
}

//! The journal: what each call read and changed, and to what that belonged.

use serde_json::{Value, json};

use super::{data, error, github, issue, last, mutate, mutation, post, site};
use crate::github::Home;
use crate::github::ask::send;

fn inside() -> Vec<Home> {
    vec![Home::Repository("acme/site".into())]
}

#[test]
fn every_object_is_noted_with_its_home_and_the_fields_that_were_read() {
    let Some(github) = github() else { return };
    let document = r#"{ repository(owner: "acme", name: "site") {
        name issue(number: 1) { title parent { title } subIssues(first: 1) { nodes { title } } }
    } }"#;
    data(&github, document, &Value::Null);
    let touched = last(&github);
    assert_eq!(touched.document, document);
    let of = |kind: &str| {
        touched
            .read
            .iter()
            .filter(|one| one.kind == kind)
            .collect::<Vec<_>>()
    };
    let issues = of("Issue");
    assert_eq!(issues.len(), 2);
    assert_eq!(issues[0].home, inside()[0]);
    assert_eq!(
        issues[0].fields,
        ["parent", "subIssues", "title"].map(str::to_owned).into()
    );
    assert_eq!(issues[1].home, Home::Repository("globex/secret".into()));
    assert_eq!(of("Query")[0].home, Home::None);
    assert_eq!(
        touched.outside(&inside()),
        ["read: Issue of repository globex/secret: title"]
    );
    assert!(touched.changed.is_empty());
}

#[test]
fn a_name_alone_is_noted_too() {
    let Some(github) = github() else { return };
    let document = r#"{ repository(owner: "acme", name: "site") { forks(first: 1) { nodes { __typename } } } }"#;
    data(&github, document, &Value::Null);
    assert_eq!(
        last(&github).outside(&inside()),
        ["read: Repository of repository globex/site: "]
    );
    let project = r#"{ organization(login: "acme") { projectV2(number: 1) { items(first: 9) { nodes {
        fieldValueByName(name: "Title") { ... on ProjectV2ItemFieldTextValue { text } }
    } } } } }"#;
    data(&github, project, &Value::Null);
    let homes = [
        Home::Organization("acme".into()),
        Home::Project("acme/1".into()),
    ];
    let outside = last(&github).outside(&homes);
    assert_eq!(
        outside,
        [
            "read: ProjectV2ItemFieldTextValue of repository acme/site: text",
            "read: ProjectV2ItemFieldTextValue of repository acme/docs: text",
            "read: ProjectV2ItemFieldTextValue of repository globex/secret: text",
        ],
        "a title is its issue's"
    );
}

#[test]
fn an_id_that_is_only_named_counts_as_read_and_a_change_as_a_change() {
    let Some(github) = github() else { return };
    let secret = github.change(|state| state.issue("globex/secret#1").node_id());
    let project = data(
        &github,
        r#"{ organization(login: "acme") { projectV2(number: 1) { id } } }"#,
        &Value::Null,
    );
    let project = project["organization"]["projectV2"]["id"].clone();
    let input = json!({ "projectId": project, "contentId": secret });
    mutate(&github, "addProjectV2ItemById", &input, "clientMutationId");
    let inside = [Home::Project("acme/1".into())];
    assert_eq!(
        last(&github).outside(&inside),
        ["read: Issue of repository globex/secret: "]
    );
    let input = json!({ "subjectId": secret, "body": "x" });
    mutate(&github, "addComment", &input, "clientMutationId");
    let outside = last(&github).outside(&inside);
    assert!(
        outside.contains(
            &"changed by addComment: IssueComment of repository globex/secret".to_owned()
        ),
        "{outside:?}"
    );
}

#[test]
fn an_id_changes_hands_between_two_calls() {
    let Some(github) = github() else { return };
    let id = issue(&github, 1);
    let document = "query($id: ID!) { node(id: $id) { ... on Issue { number repository { nameWithOwner } } } }";
    data(&github, document, &json!({ "id": id }));
    assert!(last(&github).outside(&inside()).is_empty());
    let number = github.change(|state| state.move_issue("acme/site#1", "globex/secret"));
    let given = data(&github, document, &json!({ "id": id }));
    assert_eq!(given["node"]["number"], number);
    assert_eq!(
        given["node"]["repository"]["nameWithOwner"],
        "globex/secret"
    );
    assert_eq!(last(&github).outside(&inside()).len(), 2);
    let input = json!({ "issueId": id });
    mutate(&github, "closeIssue", &input, "clientMutationId");
    assert_eq!(
        last(&github).changed[0].home,
        Home::Repository("globex/secret".into())
    );
    let moved = crate::curl::Curl::to(&github.control().replace("/_control", ""), None);
    let back = json!({ "move": { "issue": format!("globex/secret#{number}"), "to": "acme/site" } });
    assert_eq!(
        moved.tell("POST /_control", "", &back).json(),
        json!({ "number": 4 })
    );
    assert_eq!(issue(&github, 4), id);
    let (kind, _) = error(
        &github,
        r#"{ repository(owner: "acme", name: "site") { issue(number: 1) { id } } }"#,
        &Value::Null,
    );
    assert_eq!(kind, "NOT_FOUND");
}

#[test]
fn an_issue_is_transferred_by_a_mutation_too() {
    let Some(github) = github() else { return };
    let docs = data(
        &github,
        r#"{ repository(owner: "acme", name: "docs") { id } }"#,
        &Value::Null,
    );
    let input = json!({ "issueId": issue(&github, 1), "repositoryId": docs["repository"]["id"] });
    mutate(
        &github,
        "transferIssue",
        &input,
        "issue { repository { name } }",
    );
    let homes: Vec<Home> = last(&github)
        .changed
        .into_iter()
        .map(|one| one.home)
        .collect();
    let docs = Home::Repository("acme/docs".into());
    assert_eq!(homes, [inside()[0].clone(), docs]);
}

#[test]
fn what_leads_out_by_type_alone_is_elsewhere() {
    let Some(github) = github() else { return };
    let document = r#"{ repository(owner: "acme", name: "site") {
        templateRepository { nameWithOwner }
        discussions(first: 1) { nodes { title repository { nameWithOwner } answer { body } } }
        deployKeys(first: 1) { nodes { id key } }
        issue(number: 1) {
            trackedInIssues(first: 1) { nodes { title repository { nameWithOwner } } }
            closedByPullRequestsReferences(first: 1) { nodes { title } }
            timelineItems(first: 100) { nodes { __typename ... on CrossReferencedEvent { source { __typename } } } }
        }
    } }"#;
    let given = data(&github, document, &Value::Null);
    assert_eq!(given["repository"]["templateRepository"], Value::Null);
    assert_eq!(
        given["repository"]["issue"]["timelineItems"]["nodes"],
        json!([])
    );
    assert!(last(&github).outside(&inside()).is_empty());

    github.change(|state| state.settings.leads_out = true);
    let given = data(&github, document, &Value::Null);
    let site = &given["repository"];
    assert_ne!(site["templateRepository"]["nameWithOwner"], "acme/site");
    assert_eq!(
        site["discussions"]["nodes"][0]["repository"]["nameWithOwner"], "acme/site",
        "what must be there is the nearest"
    );
    let items = site["issue"]["timelineItems"]["nodes"].as_array().unwrap();
    assert!(items.len() > 30, "one of each kind: {}", items.len());
    let outside = last(&github).outside(&inside());
    assert_eq!(outside.len(), 4, "{outside:#?}");
    let id = &site["deployKeys"]["nodes"][0]["id"];
    let again = data(
        &github,
        "query($id: ID!) { node(id: $id) { id } }",
        &json!({ "id": id }),
    );
    assert_eq!(&again["node"]["id"], id);
    assert_eq!(last(&github).read[1].home, inside()[0]);
    assert_eq!(
        data(&github, document, &Value::Null),
        given,
        "the same again"
    );
    github.change(|state| state.delete_repository("acme/site"));
    let (kind, _) = error(
        &github,
        "query($id: ID!) { node(id: $id) { id } }",
        &json!({ "id": id }),
    );
    assert_eq!(kind, "NOT_FOUND", "it went with its repository");
}

#[test]
fn what_leads_everywhere_at_every_step_ends() {
    let Some(github) = github() else { return };
    github.change(|state| {
        state.settings.leads_out = true;
        // It would cost more points than there are.
        state.settings.rate_limits = false;
    });
    let mut entries = "id".to_owned();
    let mut repositories = "id".to_owned();
    for _ in 0..8 {
        entries = format!(
            "auditLog(first: 100) {{ nodes {{ ... on AuditEntry {{ actor {{ ... on Organization {{ {entries} }} }} }} }} }}"
        );
        repositories = format!(
            "repositories(first: 100) {{ nodes {{ owner {{ login ... on Organization {{ a: {repositories} b: {repositories} }} }} }} }}"
        );
    }
    let of = |body: &str| format!(r#"{{ organization(login: "acme") {{ {body} }} }}"#);
    data(&github, &of(&entries), &Value::Null);
    let repositories = repositories.replace("a: id b: id", "id");
    let answer = post(&github, &of(&repositories), &Value::Null);
    assert_eq!(answer["errors"][0]["type"], "RESOURCE_LIMITS_EXCEEDED");
}

#[test]
fn a_call_that_was_refused_touched_nothing() {
    let Some(github) = github() else { return };
    post(&github, "{ viewer { nope } }", &Value::Null);
    let touched = last(&github);
    assert!(touched.read.is_empty());
    assert_eq!(
        touched.errors,
        ["Field 'nope' doesn't exist on type 'User'"]
    );
    send(&github, "GET /user", super::TOKEN, &[]);
    assert_eq!(github.touched().len(), 1);
    let input = json!({ "input": { "repositoryId": site(&github), "title": "" } });
    error(&github, &mutation("createIssue", "issue { id }"), &input);
    assert!(last(&github).changed.is_empty());
}

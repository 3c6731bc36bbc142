//! Mutations of projects, as a script that sets one up makes them.

use serde_json::{Value, json};

use super::{data, error, github, id_of, issue, last, mutate, mutation, site};
use crate::github::Home;

#[test]
fn a_project_is_made_filled_and_changed() {
    let Some(github) = github() else { return };
    let owner = id_of(&github, r#"organization(login: "acme") { id }"#);
    let input = json!({ "ownerId": owner, "title": "Plan", "repositoryId": site(&github) });
    let made = mutate(
        &github,
        "createProjectV2",
        &input,
        "projectV2 { id number title }",
    );
    assert_eq!(made["projectV2"]["number"], 2);
    let project = made["projectV2"]["id"].clone();
    assert_eq!(
        github.change(|state| state.project_repositories("acme", 2)),
        ["acme/site"]
    );

    let input = json!({ "projectId": project, "shortDescription": "short", "public": false, "closed": false });
    mutate(
        &github,
        "updateProjectV2",
        &input,
        "projectV2 { shortDescription }",
    );
    let options = json!([{ "name": "High", "color": "RED", "description": "soon" }]);
    let input = json!({ "projectId": project, "dataType": "SINGLE_SELECT", "name": "Priority", "singleSelectOptions": options });
    let wanted =
        "projectV2Field { ... on ProjectV2SingleSelectField { id name options { id name } } }";
    let field = mutate(&github, "createProjectV2Field", &input, wanted)["projectV2Field"].take();
    let input = json!({ "projectId": project, "dataType": "NUMBER", "name": "Points" });
    let points = mutate(
        &github,
        "createProjectV2Field",
        &input,
        "projectV2Field { ... on ProjectV2Field { id dataType } }",
    );
    let points = points["projectV2Field"]["id"].clone();

    let input = json!({ "projectId": project, "contentId": issue(&github, 1) });
    let item = mutate(&github, "addProjectV2ItemById", &input, "item { id type }")["item"].take();
    let same = mutate(&github, "addProjectV2ItemById", &input, "item { id }");
    assert_eq!(
        (&same["item"]["id"], &item["type"]),
        (&item["id"], &json!("ISSUE"))
    );
    let input = json!({ "projectId": project, "title": "Later", "body": "b" });
    let draft = mutate(
        &github,
        "addProjectV2DraftIssue",
        &input,
        "projectItem { id content { ... on DraftIssue { id title } } }",
    );
    assert_eq!(
        github.change(|state| state.project_items("acme", 2)),
        ["acme/site#1", "Later"]
    );

    let set = |field: &Value, value: Value| {
        let input =
            json!({ "projectId": project, "itemId": item["id"], "fieldId": field, "value": value });
        mutate(
            &github,
            "updateProjectV2ItemFieldValue",
            &input,
            "projectV2Item { id }",
        )
    };
    set(
        &field["id"],
        json!({ "singleSelectOptionId": field["options"][0]["id"] }),
    );
    set(&points, json!({ "number": 3.0 }));
    let values = r#"query($id: ID!) { node(id: $id) { ... on ProjectV2Item {
        priority: fieldValueByName(name: "Priority") { ... on ProjectV2ItemFieldSingleSelectValue { name } }
        points: fieldValueByName(name: "Points") { ... on ProjectV2ItemFieldNumberValue { number } }
        fieldValues(first: 20) { nodes { __typename ... on ProjectV2ItemFieldTextValue { text field { ... on ProjectV2FieldCommon { name } } } } }
    } } }"#;
    let given = data(&github, values, &json!({ "id": item["id"] }));
    assert_eq!(given["node"]["priority"]["name"], "High");
    assert_eq!(given["node"]["points"]["number"], 3.0);
    assert_eq!(
        given["node"]["fieldValues"]["nodes"][0]["text"],
        "It is broken"
    );
    assert_eq!(
        github.change(|state| state.project_values("acme", 2, "Points")),
        [json!({ "number": 3.0 }), Value::Null]
    );

    let input = json!({ "projectId": project, "itemId": draft["projectItem"]["id"] });
    let wanted = "items(first: 5) { nodes { id } }";
    let placed = mutate(&github, "updateProjectV2ItemPosition", &input, wanted);
    assert_eq!(placed["items"]["nodes"][1]["id"], item["id"]);
    let input = json!({ "draftIssueId": draft["projectItem"]["content"]["id"], "title": "Now" });
    mutate(
        &github,
        "updateProjectV2DraftIssue",
        &input,
        "draftIssue { title }",
    );
    let input = json!({ "itemId": draft["projectItem"]["id"], "repositoryId": site(&github) });
    mutate(
        &github,
        "convertProjectV2DraftIssueItemToIssue",
        &input,
        "item { content { ... on Issue { number } } }",
    );
    assert_eq!(
        github.change(|state| state.project_items("acme", 2)),
        ["acme/site#4", "acme/site#1"]
    );
    let input = json!({ "projectId": project, "itemId": item["id"] });
    let gone = mutate(&github, "deleteProjectV2Item", &input, "deletedItemId");
    assert_eq!(gone["deletedItemId"], item["id"]);
    let input = json!({ "projectId": project, "repositoryId": site(&github) });
    mutate(
        &github,
        "unlinkProjectV2FromRepository",
        &input,
        "repository { name }",
    );
    mutate(
        &github,
        "linkProjectV2ToRepository",
        &input,
        "repository { name }",
    );
    let homes: Vec<Home> = last(&github)
        .changed
        .into_iter()
        .map(|one| one.home)
        .collect();
    assert_eq!(
        homes,
        [
            Home::Project("acme/2".into()),
            Home::Repository("acme/site".into())
        ]
    );
    mutate(
        &github,
        "deleteProjectV2Field",
        &json!({ "fieldId": points }),
        "projectV2Field { __typename }",
    );
    mutate(
        &github,
        "deleteProjectV2",
        &json!({ "projectId": project }),
        "projectV2 { id }",
    );
    let left = data(
        &github,
        r#"{ organization(login: "acme") { projectsV2(first: 9) { totalCount } } }"#,
        &Value::Null,
    );
    assert_eq!(left["organization"]["projectsV2"]["totalCount"], 1);
}

#[test]
fn what_is_not_of_the_project_is_refused() {
    let Some(github) = github() else { return };
    let of = |login: &str, rest: &str| {
        id_of(
            &github,
            &format!(r#"organization(login: "{login}") {{ projectV2(number: 1) {{ {rest} }} }}"#),
        )
    };
    let ours = of("acme", "id");
    let theirs_item = data(
        &github,
        r#"{ organization(login: "globex") { projectV2(number: 1) { items(first: 1) { nodes { id } } } } }"#,
        &Value::Null,
    );
    let item = theirs_item["organization"]["projectV2"]["items"]["nodes"][0]["id"].clone();
    let status = of(
        "acme",
        r#"field(name: "Status") { ... on ProjectV2SingleSelectField { id } }"#,
    );
    let update = mutation("updateProjectV2ItemFieldValue", "clientMutationId");
    let input =
        json!({ "projectId": ours, "itemId": item, "fieldId": status, "value": { "text": "x" } });
    assert_eq!(
        error(&github, &update, &json!({ "input": input })).0,
        "NOT_FOUND"
    );
    let delete = mutation("deleteProjectV2Item", "clientMutationId");
    let input = json!({ "projectId": ours, "itemId": item });
    assert_eq!(
        error(&github, &delete, &json!({ "input": input })).0,
        "NOT_FOUND"
    );
    assert_eq!(
        github.change(|state| state.project_items("globex", 1)),
        ["globex/secret#1", "acme/site#1"]
    );
}

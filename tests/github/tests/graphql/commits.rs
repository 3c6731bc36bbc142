//! Commits and refs by GraphQL.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{error, github, id_of, last, mutate, mutation, site};
use crate::github::Home;
use crate::github::ask::ask;

const TIP: &str =
    r#"repository(owner: "acme", name: "site") { defaultBranchRef { target { oid } } }"#;

fn commit(branch: &Value, expected: &str) -> Value {
    let contents = STANDARD.encode("# new\n");
    json!({
        "branch": branch, "expectedHeadOid": expected,
        "message": { "headline": "Say it better", "body": "because" },
        "fileChanges": { "additions": [{ "path": "README.md", "contents": contents }] },
    })
}

#[test]
fn a_commit_is_made_on_a_branch_by_name_or_by_id() {
    let Some(github) = github() else { return };
    let by_name = json!({ "repositoryNameWithOwner": "acme/site", "branchName": "main" });
    let input = commit(&by_name, &id_of(&github, TIP));
    let wanted =
        "commit { oid messageHeadline messageBody author { user { login } } } ref { name }";
    let made = mutate(&github, "createCommitOnBranch", &input, wanted);
    assert_eq!(made["commit"]["messageHeadline"], "Say it better");
    assert_eq!(made["commit"]["author"]["user"]["login"], "acme-bot");
    let homes: Vec<Home> = last(&github)
        .changed
        .into_iter()
        .map(|one| one.home)
        .collect();
    assert_eq!(homes, [Home::Repository("acme/site".into())]);
    let rest = ask(
        &github,
        "GET /repos/acme/site/contents/README.md",
        super::TOKEN,
    )
    .json();
    assert_eq!(rest["content"], STANDARD.encode("# new\n"));

    let (kind, _) = error(
        &github,
        &mutation("createCommitOnBranch", "ref { name }"),
        &json!({ "input": input }),
    );
    assert_eq!(kind, "STALE_DATA", "the branch has moved on");
    let id = id_of(
        &github,
        r#"repository(owner: "acme", name: "site") { defaultBranchRef { id } }"#,
    );
    let mut input = commit(&json!({ "id": id }), &id_of(&github, TIP));
    input["fileChanges"] = json!({ "deletions": [{ "path": "README.md" }] });
    mutate(
        &github,
        "createCommitOnBranch",
        &input,
        "commit { changedFilesIfAvailable }",
    );
    assert_eq!(
        github.change(|state| state.file("acme/site", "main", "README.md")),
        None
    );
}

#[test]
fn the_name_of_a_renamed_repository_leads_on() {
    let Some(github) = github() else { return };
    let tip = id_of(&github, TIP);
    github.change(|state| state.rename("acme/site", "pages"));
    let by_name = json!({ "repositoryNameWithOwner": "acme/site", "branchName": "main" });
    mutate(
        &github,
        "createCommitOnBranch",
        &commit(&by_name, &tip),
        "ref { name }",
    );
    assert_eq!(
        last(&github).changed[0].home,
        Home::Repository("acme/pages".into())
    );
}

#[test]
fn refs_are_made_moved_and_deleted() {
    let Some(github) = github() else { return };
    let tip = id_of(&github, TIP);
    let input = json!({ "repositoryId": site(&github), "name": "refs/heads/next", "oid": tip });
    let made = mutate(&github, "createRef", &input, "ref { id name prefix }");
    assert_eq!(made["ref"]["name"], "next");
    let create = mutation("createRef", "ref { id }");
    assert_eq!(
        error(&github, &create, &json!({ "input": input })).0,
        "UNPROCESSABLE"
    );
    let fix = r#"repository(owner: "acme", name: "site") { ref(qualifiedName: "refs/heads/fix") { target { oid } } }"#;
    let input = json!({ "refId": made["ref"]["id"], "oid": id_of(&github, fix) });
    mutate(&github, "updateRef", &input, "ref { target { oid } }");
    let back = json!({ "refId": made["ref"]["id"], "oid": tip });
    let update = mutation("updateRef", "ref { id }");
    let refused = error(&github, &update, &json!({ "input": back }));
    assert_eq!(refused.1, "Update is not a fast forward");
    mutate(
        &github,
        "deleteRef",
        &json!({ "refId": made["ref"]["id"] }),
        "clientMutationId",
    );
    assert_eq!(
        github.change(|state| state.branches("acme/site")),
        ["fix", "main"]
    );
    assert_eq!(
        ask(
            &github,
            "DELETE /repos/acme/site/git/refs/heads/fix",
            super::TOKEN
        )
        .status,
        204
    );
    assert_eq!(github.change(|state| state.branches("acme/site")), ["main"]);
}

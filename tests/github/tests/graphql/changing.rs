//! Mutations of issues, pull requests and labels: the state changes, and REST sees it.

use serde_json::{Value, json};

use super::{data, error, github, id_of, issue, last, mutate, mutation, site};
use crate::github::ask::ask;

#[test]
fn an_issue_is_opened_changed_commented_on_and_closed() {
    let Some(github) = github() else { return };
    let bug = id_of(
        &github,
        r#"repository(owner: "acme", name: "site") { label(name: "bug") { id } }"#,
    );
    let carol = id_of(&github, r#"user(login: "carol") { id }"#);
    let milestone = github.change(|state| state.add_milestone("acme/site", "1.0"));
    let milestone = id_of(
        &github,
        &format!(
            r#"repository(owner: "acme", name: "site") {{ milestone(number: {milestone}) {{ id }} }}"#
        ),
    );
    let input = json!({
        "repositoryId": site(&github), "title": "New", "body": "text", "labelIds": [bug],
        "assigneeIds": [carol], "milestoneId": milestone, "clientMutationId": "mine",
    });
    let wanted = "clientMutationId issue { id number author { login } milestone { title } }";
    let made = mutate(&github, "createIssue", &input, wanted);
    assert_eq!(made["clientMutationId"], "mine");
    assert_eq!(made["issue"]["number"], 4);
    assert_eq!(made["issue"]["milestone"]["title"], "1.0");
    let id = made["issue"]["id"].clone();
    let rest = ask(&github, "GET /repos/acme/site/issues/4", super::TOKEN).json();
    assert_eq!((&rest["title"], &rest["node_id"]), (&json!("New"), &id));
    assert_eq!(rest["labels"][0]["name"], "bug");
    assert_eq!(rest["assignees"][0]["login"], "carol");

    let input = json!({ "id": id, "title": "Newer", "labelIds": [], "milestoneId": null });
    mutate(&github, "updateIssue", &input, "issue { id }");
    let input = json!({ "labelableId": id, "labelIds": [bug] });
    mutate(
        &github,
        "addLabelsToLabelable",
        &input,
        "labelable { __typename }",
    );
    assert_eq!(
        github.change(|state| state.labels_on("acme/site#4")),
        ["bug"]
    );
    mutate(
        &github,
        "removeLabelsFromLabelable",
        &input,
        "labelable { __typename }",
    );
    assert!(
        github
            .change(|state| state.labels_on("acme/site#4"))
            .is_empty()
    );

    let input = json!({ "subjectId": id, "body": "said" });
    let wanted = "commentEdge { node { id url issue { number } } } subject { id }";
    let said = mutate(&github, "addComment", &input, wanted);
    let comment = said["commentEdge"]["node"]["id"].clone();
    let rest = ask(
        &github,
        "GET /repos/acme/site/issues/4/comments",
        super::TOKEN,
    )
    .json();
    assert_eq!(
        (&rest[0]["body"], &rest[0]["node_id"]),
        (&json!("said"), &comment)
    );
    let input = json!({ "id": comment, "body": "said again" });
    mutate(
        &github,
        "updateIssueComment",
        &input,
        "issueComment { body }",
    );
    let input = json!({ "id": comment });
    mutate(&github, "deleteIssueComment", &input, "clientMutationId");
    assert!(
        github
            .change(|state| state.comments("acme/site#4"))
            .is_empty()
    );

    let input = json!({ "issueId": id, "stateReason": "NOT_PLANNED" });
    let closed = mutate(&github, "closeIssue", &input, "issue { state stateReason }");
    assert_eq!(
        closed["issue"],
        json!({"state": "CLOSED", "stateReason": "NOT_PLANNED"})
    );
    let state = github.change(|state| state.issue("acme/site#4").state());
    assert_eq!(state, "CLOSED");
    mutate(
        &github,
        "reopenIssue",
        &json!({ "issueId": id }),
        "issue { state }",
    );
    let issue = github.change(|state| state.issue("acme/site#4").clone());
    assert_eq!(
        (issue.state(), issue.title.as_str(), issue.milestone),
        ("OPEN", "Newer", None)
    );
    mutate(
        &github,
        "deleteIssue",
        &json!({ "issueId": id }),
        "repository { name }",
    );
    assert_eq!(github.change(|state| state.issues("acme/site").len()), 3);
}

#[test]
fn parts_of_an_issue_are_added_and_taken_away() {
    let Some(github) = github() else { return };
    let input = json!({ "repositoryId": site(&github), "title": "Part", "parentIssueId": issue(&github, 1) });
    let made = mutate(
        &github,
        "createIssue",
        &input,
        "issue { id parent { number } }",
    );
    assert_eq!(made["issue"]["parent"]["number"], 1);
    let input = json!({ "issueId": issue(&github, 1), "subIssueId": made["issue"]["id"] });
    mutate(&github, "removeSubIssue", &input, "issue { id }");
    mutate(&github, "addSubIssue", &input, "subIssue { id }");
    let (kind, _) = error(
        &github,
        &mutation("addSubIssue", "issue { id }"),
        &json!({ "input": input }),
    );
    assert_eq!(kind, "UNPROCESSABLE");
    let summary = data(
        &github,
        r#"{ repository(owner: "acme", name: "site") { issue(number: 1) { subIssuesSummary { total } } } }"#,
        &Value::Null,
    );
    assert_eq!(
        summary["repository"]["issue"]["subIssuesSummary"]["total"],
        2
    );
}

#[test]
fn a_pull_request_is_opened_reviewed_and_merged() {
    let Some(github) = github() else { return };
    let carol = id_of(&github, r#"user(login: "carol") { id }"#);
    let input = json!({
        "repositoryId": site(&github), "title": "Better", "headRefName": "better",
        "baseRefName": "main", "draft": true,
    });
    let made = mutate(
        &github,
        "createPullRequest",
        &input,
        "pullRequest { id number isDraft headRefOid files(first: 9) { nodes { path } } }",
    );
    let pull = &made["pullRequest"];
    assert_eq!(
        (&pull["number"], &pull["isDraft"]),
        (&json!(4), &json!(true))
    );
    assert_eq!(pull["files"]["nodes"][0]["path"], "better.txt");
    let again = error(
        &github,
        &mutation("createPullRequest", "pullRequest { id }"),
        &json!({ "input": input }),
    );
    assert_eq!(again.1, "A pull request already exists for acme:better.");
    let id = pull["id"].clone();
    let only = json!({ "pullRequestId": id });
    mutate(
        &github,
        "markPullRequestReadyForReview",
        &only,
        "pullRequest { isDraft }",
    );
    let input = json!({ "pullRequestId": id, "userIds": [carol] });
    let wanted = "pullRequest { reviewRequests(first: 5) { nodes { requestedReviewer { ... on User { login } } } } }";
    let asked = mutate(&github, "requestReviews", &input, wanted);
    let requests = &asked["pullRequest"]["reviewRequests"]["nodes"];
    assert_eq!(requests[0]["requestedReviewer"]["login"], "carol");
    let input = json!({ "pullRequestId": id, "event": "COMMENT", "body": "fine" });
    mutate(
        &github,
        "addPullRequestReview",
        &input,
        "pullRequestReview { state author { login } }",
    );
    let input = json!({ "pullRequestId": id, "event": "APPROVE" });
    let own = error(
        &github,
        &mutation("addPullRequestReview", "clientMutationId"),
        &json!({ "input": input }),
    );
    assert_eq!(own.1, "Can not approve your own pull request");
    mutate(
        &github,
        "updatePullRequest",
        &json!({ "pullRequestId": id, "title": "Best" }),
        "pullRequest { id }",
    );
    mutate(&github, "closePullRequest", &only, "pullRequest { state }");
    mutate(&github, "reopenPullRequest", &only, "pullRequest { state }");
    let input = json!({ "pullRequestId": id, "expectedHeadOid": "0".repeat(40) });
    let stale = error(
        &github,
        &mutation("mergePullRequest", "clientMutationId"),
        &json!({ "input": input }),
    );
    assert_eq!(stale.0, "UNPROCESSABLE");
    let merged = mutate(
        &github,
        "mergePullRequest",
        &only,
        "pullRequest { state mergedBy { login } mergeCommit { oid } }",
    );
    assert_eq!(merged["pullRequest"]["state"], "MERGED");
    let homes: Vec<String> = last(&github)
        .changed
        .iter()
        .map(|one| one.kind.clone())
        .collect();
    assert_eq!(homes, ["PullRequest", "Ref"]);
    assert!(
        github
            .change(|state| state.file("acme/site", "main", "better.txt"))
            .is_some()
    );
    let rest = ask(&github, "GET /repos/acme/site/pulls/4", super::TOKEN).json();
    assert_eq!(
        (&rest["merged"], &rest["title"]),
        (&json!(true), &json!("Best"))
    );
    assert_eq!(github.change(|state| state.reviews("acme/site#4").len()), 1);
}

#[test]
fn a_pull_request_comes_from_a_fork_of_the_owner_that_its_head_names() {
    let Some(github) = github() else { return };
    let input = |head: &str| {
        json!({
            "repositoryId": site(&github), "title": "x", "headRefName": head, "baseRefName": "main",
        })
    };
    let wanted = "pullRequest { headRepository { nameWithOwner } headRefName }";
    let made = mutate(&github, "createPullRequest", &input("globex:other"), wanted);
    let pull = &made["pullRequest"];
    assert_eq!(pull["headRepository"]["nameWithOwner"], "globex/site");
    assert_eq!(pull["headRefName"], "other");
    let create = mutation("createPullRequest", wanted);
    let unknown = error(
        &github,
        &create,
        &json!({ "input": input("unknown:other") }),
    );
    assert_eq!(unknown.0, "UNPROCESSABLE");
    let same = error(&github, &create, &json!({ "input": input("main") }));
    assert_eq!(same.1, "No commits between main and main");
}

#[test]
fn labels_are_made_changed_and_deleted() {
    let Some(github) = github() else { return };
    let input = json!({ "repositoryId": site(&github), "name": "urgent", "color": "FF0000" });
    let made = mutate(&github, "createLabel", &input, "label { id color }");
    assert_eq!(made["label"]["color"], "ff0000");
    let taken = error(
        &github,
        &mutation("createLabel", "label { id }"),
        &json!({ "input": input }),
    );
    assert_eq!(taken.1, "Name has already been taken");
    let id = made["label"]["id"].clone();
    mutate(
        &github,
        "updateLabel",
        &json!({ "id": id, "name": "now" }),
        "label { name }",
    );
    assert_eq!(
        github.change(|state| state.labels("acme/site")),
        ["bug", "now"]
    );
    mutate(
        &github,
        "deleteLabel",
        &json!({ "id": id }),
        "clientMutationId",
    );
    assert_eq!(github.change(|state| state.labels("acme/site")), ["bug"]);
}

#[test]
fn what_is_wrong_with_an_input_changes_nothing() {
    let Some(github) = github() else { return };
    let (site, issue) = (site(&github), issue(&github, 1));
    let before = || github.change(|state| format!("{:?}", state.issue("acme/site#1")));
    let was = before();
    for (name, input, kind) in [
        (
            "createIssue",
            json!({ "repositoryId": issue, "title": "x" }),
            "NOT_FOUND",
        ),
        (
            "createIssue",
            json!({ "repositoryId": site, "title": " " }),
            "UNPROCESSABLE",
        ),
        (
            "createIssue",
            json!({ "repositoryId": site, "title": "x", "labelIds": [issue] }),
            "NOT_FOUND",
        ),
        (
            "createIssue",
            json!({ "repositoryId": site, "title": "x", "projectIds": ["P"] }),
            "NOT_IMPLEMENTED",
        ),
        (
            "updateIssue",
            json!({ "id": issue, "title": "x", "assigneeIds": ["none"] }),
            "NOT_FOUND",
        ),
        (
            "addComment",
            json!({ "subjectId": site, "body": "x" }),
            "NOT_FOUND",
        ),
        (
            "closePullRequest",
            json!({ "pullRequestId": issue }),
            "NOT_FOUND",
        ),
        ("pinIssue", json!({ "issueId": issue }), "NOT_IMPLEMENTED"),
        (
            "deleteLabel",
            json!({ "id": "LA_kwDO00000001" }),
            "NOT_FOUND",
        ),
    ] {
        let got = error(
            &github,
            &mutation(name, "clientMutationId"),
            &json!({ "input": input }),
        );
        assert_eq!(got.0, kind, "{name} {input}: {got:?}");
        assert!(last(&github).changed.is_empty(), "{name}");
    }
    assert_eq!(before(), was);
    assert_eq!(github.change(|state| state.issues("acme/site").len()), 3);
}

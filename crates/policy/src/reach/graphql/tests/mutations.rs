//! What a mutation may do, and what it holds on to.

use super::*;
use crate::reach::graphql::Kind;

fn ids(allowed: &Allowed) -> Vec<&str> {
    allowed
        .holding
        .named
        .ids
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn every_id_in_a_mutation_is_asked_about() {
    let lease = Lease::on("acme/site", "issues=write pull_requests=write");
    for (query, variables) in [
        (
            "mutation { addComment(input: {subjectId: \"I_1\", body: \"x\"}) { clientMutationId } }",
            json!({}),
        ),
        (
            "mutation($i: AddCommentInput!) { addComment(input: $i) { clientMutationId } }",
            json!({ "i": { "subjectId": "I_1", "body": "I_2", "clientMutationId": "I_3" } }),
        ),
        (
            "mutation($id: ID!) { addComment(input: {subjectId: $id, body: \"x\"}) { clientMutationId } }",
            json!({ "id": "I_1" }),
        ),
        (
            "mutation($id: ID = \"I_1\") { addComment(input: {subjectId: $id, body: \"x\"}) { clientMutationId } }",
            json!({}),
        ),
        (
            "mutation { ...F } fragment F on Mutation { a: addComment(input: {subjectId: \"I_1\", body: \"x\"}) \
               @skip(if: true) { clientMutationId } }",
            json!({}),
        ),
    ] {
        let allowed = lease
            .asks(query, variables)
            .unwrap_or_else(|error| panic!("{query}: {error}"));
        assert_eq!(ids(&allowed), ["I_1"], "{query}");
        assert_eq!(allowed.kind, Kind::Mutation);
        assert!(allowed.holding.fields.contains("addComment"));
    }
    let lists = "mutation { addLabelsToLabelable(input: {labelableId: \"I_1\", labelIds: [\"L_1\", \"L_2\"]}) \
         { clientMutationId } createIssue(input: {repositoryId: 7, title: \"x\", assigneeIds: [\"U_1\"], labelIds: \"L_3\"}) \
         { issue { title } } }";
    let allowed = lease.asks(lists, json!({})).ok().unwrap();
    assert_eq!(
        ids(&allowed),
        ["7", "I_1", "L_1", "L_2", "L_3"],
        "an account is no repository's"
    );
}

#[test]
fn a_mutation_needs_the_permission_and_the_level() {
    let close = "mutation { closeIssue(input: {issueId: \"x\"}) { issue { number } } }";
    let merge = "mutation { mergePullRequest(input: {pullRequestId: \"x\"}) { clientMutationId } }";
    let project = "mutation { createProjectV2(input: {ownerId: \"x\", title: \"y\"}) { projectV2 { number } } }";
    for (permissions, query, allowed) in [
        ("issues=write", close, true),
        ("issues=read", close, false),
        ("pull_requests=read contents=write", close, false),
        ("contents=write pull_requests=write", merge, true),
        ("pull_requests=read", merge, false),
        ("organization_projects=write", project, false),
    ] {
        let lease = Lease::on("acme/site", permissions);
        assert_eq!(
            lease.asks(query, json!({})).is_ok(),
            allowed,
            "{permissions}: {query}"
        );
    }
    let admin = Lease::on("", "organization_projects=admin").and_organization("acme");
    assert!(admin.asks(project, json!({})).is_ok());
    let refused = Lease::on("acme/site", "issues=read").refuses(close);
    assert!(
        refused.starts_with(
            "`Mutation.closeIssue` needs permission `issues: write`; the lease allows `read`"
        ),
        "{refused}"
    );
    assert!(refused.contains("add `issues = \"write\"`"), "{refused}");
}

#[test]
fn a_mutation_that_is_not_listed_is_refused_and_so_is_an_input() {
    let lease = Lease::on(
        "acme/*",
        "issues=write pull_requests=write contents=write administration=write members=write",
    )
    .and_organization("acme");
    for name in [
        "transferIssue",
        "addCollaborator",
        "createDeployKey",
        "deleteRepository",
        "updateRepository",
        "createSponsorship",
        "updateEnterpriseProfile",
        "removeOutsideCollaborator",
        "createUserList",
        "addStar",
        "createMigrationSource",
        "cloneTemplateRepository",
        "archiveRepository",
        "addSubIssue",
        "closeissue",
    ] {
        let refused = lease.refuses(&format!(
            "mutation {{ {name}(input: {{}}) {{ clientMutationId }} }}"
        ));
        assert!(
            refused.contains(&format!("`Mutation.{name}` is not on the list")),
            "{refused}"
        );
    }
    for input in [
        "repository: \"x\"",
        "parentIssueIds: \"x\"",
        "subjectID: \"x\"",
    ] {
        let query = format!(
            "mutation {{ addComment(input: {{subjectId: \"x\", body: \"y\", {input}}}) {{ clientMutationId }} }}"
        );
        assert!(
            lease.refuses(&query).contains("`AddCommentInput."),
            "{input}"
        );
    }
    for value in ["\"x\"", "1", "[\"x\"]", "true", "$i"] {
        let query =
            format!("mutation($i: ID) {{ addComment(input: {value}) {{ clientMutationId }} }}");
        lease.refuses(&query);
    }
    for id in ["true", "X", "{a: 1}", "1.5e3x"] {
        let query = format!(
            "mutation {{ addComment(input: {{subjectId: {id}, body: \"y\"}}) {{ clientMutationId }} }}"
        );
        assert!(
            read(&json!({ "query": query })).map(|asked| asked.allow(&lease.scope()).is_ok())
                != Ok(true),
            "{id}"
        );
    }
}

#[test]
fn names_in_inputs_are_held_to_the_lease() {
    let lease = Lease::on(
        "acme/site",
        "contents=write pull_requests=write workflows=write",
    );
    let commit = |repository: &str| {
        format!(
            "mutation {{ createCommitOnBranch(input: {{branch: {{repositoryNameWithOwner: \"{repository}\", \
             branchName: \"main\"}}, message: {{headline: \"x\"}}, expectedHeadOid: \"0\", fileChanges: {{}}}}) \
             {{ commit {{ oid }} }} }}"
        )
    };
    let allowed = lease.asks(&commit("Acme/Site"), json!({})).ok().unwrap();
    assert!(allowed.holding.named.ids.is_empty());
    assert_eq!(allowed.holding.named.repositories.len(), 1);
    assert!(allowed.holding.touches.contains("acme/site"));
    assert!(
        lease
            .refuses(&commit("acme/other"))
            .contains("repository `acme/other`")
    );
    assert!(lease.refuses(&commit("site")).contains("another type"));
    let pull = |head: &str| {
        format!(
            "mutation {{ createPullRequest(input: {{repositoryId: \"R\", baseRefName: \"main\", \
             headRefName: \"{head}\", title: \"x\"}}) {{ pullRequest {{ url }} }} }}"
        )
    };
    assert!(lease.asks(&pull("topic"), json!({})).is_ok());
    assert!(
        lease
            .refuses(&pull("evil:topic"))
            .contains("repository `evil/*`")
    );
    assert!(
        lease
            .refuses(&pull("acme:topic"))
            .contains("repository `acme/*`")
    );
    let all = Lease::on("acme/*", "pull_requests=write");
    assert!(all.asks(&pull("acme:topic"), json!({})).is_ok());
}

#[test]
fn the_answer_of_a_mutation_is_held_as_a_query_is() {
    let lease = Lease::on("acme/site", "issues=write");
    let comment = |answer: &str| {
        format!(
            "mutation {{ addComment(input: {{subjectId: \"x\", body: \"y\"}}) {{ {answer} }} }}"
        )
    };
    lease.sends(&comment("commentEdge { node { url } }"));
    for answer in [
        "subject { ... on Issue { parent { title } } }",
        "commentEdge { node { repository { releases(first: 1) { totalCount } } } }",
        "commentEdge { node { author { ... on User { email } } } }",
    ] {
        lease.refuses(&comment(answer));
    }
}

#[test]
fn a_draft_whose_title_is_an_address_is_refused() {
    let lease = Lease::on("", "organization_projects=write").and_organization("acme");
    let draft = |title: &str| {
        let query = "mutation($t: String!) { addProjectV2DraftIssue(input: {projectId: \"P\", title: $t}) \
             { clientMutationId } }";
        lease.asks(query, json!({ "t": title }))
    };
    for title in ["Ship it", "A/B test of the page", "either/or, or both"] {
        assert!(draft(title).is_ok(), "{title}");
    }
    for title in [
        "https://github.com/other/secret/issues/1",
        " github.com/other/secret/issues/1 ",
        "See https://github.com/other/secret/issues/1",
        "HTTP://github.com/x",
        "other/secret#1",
    ] {
        let refused = draft(title).err().unwrap_or_else(|| panic!("{title}"));
        assert!(
            refused.to_string().contains("may be the address"),
            "{refused}"
        );
    }
}

#[test]
fn what_a_lease_may_not_do_by_rest_it_may_not_by_graphql() {
    let projects = Lease::on("", "organization_projects=admin").and_organization("acme");
    projects.refuses(
        "mutation { clearProjectV2ItemFieldValue(input: {projectId: \"P\", itemId: \"I\", fieldId: \"F\"}) \
         { clientMutationId } }",
    );
    projects.refuses(
        "mutation { updateProjectV2(input: {projectId: \"P\", public: true}) { clientMutationId } }",
    );
    let pulls = Lease::on("acme/site", "pull_requests=write");
    for selection in ["body", "bodyText", "bodyHTML"] {
        pulls.refuses(&of_site(&format!(
            "issueOrPullRequest(number: 1) {{ ... on Issue {{ {selection} }} }}"
        )));
    }
    pulls.refuses("mutation { minimizeComment(input: {subjectId: \"x\", classifier: SPAM}) { clientMutationId } }");
    Lease::on("acme/site", "issues=read").refuses(&of_site(
        "defaultBranchRef { refUpdateRule { requiredApprovingReviewCount } }",
    ));
}

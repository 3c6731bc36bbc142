//! Mutations: what they name is asked about, recorded, and done once.

use tokio::task::JoinHandle;

use super::*;

/// A comment on our issue, by a mutation that GitHub keeps waiting: the call after so many.
fn held_comment(
    broker: &InProcess,
    github: &StandIn,
    lease: &Lease,
    after: u32,
) -> JoinHandle<Answer> {
    let id = issue_id(github, "acme/site#1");
    github.forget_calls();
    github.fault(Fault::on("POST /graphql").hold().after(after));
    let body = json!({ "query": comment(&id) }).to_string();
    let asking = request(github, &lease.token, ("POST", "/graphql", &body));
    let asking = broker.begin_proxied(asking);
    let calls = usize::try_from(after).unwrap() + 1;
    github.wait_for_calls("POST /graphql", calls);
    asking
}

#[test]
fn a_mutation_is_on_record_before_it_goes_on_and_costs_one_question() {
    let Some(github) = github() else { return };
    let broker = broker(&github);
    let lease = lease(&broker);
    let asking = held_comment(&broker, &github, &lease, 1);
    let recorded = broker.home.records_of("proxy.request");
    assert_eq!(
        recorded[0]["graphql"],
        json!({ "fields": ["addComment"], "touches": ["acme/site"] })
    );
    github.heal();
    let answer = broker.finished(asking);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        github.calls("POST /graphql"),
        2,
        "the question, and the mutation"
    );
    assert_eq!(
        github.change(|state| state.comments("acme/site#1").len()),
        1
    );
    broker.until(|| !broker.home.records_of("proxy.response").is_empty());
    let responses = broker.home.records_of("proxy.response");
    assert_eq!(responses.len(), 1);
    assert!(responses[0]["request"].is_u64());
    broker.assert_log_verifies();
}

#[test]
fn a_mutation_of_what_the_lease_does_not_hold_is_asked_about_and_goes_no_further() {
    let Some(github) = github() else { return };
    let broker = broker(&github);
    let lease = lease(&broker);
    let ours = issue_id(&github, "acme/site#1");
    for foreign in [
        issue_id(&github, "acme/docs#1"),
        issue_id(&github, "other/site#1"),
        "I_kwDOnothing".to_owned(),
    ] {
        let answer = ask(&broker, &github, &lease.token, &comment(&foreign));
        assert_refused(&answer, 403, "too_wide");
        let message = answer.json()["message"].to_string();
        assert!(
            message.contains("is of nothing within the lease"),
            "{message}"
        );
        assert!(
            !message.contains("docs") && !message.contains("other"),
            "{message}"
        );
    }
    let all = (0..49).map(|number| {
        format!("m{number}: closeIssue(input: {{issueId: \"{ours}\"}}) {{ clientMutationId }} ")
    });
    let foreign = issue_id(&github, "other/site#1");
    let all = format!(
        "mutation {{ {} x: closeIssue(input: {{issueId: \"{foreign}\"}}) {{ clientMutationId }} }}",
        all.collect::<String>()
    );
    assert_refused(&ask(&broker, &github, &lease.token, &all), 403, "too_wide");
    assert!(github.touched().iter().all(|one| one.changed.is_empty()));
    assert!(broker.home.records_of("proxy.request").is_empty());
    assert_eq!(broker.home.records_of("proxy.refused").len(), 4);
}

#[test]
fn an_id_that_moved_before_the_question_is_refused() {
    let Some(github) = github() else { return };
    let broker = broker(&github);
    let lease = lease(&broker);
    let id = issue_id(&github, "acme/site#1");
    assert_eq!(
        ask(&broker, &github, &lease.token, &comment(&id)).status,
        200
    );
    github.change(|state| state.move_issue("acme/site#1", "other/site"));
    let answer = ask(&broker, &github, &lease.token, &comment(&id));
    assert_refused(&answer, 403, "too_wide");
}

#[test]
fn where_github_does_not_say_whose_an_id_is_nothing_goes_on() {
    let Some(github) = github() else { return };
    let broker = broker(&github);
    let lease = lease(&broker);
    let id = issue_id(&github, "acme/site#1");
    for (fault, status, code) in [
        (
            Fault::on("POST /graphql").refuse(500, "Oops"),
            502,
            "upstream_unavailable",
        ),
        (
            answers("{\"data\":null,\"errors\":[{}]}"),
            502,
            "upstream_unavailable",
        ),
        (
            answers("{\"data\":{\"i0\":[]}}"),
            502,
            "upstream_unavailable",
        ),
        (
            answers("{\"data\":{\"i0\":[{\"__typename\":\"New\"}]}}"),
            403,
            "too_wide",
        ),
        (answers("<html>"), 502, "upstream_unavailable"),
        (
            Fault::on("POST /graphql").secondary_limit(Some(60)),
            403,
            "rate_limited",
        ),
    ] {
        github.fault(fault);
        let answer = ask(&broker, &github, &lease.token, &comment(&id));
        assert_refused(&answer, status, code);
        github.heal();
    }
    assert_eq!(
        github.change(|state| state.comments("acme/site#1").len()),
        0
    );
    assert!(broker.home.records_of("proxy.request").is_empty());
}

#[test]
fn a_mutation_whose_answer_is_lost_may_have_happened_and_is_not_sent_again() {
    let Some(github) = github() else { return };
    let broker = broker(&github);
    let lease = lease(&broker);
    let id = issue_id(&github, "acme/site#1");
    github.forget_calls();
    github.fault(Fault::on("POST /graphql").lose_reply().after(1));
    let answer = ask(&broker, &github, &lease.token, &comment(&id));
    assert_refused(&answer, 502, "upstream_unavailable");
    let message = answer.json()["message"].to_string();
    assert!(message.contains("may have"), "{message}");
    assert_eq!(github.calls("POST /graphql"), 2);
    assert_eq!(
        github.change(|state| state.comments("acme/site#1").len()),
        1
    );
    broker.until(|| !broker.home.records_of("proxy.response").is_empty());
    let response = &broker.home.records_of("proxy.response")[0];
    assert!(
        response["why"].as_str().unwrap().contains("may have"),
        "{response}"
    );
}

#[test]
fn a_value_that_github_refuses_at_the_question_is_not_tried_on_the_mutation() {
    let Some(github) = github() else { return };
    let broker = broker(&github);
    let lease = lease(&broker);
    let id = issue_id(&github, "acme/site#1");
    github.change(|state| state.revoke(canary::CLASSIC));
    github.forget_calls();
    let answer = ask(&broker, &github, &lease.token, &comment(&id));
    assert_refused(&answer, 502, "upstream_refused");
    assert_eq!(github.calls("POST /graphql"), 1);
    broker.until(|| !broker.home.records_of("secret.checked").is_empty());
}

#[test]
fn projects_of_the_organisation_are_held_to_it() {
    let Some(github) = github() else { return };
    let terms = "organization = \"acme\"\npermissions = { organization_projects = \"admin\" }";
    let broker = broker_under(&github, terms);
    let lease = lease(&broker);
    let query = "{ organization(login: \"acme\") { id projectsV2(first: 5) { nodes { id title items(first: 5) { nodes { \
         content { ... on Issue { title repository { nameWithOwner } } } } } } } } }";
    let answer = ask(&broker, &github, &lease.token, query);
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let organization = &body["data"]["organization"];
    let (owner, project) = (&organization["id"], &organization["projectsV2"]["nodes"][0]);
    assert_eq!(project["title"], "Roadmap");
    let create = json!({
        "query": "mutation($i: CreateProjectV2Input!) { createProjectV2(input: $i) { projectV2 { number } } }",
        "variables": { "i": { "ownerId": owner, "title": "Next" } },
    });
    let answer = ask_with(&broker, &github, &lease.token, &create);
    assert_eq!(
        answer.json()["data"]["createProjectV2"]["projectV2"]["number"],
        2,
        "{answer:?}"
    );
    let add = |content: &str| {
        json!({
            "query": "mutation($i: AddProjectV2DraftIssueInput!) { addProjectV2DraftIssue(input: $i) { projectItem { id } } }",
            "variables": { "i": { "projectId": project["id"], "title": content } },
        })
    };
    let answer = ask_with(&broker, &github, &lease.token, &add("A draft"));
    assert_eq!(answer.status, 200, "{}", answer.json());
    let requests = broker.home.records_of("proxy.request");
    let touches: Vec<_> = requests
        .iter()
        .map(|one| &one["graphql"]["touches"])
        .collect();
    assert_eq!(
        touches,
        [&json!(["acme"]), &json!(["orgs/acme/projects/1"])]
    );
    let issue = json!({
        "query": "mutation($i: AddProjectV2ItemByIdInput!) { addProjectV2ItemById(input: $i) { item { id } } }",
        "variables": { "i": { "projectId": project["id"], "contentId": issue_id(&github, "other/site#1") } },
    });
    assert_refused(
        &ask_with(&broker, &github, &lease.token, &issue),
        403,
        "too_wide",
    );
}

#[test]
fn an_id_that_changes_hands_between_question_and_use_is_on_record_as_it_was_asked() {
    let Some(github) = github() else { return };
    let broker = broker(&github);
    let lease = lease(&broker);
    let asking = held_comment(&broker, &github, &lease, 1);
    let moved = github.change(|state| state.move_issue("acme/site#1", "other/site"));
    github.heal();
    // The broker cannot see it: SECURITY.md says so.
    assert_eq!(broker.finished(asking).status, 200);
    let comments = github.change(|state| state.comments(&format!("other/site#{moved}")).len());
    assert_eq!(comments, 1);
    let recorded = &broker.home.records_of("proxy.request")[0];
    assert_eq!(recorded["graphql"]["touches"], json!(["acme/site"]));
}

#[test]
fn a_lease_that_ends_while_github_is_asked_sends_no_mutation() {
    let Some(github) = github() else { return };
    let broker = broker(&github);
    let lease = lease(&broker);
    let asking = held_comment(&broker, &github, &lease, 0);
    broker.done("DELETE", &format!("/v1/leases/{}", lease.id), "");
    assert_refused(&broker.finished(asking), 403, "unknown_lease");
    github.heal();
    assert_eq!(github.calls("POST /graphql"), 1);
    assert!(broker.home.records_of("proxy.request").is_empty());
}

#[test]
fn a_lease_that_ends_while_a_mutation_is_under_way_says_that_it_may_have_happened() {
    let Some(github) = github() else { return };
    let broker = broker(&github);
    let lease = lease(&broker);
    let asking = held_comment(&broker, &github, &lease, 1);
    broker.done("DELETE", &format!("/v1/leases/{}", lease.id), "");
    let answer = broker.finished(asking);
    assert_refused(&answer, 403, "unknown_lease");
    let message = answer.json()["message"].to_string();
    assert!(message.contains("may have happened"), "{message}");
    github.heal();
}

#[test]
fn nothing_of_a_document_or_its_variables_is_written_down() {
    let Some(github) = github() else { return };
    let broker = broker(&github);
    let lease = lease(&broker);
    let id = issue_id(&github, "acme/site#1");
    let sent = json!({
        "query": "mutation Said($i: AddCommentInput!) { addComment(input: $i) { clientMutationId } }",
        "variables": { "i": { "subjectId": id, "body": "canary in a body", "clientMutationId": "canary in a variable" } },
    });
    assert_eq!(ask_with(&broker, &github, &lease.token, &sent).status, 200);
    for refused in [
        json!({ "query": "{ canary_in_a_text", "variables": {} }),
        json!({ "query": "{ viewer { login } }", "variables": "canary in a text" }),
        json!({ "query": "{ viewer(canary: \"canary in an argument\") { login } }" }),
        json!({ "query": comment("canary in an id") }),
    ] {
        let answer = ask_with(&broker, &github, &lease.token, &refused);
        assert!(answer.header("tokend-error").is_some());
    }
    broker.until(|| !broker.home.records_of("proxy.response").is_empty());
    let all: Vec<_> = ["proxy.request", "proxy.response", "proxy.refused"]
        .into_iter()
        .flat_map(|kind| broker.home.records_of(kind))
        .collect();
    assert_eq!(all.len(), 6);
    for record in all {
        let text = record.to_string();
        assert!(
            !text.contains("canary in") && !text.contains("Said") && !text.contains(&id),
            "{text}"
        );
    }
}

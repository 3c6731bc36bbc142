//! P8 for GraphQL: documents at random from GitHub's schema, under a lease on one repository and one organisation.

use std::path::Path;

use support::documents::{Documents, Names};
use support::github::{Read, Touched};

use super::*;

/// Every permission that the list of GraphQL asks for anywhere.
const ALL: &str = "issues = \"write\", pull_requests = \"write\", contents = \"write\", checks = \"read\", \
     statuses = \"read\", deployments = \"read\", administration = \"write\", metadata = \"read\", \
     workflows = \"write\", members = \"read\", organization_projects = \"admin\"";
/// Values of the organisation's project, such as the title of an issue in it: SECURITY.md says so. What they lead to is
/// evaluated for itself.
const SHOWN_BY_A_PROJECT: &str = "ProjectV2ItemField";
/// How many documents.
const MANY: u64 = 1_500;

#[test]
fn p8_no_document_reads_or_changes_anything_outside_the_lease() {
    let Some(github) = github() else { return };
    let mut documents = documents(&github);
    let broker = broker_for_all(&github);
    let lease = lease(&broker);
    let (mut went_on, mut refused, mut got_something) = (0, 0, 0);
    for number in 0..MANY {
        // What was there before may be closed, moved or deleted by now.
        documents.names.ids = ids(&github, "acme", "acme/site");
        let written = documents.write(number);
        github.forget_calls();
        let answer = ask_with(&broker, &github, &lease.token, &written.body);
        let by_the_broker = answer.header("tokend-error").is_some();
        assert!(
            !(written.inside && by_the_broker),
            "{number}: {}\n{}",
            written.body,
            answer.json()
        );
        match by_the_broker {
            true => refused += 1,
            false => went_on += 1,
        }
        let touched = github.touched();
        touched
            .iter()
            .for_each(|touched| assert_inside(&documents, touched));
        let got = touched.last().is_some_and(|last| !last.read.is_empty());
        got_something += u64::from(got && !by_the_broker);
    }
    assert!(
        went_on > MANY / 2 && refused > MANY / 20 && got_something > MANY / 3,
        "{went_on} went on, {got_something} got something, {refused} were refused"
    );
}

/// What was read of what stands outside is what may be read anywhere, and nothing of it was changed.
fn assert_inside(documents: &Documents, touched: &Touched) {
    // The broker's own: whose something is.
    if touched.document.starts_with("query($i0:") {
        return;
    }
    let outside =
        |read: &&Read| !is_inside(&read.home) && !read.kind.starts_with(SHOWN_BY_A_PROJECT);
    for read in touched.read.iter().filter(outside) {
        let more: Vec<_> = read
            .fields
            .iter()
            .filter(|field| !documents.is_anywhere(&read.kind, field))
            .collect();
        assert!(
            more.is_empty(),
            "{more:?} of {} of {}: {}",
            read.kind,
            read.home,
            touched.document
        );
    }
    for changed in &touched.changed {
        assert!(
            is_inside(&changed.home),
            "{} of {}: {}",
            changed.kind,
            changed.home,
            touched.document
        );
    }
}

fn is_inside(home: &Home) -> bool {
    match home {
        Home::Repository(name) => name == "acme/site",
        Home::Organization(login) => login == "acme",
        Home::Project(name) => name.starts_with("acme/"),
        Home::User(_) => false,
        Home::None => true,
    }
}

/// Ids of a new issue, a pull request, a project and an item of it.
fn ids(github: &StandIn, owner: &str, repository: &str) -> Vec<String> {
    github.change(|state| {
        let issue = format!("{repository}#{}", state.add_issue(repository, "An issue"));
        let pull = state.add_pull(repository, "A change", "topic");
        let project = state.add_project(owner, "A project");
        let item = state.add_project_item(owner, project, &issue);
        vec![
            state.issue(&issue).node_id(),
            state.issue(&format!("{repository}#{pull}")).node_id(),
            state.project(owner, project).node_id(),
            item,
        ]
    })
}

fn documents(github: &StandIn) -> Documents {
    github.change(|state| {
        state.settings.leads_out = true;
        state.settings.rate_limits = false;
    });
    let list =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/policy/src/reach/graphql/list");
    let names = Names {
        repository: "acme/site".to_owned(),
        other_repositories: vec!["acme/docs".to_owned(), "other/site".to_owned()],
        organization: "acme".to_owned(),
        other_organization: "other".to_owned(),
        ids: Vec::new(),
        other_ids: [
            ids(github, "other", "other/site"),
            ids(github, "acme", "acme/docs"),
        ]
        .concat(),
    };
    Documents::new(&schema().unwrap(), &list, names)
}

fn broker_for_all(github: &StandIn) -> InProcess {
    broker_under(
        github,
        &format!(
            "repositories = [\"acme/site\"]\norganization = \"acme\"\npermissions = {{ {ALL} }}"
        ),
    )
}

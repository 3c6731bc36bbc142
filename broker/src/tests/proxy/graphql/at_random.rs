//! P8 for GraphQL: documents at random from GitHub's schema, under a lease on one repository and one organisation.

use std::path::Path;

use support::documents::{Documents, Names};
use support::github::Touched;

use super::*;

/// Every permission that the list of GraphQL asks for anywhere.
const ALL: &str = "issues = \"write\", pull_requests = \"write\", contents = \"write\", checks = \"read\", \
     statuses = \"read\", deployments = \"read\", administration = \"write\", metadata = \"read\", \
     workflows = \"write\", members = \"read\", organization_projects = \"admin\"";
/// How many documents.
const MANY: u64 = 1_500;

#[test]
fn p8_no_document_reads_or_changes_anything_outside_the_lease() {
    let Some(github) = github() else { return };
    let documents = documents(&github);
    let broker = broker_for_all(&github);
    let lease = lease(&broker);
    let (mut went_on, mut refused) = (0, 0);
    for number in 0..MANY {
        let written = documents.write(number);
        github.forget_calls();
        let answer = ask_with(&broker, &github, &lease.token, &written.body);
        let by_the_broker = answer.header("tokend-error").is_some();
        assert!(
            !(written.inside && by_the_broker),
            "{number}: {}\n{answer:?}",
            written.body
        );
        match by_the_broker {
            true => refused += 1,
            false => went_on += 1,
        }
        for touched in github.touched() {
            assert_inside(&documents, &touched);
        }
    }
    assert!(
        went_on > MANY / 2 && refused > MANY / 20,
        "{went_on} went on, {refused} were refused"
    );
}

/// What was read of what stands outside is what may be read anywhere, and nothing of it was changed.
fn assert_inside(documents: &Documents, touched: &Touched) {
    // The broker's own: whose something is.
    if touched.document.starts_with("query($i0:") {
        return;
    }
    for read in touched.read.iter().filter(|read| !is_inside(&read.home)) {
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

fn documents(github: &StandIn) -> Documents {
    github.change(|state| {
        state.settings.leads_out = true;
        state.settings.rate_limits = false;
    });
    let ids = |places: &[&str]| {
        github.change(|state| {
            places
                .iter()
                .map(|place| state.issue(place).node_id())
                .collect()
        })
    };
    let list =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/policy/src/reach/graphql/list");
    let names = Names {
        repository: "acme/site".to_owned(),
        other_repositories: vec!["acme/docs".to_owned(), "other/site".to_owned()],
        organization: "acme".to_owned(),
        other_organization: "other".to_owned(),
        ids: ids(&["acme/site#1"]),
        other_ids: ids(&["acme/docs#1", "other/site#1"]),
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

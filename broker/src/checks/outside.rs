//! What a fine-grained token reaches beyond what is declared for it.
//!
//! Not reaching a repository says something only where another check saw that it is there and private. Where no
//! repositories are declared, nothing says what is beyond.

use broker_github::GitHubError;
use broker_protocol::check::Finding;
use broker_protocol::names::RepoPattern;

use super::evaluate::CheckedValue;
use super::finding::{FindingKind, quoted_list, write_line};
use super::identity::Asker;
use super::probe::RepositoryAccess;

/// A repository that the token is not meant to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outsider {
    pub(super) repository: RepoPattern,
    /// Whether another check saw that it is there and private, so that not reaching it says something.
    pub(super) known_private: bool,
}

/// Of a token for which no repositories are declared: that nothing says what it may reach. `used` are those of its
/// purposes, which it is meant to reach.
///
/// # Errors
///
/// [`GitHubError`] where GitHub failed: then nothing is known.
pub(super) async fn undeclared(
    asker: Asker<'_>,
    subject: &CheckedValue<'_>,
    used: &[RepoPattern],
    outsiders: &[Outsider],
) -> Result<Vec<Finding>, GitHubError> {
    let mut reached = Vec::new();
    for Outsider { repository, .. } in outsiders {
        let answer = asker.get(format!("/repos/{repository}")).await;
        if let RepositoryAccess::Private(_) = RepositoryAccess::of(answer)? {
            reached.push(repository);
        }
    }
    reached.sort();
    let line = match (used, &*reached) {
        ([], []) => r#"repositories = ["OWNER/NAME"]"#.to_owned(),
        ([], reached) => format!("repositories = {}", quoted_list(reached)),
        (used, _) => format!("repositories = {}", quoted_list(used)),
    };
    let mut findings = vec![FindingKind::REPOSITORY.undeclared(
        "no repositories are declared, so what it is meant to reach is not known",
        write_line(&line, subject.declared),
    )];
    if !reached.is_empty() {
        let names = reached.iter().map(|name| format!("`{name}`"));
        findings.push(FindingKind::OUTSIDE.not_proven(format!(
            "it reaches {}; whether it is meant to is not declared",
            names.collect::<Vec<_>>().join(", ")
        )));
    }
    Ok(findings)
}

/// Whether it reaches what it is not meant to.
///
/// # Errors
///
/// [`GitHubError`] where GitHub failed: then nothing is known.
pub(super) async fn find(asker: Asker<'_>, outsiders: &[Outsider]) -> Result<Finding, GitHubError> {
    let mut proof = None;
    let mut tried = Vec::new();
    for outsider in outsiders {
        let repository = &outsider.repository;
        match RepositoryAccess::of(asker.get(format!("/repos/{repository}")).await)? {
            RepositoryAccess::Private(_) => {
                return Ok(FindingKind::REACHES_OUTSIDE.error(
                    format!("it reaches `{repository}`, which is private and not declared for it"),
                    "limit it to the declared repositories in GitHub's settings (the value stays)",
                ));
            }
            RepositoryAccess::Public => {}
            // Any other refusal is given to those who may see it too.
            RepositoryAccess::Not(GitHubError::NotFound { .. }) if outsider.known_private => {
                proof.get_or_insert(repository);
            }
            RepositoryAccess::Not(_) => tried.push(format!("`{repository}`")),
        }
    }
    Ok(match (proof, &*tried) {
        (Some(repository), _) => FindingKind::OUTSIDE.ok(format!(
            "`{repository}`, which is private and not declared for it, is not reached"
        )),
        (None, []) => FindingKind::OUTSIDE.not_proven(
            "that it reaches nothing else is declared, not proven: no private repository is known \
             besides its own",
        ),
        (None, tried) => FindingKind::OUTSIDE.not_proven(format!(
            "that it reaches nothing else is declared, not proven: {} is not reached, and no other \
             check has seen that it is there and private",
            tried.join(", ")
        )),
    })
}

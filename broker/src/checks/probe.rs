//! Probes a fine-grained token, repository by repository: there is no way to ask what it may do.
//!
//! A private repository that is reached proves that it was given; a public one proves nothing. What a
//! read cannot prove (that it may write, what it may do in an organisation) is called *declared, not
//! proven*.

use broker_github::accepted::Accepted;
use broker_github::{GitHubError, Reply, Said};
use broker_policy::Place;
use broker_protocol::check::{Finding, Verdict};
use broker_protocol::names::{Level, RepoPattern};
use serde::Deserialize;

use super::evaluate::CheckedValue;
use super::finding::{FindingKind, github_says};
use super::identity::Asker;
use super::reads;
use super::refused::authorize;

/// What asking for the declared repositories found.
#[derive(Debug, Default)]
pub(super) struct ReachedRepositories {
    pub(super) findings: Vec<Finding>,
    /// Those that are private, and so prove something.
    pub(super) private: Vec<RepoPattern>,
    /// What the answer for one of these says it took.
    metadata: Option<Accepted>,
}

/// Asks for every declared repository.
///
/// # Errors
///
/// [`GitHubError`] where GitHub failed: then nothing is known.
pub(super) async fn repositories(
    asker: Asker<'_>,
    subject: &CheckedValue<'_>,
) -> Result<ReachedRepositories, GitHubError> {
    let mut reached = ReachedRepositories::default();
    let findings = &mut reached.findings;
    let mut kept_out = KeptOut::default();
    for repository in &subject.declared.repositories {
        if repository.name().is_none() {
            findings.push(FindingKind::REPOSITORY.not_proven(format!(
                "`{repository}` stands for many; declared, not proven"
            )));
            continue;
        }
        let answer = asker.get(format!("/repos/{repository}")).await;
        let seen = RepositoryAccess::of(answer)?;
        if let RepositoryAccess::Not(error) = &seen
            && let Some((status, said)) = error.kept_out()
        {
            kept_out.add(repository, status, said);
            continue;
        }
        findings.push(seen.finding(&subject.declared.place, repository));
        if let RepositoryAccess::Private(accepted) = seen {
            reached.metadata.get_or_insert(accepted);
            reached.private.push(repository.clone());
        }
    }
    findings.extend(kept_out.findings());
    findings.extend(pending(findings));
    Ok(reached)
}

/// Declared repositories that GitHub keeps from the token in its own words, such as an organisation's rules: said
/// once for all of which it says the same.
#[derive(Default)]
struct KeptOut<'a>(Vec<(u16, Said, Vec<&'a RepoPattern>)>);

impl<'a> KeptOut<'a> {
    fn add(&mut self, repository: &'a RepoPattern, status: u16, said: &Said) {
        let mut known = self.0.iter_mut();
        match known.find(|(of, words, _)| *of == status && words == said) {
            Some((.., repositories)) => repositories.push(repository),
            None => self.0.push((status, said.clone(), vec![repository])),
        }
    }

    fn findings(self) -> impl Iterator<Item = Finding> {
        self.0.into_iter().map(|(status, said, repositories)| {
            let names = repositories.iter().map(|name| format!("`{name}`"));
            let names = names.collect::<Vec<_>>().join(", ");
            let text = format!("GitHub keeps it from {names} ({status})");
            FindingKind::REFUSED.error(text, github_says(&said))
        })
    }
}

/// What an answer for one repository says.
pub(super) enum RepositoryAccess {
    /// With what the answer says it took.
    Private(Accepted),
    Public,
    Not(GitHubError),
}

#[derive(Deserialize)]
struct Repository {
    private: bool,
}

impl RepositoryAccess {
    pub(super) fn of(answer: Result<Reply, GitHubError>) -> Result<Self, GitHubError> {
        match answer {
            Ok(reply) if reply.json::<Repository>()?.private => Ok(Self::Private(accepted(&reply))),
            Ok(_) => Ok(Self::Public),
            Err(
                error @ (GitHubError::NotFound { .. }
                | GitHubError::SingleSignOn { .. }
                | GitHubError::Moved { .. }),
            ) => Ok(Self::Not(error)),
            Err(error) if error.kept_out().is_some() => Ok(Self::Not(error)),
            Err(failed) => Err(failed),
        }
    }

    fn finding(&self, place: &Place, repository: &RepoPattern) -> Finding {
        match self {
            Self::Private(_) => {
                FindingKind::REPOSITORY.ok(format!("`{repository}` is private and reached"))
            }
            Self::Public => FindingKind::REPOSITORY.not_proven(format!(
                "`{repository}` is public, which anyone reaches; declared, not proven"
            )),
            Self::Not(GitHubError::Moved { .. }) => FindingKind::REPOSITORY_MOVED.warning(
                format!("`{repository}` has another name now: it was renamed or transferred"),
                format!("declare its new name in {place}"),
            ),
            Self::Not(GitHubError::SingleSignOn { sso }) => FindingKind::SINGLE_SIGN_ON.error(
                format!(
                    "the organization of `{repository}` wants this token authorized for single sign-on"
                ),
                authorize(sso),
            ),
            Self::Not(error) => FindingKind::UNREACHABLE_REPOSITORY.error(
                format!("`{repository}` is not reached: {error}"),
                format!(
                    "give it to the token in GitHub's settings (the value stays), or take it out of \
                     {place}"
                ),
            ),
        }
    }
}

/// A token that its organisation has not approved yet reads public data only, and nothing says so.
fn pending(repositories: &[Finding]) -> Option<Finding> {
    let is_unreachable =
        |finding: &Finding| finding.word == FindingKind::UNREACHABLE_REPOSITORY.as_str();
    let is_reached = |finding: &Finding| finding.verdict == Verdict::Ok;
    let none_is_reached = !repositories.iter().any(is_reached);
    (none_is_reached && repositories.iter().any(is_unreachable)).then(|| {
        FindingKind::PENDING_APPROVAL.warning(
            "no declared repository is reached that is not public: the organization may not have \
             approved the token yet, and until then it reads public data only",
            "ask an owner of the organization to approve it, under its settings for personal access \
             tokens",
        )
    })
}

/// Asks for every declared permission in a private repository that is reached.
pub(super) async fn permissions(
    asker: Asker<'_>,
    subject: &CheckedValue<'_>,
    reached: &mut ReachedRepositories,
) -> Result<Vec<Finding>, GitHubError> {
    let repository = reached.private.first();
    let mut findings = Vec::new();
    let place = &subject.declared.place;
    for (permission, level) in &subject.declared.permissions {
        let declared = format!("`{permission}: {level}`");
        let unproven = |why: &str| {
            FindingKind::PERMISSION.not_proven(format!("{declared} is declared, not proven: {why}"))
        };
        let Some(repository) = repository else {
            findings.push(unproven("no private repository is reached to try it in"));
            continue;
        };
        let Some(path) = reads::path(permission.as_str(), repository) else {
            findings.push(unproven("no read is known that needs it"));
            continue;
        };
        // The repository itself was asked for already.
        let asked_before = (permission.as_str() == "metadata")
            .then(|| reached.metadata.take())
            .flatten();
        let answer = match asked_before {
            Some(accepted) => Ok(accepted),
            None => asker.get(path).await.map(|reply| accepted(&reply)),
        };
        findings.push(match answer {
            Ok(accepted) => evaluate(&declared, *level, accepted.proves(permission.as_str())),
            Err(error) => lacking(&declared, &error, place).ok_or(error)?,
        });
    }
    Ok(findings)
}

fn accepted(reply: &Reply) -> Accepted {
    let header = reply.headers.accepted_permissions.as_deref();
    Accepted::parse(header.unwrap_or_default())
}

/// What a read that succeeded proves of a declared permission.
fn evaluate(declared: &str, level: Level, proven: Option<Level>) -> Finding {
    match proven {
        Some(proven) if proven >= level => FindingKind::PERMISSION.ok(format!("{declared} is proven")),
        Some(proven) => FindingKind::PERMISSION.not_proven(format!(
            "{declared} is declared, not proven: that it may {proven} is; no read can prove more"
        )),
        None => FindingKind::PERMISSION.not_proven(format!(
            "{declared} is declared, not proven: the answer does not say that it took this permission"
        )),
    }
}

/// What a read that was refused says of it; `None` if GitHub failed.
fn lacking(declared: &str, error: &GitHubError, place: &Place) -> Option<Finding> {
    match error {
        GitHubError::Forbidden { message, .. }
            if message.as_str().starts_with("Resource not accessible") =>
        {
            Some(FindingKind::MISSING_PERMISSION.error(
                format!("{declared} is declared, and it does not have it"),
                format!(
                    "give it to the token in GitHub's settings (the value stays), or declare less in \
                     {place}"
                ),
            ))
        }
        // The feature may be off in this repository, or the repository empty.
        GitHubError::Forbidden { .. }
        | GitHubError::NotFound { .. }
        | GitHubError::Refused { .. }
        | GitHubError::Moved { .. }
        | GitHubError::SingleSignOn { .. } => Some(FindingKind::PERMISSION.not_proven(format!(
            "{declared} is declared, not proven: {error}"
        ))),
        _ => None,
    }
}

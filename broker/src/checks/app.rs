//! Checks an App: which one its key speaks for, what it was given, and where it is installed.
//!
//! What purposes want of it is compared with what the App has, and with what each installation granted:
//! an owner who has not accepted new permissions yet still grants the old ones.

use std::collections::{BTreeMap, BTreeSet};

use broker_github::app_jwt::KeyError;
use broker_github::{App, GitHubError};
use broker_policy::{PolicySet, SecretDeclaration};
use broker_protocol::check::Finding;
use broker_protocol::names::{Level, Permissions, RepoPattern, SecretName};
use serde::Deserialize;

use super::evaluate::{CheckedValue, Evaluation};
use super::finding::{FindingKind, github_says};
use super::identity::Asker;

/// What the purposes on an App want of it together.
#[derive(Debug, Default)]
pub(super) struct WantedOfApp {
    /// The highest level that any purpose names. Empty only where there is no purpose: each names one at least.
    pub(super) permissions: Permissions,
    /// Repositories by exact name, and all of an owner's.
    pub(super) repositories: BTreeSet<RepoPattern>,
    /// Organisations and owners.
    pub(super) owners: BTreeSet<String>,
}

impl WantedOfApp {
    /// Of the purposes that use this secret.
    pub(super) fn of(policies: &PolicySet, name: &SecretName) -> Self {
        let mut wanted = Self::default();
        let purposes = policies.purposes().map(|purpose| &purpose.whole);
        for terms in purposes.filter(|terms| terms.secret == *name) {
            for (permission, level) in terms.permissions.iter() {
                let most = wanted.permissions.entry(permission.clone());
                let most = most.or_insert(*level);
                *most = (*most).max(*level);
            }
            for repository in terms.repositories.iter() {
                wanted.owners.insert(repository.owner().to_owned());
                wanted.repositories.insert(repository.clone());
            }
            let organization = terms.organization.as_ref().map(ToString::to_string);
            wanted.owners.extend(organization);
        }
        wanted
    }
}

/// What GitHub's answer to `GET /app` says of the key.
pub(super) fn accepted(subject: &CheckedValue<'_>, app: &App) -> Evaluation {
    Evaluation {
        accepted: true,
        ..of_app(subject, which(subject, app))
    }
}

/// Compares what purposes want with the App and its installations.
pub(super) async fn reach(
    asker: Asker<'_>,
    subject: &CheckedValue<'_>,
    app: &App,
    wanted: &WantedOfApp,
) -> Result<Vec<Finding>, GitHubError> {
    let mut findings = has(app, wanted);
    let installations = installations(asker).await?;
    for owner in &wanted.owners {
        let there = installations.get(owner);
        findings.push(installed(subject, owner, there, wanted));
    }
    let repositories = wanted.repositories.iter();
    let exact = repositories.filter(|repository| repository.name().is_some());
    for repository in exact.take(MOST_REPOSITORIES) {
        // Where it is not installed at all, that was said.
        if installations.contains_key(repository.owner()) {
            findings.push(reaches(asker, repository).await?);
        }
    }
    Ok(findings)
}

fn of_app(subject: &CheckedValue<'_>, finding: Finding) -> Evaluation {
    let client_id = subject.declared.client_id.as_deref();
    Evaluation {
        findings: vec![finding],
        login: Some(client_id.unwrap_or_default().to_owned()),
        ..Evaluation::default()
    }
}

/// More repositories are not asked for one by one.
const MOST_REPOSITORIES: usize = 100;

/// The value is no key that could sign.
pub(super) fn no_key(subject: &CheckedValue<'_>, error: &KeyError) -> Evaluation {
    let finding = FindingKind::WRONG_KIND.error(
        format!("an App's private key is declared, and {error}"),
        store_key(subject, "the .pem file"),
    );
    of_app(subject, finding)
}

/// What an operator does with a new key, which no one can type.
fn store_key(subject: &CheckedValue<'_>, file: &str) -> String {
    let SecretDeclaration { name, source, .. } = subject.declared;
    match source.is_vault() {
        true => format!("store {file}: `tokenctl secret set {name} < FILE`"),
        false => subject.how_to_store(&format!("the content of {file}")),
    }
}

/// GitHub refused what the key signed. `None` if that says nothing about the key: GitHub failed.
pub(super) fn refused(subject: &CheckedValue<'_>, error: &GitHubError) -> Option<Evaluation> {
    let place = &subject.declared.place;
    let client_id = subject.declared.client_id.as_deref().unwrap_or_default();
    let finding = match error {
        GitHubError::Unauthorized { .. } => FindingKind::REVOKED.error(
            format!(
                "GitHub does not accept what the key signs for `{client_id}`: {error}; so the key was \
                 deleted there or is another App's, which is inferred: GitHub does not say which"
            ),
            format!(
                "generate a key on the App's settings page, and {}",
                store_key(subject, "its .pem file")
            ),
        ),
        GitHubError::NotFound { .. } => FindingKind::WRONG_APP.error(
            format!("GitHub knows no App with the client id `{client_id}`"),
            format!("declare the App's client id in {place}"),
        ),
        error => {
            let (status, said) = error.kept_out()?;
            FindingKind::REFUSED.error(
                format!("GitHub refuses the App ({status})"),
                github_says(said),
            )
        }
    };
    Some(of_app(subject, finding))
}

fn which(subject: &CheckedValue<'_>, app: &App) -> Finding {
    let declared = subject.declared.client_id.as_deref().unwrap_or_default();
    let slug = app.slug.as_deref().unwrap_or("the App");
    match app.client_id.as_deref() {
        Some(client_id) if client_id == declared => FindingKind::APP.ok(format!(
            "its key belongs to `{slug}` ({client_id}), as declared"
        )),
        Some(client_id) => FindingKind::WRONG_APP.error(
            format!("its key belongs to `{slug}` ({client_id}), and `{declared}` is declared"),
            format!("declare the right client id in {}", subject.declared.place),
        ),
        None => FindingKind::APP.not_proven(format!(
            "its key belongs to `{slug}`; this server does not tell the client id"
        )),
    }
}

/// What purposes want, against what the App was made with.
fn has(app: &App, wanted: &WantedOfApp) -> Vec<Finding> {
    let mut findings = Vec::new();
    for permission in missing(wanted, &app.permissions) {
        findings.push(FindingKind::MISSING_PERMISSION.error(
            format!("a purpose wants {permission}, and the App does not have it"),
            "add it on the App's settings page; each owner must then accept it",
        ));
    }
    let unused = app.permissions.iter().filter(|(name, _)| {
        *name != "metadata" && !wanted.permissions.keys().any(|want| want.as_str() == *name)
    });
    let unused: Vec<String> = unused
        .map(|(name, level)| format!("`{name}: {level}`"))
        .collect();
    if wanted.permissions.is_empty() {
        findings.push(FindingKind::PERMISSION.undeclared(
            format!("it has {}; no purpose uses it yet", or_nothing(&unused)),
            "write a policy for a purpose with it, and check it again",
        ));
    } else if !unused.is_empty() {
        findings.push(FindingKind::EXCESS_PERMISSION.warning(
            format!("the App has {}, which no purpose wants", unused.join(", ")),
            "take it away on the App's settings page, if nothing else needs it",
        ));
    }
    if findings.is_empty() && !wanted.permissions.is_empty() {
        findings.push(FindingKind::PERMISSION.ok("it has what the purposes want, and no more"));
    }
    findings
}

fn or_nothing(permissions: &[String]) -> String {
    match permissions {
        [] => "no permissions".to_owned(),
        some => some.join(", "),
    }
}

#[derive(Deserialize)]
struct Installation {
    account: Option<InstallationAccount>,
    #[serde(default)]
    permissions: BTreeMap<String, String>,
    suspended_at: Option<String>,
}

#[derive(Deserialize)]
struct InstallationAccount {
    login: Option<String>,
}

/// By account, in lower case.
async fn installations(asker: Asker<'_>) -> Result<BTreeMap<String, Installation>, GitHubError> {
    let mut all = BTreeMap::new();
    let mut next = Some("/app/installations?per_page=100".to_owned());
    while let Some(path) = next.take() {
        let reply = asker.get(path).await?;
        for installation in reply.json::<Vec<Installation>>()? {
            let login = installation.account.as_ref();
            if let Some(login) = login.and_then(|account| account.login.as_deref()) {
                all.insert(login.to_ascii_lowercase(), installation);
            }
        }
        next.clone_from(&reply.headers.next);
    }
    Ok(all)
}

fn installed(
    subject: &CheckedValue<'_>,
    owner: &str,
    there: Option<&Installation>,
    wanted: &WantedOfApp,
) -> Finding {
    let Some(installation) = there else {
        let name = &subject.declared.name;
        return FindingKind::NOT_INSTALLED.error(
            format!("a purpose of `{name}` needs it on `{owner}`, where it is not installed"),
            "install it there, from the App's public page",
        );
    };
    if installation.suspended_at.is_some() {
        return FindingKind::SUSPENDED.error(
            format!("it is installed on `{owner}` and suspended there"),
            format!("an owner of `{owner}` lifts that in its settings for installed Apps"),
        );
    }
    let missing = missing(wanted, &installation.permissions);
    if missing.is_empty() {
        return FindingKind::INSTALLATION.ok(format!("it is installed on `{owner}`"));
    }
    FindingKind::MISSING_PERMISSION.error(
        format!(
            "its installation on `{owner}` does not grant {}",
            missing.join(", ")
        ),
        format!("an owner of `{owner}` accepts the App's new permissions in its settings"),
    )
}

async fn reaches(asker: Asker<'_>, repository: &RepoPattern) -> Result<Finding, GitHubError> {
    match asker.get(format!("/repos/{repository}/installation")).await {
        Ok(_) => Ok(FindingKind::REPOSITORY.ok(format!("its installation reaches `{repository}`"))),
        Err(GitHubError::NotFound { .. }) => Ok(FindingKind::UNREACHABLE_REPOSITORY.error(
            format!("its installation does not reach `{repository}`"),
            "choose that repository in the owner's settings for installed Apps",
        )),
        Err(GitHubError::Moved { .. }) => Ok(FindingKind::REPOSITORY_MOVED.warning(
            format!("`{repository}` has another name now: it was renamed or transferred"),
            "name it so in the policy",
        )),
        Err(error) => match error.kept_out() {
            Some((status, said)) => Ok(FindingKind::REFUSED.error(
                format!("GitHub keeps it from `{repository}` ({status})"),
                github_says(said),
            )),
            None => Err(error),
        },
    }
}

/// What purposes want and these permissions do not give.
fn missing(wanted: &WantedOfApp, granted: &BTreeMap<String, String>) -> Vec<String> {
    let level_of = |name: &str| -> Option<Level> { granted.get(name)?.parse().ok() };
    let wanted = wanted.permissions.iter();
    let missing = wanted.filter(|(name, level)| level_of(name.as_str()) < Some(**level));
    missing
        .map(|(name, level)| format!("`{name}: {level}`"))
        .collect()
}

//! Checks a secret against GitHub: whose it is, what it may do, when it ends.
//!
//! ```text
//! declared in policy ┐
//! record the use ────┼→ open → ask GitHub → evaluate → record what was found → keep it
//! ```
//!
//! A check finds something out about the *secret*. Where GitHub cannot be asked (it is away, limits the
//! account, fails) nothing is found out: what the check before it found stays, marked with the attempt.
//!
//! A token that GitHub refuses is not tried again by itself before something changed, at most once a
//! day: several refusals in a short time lock the account out.
//!
//! Not here: when checks are made by themselves (`schedule`), how GitHub is spoken to (`github`).

mod app;
mod due;
mod error;
mod evaluate;
mod finding;
mod identity;
mod outside;
mod probe;
mod reads;
mod refused;
mod results;
pub(crate) mod schedule;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use broker_github::{GitHub, GitHubError, NoAppKey};
use broker_policy::{Caller, SecretDeclaration, SecretKind};
use broker_protocol::check::SecretChecked;
use broker_protocol::names::{RepoPattern, SecretName};
use broker_protocol::source::SourceSpec;
use broker_protocol::value_form;
use broker_secret_memory::token::AccessToken;
use broker_sources::Sources;
use broker_vault::Vault;
use jiff::Timestamp;

use self::app::WantedOfApp;
use self::evaluate::CheckedValue;
use self::identity::Asker;
use self::outside::Outsider;
use self::schedule::Schedule;
use crate::config::Config;
use crate::journal::Journal;
use crate::limits::Limits;
use crate::metrics::Counters;
use crate::policies::{InForce, Policies};
use crate::secrets::{Secrets, Upkeep, UpkeepError};
use crate::warnings::Warnings;

pub(crate) use self::error::CheckError;
pub(crate) use self::evaluate::Evaluation;
pub(crate) use self::finding::is_githubs_no;
pub(crate) use self::identity::{Pace, ValueOwner, ValueOwnerError};
pub(crate) use self::results::view;

pub(crate) struct Checks {
    journal: Arc<Journal>,
    policies: Arc<Policies>,
    secrets: Arc<Secrets>,
    vault: Arc<Vault>,
    sources: Arc<Sources>,
    github: Arc<GitHub>,
    limits: Arc<Limits>,
    warnings: Arc<Warnings>,
    config: Arc<Config>,
    schedule: tokio::sync::Mutex<Schedule>,
    /// Checks, by outcome.
    pub(crate) counters: Counters<1>,
}

impl Checks {
    /// Asks this GitHub about what the vault and the sources hold.
    pub(crate) fn new(
        (journal, policies): (Arc<Journal>, Arc<Policies>),
        (secrets, vault, sources): (Arc<Secrets>, Arc<Vault>, Arc<Sources>),
        (github, limits): (Arc<GitHub>, Arc<Limits>),
        warnings: Arc<Warnings>,
        config: Arc<Config>,
    ) -> Self {
        Self {
            journal,
            policies,
            secrets,
            vault,
            sources,
            github,
            limits,
            warnings,
            config,
            schedule: tokio::sync::Mutex::default(),
            counters: Counters::default(),
        }
    }

    fn count(&self, outcome: &'static str) {
        let outcome = [("outcome", outcome.to_owned())];
        self.counters.get_or_create(&outcome).inc();
    }

    /// Checks a secret against GitHub, and keeps and records what was found. `by` is absent where the
    /// broker does it by itself.
    ///
    /// # Errors
    ///
    /// [`CheckError`]: nothing was found out. A secret that is not as declared is no error.
    pub(crate) async fn check_secret(
        &self,
        by: Option<&Caller>,
        name: &SecretName,
        pace: Pace,
    ) -> Result<SecretChecked, CheckError> {
        let policies = self.policies.in_force();
        let declared = policies.set.secret(name);
        let declared = declared.ok_or_else(|| CheckError::NotDeclared(name.clone()))?;
        let held = match &declared.source {
            SourceSpec::Vault => {
                let held = self.vault.held(name);
                Some(held.ok_or_else(|| CheckError::Missing(name.clone()))?)
            }
            _ => None,
        };
        let version = held.as_ref().map(|held| held.version);
        let value = self
            .secrets
            .open(by, name, version, Upkeep::CHECK)
            .await
            .map_err(|error| match error {
                UpkeepError::NotFound(name) => CheckError::Missing(name),
                error => error.into(),
            })?;
        // Checked, and goes nowhere.
        let malformed = value_form::check(value.expose()).err();
        let subject = CheckedValue {
            version,
            hashed: held.is_none().then(|| value.hashed()),
            entered: held.as_ref().and_then(|held| held.entered_expires_at),
            before: self.secrets.last_check_of(declared),
            ..CheckedValue::new(declared, &value, self.journal.now().wall)
        };
        let supposed = match declared.kind {
            SecretKind::App => None,
            SecretKind::Classic | SecretKind::FineGrained => self.limits.principal_of(name),
        };
        let evaluated = match ValueOwner::ask(&self.github, declared, value, supposed).await {
            Ok(identity) => self.evaluate(&policies, &subject, &identity, pace).await,
            Err(ValueOwnerError::GitHub(error)) => refused::refused(&subject, &error).ok_or(error),
            Err(ValueOwnerError::Key(NoAppKey::Key(error))) => Ok(app::no_key(&subject, &error)),
            Err(ValueOwnerError::Key(NoAppKey::Broken(panic))) => {
                return Err(CheckError::Broken(panic));
            }
        };
        match evaluated {
            Ok(mut evaluated) => {
                let malformed = malformed.map(|unfit| evaluate::malformed(&subject, unfit));
                evaluated.findings.extend(malformed);
                self.keep_evaluation(by, &subject, evaluated).await
            }
            Err(cause) => {
                self.keep_failure(by, name, version, &cause).await;
                Err(CheckError::GitHub {
                    secret: name.clone(),
                    cause,
                })
            }
        }
    }

    /// Evaluates a value that GitHub accepts and that is to replace the one in use: against its
    /// declaration, as a check would. What an App reaches does not depend on its key.
    ///
    /// # Errors
    ///
    /// [`GitHubError`] where GitHub failed: then nothing is known.
    pub(crate) async fn evaluate_candidate(
        &self,
        declared: &SecretDeclaration,
        (value, entered): (&AccessToken, Option<Timestamp>),
        identity: &ValueOwner,
    ) -> Result<Evaluation, GitHubError> {
        let subject = CheckedValue {
            entered,
            ..CheckedValue::new(declared, value, self.journal.now().wall)
        };
        let mut evaluated = evaluate::accepted(&subject, identity);
        if declared.kind == SecretKind::FineGrained {
            let asker = self.asker(identity, Pace::Prompt);
            let reached = probe::repositories(asker, &subject).await?;
            evaluated.findings.extend(reached.findings);
        }
        Ok(evaluated)
    }

    async fn evaluate(
        &self,
        policies: &InForce,
        subject: &CheckedValue<'_>,
        identity: &ValueOwner,
        pace: Pace,
    ) -> Result<Evaluation, GitHubError> {
        let asker = self.asker(identity, pace);
        let mut evaluated = evaluate::accepted(subject, identity);
        let findings = &mut evaluated.findings;
        match identity {
            ValueOwner::App { app, .. } => {
                let wanted = WantedOfApp::of(&policies.set, &subject.declared.name);
                findings.extend(app::reach(asker, subject, app, &wanted).await?);
            }
            ValueOwner::Account { .. } if subject.declared.kind == SecretKind::FineGrained => {
                let declared = subject.declared;
                let mut reached = probe::repositories(asker, subject).await?;
                findings.append(&mut reached.findings);
                findings.extend(probe::permissions(asker, subject, &mut reached).await?);
                let used = used_repositories(policies, &declared.name);
                let outsiders = self.outsiders(policies, declared, &used).await;
                if declared.repositories.is_empty() {
                    let open = outside::undeclared(asker, subject, &used, &outsiders).await?;
                    findings.extend(open);
                } else {
                    findings.push(outside::find(asker, &outsiders).await?);
                }
                evaluated.private = reached.private;
            }
            ValueOwner::Account { .. } => {}
        }
        Ok(evaluated)
    }

    fn asker<'a>(&'a self, identity: &'a ValueOwner, pace: Pace) -> Asker<'a> {
        Asker {
            github: &self.github,
            identity,
            pace,
        }
    }

    /// Repositories that other secrets and purposes name, and neither this one nor, by exact name, its own purposes,
    /// which use these; those first that are known to be there and private.
    async fn outsiders(
        &self,
        policies: &InForce,
        declared: &SecretDeclaration,
        used: &[RepoPattern],
    ) -> Vec<Outsider> {
        let own = |repository: &RepoPattern| {
            let mut all = declared.repositories.iter();
            repository.name().is_none()
                || used.contains(repository)
                || all.any(|own| own.covers(repository))
        };
        let others = policies.set.secrets().filter(|other| {
            let names_foreign = !other.repositories.iter().all(own);
            other.name != declared.name && names_foreign
        });
        let mut outsiders: Vec<Outsider> = Vec::new();
        for other in others.take(MOST_OTHERS_READ) {
            let private = self.details(&other.name).await.0.private;
            let foreign = other.repositories.iter().filter(|name| !own(name));
            outsiders.extend(foreign.map(|repository| Outsider {
                repository: repository.clone(),
                known_private: private.contains(repository),
            }));
        }
        let named = policies.set.purposes().flat_map(|purpose| {
            let repositories = purpose.whole.repositories.iter();
            repositories.filter(|name| !own(name)).cloned()
        });
        outsiders.extend(named.map(|repository| Outsider {
            repository,
            known_private: false,
        }));
        outsiders.sort_by_key(|outsider| !outsider.known_private);
        let mut chosen = BTreeSet::new();
        outsiders.retain(|outsider| chosen.insert(outsider.repository.clone()));
        outsiders.truncate(MOST_OUTSIDERS);
        outsiders
    }

    /// Whether a value that is stored under this name now is checked if the operator says nothing
    /// about it: what policy declares, and from the vault, unless GitHub is asked only when told to.
    pub(crate) fn checks_at_set(&self, name: &SecretName) -> bool {
        let policies = self.policies.in_force();
        let declared = policies.set.secret(name);
        self.config.github.check_every.is_some()
            && declared.is_some_and(|declared| declared.source.is_vault())
    }
}

/// The repositories of the purposes that use a secret.
fn used_repositories(policies: &InForce, name: &SecretName) -> Vec<RepoPattern> {
    let purposes = policies.set.purposes().map(|purpose| &purpose.whole);
    let own = purposes.filter(|terms| terms.secret == *name);
    let repositories: BTreeSet<&RepoPattern> =
        own.flat_map(|terms| terms.repositories.iter()).collect();
    repositories.into_iter().cloned().collect()
}

/// How long the answer to a new value waits for GitHub's: nothing depends on it.
pub(crate) const AT_SET: Duration = Duration::from_secs(5);
/// The findings of so many secrets are read to find a repository that is private.
const MOST_OTHERS_READ: usize = 20;
/// So many repositories outside are tried.
const MOST_OUTSIDERS: usize = 3;

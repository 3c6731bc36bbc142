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
mod asker;
mod at_set;
mod error;
mod evaluate;
mod finding;
mod probe;
mod reads;
pub mod schedule;
#[cfg(test)]
mod tests;
mod watch;

use std::borrow::Cow;
use std::sync::Arc;

use broker_audit::record::Event;
use broker_github::{Credential, GitHub, GitHubError, Principal};
use broker_policy::{Caller, SecretDeclaration, SecretKind, SourceSpec};
use broker_protocol::api::SecretView;
use broker_protocol::check::{CheckView, Finding, SecretChecked, Verdict};
use broker_protocol::names::{RepoPattern, SecretName};
use broker_protocol::value_form;
use broker_secret_memory::token::AccessToken;
use broker_sources::Sources;
use broker_vault::{CheckDetails, Checked, Kind, Vault};
use serde::{Deserialize, Serialize};

use self::asker::Asker;
use self::evaluate::{Evaluated, Subject};
use self::finding::{overall, worst_first};
use self::probe::{Outsider, is_pattern};
use self::schedule::Schedule;
use crate::config::Config;
use crate::journal::Journal;
use crate::lease_record;
use crate::limits::Limits;
use crate::policies::{InForce, Policies};
use crate::secrets::{Secrets, Upkeep, UpkeepError};
use crate::warnings::{Warning, WarningKind, Warnings};

pub use self::asker::Pace;
pub use self::at_set::AT_SET;
pub use self::error::CheckError;

/// What is kept of a check in the database, besides what leases need.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Details {
    findings: Vec<StoredFinding>,
    /// Repositories that were reached and are private: for another token not to reach them says
    /// something.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    private: Vec<RepoPattern>,
    /// Which value it was, where that does not lie in the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hashed_credential: Option<Box<str>>,
    /// The scopes of a classic token, as GitHub said them last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
}

fn shown(stored: Vec<StoredFinding>) -> Vec<Finding> {
    stored.into_iter().map(|stored| stored.0).collect()
}

/// A finding as the vault stores it, where `hint` keeps the name it first had.
#[derive(Debug, Serialize, Deserialize)]
struct StoredFinding(#[serde(with = "StoredFields")] Finding);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Finding")]
struct StoredFields {
    verdict: Verdict,
    word: Cow<'static, str>,
    text: String,
    #[serde(default, rename = "mend", skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// See the module.
pub struct Checks {
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
}

impl Checks {
    /// Asks this GitHub about what the vault and the sources hold.
    #[must_use]
    pub fn new(
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
        }
    }

    /// Checks a secret against GitHub, and keeps and records what was found. `by` is absent where the
    /// broker does it by itself.
    ///
    /// # Errors
    ///
    /// [`CheckError`]: nothing was found out. A secret that is not as declared is no error.
    pub async fn check_secret(
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
            .open_for_upkeep(by, name, version, Upkeep::Check)
            .await
            .map_err(|error| match error {
                UpkeepError::NotFound(name) => CheckError::Missing(name),
                error => error.into(),
            })?;
        // Looked at, and goes nowhere.
        let malformed = value_form::check(value.expose()).err();
        let subject = Subject {
            name,
            declared,
            version,
            hashed: held.is_none().then(|| value.hashed()),
            looks_like: Kind::of(&value),
            entered: held.as_ref().and_then(|held| held.entered_expires_at),
            before: self.secrets.known_of(declared),
            now: self.journal.now().wall,
        };
        let asked = match declared.kind {
            SecretKind::Classic | SecretKind::FineGrained => {
                self.check_token(&policies, &subject, &value, pace).await
            }
            SecretKind::App => {
                let wanted = wanted(&policies, name);
                app::check(&self.github, &subject, value, &wanted, pace)
                    .await
                    .map(|evaluated| (evaluated, Vec::new()))
            }
        };
        match asked {
            Ok((mut evaluated, private)) => {
                let malformed = malformed.map(|unfit| evaluate::malformed(name, unfit));
                evaluated.findings.extend(malformed);
                self.keep_evaluated(by, &subject, evaluated, private).await
            }
            Err(app::AppError::GitHub(cause)) => {
                self.keep_failed(by, name, version, &cause).await;
                Err(CheckError::GitHub {
                    secret: name.clone(),
                    cause,
                })
            }
            Err(app::AppError::Panicked(panic)) => Err(CheckError::Broken(panic)),
        }
    }

    /// The scopes of the value in use, as a check found them; `None` if none did.
    pub(crate) async fn carried_scopes(&self, declared: &SecretDeclaration) -> Option<Vec<String>> {
        self.secrets.known_of(declared)?;
        self.details(&declared.name).await?.scopes
    }

    async fn check_token(
        &self,
        policies: &InForce,
        subject: &Subject<'_>,
        token: &AccessToken,
        pace: Pace,
    ) -> Result<(Evaluated, Vec<RepoPattern>), app::AppError> {
        let mut asker = Asker::new(&self.github, Credential::Token(token), pace);
        asker.turn().await;
        let supposed = self.limits.principal_of(subject.name);
        let (user, headers) = match self.github.user(token, supposed).await {
            Ok(answer) => answer,
            Err(error) => {
                let evaluated = evaluate::refused(subject, &error).ok_or(error)?;
                return Ok((evaluated, Vec::new()));
            }
        };
        asker.draws_on(Some(Principal::user(&user.login)));
        let mut evaluated = evaluate::accepted(subject, &user.login, &headers);
        if subject.declared.kind != SecretKind::FineGrained {
            return Ok((evaluated, Vec::new()));
        }
        let outsiders = self.outsiders(policies, subject.declared).await;
        let probed = probe::probe(&mut asker, subject, &outsiders).await?;
        evaluated.findings.extend(probed.findings);
        Ok((evaluated, probed.private))
    }

    /// Repositories that other secrets and purposes name and this one must not reach; those first that
    /// are known to be there and private.
    async fn outsiders(&self, policies: &InForce, declared: &SecretDeclaration) -> Vec<Outsider> {
        let own = |repository: &RepoPattern| {
            let mut all = declared.repositories.iter();
            is_pattern(repository) || all.any(|own| own.covers(repository))
        };
        let mut outsiders: Vec<Outsider> = Vec::new();
        let mut read = 0;
        for other in policies.set.secrets() {
            let foreign = || other.repositories.iter().filter(|name| !own(name));
            if other.name == declared.name || foreign().next().is_none() {
                continue;
            }
            read += 1;
            if read > MOST_OTHERS_READ {
                break;
            }
            let details = self.details(&other.name).await;
            let private = details.map(|details| details.private).unwrap_or_default();
            outsiders.extend(foreign().map(|repository| Outsider {
                repository: repository.clone(),
                known_private: private.contains(repository),
            }));
        }
        let named = policies.set.purposes().flat_map(|purpose| {
            let repositories = purpose.whole().repositories.iter();
            repositories.filter(|name| !own(name)).cloned()
        });
        outsiders.extend(named.map(|repository| Outsider {
            repository,
            known_private: false,
        }));
        outsiders.sort_by_key(|outsider| !outsider.known_private);
        let mut chosen: Vec<Outsider> = Vec::new();
        for outsider in outsiders {
            let known = |one: &Outsider| one.repository == outsider.repository;
            if chosen.len() < MOST_OUTSIDERS && !chosen.iter().any(known) {
                chosen.push(outsider);
            }
        }
        chosen
    }

    /// The last findings, from the database.
    async fn details(&self, name: &SecretName) -> Option<Details> {
        let read = self.vault.check_details(name).await;
        let text = read.ok()?.findings?;
        serde_json::from_str(&text).ok()
    }

    /// Adds to a check what is shown of one secret alone: findings, scopes, and why the last attempt
    /// failed.
    pub(crate) async fn add_check_details(&self, secret: &mut SecretView) {
        let name = &secret.name;
        let read = self.vault.check_details(name).await.unwrap_or_else(|error| {
            tracing::error!(secret = %name, cause = %error, "what a check found could not be read");
            CheckDetails::default()
        });
        let details = read.findings.as_deref();
        let details = details.map(serde_json::from_str::<Details>);
        let details = details.and_then(Result::ok).unwrap_or_default();
        if let Some(check) = &mut secret.check {
            check.findings = Some(shown(details.findings));
            check.scopes = details.scopes;
        }
        if let Some(failed) = &mut secret.check_failed {
            failed.why = read.failed_why;
        }
    }

    async fn keep_evaluated(
        &self,
        by: Option<&Caller>,
        subject: &Subject<'_>,
        mut evaluated: Evaluated,
        private: Vec<RepoPattern>,
    ) -> Result<SecretChecked, CheckError> {
        worst_first(&mut evaluated.findings);
        let verdict = overall(&evaluated.findings);
        let (name, version) = (subject.name, subject.version);
        let faults = evaluated.findings.iter();
        let faults = faults.filter(|finding| finding.verdict >= Verdict::Warning);
        let found = faults.map(|finding| finding.word.as_ref()).collect();
        let recorded = self
            .journal
            .record_or_trace(&Event::SecretChecked {
                by: by.map(lease_record::caller),
                secret: name.as_str(),
                version,
                outcome: verdict.as_str(),
                found,
                login: evaluated.login.as_deref(),
                expires_at: evaluated.expires_at,
                why: None,
            })
            .await;
        counted(verdict.as_str());
        // Whoever asked sees it; nobody looks at what is checked by night.
        if let (None, Some(worst)) = (by, evaluated.findings.first())
            && verdict == Verdict::Error
        {
            self.warnings.warn(Warning {
                kind: WarningKind::Check,
                subject: name.as_str().to_owned(),
                secret: Some(name.clone()),
                text: format!("`{name}`: {}: {}", worst.word, worst.text),
                hint: worst.hint.clone(),
            });
        }
        let checked = Checked {
            version,
            hashed: subject.hashed.clone(),
            checked_at: self.journal.moment(),
            verdict,
            accepted: evaluated.accepted,
            login: evaluated.login.as_deref().map(Into::into),
            expires_at: evaluated.expires_at,
        };
        // A refusal says nothing of scopes: what the check before it found of this value stays.
        let scopes = match evaluated.scopes {
            None if !evaluated.accepted => self.carried_scopes(subject.declared).await,
            said => said,
        };
        let details = Details {
            findings: evaluated.findings.into_iter().map(StoredFinding).collect(),
            scopes,
            private,
            hashed_credential: subject.hashed.as_ref().map(|hashed| hashed.as_str().into()),
        };
        let text = serde_json::to_string(&details)?;
        if self.is_still(name, version)
            && let Err(error) = self.vault.keep_check(name, checked.clone(), text).await
        {
            tracing::error!(secret = %name, cause = %error, "what a check found could not be kept");
        }
        Ok(SecretChecked {
            name: name.clone(),
            check: CheckView {
                scopes: details.scopes,
                findings: Some(shown(details.findings)),
                ..view(checked)
            },
            recorded,
        })
    }

    async fn keep_failed(
        &self,
        by: Option<&Caller>,
        name: &SecretName,
        version: Option<u64>,
        cause: &GitHubError,
    ) {
        let why = cause.to_string();
        self.journal
            .record_or_trace(&Event::SecretChecked {
                by: by.map(lease_record::caller),
                secret: name.as_str(),
                version,
                outcome: FAILED,
                found: Vec::new(),
                login: None,
                expires_at: None,
                why: Some(&why),
            })
            .await;
        counted(FAILED);
        let now = self.journal.moment();
        if self.is_still(name, version)
            && let Err(error) = self.vault.keep_failed_check(name, now, why).await
        {
            tracing::error!(secret = %name, cause = %error, "a failed check could not be noted");
        }
    }

    /// Whether the value that was checked is still the one in use. What was found of another says
    /// nothing any more.
    fn is_still(&self, name: &SecretName, version: Option<u64>) -> bool {
        version.is_none() || self.vault.held(name).map(|held| held.version) == version
    }
}

/// As many secrets whose findings are read to find a repository that is private.
const MOST_OTHERS_READ: usize = 20;
/// As many repositories outside as are tried.
const MOST_OUTSIDERS: usize = 3;
/// The outcome of a check that GitHub did not answer, in records and figures.
const FAILED: &str = "failed";

/// What is kept of a check, as lists show it.
pub(crate) fn view(checked: Checked) -> CheckView {
    CheckView {
        verdict: checked.verdict,
        checked_at: checked.checked_at.wall(),
        version: checked.version,
        accepted: checked.accepted,
        login: checked.login.as_deref().map(str::to_owned),
        expires_at: checked.expires_at,
        scopes: None,
        findings: None,
    }
}

/// What the purposes on an App want of it together.
fn wanted(policies: &InForce, name: &SecretName) -> app::Wanted {
    let mut wanted = app::Wanted::default();
    for purpose in policies.set.purposes() {
        let terms = purpose.whole();
        if terms.secret != *name {
            continue;
        }
        for (permission, level) in terms.permissions.iter() {
            let most = wanted
                .permissions
                .entry(permission.clone())
                .or_insert(*level);
            *most = (*most).max(*level);
        }
        for repository in terms.repositories.iter() {
            wanted.owners.insert(app::owner_of(repository));
            wanted.repositories.insert(repository.clone());
        }
        let organization = terms.organization.as_ref();
        wanted
            .owners
            .extend(organization.map(|organization| organization.as_str().to_owned()));
    }
    wanted
}

fn counted(outcome: &'static str) {
    metrics::counter!("tokend_secret_checks_total", "outcome" => outcome).increment(1);
}

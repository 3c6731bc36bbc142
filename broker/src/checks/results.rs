//! Keeps what a check found: recorded, counted, stored beside the secret, and handed to the warnings.

use std::borrow::Cow;

use broker_audit::record::SecretEvent;
use broker_github::GitHubError;
use broker_policy::{Caller, SecretDeclaration};
use broker_protocol::api::SecretView;
use broker_protocol::check::{CheckView, Finding, SecretChecked, Verdict};
use broker_protocol::names::{RepoPattern, SecretName};
use broker_vault::{CheckDetails, Checked};
use serde::{Deserialize, Serialize};

use super::evaluate::{CheckedValue, Evaluation};
use super::finding::{overall, worst_first};
use super::{CheckError, Checks};
use crate::lease_record;
use crate::warnings::{Warning, WarningKind};

/// What is kept of a check in the database, besides what leases need.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Details {
    pub(super) findings: Vec<StoredFinding>,
    /// Repositories that were reached and are private: for another token not to reach them says
    /// something.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) private: Vec<RepoPattern>,
    /// Which value it was, where that is not stored in the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hashed_credential: Option<Box<str>>,
    /// The scopes of a classic token, as GitHub said them last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
}

pub(super) fn shown(stored: Vec<StoredFinding>) -> Vec<Finding> {
    stored.into_iter().map(|stored| stored.0).collect()
}

/// A finding as the vault stores it, where `hint` keeps the name it first had.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredFinding(#[serde(with = "StoredFields")] Finding);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Finding")]
struct StoredFields {
    verdict: Verdict,
    word: Cow<'static, str>,
    text: String,
    #[serde(default, rename = "mend", skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Checks {
    /// The scopes of the value in use, as a check found them; `None` if none did.
    pub(crate) async fn known_scopes(&self, declared: &SecretDeclaration) -> Option<Vec<String>> {
        self.secrets.last_check_of(declared)?;
        self.details(&declared.name).await.0.scopes
    }

    /// The last findings, and why a later attempt failed, from the database.
    pub(super) async fn details(&self, name: &SecretName) -> (Details, Option<String>) {
        let read = self.vault.check_details(name).await.unwrap_or_else(|error| {
            tracing::error!(secret = %name, cause = %error, "what a check found could not be read");
            CheckDetails::default()
        });
        let details = read
            .findings
            .and_then(|text| serde_json::from_str(&text).ok());
        (details.unwrap_or_default(), read.failed_why)
    }

    /// Adds to a check what is shown of one secret alone: findings, scopes, and why the last attempt
    /// failed.
    pub(crate) async fn add_check_details(&self, secret: &mut SecretView) {
        let (details, failed_why) = self.details(&secret.name).await;
        if let Some(check) = &mut secret.check {
            check.findings = Some(shown(details.findings));
            check.scopes = details.scopes;
        }
        if let Some(failed) = &mut secret.check_failed {
            failed.why = failed_why;
        }
    }

    pub(super) async fn keep_evaluation(
        &self,
        by: Option<&Caller>,
        subject: &CheckedValue<'_>,
        mut evaluated: Evaluation,
    ) -> Result<SecretChecked, CheckError> {
        worst_first(&mut evaluated.findings);
        let verdict = overall(&evaluated.findings);
        let (name, version) = (&subject.declared.name, subject.version);
        let faults = evaluated.findings.iter();
        let faults = faults.filter(|finding| finding.verdict >= Verdict::Warning);
        let found = faults.map(|finding| finding.word.as_ref()).collect();
        let recorded = self
            .journal
            .record_or_trace(&SecretEvent::Checked {
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
        self.count(verdict.as_str());
        // The operator who asked sees it; no one reads what is checked on schedule.
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
            None if !evaluated.accepted => self.known_scopes(subject.declared).await,
            said => said,
        };
        let details = Details {
            findings: evaluated.findings.into_iter().map(StoredFinding).collect(),
            scopes,
            private: evaluated.private,
            hashed_credential: subject.hashed.as_ref().map(|hashed| hashed.as_str().into()),
        };
        let text = serde_json::to_string(&details)?;
        self.secrets.note_checked(name, &checked);
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

    pub(super) async fn keep_failure(
        &self,
        by: Option<&Caller>,
        name: &SecretName,
        version: Option<u64>,
        cause: &GitHubError,
    ) {
        let why = cause.to_string();
        let event = SecretEvent::Checked {
            by: by.map(lease_record::caller),
            secret: name.as_str(),
            version,
            outcome: FAILED,
            found: Vec::new(),
            login: None,
            expires_at: None,
            why: Some(&why),
        };
        self.journal.record_or_trace(&event).await;
        self.count(FAILED);
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

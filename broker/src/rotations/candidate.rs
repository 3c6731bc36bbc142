//! Whether a value may become the next one of a secret. Nothing is stored until it may.

use broker_github::expiry::{self, TokenExpiry};
use broker_github::token_kind::{self, ByHeader};
use broker_github::{Call, Credential, GitHubError, scopes};
use broker_policy::{SecretDeclaration, SecretKind};
use broker_secret_memory::token::AccessToken;
use broker_vault::Held;
use jiff::Timestamp;

use super::identity::{Asked, Identity};
use super::least::{self, InUse, Lack};
use super::{RotationError, date};
use crate::rotations::Rotations;
use crate::secrets::kind;

/// A value that may become the next one, in memory alone.
pub(super) struct Candidate {
    pub(super) value: AccessToken,
    /// Its end, as far as the operator knows.
    pub(super) entered: Option<Timestamp>,
    /// Whether the operator says that it may do less than the value in use.
    pub(super) fewer_scopes: bool,
}

/// The value in use.
pub(super) struct Before<'a> {
    pub(super) held: Option<&'a Held>,
    /// What GitHub says of it, if it still takes it.
    pub(super) identity: Option<&'a Identity>,
    pub(super) in_use: InUse,
}

/// What the checks found of a value that will do.
pub(super) struct Fit {
    /// Its end at GitHub, as far as is known.
    pub(super) expires_at: Option<Timestamp>,
    /// What is odd about it, and no reason to refuse it.
    pub(super) warnings: Vec<String>,
}

/// More repositories than this are not asked for one by one.
const MOST_PROBES: usize = 50;

impl Rotations {
    /// Evaluates a candidate against the declaration and the value in use.
    ///
    /// # Errors
    ///
    /// [`RotationError::Unfit`] with everything that is wrong; or if GitHub did not answer.
    pub(super) async fn evaluate_candidate(
        &self,
        declared: &SecretDeclaration,
        before: &Before<'_>,
        candidate: &Candidate,
    ) -> Result<Fit, RotationError> {
        let unfit = |why: Vec<String>| RotationError::Unfit {
            name: declared.name.clone(),
            why,
        };
        if let Some(why) = kind::contradicted(declared.kind, &candidate.value).await {
            return Err(unfit(vec![format!(
                "{why}; {} declares {}",
                declared.place,
                declared.kind.as_str()
            )]));
        }
        // Asked with, and wiped.
        let copy = candidate.value.copy();
        let Asked::Alive(identity) = self.identify(declared, copy).await? else {
            return Err(unfit(vec![
                "GitHub does not accept it (401); was it pasted whole?".to_owned(),
            ]));
        };
        let mut why = Vec::new();
        let mut warnings = Vec::new();
        evaluate_owner(declared, before.identity, &identity, &mut why);
        if declared.kind != SecretKind::App {
            evaluate_kind(declared, &identity, &mut why);
            let carried = identity.headers.scopes.as_deref().unwrap_or_default();
            match evaluate_reach(declared, before, candidate, carried) {
                Ok(odd) => warnings.extend(odd),
                Err(lack) => why.push(lack.to_string()),
            }
        }
        if declared.kind == SecretKind::FineGrained {
            self.probe(declared, &candidate.value, &mut why, &mut warnings)
                .await?;
        }
        let expires_at = evaluate_end(
            before.held,
            &identity,
            candidate.entered,
            self.journal.now().wall,
            &mut why,
        );
        if why.is_empty() {
            Ok(Fit {
                expires_at,
                warnings,
            })
        } else {
            Err(unfit(why))
        }
    }

    /// A fine-grained token says nothing of itself, so each declared repository is looked for.
    async fn probe(
        &self,
        declared: &SecretDeclaration,
        candidate: &AccessToken,
        why: &mut Vec<String>,
        warnings: &mut Vec<String>,
    ) -> Result<(), RotationError> {
        let exact = declared
            .repositories
            .iter()
            .filter(|repository| repository.name().is_some());
        for repository in exact.clone().take(MOST_PROBES) {
            let call = Call::get(format!("/repos/{repository}"), Credential::Token(candidate));
            match self.github.call(call).await {
                Ok(_) => {}
                Err(GitHubError::Moved { .. }) => warnings.push(format!(
                    "`{repository}` has another name now; declare it in {}",
                    declared.place
                )),
                Err(
                    error @ (GitHubError::NotFound { .. }
                    | GitHubError::Forbidden { .. }
                    | GitHubError::SingleSignOn { .. }
                    | GitHubError::Refused { .. }),
                ) => why.push(format!("it does not reach {repository}: {error}")),
                Err(source) => {
                    return Err(RotationError::GitHub {
                        doing: "asking GitHub what the new value reaches",
                        source,
                    });
                }
            }
        }
        if exact.count() > MOST_PROBES {
            warnings.push(format!(
                "only the first {MOST_PROBES} of its repositories were looked for"
            ));
        }
        Ok(())
    }
}

fn evaluate_owner(
    declared: &SecretDeclaration,
    old: Option<&Identity>,
    identity: &Identity,
    why: &mut Vec<String>,
) {
    let wanted = match declared.kind {
        SecretKind::App => declared.client_id.as_deref(),
        SecretKind::Classic | SecretKind::FineGrained => declared
            .owner
            .as_deref()
            .or_else(|| old.map(|old| &*old.whose)),
    };
    if let Some(wanted) = wanted
        && !wanted.eq_ignore_ascii_case(&identity.whose)
    {
        why.push(format!(
            "it belongs to `{}`, not `{wanted}`",
            identity.whose
        ));
    }
    let same_key = old
        .filter(|old| old.fingerprint.is_some())
        .is_some_and(|old| old.fingerprint == identity.fingerprint);
    if same_key {
        why.push("it is the key in use".to_owned());
    }
}

fn evaluate_kind(declared: &SecretDeclaration, identity: &Identity, why: &mut Vec<String>) {
    let by_header = token_kind::by_header(identity.headers.scopes.as_deref());
    match (declared.kind, by_header) {
        (SecretKind::Classic, ByHeader::FineGrained) => {
            why.push("GitHub says it is a fine-grained token".to_owned());
        }
        (SecretKind::FineGrained, ByHeader::Classic) => {
            why.push("GitHub says it is a classic token".to_owned());
        }
        _ => {}
    }
}

fn evaluate_reach(
    declared: &SecretDeclaration,
    before: &Before<'_>,
    candidate: &Candidate,
    carried: &[String],
) -> Result<Option<String>, Lack> {
    match least::evaluate(declared, &before.in_use, carried) {
        Err(Lack::Undeclared(_)) if candidate.fewer_scopes => {}
        evaluated => evaluated?,
    }
    // Where none are declared, none is one too many: a check says as little.
    if declared.kind != SecretKind::Classic || declared.scopes.is_empty() {
        return Ok(None);
    }
    let declared = declared.scopes.iter().map(AsRef::as_ref);
    let excess = scopes::compare(carried.iter().map(String::as_str), declared).excess;
    Ok((!excess.is_empty())
        .then(|| format!("it carries more than is declared: {}", excess.join(", "))))
}

fn evaluate_end(
    held: Option<&Held>,
    identity: &Identity,
    entered: Option<Timestamp>,
    now: Timestamp,
    why: &mut Vec<String>,
) -> Option<Timestamp> {
    let said = identity.headers.token_expires.as_deref();
    let said = said.map(TokenExpiry::parse);
    let end = expiry::evaluate(said.as_ref(), identity.headers.date, entered).at;
    let old_end = held.and_then(|held| held.expires_at);
    if let Some(end) = end {
        if end <= now {
            why.push(format!("it ended on {}", date(end)));
        } else if old_end.is_some_and(|old| end <= old) {
            why.push(format!(
                "it ends on {}, no later than the value in use",
                date(end)
            ));
        }
    }
    end
}

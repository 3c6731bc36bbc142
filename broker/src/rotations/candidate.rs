//! Whether a value may become the next one of a secret. Nothing is stored until it may.
//!
//! It is evaluated as a check evaluates it (`checks`). What a rotation asks for besides stands here: the
//! same owner, another key, a later end, and no fewer scopes (`least`).

use broker_policy::{SecretDeclaration, SecretKind};
use broker_protocol::check::{Finding, Verdict};
use broker_secret_memory::token::AccessToken;
use broker_vault::StoredSecret;
use jiff::Timestamp;

use super::least::{self, ScopesInUse};
use super::{RotationError, date};
use crate::checks::{ValueOwner, is_githubs_no};
use crate::rotations::Rotations;
use crate::secrets::kind;

/// A new value, as an operator gives it, in memory alone.
pub(crate) struct Candidate {
    pub(crate) value: AccessToken,
    /// Its end at GitHub, where the operator knows it.
    pub(crate) entered: Option<Timestamp>,
    /// Whether it may carry fewer scopes or permissions than the value in use, where none are declared.
    pub(crate) fewer_scopes: bool,
}

pub(super) struct ValueInUse<'a> {
    pub(super) held: Option<&'a StoredSecret>,
    /// What GitHub says of it, if it still accepts it.
    pub(super) identity: Option<ValueOwner>,
    pub(super) scopes: ScopesInUse,
}

/// A candidate that may be used.
pub(super) struct AcceptedCandidate {
    /// Its end at GitHub, as far as is known.
    pub(super) expires_at: Option<Timestamp>,
    /// Whether GitHub refuses the value in use already.
    pub(super) old_is_dead: bool,
    /// What is odd about it, and no reason to refuse it.
    pub(super) warnings: Vec<String>,
}

impl Rotations {
    /// Evaluates a candidate against the declaration and the value in use.
    ///
    /// # Errors
    ///
    /// [`RotationError::Rejected`] with everything that is wrong; or if GitHub did not answer.
    pub(super) async fn evaluate_candidate(
        &self,
        declared: &SecretDeclaration,
        before: &ValueInUse<'_>,
        candidate: &Candidate,
    ) -> Result<AcceptedCandidate, RotationError> {
        let rejected = |why: Vec<String>| RotationError::Rejected {
            name: declared.name.clone(),
            why,
        };
        if let Some(why) = kind::contradicted(declared.kind, &candidate.value).await {
            return Err(rejected(vec![format!(
                "{why}; {} declares {}",
                declared.place,
                declared.kind.as_str()
            )]));
        }
        // Asked with, and wiped.
        let copy = candidate.value.copy();
        let Some(identity) = self.identify(declared, copy).await? else {
            return Err(rejected(vec![
                "GitHub does not accept it (401); was it pasted whole?".to_owned(),
            ]));
        };
        let value = (&candidate.value, candidate.entered);
        let evaluated = self
            .checks
            .evaluate_candidate(declared, value, &identity)
            .await;
        let evaluated = evaluated.map_err(|source| RotationError::GitHub {
            doing: "asking GitHub what the new value reaches",
            source,
        })?;
        let (mut why, mut warnings) = (Vec::new(), Vec::new());
        for Finding {
            verdict,
            word,
            text,
            hint,
        } in evaluated.findings
        {
            match verdict {
                Verdict::Error if is_githubs_no(&word) => {
                    why.push(format!("{text}; {}", hint.unwrap_or_default()));
                }
                Verdict::Error => why.push(text),
                Verdict::Warning => warnings.push(match hint {
                    Some(hint) => format!("{text}; {hint}"),
                    None => text,
                }),
                Verdict::Ok | Verdict::NotProven => {}
            }
        }
        why.extend(another_owner(declared, before.identity.as_ref(), &identity));
        why.extend(same_key(before.identity.as_ref(), &identity));
        if declared.kind != SecretKind::App && !candidate.fewer_scopes {
            let carried = evaluated.scopes.as_deref();
            why.extend(least::lacking(declared, &before.scopes, carried));
        }
        let now = self.journal.now().wall;
        why.extend(earlier_end(before.held, evaluated.expires_at, now));
        if !why.is_empty() {
            return Err(rejected(why));
        }
        let old_is_dead = before.held.is_some() && before.identity.is_none();
        if old_is_dead {
            warnings.push(
                "GitHub refuses the old value already: it was regenerated, deleted or has ended; \
                 until the new one is in them, the sinks hold a revoked value"
                    .to_owned(),
            );
        }
        Ok(AcceptedCandidate {
            expires_at: evaluated.expires_at,
            old_is_dead,
            warnings,
        })
    }
}

/// Where no owner is declared, it stays the one it was.
fn another_owner(
    declared: &SecretDeclaration,
    before: Option<&ValueOwner>,
    identity: &ValueOwner,
) -> Option<String> {
    if declared.owner.is_some() {
        return None;
    }
    let ((owner, _), (before, _)) = (identity.account()?, before?.account()?);
    (!before.eq_ignore_ascii_case(owner))
        .then(|| format!("it belongs to `{owner}`, and the value in use to `{before}`"))
}

fn same_key(before: Option<&ValueOwner>, identity: &ValueOwner) -> Option<String> {
    let key = identity.fingerprint()?;
    (before?.fingerprint()? == key).then(|| "it is the key in use".to_owned())
}

fn earlier_end(
    held: Option<&StoredSecret>,
    end: Option<Timestamp>,
    now: Timestamp,
) -> Option<String> {
    let end = end?;
    if end <= now {
        return Some(format!("it ended on {}", date(end)));
    }
    let in_use = held?.expires_at?;
    (end <= in_use).then(|| format!("it ends on {}, no later than the value in use", date(end)))
}

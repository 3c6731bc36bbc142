//! Replaces the value of a secret by a new one, everywhere, and ends the old one. Undone until then.
//!
//! ```text
//! value ─check→ swap ─sinks→ live call ─confirmation→ revoke ─401→ erase
//! ```
//!
//! What is due next is worked out by [`rotation_state`](broker_vault::rotation_state); here each step is done:
//! recorded, carried out at GitHub, its outcome recorded, and only then written into the state. A broker
//! that is killed in between does the step again, which changes nothing that it has changed already.
//!
//! Who drives: `tokenctl rotate` asks for one step after the other; what no one asks for, and what has a
//! time of its own, the broker does by itself (`due`).
//!
//! Here: confirming and going back; the first step is in `begin`, the others in `steps`. Not here: HTTP, the
//! state's own logic, sealed boxes.

mod begin;
mod candidate;
mod due;
mod error;
mod leaked;
mod least;
mod next;
mod sinks;
mod steps;
#[cfg(test)]
mod tests;
mod view;
mod writer;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use broker_audit::record::{Event, RotationEvent};
use broker_audit_writer::{Recorded, Use};
use broker_github::{GitHub, GitHubError, NoAppKey, Principal};
use broker_policy::{Caller, SecretDeclaration};
use broker_protocol::names::{Delivery, SecretName};
use broker_protocol::rotation::RotationView;
use broker_secret_memory::token::AccessToken;
use broker_vault::rotation_state::{NotNow, Phase, Rotation};
use broker_vault::{NewValue, Vault};
use jiff::Timestamp;

use crate::checks::{Checks, ValueOwner, ValueOwnerError};
use crate::config::Config;
use crate::journal::Journal;
use crate::lease_record;
use crate::leases::Leases;
use crate::minting::Minting;
use crate::policies::Policies;
use crate::secrets::{SecretTurn, Secrets, Upkeep, UpkeepError};

pub(crate) use self::candidate::Candidate;
pub(crate) use self::error::RotationError;

/// Of leases whose callers hold the value itself. A `proxy` lease goes on with the value that is in use by then.
const HANDED_OUT: &[Delivery] = &[Delivery::Raw];
/// Why a lease on a replaced value ends.
const REPLACED: &str = "the secret was rotated, and the value behind the lease is ended";
/// Why a lease on the new value of a rotation that was undone ends.
const ROLLED_BACK: &str =
    "the rotation was rolled back, and the value behind the lease is to be deleted";

pub(crate) struct Rotations {
    journal: Arc<Journal>,
    policies: Arc<Policies>,
    secrets: Arc<Secrets>,
    vault: Arc<Vault>,
    github: Arc<GitHub>,
    minting: Arc<Minting>,
    checks: Arc<Checks>,
    leases: Arc<Leases>,
    config: Arc<Config>,
}

impl Rotations {
    /// Rotates what the vault holds, at this GitHub.
    pub(crate) fn new(
        (journal, policies): (Arc<Journal>, Arc<Policies>),
        (secrets, vault): (Arc<Secrets>, Arc<Vault>),
        (github, minting): (Arc<GitHub>, Arc<Minting>),
        (checks, leases): (Arc<Checks>, Arc<Leases>),
        config: Arc<Config>,
    ) -> Self {
        Self {
            journal,
            policies,
            secrets,
            vault,
            github,
            minting,
            checks,
            leases,
            config,
        }
    }

    /// Notes when the old value may be ended. The broker does it then, also if the operator is gone.
    ///
    /// # Errors
    ///
    /// [`RotationError`]; nothing changes.
    pub(crate) async fn confirm_rotation(
        &self,
        by: &Caller,
        name: &SecretName,
        revoke_after: Duration,
    ) -> Result<RotationView, RotationError> {
        let turn = self.secrets.locks.turn(name).await;
        let rotation = self.rotation_of(name)?;
        let revoke_at = self.journal.moment().after(revoke_after);
        let said = revoke_at.wall();
        let confirmed = rotation.confirmed(revoke_at).map_err(not_now(name))?;
        let event = RotationEvent::Confirmed {
            by: lease_record::caller(by),
            secret: name.as_str(),
            revoke_at: said,
        };
        self.journal.record(&event).await?;
        self.note_rotation(&turn, confirmed).await?;
        Ok(self.rotation_view(name).await)
    }

    /// Brings the old value back into use, as a new version. The sinks get it again, step by step.
    ///
    /// # Errors
    ///
    /// [`RotationError`]; the new value stays in use. In particular if GitHub refuses the old value, or
    /// cannot be asked about it.
    pub(crate) async fn roll_back_rotation(
        &self,
        by: &Caller,
        name: &SecretName,
    ) -> Result<RotationView, RotationError> {
        let turn = self.secrets.locks.turn(name).await;
        let rotation = self.rotation_of(name)?;
        if matches!(rotation.phase, Phase::RollingBack | Phase::RolledBack) {
            return Ok(self.rotation_view(name).await);
        }
        let old = rotation.may_roll_back().map_err(not_now(name))?.clone();
        let declared = self.in_the_vault(name)?;
        let (number, for_this) = (Some(old.number), Upkeep::ROTATION);
        let identity = self.identify_version(Some(by), &declared, number, for_this);
        if identity.await?.is_none() {
            let dead = Rotation {
                old_is_dead: true,
                ..rotation
            };
            self.note_rotation(&turn, dead).await?;
            return Err(not_now(name)(NotNow::TooLate));
        }
        let value = self.secrets.open(Some(by), name, number, for_this).await?;
        let now = self.journal.moment();
        let version = self.vault.reserve_version(name, now.wall()).await?;
        let back = RotationEvent::RolledBack {
            by: lease_record::caller(by),
            secret: name.as_str(),
            version,
            restores: old.number,
            hashed_credential: &old.hashed_credential,
        };
        let recorded = self.record_change(&turn, version, &back).await?;
        let versions = self.vault.versions(name);
        let before = versions.iter().find(|known| known.number == old.number);
        let new = NewValue {
            value,
            expires_at: before.and_then(|before| before.expires_at),
        };
        let rolling = rotation.rolling_back(version, &now);
        let stored = self.vault.store_rotated(recorded, new, rolling, now.wall());
        if let Err(error) = stored.await {
            return Err(self.step_fails(name, "roll_back", error).await);
        }
        let over = (&[rotation.new.number][..], HANDED_OUT);
        self.end_leases_on(name, over, Some(by), ROLLED_BACK).await;
        Ok(self.rotation_view(name).await)
    }

    /// Opens a version, or the one in use, and asks GitHub with it. `None` if GitHub refuses it with 401.
    async fn identify_version(
        &self,
        by: Option<&Caller>,
        declared: &SecretDeclaration,
        version: Option<u64>,
        what_for: Upkeep,
    ) -> Result<Option<ValueOwner>, RotationError> {
        let name = &declared.name;
        let opened = self.secrets.open(by, name, version, what_for);
        self.identify(declared, opened.await?).await
    }

    /// Asks GitHub with this value. `None` if GitHub refuses it with 401.
    async fn identify(
        &self,
        declared: &SecretDeclaration,
        value: AccessToken,
    ) -> Result<Option<ValueOwner>, RotationError> {
        let owner = declared.owner.as_deref().map(Principal::user);
        match ValueOwner::ask(&self.github, declared, value, owner).await {
            Ok(identity) => Ok(Some(identity)),
            Err(ValueOwnerError::GitHub(GitHubError::Unauthorized { .. })) => Ok(None),
            Err(ValueOwnerError::GitHub(source)) => Err(RotationError::GitHub {
                doing: "asking GitHub whose the value is",
                source,
            }),
            Err(ValueOwnerError::Key(NoAppKey::Key(source))) => Err(RotationError::Key {
                name: declared.name.clone(),
                source,
            }),
            Err(ValueOwnerError::Key(NoAppKey::Broken(panic))) => {
                Err(UpkeepError::Broken("the App's key", panic).into())
            }
        }
    }

    /// The declaration of a secret whose value is stored in the vault.
    fn in_the_vault(&self, name: &SecretName) -> Result<SecretDeclaration, RotationError> {
        let policies = self.policies.in_force();
        let declared = policies.set.secret(name);
        let declared = declared.ok_or_else(|| RotationError::Undeclared(name.clone()))?;
        if !declared.source.is_vault() {
            return Err(RotationError::Elsewhere {
                name: name.clone(),
                from: declared.source.to_string(),
            });
        }
        Ok(declared.clone())
    }

    fn rotation_of(&self, name: &SecretName) -> Result<Rotation, RotationError> {
        let rotation = self.vault.rotation(name);
        rotation.ok_or_else(|| RotationError::NoRotation(name.clone()))
    }

    async fn note_rotation(
        &self,
        turn: &SecretTurn,
        rotation: Rotation,
    ) -> Result<(), RotationError> {
        Ok(self.vault.note_rotation(turn.name(), rotation).await?)
    }

    /// Records a change of a secret's versions, and returns the proof that allows it.
    async fn record_change(
        &self,
        turn: &SecretTurn,
        version: u64,
        event: &impl Event,
    ) -> Result<Recorded<Use>, RotationError> {
        let usage = Use::of(turn.name(), Some(version));
        Ok(self.journal.record_use(usage, event).await?)
    }

    /// Records that a step failed and had no effect, and returns why as the answer.
    async fn step_fails<E: Display + Into<RotationError>>(
        &self,
        name: &SecretName,
        step: &'static str,
        error: E,
    ) -> RotationError {
        let why = error.to_string();
        self.step_failed(name, step, &why, false).await;
        error.into()
    }

    async fn step_failed(
        &self,
        name: &SecretName,
        step: &'static str,
        why: &str,
        may_have_happened: bool,
    ) {
        tracing::warn!(secret = %name, step, why, "a step of a rotation failed");
        let event = RotationEvent::Failed {
            secret: name.as_str(),
            step,
            why,
            may_have_happened,
        };
        self.journal.record_or_trace(&event).await;
    }

    /// Ends the leases that depend on these versions of a stored value, and deliver so. An installation token
    /// outlives the key that minted it.
    async fn end_leases_on(
        &self,
        name: &SecretName,
        (versions, deliver): (&[u64], &[Delivery]),
        by: Option<&Caller>,
        why: &'static str,
    ) -> u64 {
        let live = self.leases.list(None);
        let over = live.iter().filter(|lease| {
            lease.secret == *name
                && deliver.contains(&lease.deliver)
                && lease
                    .version
                    .is_some_and(|version| versions.contains(&version))
        });
        let ended = self
            .leases
            .end_leases(over.map(|lease| &lease.id), by, why)
            .await;
        ended.len() as u64
    }
}

fn not_now(name: &SecretName) -> impl FnOnce(NotNow) -> RotationError + use<> {
    let name = name.clone();
    move |why| RotationError::NotNow { name, why }
}

fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

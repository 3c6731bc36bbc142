//! Replaces the value of a secret by a new one, everywhere, and ends the old one. Undone until then.
//!
//! ```text
//! value ─check→ swap ─sinks→ live call ─confirmation→ revoke ─401→ erase
//! ```
//!
//! What is due next is worked out by [`rotation_state`](crate::rotation_state); here each step is done:
//! recorded, carried out at GitHub, its outcome recorded, and only then written into the state. A broker
//! that is killed in between does the step again, which changes nothing that it has changed already.
//!
//! Who drives: `tokenctl rotate` asks for one step after the other; what nobody asks for, and what has a
//! time of its own, the broker does by itself (`tend`).
//!
//! Here: beginning, confirming and going back. Not here: HTTP, the state's own logic, sealed boxes.

mod candidate;
mod error;
mod identity;
mod leaked;
mod least;
mod sinks;
mod steps;
mod tend;
#[cfg(test)]
mod tests;
mod view;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use broker_audit::record::Event;
use broker_audit_writer::{Recorded, Use};
use broker_github::GitHub;
use broker_policy::{Caller, SecretDeclaration};
use broker_protocol::names::SecretName;
use broker_protocol::rotation::RotationView;
use broker_secret_memory::token::AccessToken;
use broker_vault::rotation_state::{NotNow, Phase, Rotation, Version};
use broker_vault::{Held, NewValue, Vault, VaultError};
use jiff::Timestamp;

use self::candidate::{Before, Candidate};
use self::identity::Asked;
use self::least::InUse;
use crate::checks::Checks;
use crate::config::Config;
use crate::journal::Journal;
use crate::lease_record;
use crate::leases::Leases;
use crate::minting::Minting;
use crate::policies::Policies;
use crate::secrets::SecretTurn;
use crate::secrets::{Secrets, Upkeep, UpkeepError};

pub use self::error::RotationError;

/// A new value, as an operator gives it.
pub struct Given {
    /// The value.
    pub value: AccessToken,
    /// Its end at GitHub, where the operator knows it.
    pub entered: Option<Timestamp>,
    /// Whether it may carry fewer scopes or permissions than the value in use, where none are declared.
    pub fewer_scopes: bool,
}

/// What the checks let through.
struct Checked {
    new: NewValue,
    old_is_dead: bool,
}

/// Why a lease on a replaced value ends.
const REPLACED: &str = "the secret was rotated, and the value behind the lease is ended";
/// Why a lease on a value that was taken back ends.
const TAKEN_BACK: &str =
    "the rotation was rolled back, and the value behind the lease is to be deleted";

/// See the module.
pub struct Rotations {
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
    #[must_use]
    pub fn new(
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

    /// Begins with a new value: checks it, and if it will do, stores and uses it.
    ///
    /// Given once more, the value of the last rotation only answers how that stands.
    ///
    /// # Errors
    ///
    /// [`RotationError`]; the value in use stays in use.
    pub async fn begin_rotation(
        &self,
        by: &Caller,
        name: &SecretName,
        given: Given,
    ) -> Result<RotationView, RotationError> {
        let Given {
            value,
            entered,
            fewer_scopes,
        } = given;
        let turn = self.secrets.locks().turn(name).await;
        if self.vault.is_locked() {
            return Err(UpkeepError::Locked.into());
        }
        self.secrets.refuse_while_moving(&turn)?;
        let declared = self.in_the_vault(name)?;
        let hashed = value.hashed();
        let held = self.vault.held(name);
        if let Some(last) = self.vault.rotation(name) {
            let in_use = held.as_ref().map(|held| held.version);
            let same = *last.new.hashed_credential == *hashed.as_str();
            if same && (last.is_under_way() || in_use == Some(last.new.number)) {
                return Ok(self.rotation_view(name, Vec::new()).await);
            }
            if last.is_under_way() {
                return Err(RotationError::UnderWay(name.clone()));
            }
        }
        let versions = self.vault.versions(name);
        if versions
            .iter()
            .any(|known| known.hashed_credential == hashed)
        {
            let why = vec!["it is the value in use, or one before it".to_owned()];
            return Err(self.unfit(name, why).await);
        }
        let begun = Event::RotationBegun {
            by: lease_record::caller(by),
            secret: name.as_str(),
            replaces: held.as_ref().map(|held| held.version),
            hashed_credential: hashed.as_str(),
        };
        self.record(&begun).await?;
        let candidate = Candidate {
            value,
            entered,
            fewer_scopes,
        };
        let checked = self
            .check_both(by, &declared, held.as_ref(), &candidate)
            .await;
        let (fit, old_is_dead) = match checked {
            Ok(checked) => checked,
            Err(error) => {
                self.step_failed(name, "check", &error.to_string(), false)
                    .await;
                return Err(error);
            }
        };
        let checked = Checked {
            new: NewValue {
                value: candidate.value,
                expires_at: fit.expires_at,
            },
            old_is_dead,
        };
        self.swap(by, &turn, held.as_ref(), checked).await?;
        tracing::info!(secret = %name, "a new value is in use; the old one is kept until it is ended");
        Ok(self.rotation_view(name, fit.warnings).await)
    }

    /// Asks GitHub about the value in use and the one that is to follow it.
    async fn check_both(
        &self,
        by: &Caller,
        declared: &SecretDeclaration,
        held: Option<&Held>,
        candidate: &Candidate,
    ) -> Result<(candidate::Fit, bool), RotationError> {
        let old = match held {
            None => None,
            Some(held) => {
                let version = Some(held.version);
                let opened =
                    self.secrets
                        .open_for_upkeep(Some(by), &declared.name, version, Upkeep::Check);
                Some(self.identify(declared, opened.await?).await?)
            }
        };
        let old_is_dead = matches!(old, Some(Asked::Dead));
        let identity = match old {
            Some(Asked::Alive(identity)) => Some(identity),
            Some(Asked::Dead) | None => None,
        };
        let said = identity.as_ref().and_then(|old| old.headers.scopes.clone());
        let in_use = match (held, said) {
            (None, _) => InUse::Nothing,
            (Some(_), Some(scopes)) => InUse::Value(Some(scopes)),
            (Some(_), None) => InUse::Value(self.checks.carried_scopes(declared).await),
        };
        let before = Before {
            held,
            identity: identity.as_deref(),
            in_use,
        };
        let mut fit = self
            .evaluate_candidate(declared, &before, candidate)
            .await?;
        if old_is_dead {
            fit.warnings.push(
                "GitHub refuses the old value already: it was regenerated, deleted or has ended; \
                 until the new one is in them, the sinks hold a dead value"
                    .to_owned(),
            );
        }
        Ok((fit, old_is_dead))
    }

    async fn swap(
        &self,
        by: &Caller,
        turn: &SecretTurn,
        held: Option<&Held>,
        Checked { new, old_is_dead }: Checked,
    ) -> Result<(), RotationError> {
        let name = turn.name();
        // GitHub took its time, and policies may have been loaded meanwhile.
        self.in_the_vault(name)?;
        let in_use = held.map(|held| held.version);
        let now = self.journal.moment();
        let version = self.vault.reserve_version(name, now.wall()).await;
        let version = version.map_err(of_the_vault)?;
        let hashed = new.value.hashed();
        let swapped = Event::RotationSwapped {
            by: lease_record::caller(by),
            secret: name.as_str(),
            version,
            replaces: in_use,
            hashed_credential: hashed.as_str(),
            expires_at: new.expires_at,
        };
        let recorded = self.record_change(turn, version, &swapped).await?;
        let old = held.map(|held| Version {
            number: held.version,
            hashed_credential: held.hashed_credential.as_str().into(),
        });
        let new_version = Version {
            number: version,
            hashed_credential: hashed.as_str().into(),
        };
        let rotation = Rotation::begin(old, new_version, old_is_dead, &now);
        match self.vault.swap(recorded, new, rotation, now.wall()).await {
            Ok(_held) => Ok(()),
            Err(error) => Err(self.vault_failed(name, "swap", error).await),
        }
    }

    /// Notes when the old value may be ended. The broker does it then, whoever is still there.
    ///
    /// # Errors
    ///
    /// [`RotationError`]; nothing changes.
    pub async fn confirm_rotation(
        &self,
        by: &Caller,
        name: &SecretName,
        revoke_after: Duration,
    ) -> Result<RotationView, RotationError> {
        let turn = self.secrets.locks().turn(name).await;
        let rotation = self.rotation_of(name)?;
        let revoke_at = self.journal.moment().after(revoke_after);
        let said = revoke_at.wall();
        let confirmed = rotation.confirmed(revoke_at).map_err(not_now(name))?;
        self.record(&Event::RotationConfirmed {
            by: lease_record::caller(by),
            secret: name.as_str(),
            revoke_at: said,
        })
        .await?;
        self.note_rotation(&turn, confirmed).await?;
        Ok(self.rotation_view(name, Vec::new()).await)
    }

    /// Brings the old value back into use, as a new version. The sinks get it again, step by step.
    ///
    /// # Errors
    ///
    /// [`RotationError`]; the new value stays in use. In particular if GitHub refuses the old value, or
    /// cannot be asked about it.
    pub async fn roll_back_rotation(
        &self,
        by: &Caller,
        name: &SecretName,
    ) -> Result<RotationView, RotationError> {
        let turn = self.secrets.locks().turn(name).await;
        let rotation = self.rotation_of(name)?;
        if matches!(rotation.phase, Phase::RollingBack | Phase::RolledBack) {
            return Ok(self.rotation_view(name, Vec::new()).await);
        }
        let old = rotation.may_roll_back().map_err(not_now(name))?.clone();
        let declared = self.in_the_vault(name)?;
        let open = || {
            self.secrets
                .open_for_upkeep(Some(by), name, Some(old.number), Upkeep::Rotation)
        };
        match self.identify(&declared, open().await?).await? {
            Asked::Alive(_) => {}
            Asked::Dead => {
                let dead = Rotation {
                    old_is_dead: true,
                    ..rotation
                };
                self.note_rotation(&turn, dead).await?;
                return Err(not_now(name)(NotNow::TooLate));
            }
        }
        let value = open().await?;
        let now = self.journal.moment();
        let version = self.vault.reserve_version(name, now.wall()).await;
        let version = version.map_err(of_the_vault)?;
        let back = Event::RotationRolledBack {
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
        if let Err(error) = self.vault.swap(recorded, new, rolling, now.wall()).await {
            return Err(self.vault_failed(name, "roll_back", error).await);
        }
        self.end_leases_on(name, &[rotation.new.number], Some(by), TAKEN_BACK)
            .await;
        Ok(self.rotation_view(name, Vec::new()).await)
    }

    /// The declaration of a secret whose value lies in the vault.
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
        rotation.ok_or_else(|| RotationError::NotThere(name.clone()))
    }

    async fn note_rotation(
        &self,
        turn: &SecretTurn,
        rotation: Rotation,
    ) -> Result<(), RotationError> {
        let noted = self.vault.note_rotation(turn.name(), rotation).await;
        noted.map_err(of_the_vault)
    }

    async fn record(&self, event: &Event<'_>) -> Result<(), RotationError> {
        self.journal.record(event).await?;
        Ok(())
    }

    /// Records a change of a secret's versions, and returns the proof that allows it.
    async fn record_change(
        &self,
        turn: &SecretTurn,
        version: u64,
        event: &Event<'_>,
    ) -> Result<Recorded<Use>, RotationError> {
        let usage = Use {
            secret: turn.name().clone(),
            version: Some(version),
        };
        Ok(self.journal.record_use(usage, event).await?)
    }

    async fn unfit(&self, name: &SecretName, why: Vec<String>) -> RotationError {
        let error = RotationError::Unfit {
            name: name.clone(),
            why,
        };
        self.step_failed(name, "check", &error.to_string(), false)
            .await;
        error
    }

    async fn vault_failed(
        &self,
        name: &SecretName,
        step: &'static str,
        error: VaultError,
    ) -> RotationError {
        self.step_failed(name, step, &error.to_string(), false)
            .await;
        of_the_vault(error)
    }

    async fn step_failed(
        &self,
        name: &SecretName,
        step: &'static str,
        why: &str,
        may_have_happened: bool,
    ) {
        tracing::warn!(secret = %name, step, why, "a step of a rotation failed");
        self.journal
            .record_or_trace(&Event::RotationFailed {
                secret: name.as_str(),
                step,
                why,
                may_have_happened,
            })
            .await;
    }

    /// Ends the leases whose callers depend on these versions of a stored value. An installation token
    /// outlives the key that minted it.
    async fn end_leases_on(
        &self,
        name: &SecretName,
        versions: &[u64],
        by: Option<&Caller>,
        why: &'static str,
    ) -> u64 {
        use broker_protocol::names::Delivery;
        let live = self.leases.list(None);
        let over = live.iter().filter(|lease| {
            lease.secret == *name
                && lease.deliver != Delivery::Installation
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

fn of_the_vault(error: VaultError) -> RotationError {
    match error {
        VaultError::Locked => UpkeepError::Locked.into(),
        error => UpkeepError::Vault(error).into(),
    }
}

fn not_now(name: &SecretName) -> impl FnOnce(NotNow) -> RotationError + use<> {
    let name = name.clone();
    move |why| RotationError::NotNow { name, why }
}

fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

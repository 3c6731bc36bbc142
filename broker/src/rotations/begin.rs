//! The first step of a rotation: the new value is checked beside the one in use, stored, and used.

use broker_audit::record::RotationEvent;
use broker_policy::{Caller, SecretDeclaration};
use broker_protocol::names::SecretName;
use broker_protocol::rotation::RotationView;
use broker_vault::rotation_state::{Rotation, Version};
use broker_vault::{NewValue, StoredSecret};

use super::RotationError;
use super::candidate::{AcceptedCandidate, Candidate, ValueInUse};
use super::least::ScopesInUse;
use crate::checks::ValueOwner;
use crate::lease_record;
use crate::rotations::Rotations;
use crate::secrets::{SecretTurn, Upkeep};

impl Rotations {
    /// Begins with a new value: checks it, and if it may be used, stores and uses it.
    ///
    /// The value of the last rotation, given again, changes nothing: the answer is how that rotation stands.
    ///
    /// # Errors
    ///
    /// [`RotationError`]; the value in use stays in use.
    pub(crate) async fn begin_rotation(
        &self,
        by: &Caller,
        name: &SecretName,
        candidate: Candidate,
    ) -> Result<RotationView, RotationError> {
        let turn = self.secrets.turn(name).await?;
        self.secrets.refuse_while_moving(&turn)?;
        let declared = self.in_the_vault(name)?;
        let hashed = candidate.value.hashed();
        let held = self.vault.held(name);
        if let Some(last) = self.vault.rotation(name) {
            let in_use = held.as_ref().map(|held| held.version);
            let same = *last.new.hashed_credential == *hashed.as_str();
            if same && (last.is_under_way() || in_use == Some(last.new.number)) {
                return Ok(self.rotation_view(name).await);
            }
            if last.is_under_way() {
                return Err(RotationError::UnderWay(name.clone()));
            }
        }
        let mut versions = self.vault.versions(name).into_iter();
        if versions.any(|known| known.hashed_credential == hashed) {
            let rejected = RotationError::Rejected {
                name: name.clone(),
                why: vec!["it is the value in use, or one before it".to_owned()],
            };
            return Err(self.step_fails(name, "check", rejected).await);
        }
        let begun = RotationEvent::Begun {
            by: lease_record::caller(by),
            secret: name.as_str(),
            replaces: held.as_ref().map(|held| held.version),
            hashed_credential: hashed.as_str(),
        };
        self.journal.record(&begun).await?;
        let checked = self.check_both(by, &declared, held.as_ref(), &candidate);
        let accepted = match checked.await {
            Ok(accepted) => accepted,
            Err(error) => return Err(self.step_fails(name, "check", error).await),
        };
        let new = NewValue {
            value: candidate.value,
            expires_at: accepted.expires_at,
        };
        self.swap(by, &turn, held.as_ref(), (new, accepted.old_is_dead))
            .await?;
        tracing::info!(secret = %name, "a new value is in use; the old one is kept until it is ended");
        Ok(RotationView {
            warnings: accepted.warnings,
            ..self.rotation_view(name).await
        })
    }

    /// Checks the new value beside the one in use.
    async fn check_both(
        &self,
        by: &Caller,
        declared: &SecretDeclaration,
        held: Option<&StoredSecret>,
        candidate: &Candidate,
    ) -> Result<AcceptedCandidate, RotationError> {
        let mut before = ValueInUse {
            held,
            identity: None,
            scopes: ScopesInUse::Nothing,
        };
        if let Some(held) = held {
            let version = Some(held.version);
            let identity = self.identify_version(Some(by), declared, version, Upkeep::CHECK);
            before.identity = identity.await?;
            let account = before.identity.as_ref().and_then(ValueOwner::account);
            let scopes = account.and_then(|(_, headers)| headers.scopes.clone());
            before.scopes = ScopesInUse::Value(match scopes {
                Some(scopes) => Some(scopes),
                None => self.checks.known_scopes(declared).await,
            });
        }
        self.evaluate_candidate(declared, &before, candidate).await
    }

    async fn swap(
        &self,
        by: &Caller,
        turn: &SecretTurn,
        held: Option<&StoredSecret>,
        (new, old_is_dead): (NewValue, bool),
    ) -> Result<(), RotationError> {
        let name = turn.name();
        // GitHub took its time, and policies may have been loaded meanwhile.
        self.in_the_vault(name)?;
        let in_use = held.map(|held| held.version);
        let now = self.journal.moment();
        let version = self.vault.reserve_version(name, now.wall()).await?;
        let hashed = new.value.hashed();
        let swapped = RotationEvent::Swapped {
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
        let stored = self
            .vault
            .store_rotated(recorded, new, rotation, now.wall());
        match stored.await {
            Ok(_held) => Ok(()),
            Err(error) => Err(self.step_fails(name, "swap", error).await),
        }
    }
}

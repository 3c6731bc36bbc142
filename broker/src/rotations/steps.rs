//! The steps after the swap, each done once or more often to the same end.
//!
//! In each: the record of what is about to happen, GitHub, the record of the result, and last the
//! state. So whatever a crash cuts off, the state is never ahead of the log, nor the log of GitHub.

use broker_audit::record::RotationEvent;
use broker_github::{Call, Credential, GitHubError, Method, Outcome, Principal};
use broker_policy::{Caller, SecretKind};
use broker_protocol::names::SecretName;
use broker_protocol::rotation::RotationView;
use broker_secret_memory::token::AccessToken;
use broker_vault::rotation_state::{Due, EndedBy, Phase, Rotation};

use super::{HANDED_OUT, REPLACED, ROLLED_BACK, RotationError, not_now};
use crate::lease_record;
use crate::rotations::Rotations;
use crate::secrets::{SecretTurn, Upkeep};

/// A rotation whose turn it is, and who asks for its step; `None` if the broker takes it by itself.
#[derive(Clone, Copy)]
pub(super) struct RotationTurn<'a> {
    pub(super) by: Option<&'a Caller>,
    pub(super) turn: &'a SecretTurn,
    pub(super) rotation: &'a Rotation,
}

/// So many looks at a token that GitHub was asked to end are not worth a record: 15 s.
const PATIENT_LOOKS: u32 = 4;

impl Rotations {
    /// Does the step that is due, if it is the broker's, and answers how the rotation stands then. A step
    /// that fails at GitHub is no error here: the state says so, and when it is tried again.
    ///
    /// # Errors
    ///
    /// [`RotationError`] if nothing could be tried.
    pub(crate) async fn next_step(
        &self,
        by: &Caller,
        name: &SecretName,
    ) -> Result<RotationView, RotationError> {
        let turn = self.secrets.locks.turn(name).await;
        self.step(Some(by), &turn).await?;
        Ok(self.rotation_view(name).await)
    }

    pub(super) async fn step(
        &self,
        by: Option<&Caller>,
        turn: &SecretTurn,
    ) -> Result<(), RotationError> {
        let name = turn.name();
        let rotation = &self.rotation_of(name)?;
        let now = self.journal.moment();
        let at = RotationTurn { by, turn, rotation };
        match self.due(name, rotation) {
            Due::Push => self.push_for(at).await,
            Due::Verify => self.verify(at).await,
            Due::Revoke => self.end_old_value(at).await,
            // GitHub needs a moment; looking sooner than that tells nothing.
            Due::Prove if rotation.phase == Phase::Revoking && !rotation.has_waited(&now) => Ok(()),
            Due::Prove | Due::Delete => self.verify_revoked(at).await,
            Due::Erase => self.finish(turn, rotation).await,
            Due::Confirm | Due::RevokeAt(_) | Due::Nothing => Ok(()),
        }
    }

    /// What is due in this rotation now.
    pub(super) fn due(&self, name: &SecretName, rotation: &Rotation) -> Due {
        let pending = self.sinks_pending(name).len();
        let old = rotation.old.as_ref();
        let by = old.map_or(EndedBy::Broker, |old| self.ended_by(name, old.number));
        rotation.due(pending, by, &self.journal.moment())
    }

    /// Who can end this version at GitHub.
    pub(super) fn ended_by(&self, name: &SecretName, version: u64) -> EndedBy {
        if self.github.base.is_enterprise_server() {
            return EndedBy::Operator;
        }
        let mut versions = self.vault.versions(name).into_iter();
        let known = versions.find(|known| known.number == version);
        match known.and_then(|known| known.kind) {
            Some(SecretKind::Classic | SecretKind::FineGrained) => EndedBy::Broker,
            // A key, or a token of before 2021, which the API does not take.
            Some(SecretKind::App) | None => EndedBy::Operator,
        }
    }

    async fn verify(&self, at: RotationTurn<'_>) -> Result<(), RotationError> {
        let RotationTurn { by, turn, rotation } = at;
        let name = turn.name();
        let declared = self.in_the_vault(name)?;
        let new = rotation.new.number;
        let identity = self.identify_version(by, &declared, Some(new), Upkeep::ROTATION);
        let accepted = identity.await;
        let accepted = accepted.and_then(|owner| owner.ok_or(RotationError::NewValueRefused));
        if let Err(error) = accepted {
            return self.step_errs(at, "verify", error).await;
        }
        let event = RotationEvent::Verified {
            secret: name.as_str(),
            version: new,
        };
        self.journal.record(&event).await?;
        let verified = rotation.verified(&self.journal.moment());
        self.note_rotation(turn, verified).await
    }

    async fn end_old_value(&self, at: RotationTurn<'_>) -> Result<(), RotationError> {
        let RotationTurn { by, turn, rotation } = at;
        let name = turn.name();
        // Taken from elsewhere by now, the old value may be the one in use.
        if let Err(elsewhere @ RotationError::Elsewhere { .. }) = self.in_the_vault(name) {
            return Err(elsewhere);
        }
        let revoking = rotation.revoking(&self.journal.moment());
        let revoking = revoking.map_err(not_now(name))?;
        let Some(old) = &rotation.old else {
            return Ok(());
        };
        let event = RotationEvent::Revoking {
            by: by.map(lease_record::caller),
            secret: name.as_str(),
            version: old.number,
            hashed_credential: &old.hashed_credential,
        };
        self.journal.record(&event).await?;
        // From here on there is no way back, whether or not GitHub hears of it today.
        self.note_rotation(turn, revoking.clone()).await?;
        self.end_leases_on(name, (&[old.number], HANDED_OUT), by, REPLACED)
            .await;
        let number = Some(old.number);
        let value = self.secrets.open(by, name, number, Upkeep::REVOCATION);
        let Err(source) = self.revoke_at_github(vec![value.await?]).await else {
            let asked = revoking.asked(&self.journal.moment());
            return self.note_rotation(turn, asked).await;
        };
        // Asked again it would say the same: an operator deletes it, and the broker only checks from then on.
        let rotation = &match is_final(&source) {
            true => revoking.left_to_an_operator(),
            false => revoking,
        };
        let error = RotationError::GitHub {
            doing: "asking GitHub to revoke the old value",
            source,
        };
        let at = RotationTurn { rotation, ..at };
        self.step_errs(at, "revoke", error).await
    }

    /// Asks GitHub to end these tokens. It says yes whether or not it knows them, and must not be asked
    /// with a credential.
    ///
    /// Source: GitHub REST documentation, “Revocation”.
    pub(super) async fn revoke_at_github(
        &self,
        values: Vec<AccessToken>,
    ) -> Result<(), GitHubError> {
        // Into the body, which is wiped once it is sent.
        let texts: Vec<_> = values
            .iter()
            .map(|value| serde_json::Value::from(value.expose()))
            .collect();
        let call = Call {
            method: Method::POST,
            body: Some(serde_json::json!({ "credentials": texts })),
            ..Call::get("/credentials/revoke", Credential::None)
                .drawing_on(Some(Principal::Anonymous))
        };
        self.github.call(call).await.map(|_reply| ())
    }

    /// Checks whether GitHub refuses the old value, and if it does, erases it.
    async fn verify_revoked(&self, at: RotationTurn<'_>) -> Result<(), RotationError> {
        let RotationTurn { by, turn, rotation } = at;
        let name = turn.name();
        let Some(old) = &rotation.old else {
            return self.finish(turn, rotation).await;
        };
        match self.is_dead(by, name, old.number).await {
            Ok(true) => {
                let event = RotationEvent::Revoked {
                    secret: name.as_str(),
                    version: old.number,
                    hashed_credential: &old.hashed_credential,
                };
                self.journal.record(&event).await?;
                self.end_leases_on(name, (&[old.number], HANDED_OUT), by, REPLACED)
                    .await;
                self.finish(turn, rotation).await
            }
            Ok(false) => {
                let why = "GitHub still accepts the old value";
                // At first that is only GitHub taking its time, or an operator theirs.
                if rotation.phase == Phase::Revoking && rotation.attempts >= PATIENT_LOOKS {
                    self.step_failed(name, "prove", why, false).await;
                }
                let alive = rotation.still_alive(why, &self.journal.moment());
                self.note_rotation(turn, alive).await
            }
            Err(error) => self.step_errs(at, "prove", error).await,
        }
    }

    /// Whether GitHub refuses a stored version. A key counts as dead only if the one in use is taken in the
    /// same moment: a clock that is off, or a fault at GitHub, refuses both.
    pub(super) async fn is_dead(
        &self,
        by: Option<&Caller>,
        name: &SecretName,
        version: u64,
    ) -> Result<bool, RotationError> {
        let declared = self.in_the_vault(name)?;
        let old = self.identify_version(by, &declared, Some(version), Upkeep::REVOCATION);
        if old.await?.is_some() {
            return Ok(false);
        }
        if declared.kind != SecretKind::App {
            return Ok(true);
        }
        let in_use = self.identify_version(by, &declared, None, Upkeep::ROTATION);
        Ok(in_use.await?.is_some())
    }

    /// Erases every version but the one in use, which ends the rotation.
    async fn finish(&self, turn: &SecretTurn, rotation: &Rotation) -> Result<(), RotationError> {
        let name = turn.name();
        let now = self.journal.moment();
        let in_use = rotation.back.unwrap_or(rotation.new.number);
        let versions = self.vault.versions(name).into_iter();
        let numbers = versions.map(|known| known.number);
        let erases: Vec<u64> = numbers.filter(|number| *number != in_use).collect();
        let (ended, outcome, why) = match rotation.phase {
            Phase::RollingBack => (rotation.rolled_back(&now), "rolled_back", ROLLED_BACK),
            _ => (rotation.finished(&now), "rotated", REPLACED),
        };
        self.end_leases_on(name, (&erases, HANDED_OUT), None, why)
            .await;
        let event = RotationEvent::Finished {
            secret: name.as_str(),
            version: in_use,
            outcome,
            erases,
        };
        let recorded = self.record_change(turn, in_use, &event).await?;
        match self.vault.retire(recorded, Some(in_use), Some(ended)).await {
            Ok(()) => {
                tracing::info!(secret = %name, outcome, "a rotation has ended");
                Ok(())
            }
            Err(error) => Err(self.step_fails(name, "erase", error).await),
        }
    }

    /// Notes that GitHub did not do a step, and when it is tried again. Anything else goes on up.
    async fn step_errs(
        &self,
        RotationTurn { turn, rotation, .. }: RotationTurn<'_>,
        step: &'static str,
        error: RotationError,
    ) -> Result<(), RotationError> {
        if let RotationError::Upkeep(_) = error {
            return Err(error);
        }
        let (why, github) = (error.to_string(), error.github());
        let may_have_happened =
            step == "revoke" && github.is_some_and(|error| error.outcome() != Outcome::NotDone);
        self.step_failed(turn.name(), step, &why, may_have_happened)
            .await;
        let retry_after = github.and_then(GitHubError::retry_after);
        let failed = rotation.failed(&why, retry_after, &self.journal.moment());
        self.note_rotation(turn, failed).await
    }
}

/// Whether GitHub said no to this request, and would again.
pub(super) fn is_final(error: &GitHubError) -> bool {
    error.retry_after().is_none() && !error.is_unavailable()
}

//! Writes the value in use to the places at GitHub that policies name with the secret.
//!
//! Each by itself: one that fails takes none of the others with it, and is tried again. What a sink holds
//! is known by the date that moved; a value whose arrival is not known is written again, which is no
//! harm, since there is one secret of a name.

use broker_audit::record::RotationEvent;
use broker_github::GitHubError;
use broker_github::secrets::Writer;
use broker_policy::{Caller, SinkSpec};
use broker_protocol::names::SecretName;
use broker_protocol::rotation::{SinkList, SinkStatus, SinkView};
use broker_vault::rotation_state::SinkState;

use super::RotationError;
use super::steps::RotationTurn;
use crate::rotations::Rotations;
use crate::secrets::{SecretTurn, Upkeep};

impl Rotations {
    /// Writes the value in use to the sinks that do not hold it.
    ///
    /// # Errors
    ///
    /// [`RotationError`] if nothing could be tried. A sink that fails is in the list, with why.
    pub(crate) async fn push_sinks(
        &self,
        by: &Caller,
        name: &SecretName,
    ) -> Result<SinkList, RotationError> {
        let turn = self.secrets.locks.turn(name).await;
        self.in_the_vault(name)?;
        self.push_pending(Some(by), &turn).await?;
        Ok(self.sink_list(name))
    }

    /// How the sinks of a secret stand.
    pub(crate) fn sink_list(&self, name: &SecretName) -> SinkList {
        let in_use = self.vault.held(name).map(|held| held.version);
        let now = self.journal.moment();
        let known = self.vault.sinks(name);
        let view = |sink: &SinkSpec| {
            let state = known.get(&sink.to_string());
            let current = in_use.is_some() && state.and_then(|state| state.version) == in_use;
            let failing = state.filter(|state| state.failure.is_some() && !current);
            SinkView {
                secret: name.clone(),
                sink: sink.to_string(),
                with: sink.with.clone().unwrap_or_else(|| name.clone()),
                state: match state {
                    _ if current => SinkStatus::Current,
                    _ if failing.is_some() => SinkStatus::Failed,
                    Some(state) if state.version.is_some() => SinkStatus::Stale,
                    _ => SinkStatus::Never,
                },
                version: state.and_then(|state| state.version),
                pushed_at: state.and_then(|state| state.pushed_at),
                updated_at: state.and_then(|state| state.updated_at),
                attempts: failing.map_or(0, |state| state.attempts),
                next_at: failing.map(|state| state.next_at.seen_from(&now)),
                failure: failing.and_then(|state| state.failure.clone()),
            }
        };
        SinkList {
            sinks: self.sinks_of(name).iter().map(view).collect(),
        }
    }

    pub(super) fn sinks_of(&self, name: &SecretName) -> Vec<SinkSpec> {
        let policies = self.policies.in_force();
        let declared = policies.set.secret(name);
        declared.map_or_else(Vec::new, |declared| declared.sinks.clone())
    }

    /// The sinks that do not hold the value in use.
    pub(super) fn sinks_pending(&self, name: &SecretName) -> Vec<SinkSpec> {
        let Some(held) = self.vault.held(name) else {
            return Vec::new();
        };
        let known = self.vault.sinks(name);
        let holds = |sink: &SinkSpec| {
            let state = known.get(&sink.to_string());
            state.and_then(|state| state.version) == Some(held.version)
        };
        let mut sinks = self.sinks_of(name);
        sinks.retain(|sink| !holds(sink));
        sinks
    }

    /// A rotation's own step.
    pub(super) async fn push_for(&self, at: RotationTurn<'_>) -> Result<(), RotationError> {
        let RotationTurn { by, turn, rotation } = at;
        let failed = self.push_pending(by, turn).await?;
        let now = self.journal.moment();
        let noted = match failed.as_slice() {
            [] => rotation.went_on(&now),
            [why] => rotation.failed(why, None, &now),
            [first, ..] => {
                let why = format!("{} sinks failed; the first: {first}", failed.len());
                rotation.failed(&why, None, &now)
            }
        };
        self.note_rotation(turn, noted).await
    }

    /// Tries every sink that does not hold the value in use, and says which failed and why.
    pub(super) async fn push_pending(
        &self,
        by: Option<&Caller>,
        turn: &SecretTurn,
    ) -> Result<Vec<String>, RotationError> {
        let name = turn.name();
        let Some(held) = self.vault.held(name) else {
            return Ok(Vec::new());
        };
        let mut failed = Vec::new();
        for sink in self.sinks_pending(name) {
            let label = sink.to_string();
            let known = self.vault.sinks(name).remove(&label);
            let now = self.journal.moment();
            let before = known.unwrap_or_else(|| SinkState::untouched(&now));
            let state = match self.push(by, name, &sink, held.version).await {
                Ok(written) => {
                    let event = RotationEvent::SinkPushed {
                        secret: name.as_str(),
                        version: held.version,
                        sink: &label,
                        updated_at: written.updated_at,
                        created: written.created,
                    };
                    self.journal.record(&event).await?;
                    SinkState::pushed(held.version, written.updated_at, &self.journal.moment())
                }
                Err(PushError::Sink {
                    why,
                    may_have_happened,
                    retry_after,
                }) => {
                    tracing::warn!(secret = %name, sink = label, why, "a sink was not written");
                    let event = RotationEvent::SinkFailed {
                        secret: name.as_str(),
                        version: held.version,
                        sink: &label,
                        why: &why,
                        may_have_happened,
                    };
                    self.journal.record_or_trace(&event).await;
                    failed.push(format!("{label}: {why}"));
                    before.failed(&why, retry_after, &self.journal.moment())
                }
                Err(PushError::All(error)) => return Err(error),
            };
            self.vault.note_sink(name, &label, state).await?;
        }
        Ok(failed)
    }

    async fn push(
        &self,
        by: Option<&Caller>,
        name: &SecretName,
        sink: &SinkSpec,
        version: u64,
    ) -> Result<broker_github::secrets::Written, PushError> {
        let value = self.secrets.open(by, name, Some(version), Upkeep::SINK);
        let value = value.await.map_err(|error| PushError::All(error.into()))?;
        let token = self.sink_token(by, name, version, sink).await?;
        let writer = Writer {
            token: &token.token,
            principal: token.principal.as_ref(),
        };
        let written = self.github.write_secret(writer, sink, &value).await;
        if let Err(error) = &written
            && let Some(GitHubError::Unauthorized { .. }) = error.github()
            && !token.is_minted()
        {
            self.secrets.note_refused(&token.token.hashed());
        }
        drop(token);
        written.map_err(|error| PushError::Sink {
            why: error.to_string(),
            may_have_happened: error.may_have_happened(),
            retry_after: error.github().and_then(GitHubError::retry_after),
        })
    }
}

pub(super) enum PushError {
    /// This sink failed; the others may not.
    Sink {
        why: String,
        may_have_happened: bool,
        retry_after: Option<std::time::Duration>,
    },
    /// Nothing can be written anywhere.
    All(RotationError),
}

impl PushError {
    pub(super) fn because(why: String) -> Self {
        Self::Sink {
            why,
            may_have_happened: false,
            retry_after: None,
        }
    }
}

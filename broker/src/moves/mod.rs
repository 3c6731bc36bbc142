//! Takes a secret's value from one source to another, while leases go on. Undone until it is finished.
//!
//! ```text
//! read ─→ look ─write, or an operator does→ compare ─copied─→ the line changes ─→ read ─switched─→ finish
//! ```
//!
//! Asked again, it goes on: what is due follows from what the vault keeps of the move, from what the
//! places hold, and from the policies in force. Each reading and each step is recorded before it has an
//! effect. A write that got no answer is settled by reading.
//!
//! Here: the steps; copying is in `copy`, ending in `finish`. Not here: HTTP, what is due
//! (`move_state`), changing a policy file, which the broker never does.

mod copy;
mod error;
mod finish;
mod policy_edit;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

use broker_audit::record::MoveEvent;
use broker_policy::Caller;
use broker_protocol::moving::{MoveStep, MoveView};
use broker_protocol::names::SecretName;
use broker_protocol::source::SourceSpec;
use broker_secret_memory::token::AccessToken;
use broker_sources::Sources;
use broker_vault::Vault;
use broker_vault::move_state::{Due, Move, Step};

use crate::config::Config;
use crate::journal::Journal;
use crate::lease_record;
use crate::policies::Policies;
use crate::secrets::{SecretTurn, Secrets};

pub(crate) use self::error::MoveError;

/// What a move may do to the new place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MoveMode {
    /// Both places are read, and nothing is changed.
    DryRun,
    /// Another value in the new place is in the way.
    Careful,
    /// Another value in the new place is replaced.
    Replace,
}

/// Who moves what.
#[derive(Clone, Copy)]
struct Mover<'a> {
    by: &'a Caller,
    turn: &'a SecretTurn,
}

pub(crate) struct Moves {
    journal: Arc<Journal>,
    policies: Arc<Policies>,
    secrets: Arc<Secrets>,
    vault: Arc<Vault>,
    sources: Arc<Sources>,
    config: Arc<Config>,
}

impl Moves {
    /// Moves values between the vault and the sources.
    pub(crate) fn new(
        (journal, policies): (Arc<Journal>, Arc<Policies>),
        (secrets, vault, sources): (Arc<Secrets>, Arc<Vault>, Arc<Sources>),
        config: Arc<Config>,
    ) -> Self {
        Self {
            journal,
            policies,
            secrets,
            vault,
            sources,
            config,
        }
    }

    /// Begins a move, or goes on with it.
    ///
    /// # Errors
    ///
    /// [`MoveError`]; run again, it goes on from where it is.
    pub(crate) async fn move_secret(
        &self,
        by: &Caller,
        name: &SecretName,
        to: &SourceSpec,
        how: MoveMode,
    ) -> Result<MoveView, MoveError> {
        let turn = self.turn_to_move(name).await?;
        let mover = Mover { by, turn: &turn };
        let in_force = self.source_in_force(name)?;
        let Some(known) = self.vault.moving(name) else {
            if in_force == *to {
                return Err(MoveError::AlreadyThere {
                    name: name.clone(),
                    place: to.to_string(),
                });
            }
            return self.copy(mover, (&in_force, to), None, how).await;
        };
        if *known.to != *to.to_string() {
            return Err(MoveError::UnderWay {
                name: name.clone(),
                from: known.from,
                to: known.to,
            });
        }
        match known.due(&in_force.to_string()) {
            Due::Switch => self.copy(mover, (&in_force, to), Some(known), how).await,
            Due::Verify if how == MoveMode::DryRun => {
                let text = format!("check that {to} gives the value, now that policies name it");
                Ok(view::of(name, &known, MoveStep::Write, text))
            }
            Due::Verify => {
                let known = self.verify_moved(mover, to, known, how).await?;
                Ok(view::switched(name, &known))
            }
            Due::Finish => Ok(view::switched(name, &known)),
            Due::Astray => Err(unexpected_source(name, &in_force, known)),
        }
    }

    /// Checks that the place that policies name by now gives the value, and notes the switch.
    async fn verify_moved(
        &self,
        mover: Mover<'_>,
        to: &SourceSpec,
        known: Move,
        how: MoveMode,
    ) -> Result<Move, MoveError> {
        let Mover { by, turn } = mover;
        let name = turn.name();
        let hashed = self.value_at(by, name, to).await?.hashed();
        if *hashed.as_str() != *known.hashed && how != MoveMode::Replace {
            return Err(MoveError::Changed {
                name: name.clone(),
                place: to.to_string(),
            });
        }
        let state = Move {
            step: Step::Switched,
            hashed: hashed.as_str().into(),
            edited: None,
            ..known
        };
        let event = MoveEvent::Moved {
            by: lease_record::caller(by),
            secret: name.as_str(),
            from: &state.from,
            to: &state.to,
            hashed_credential: &state.hashed,
        };
        self.journal.record(&event).await?;
        self.note_move(turn, &state).await?;
        Ok(state)
    }

    /// Reads the value that a place must give.
    async fn value_at(
        &self,
        by: &Caller,
        name: &SecretName,
        place: &SourceSpec,
    ) -> Result<AccessToken, MoveError> {
        let value = self.secrets.open_at(by, name, place).await?;
        value.ok_or_else(|| MoveError::Nothing {
            name: name.clone(),
            place: place.to_string(),
        })
    }

    /// Nothing else changes this secret while the turn lasts.
    async fn turn_to_move(&self, name: &SecretName) -> Result<SecretTurn, MoveError> {
        let turn = self.secrets.turn(name).await?;
        self.secrets.refuse_while_rotating(&turn)?;
        Ok(turn)
    }

    fn source_in_force(&self, name: &SecretName) -> Result<SourceSpec, MoveError> {
        let policies = self.policies.in_force();
        let declared = policies.set.secret(name);
        let declared = declared.ok_or_else(|| MoveError::Undeclared(name.clone()))?;
        Ok(declared.source.clone())
    }

    /// What else is taken from a place, whose value is then not ours to change. In the vault each secret has
    /// a place of its own.
    fn in_use(&self, name: &SecretName, place: &SourceSpec) -> Option<String> {
        if place.is_vault() {
            return None;
        }
        if self.config.one_password.token.as_ref() == Some(place) {
            return Some("the token for 1Password".to_owned());
        }
        let policies = self.policies.in_force();
        let mut others = policies.set.secrets().filter(|other| other.name != *name);
        if let Some(other) = others.find(|other| self.may_be_one_place(&other.source, place)) {
            return Some(format!("`{}`", other.name));
        }
        // Its way back, or where it goes.
        let moves = self.vault.moves().into_iter();
        let mut moves = moves.filter(|(other, _)| other != name);
        let (other, _) = moves.find(|(_, known)| {
            [&known.from, &known.to].into_iter().any(|end| {
                let end: Option<SourceSpec> = end.parse().ok();
                end.is_some_and(|end| self.may_be_one_place(&end, place))
            })
        })?;
        Some(format!("`{other}`, which is being moved,"))
    }

    /// Two names of one source may be one place, unless their values were read and differ.
    fn may_be_one_place(&self, one: &SourceSpec, other: &SourceSpec) -> bool {
        let values = self.sources.hashed(one).zip(self.sources.hashed(other));
        let same_values = values.is_none_or(|(one, other)| one == other);
        one == other || self.sources.may_be_same(one, other) && same_values
    }

    async fn note_move(&self, turn: &SecretTurn, state: &Move) -> Result<(), MoveError> {
        Ok(self.vault.note_move(turn.name(), state.clone()).await?)
    }

    async fn record_moving(
        &self,
        by: &Caller,
        name: &SecretName,
        state: &Move,
        step: &str,
    ) -> Result<(), MoveError> {
        let event = MoveEvent::Moving {
            by: lease_record::caller(by),
            secret: name.as_str(),
            from: &state.from,
            to: &state.to,
            step,
            hashed_credential: &state.hashed,
        };
        self.journal.record(&event).await?;
        Ok(())
    }

    async fn move_failed(&self, name: &SecretName, step: &str, place: &SourceSpec, why: &str) {
        tracing::warn!(secret = %name, step, %place, why, "a step of a move failed");
        let event = MoveEvent::Failed {
            secret: name.as_str(),
            step,
            source: &place.to_string(),
            why,
        };
        self.journal.record_or_trace(&event).await;
    }
}

fn unexpected_source(name: &SecretName, in_force: &SourceSpec, known: Move) -> MoveError {
    MoveError::Astray {
        name: name.clone(),
        in_force: in_force.to_string(),
        from: known.from,
        to: known.to,
    }
}

/// The place that was written down of a move.
fn place(name: &SecretName, text: &str) -> Result<SourceSpec, MoveError> {
    let parsed = text.parse();
    parsed.map_err(|_cause| MoveError::Unreadable(name.clone()))
}

//! The two ends of a move: the old copy is erased, or the old place is named again.

use broker_audit::record::MoveEvent;
use broker_audit_writer::Use;
use broker_policy::Caller;
use broker_protocol::moving::{MovePhase, MoveStep, MoveView};
use broker_protocol::names::SecretName;
use broker_protocol::source::SourceSpec;
use broker_vault::move_state::{Due, Move, Step};

use super::policy_edit::PolicyEdit;
use super::{MoveError, MoveMode, Mover, place, unexpected_source, view};
use crate::lease_record;
use crate::moves::Moves;
use crate::secrets::UpkeepError;

/// What becomes of the old copy.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum OldCopy {
    Erased,
    Gone,
    Left,
    /// Something else, which is named, is taken from there.
    InUse(String),
}

impl OldCopy {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Erased => "erased",
            Self::Gone => "gone",
            Self::Left | Self::InUse(_) => "left",
        }
    }
}

impl Moves {
    /// Erases the old copy, or says how an operator does, and with it ends the move. Leases go on.
    ///
    /// # Errors
    ///
    /// [`MoveError`]; the way back stays.
    pub(crate) async fn finish_move(
        &self,
        by: &Caller,
        name: &SecretName,
    ) -> Result<MoveView, MoveError> {
        let turn = self.turn_to_move(name).await?;
        let mover = Mover { by, turn: &turn };
        let known = self.move_of(name)?;
        let in_force = self.source_in_force(name)?;
        let (from, to) = (place(name, &known.from)?, place(name, &known.to)?);
        let known = match known.due(&in_force.to_string()) {
            Due::Finish => known,
            Due::Verify => {
                let how = MoveMode::Careful;
                self.verify_moved(mover, &to, known, how).await?
            }
            Due::Switch => {
                return Err(MoveError::NotSwitched {
                    name: name.clone(),
                    from: known.from,
                    to: known.to,
                });
            }
            Due::Astray => return Err(unexpected_source(name, &in_force, known)),
        };
        let value = self.value_at(by, name, &to).await?;
        let there = self.secrets.open_at(by, name, &from).await?;
        let old = match (there, self.in_use(name, &from)) {
            (None, _) => OldCopy::Gone,
            (Some(_), Some(by)) => OldCopy::InUse(by),
            (Some(old), None) if old.hashed() != value.hashed() => {
                return Err(MoveError::OldDiffers {
                    name: name.clone(),
                    old: known.from,
                    new: known.to,
                });
            }
            // Two names may be one place, as 1Password's: by name and by id, or in other letters.
            _ if from.scheme() == to.scheme() && self.sources.has_aliases(&from) => OldCopy::Left,
            _ if from.is_vault() || self.sources.can_write(&from) => OldCopy::Erased,
            _ => OldCopy::Left,
        };
        drop(value);
        // The old copy may be the only place that says how old the value is.
        self.secrets.note_first_seen_of(name).await;
        self.release_old(mover, (&from, &to), &known, &old).await?;
        self.vault.forget_move(name).await?;
        self.secrets.forget_unnamed_source_values().await;
        let text = view::finished(&self.sources, name, (&from, &to), &old);
        Ok(MoveView {
            phase: MovePhase::Finished,
            ..view::of(name, &known, MoveStep::Nothing, text)
        })
    }

    /// Records what becomes of the old copy, and erases it where that is ours to do.
    async fn release_old(
        &self,
        mover: Mover<'_>,
        (from, to): (&SourceSpec, &SourceSpec),
        known: &Move,
        old: &OldCopy,
    ) -> Result<(), MoveError> {
        let Mover { by, turn } = mover;
        let name = turn.name();
        let event = MoveEvent::Finished {
            by: lease_record::caller(by),
            secret: name.as_str(),
            from: &known.from,
            to: &known.to,
            old: old.as_str(),
        };
        let usage = Use::of(name, None);
        // Reading both places took its time, and policies may have been loaded meanwhile.
        let kept = self.in_use(name, from).is_some();
        if self.source_in_force(name)? != *to || (*old == OldCopy::Erased && kept) {
            return Err(MoveError::Overtaken(name.clone()));
        }
        let recorded = self.journal.record_use(usage, &event).await?;
        if *old != OldCopy::Erased {
            return Ok(());
        }
        if from.is_vault() {
            let retired = self.vault.retire(recorded, None, None).await;
            if let Err(error) = retired {
                self.move_failed(name, "erase", from, &error.to_string())
                    .await;
                return Err(error.into());
            }
        } else if let Err(error) = self.sources.change(from, None, &*self.secrets).await {
            self.move_failed(name, "erase", from, &error.to_string())
                .await;
            return Err(error.without_pause().into());
        }
        Ok(())
    }

    /// Leads back to the old place: says what line to change, and once policies name it, ends the move.
    ///
    /// # Errors
    ///
    /// [`MoveError`], in particular if the old place does not give the value. The new place stays in
    /// force.
    pub(crate) async fn move_back(
        &self,
        by: &Caller,
        name: &SecretName,
    ) -> Result<MoveView, MoveError> {
        let turn = self.turn_to_move(name).await?;
        let known = self.move_of(name)?;
        let in_force = self.source_in_force(name)?;
        let from = place(name, &known.from)?;
        let no_way = |why| MoveError::NoWayBack {
            name: name.clone(),
            old: known.from.clone(),
            why,
        };
        let old = self.secrets.open_at(by, name, &from).await?;
        let old = old.ok_or_else(|| no_way("gives no value; put the value there"))?;
        let old = old.hashed();
        if in_force == from {
            if let Some(edit) = self.edit_back(name, &from).await? {
                return Ok(view::of_edit(name, &known, edit));
            }
            let event = MoveEvent::MovedBack {
                by: lease_record::caller(by),
                secret: name.as_str(),
                from: &known.from,
                to: &known.to,
            };
            self.journal.record(&event).await?;
            self.vault.forget_move(name).await?;
            let text = format!(
                "it is taken from {from} again; the copy in {} stays, and may be removed there",
                known.to
            );
            return Ok(MoveView {
                phase: MovePhase::MovedBack,
                ..view::of(name, &known, MoveStep::Nothing, text)
            });
        }
        // A place that is down must not keep the secret there; one that answers is compared.
        match self.secrets.open_at(by, name, &in_force).await {
            // A copy that was never seen to be in use may be anything; the old value is what was copied.
            Ok(Some(_)) if known.step == Step::Copied && *known.hashed == *old.as_str() => {}
            Ok(Some(value)) if value.hashed() != old => {
                return Err(no_way(
                    "holds another value than the one in use; check which is right, and make them the same",
                ));
            }
            Err(UpkeepError::Source(_)) | Ok(None) if *known.hashed != *old.as_str() => {
                return Err(no_way(
                    "holds another value than the one that was copied, and the new place gives none to compare with; put the right one there",
                ));
            }
            Ok(_) | Err(UpkeepError::Source(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let edit = self
            .edit_towards(name, &from, known.edited.as_ref())
            .await?;
        if let PolicyEdit::Change(_, edited) = &edit {
            let state = Move {
                edited: Some(edited.clone()),
                ..known.clone()
            };
            if state != known {
                self.note_move(&turn, &state).await?;
            }
        }
        Ok(view::of_edit(name, &known, edit))
    }

    fn move_of(&self, name: &SecretName) -> Result<Move, MoveError> {
        let known = self.vault.moving(name);
        known.ok_or_else(|| MoveError::NoMove(name.clone()))
    }
}

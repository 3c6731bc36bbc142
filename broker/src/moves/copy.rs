//! The first half of a move: the value is in the new place, and the policy is to name it.

use broker_protocol::moving::{MovePhase, MoveStep, MoveView};
use broker_protocol::source::SourceSpec;
use broker_protocol::value_form;
use broker_secret_memory::token::AccessToken;
use broker_vault::NewValue;
use broker_vault::move_state::{Move, Step};

use super::policy_edit::PolicyEdit;
use super::{MoveError, MoveMode, Mover, view};
use crate::moves::Moves;
use crate::secrets::UpkeepError;

impl Moves {
    /// Sees to it that the value is in the new place, and says what changes that it is taken from there.
    pub(super) async fn copy(
        &self,
        mover: Mover<'_>,
        (from, to): (&SourceSpec, &SourceSpec),
        known: Option<Move>,
        how: MoveMode,
    ) -> Result<MoveView, MoveError> {
        let Mover { by, turn } = mover;
        let name = turn.name();
        let value = self.value_at(by, name, from).await?;
        let hashed = value.hashed();
        let there = self.secrets.open_at(by, name, to).await?;
        let there = there.map(|there| there.hashed());
        let is_there = there.as_ref() == Some(&hashed);
        // What an earlier round of this move put there is no stranger's value.
        let own = known.as_ref().map(|known| &*known.hashed);
        let other = there.is_some_and(|there| there != hashed && Some(there.as_str()) != own);
        let by_broker = to.is_vault() || self.sources.can_write(to);
        if other && how == MoveMode::Careful {
            return Err(MoveError::Different {
                name: name.clone(),
                place: to.to_string(),
                hint: if by_broker {
                    "pass `--replace` to replace it"
                } else {
                    "put that there yourself, then run this again"
                },
            });
        }
        if let Some(by) = self.in_use(name, to).filter(|_| other) {
            let place = to.to_string();
            return Err(MoveError::InUse { by, place });
        }
        let begun_at = known.as_ref().map(|known| known.begun_at);
        let now = self.journal.now().wall;
        let mut state = Move {
            from: from.to_string().into(),
            to: to.to_string().into(),
            begun_at: begun_at.unwrap_or(now),
            step: Step::Copied,
            hashed: hashed.as_str().into(),
            edited: known.as_ref().and_then(|known| known.edited.clone()),
        };
        if how == MoveMode::DryRun {
            return self
                .plan(name, to, &state, (is_there, other, by_broker))
                .await;
        }
        if !is_there && !by_broker {
            let how = self.how_to_put(name, (from, to), other);
            return Ok(MoveView {
                phase: MovePhase::Planned,
                begun_at,
                ..view::of(name, &state, MoveStep::Put, how)
            });
        }
        if !is_there {
            self.record_moving(by, name, &state, "writing").await?;
            self.put(mover, to, value).await?;
            let there = self.secrets.open_at(by, name, to).await?;
            if there.map(|there| there.hashed()).as_ref() != Some(&hashed) {
                return Err(MoveError::NotKept {
                    name: name.clone(),
                    place: to.to_string(),
                });
            }
        }
        let edit = self.edit_towards(name, to, state.edited.as_ref()).await;
        if let Ok(PolicyEdit::Change(_, edited)) = &edit {
            state.edited = Some(edited.clone());
        }
        let is_new = known.as_ref().is_none_or(|known| {
            known.hashed != state.hashed || known.from != state.from || known.step != state.step
        });
        if is_new {
            self.record_moving(by, name, &state, state.step.as_str())
                .await?;
        }
        if known.as_ref() != Some(&state) {
            self.secrets.note_first_seen_of(name).await;
            self.note_move(turn, &state).await?;
        }
        Ok(view::of_edit(name, &state, edit?))
    }

    /// Writes the value to a place that takes it from the broker.
    async fn put(
        &self,
        Mover { by, turn }: Mover<'_>,
        to: &SourceSpec,
        value: AccessToken,
    ) -> Result<(), MoveError> {
        let name = turn.name();
        if to.is_vault() {
            let policies = self.policies.in_force();
            let expires_at = self.secrets.ends_at(policies.set.secret(name), None);
            let new = NewValue { value, expires_at };
            self.secrets.store_value(by, turn, new, None).await?;
            return Ok(());
        }
        // It may have been stored before values were checked, and would be refused when it is read there.
        if let Err(unfit) = value_form::check(value.expose()) {
            let name = name.clone();
            return Err(UpkeepError::Malformed { name, unfit }.into());
        }
        let written = self.sources.change(to, Some(&value), &*self.secrets).await;
        if let Err(error) = written {
            self.move_failed(name, "write", to, &error.to_string())
                .await;
            return Err(error.without_pause().into());
        }
        Ok(())
    }
}

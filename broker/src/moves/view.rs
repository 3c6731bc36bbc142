//! How a move stands, as text for the operator: what is next, and what is theirs to do.

use broker_protocol::moving::{MovePhase, MoveStep, MoveUnderWay, MoveView, NextMove};
use broker_protocol::names::SecretName;
use broker_protocol::source::SourceSpec;
use broker_sources::Sources;
use broker_vault::move_state::{Move, Step};
use jiff::Timestamp;

use super::MoveError;
use super::finish::OldCopy;
use super::policy_edit::PolicyEdit;
use crate::moves::Moves;

impl Moves {
    /// How an operator puts a value where the broker cannot write.
    pub(super) fn how_to_put(
        &self,
        name: &SecretName,
        (from, to): (&SourceSpec, &SourceSpec),
        other: bool,
    ) -> String {
        let value = format!("the value of `{name}`, which is stored in {from},");
        let how = self.sources.how_to_put(to, &value);
        let replaced = if other {
            ", in place of the one that is there"
        } else {
            ""
        };
        format!("{how}{replaced}, then run this again")
    }

    /// What a dry run says: whether the value is there, another is in the way, and who writes it.
    pub(super) async fn plan(
        &self,
        name: &SecretName,
        to: &SourceSpec,
        state: &Move,
        (is_there, other, by_broker): (bool, bool, bool),
    ) -> Result<MoveView, MoveError> {
        let edit = self.edit_towards(name, to, state.edited.as_ref()).await?;
        let (step, first) = match (is_there, by_broker) {
            (true, _) => (MoveStep::Switch, "the value is there already"),
            (false, true) => (MoveStep::Write, "the broker writes the value there"),
            (false, false) => (MoveStep::Put, "put the value there yourself"),
        };
        let in_the_way = if other {
            "; another value is there, which only --replace replaces"
        } else {
            ""
        };
        let planned = of_edit(name, state, edit);
        let text = format!("{first}{in_the_way}; then {}", planned.next.text);
        Ok(MoveView {
            phase: MovePhase::Planned,
            begun_at: None,
            next: NextMove { step, text },
            ..planned
        })
    }

    /// A move that is under way, as it is shown with its secret.
    pub(crate) fn move_under_way(&self, name: &SecretName) -> Option<MoveUnderWay> {
        self.vault.moving(name).map(|known| MoveUnderWay {
            step: phase(known.step),
            begun_at: known.begun_at,
            from: known.from.into(),
            to: known.to.into(),
        })
    }

    /// A warning of each move that should have been finished by now.
    pub(crate) fn move_warnings(&self, now: Timestamp) -> Vec<String> {
        let moves = self.vault.moves().into_iter();
        let late = moves.filter(|(_, known)| known.is_late(now));
        late.map(|(name, known)| {
            format!(
                "the move of `{name}` from {} to {} began on {} and is not finished; end it with \
                 `tokenctl secret move {name} --finish`, or go back with `--back`",
                known.from,
                known.to,
                known.begun_at.strftime("%Y-%m-%d")
            )
        })
        .collect()
    }
}

/// A move as it stands, with what is next.
pub(super) fn of(name: &SecretName, known: &Move, step: MoveStep, text: String) -> MoveView {
    MoveView {
        secret: name.clone(),
        from: known.from.as_ref().to_owned(),
        to: known.to.as_ref().to_owned(),
        phase: phase(known.step),
        begun_at: Some(known.begun_at),
        next: NextMove { step, text },
        change: None,
    }
}

/// A move that goes on with the policy file.
pub(super) fn of_edit(name: &SecretName, known: &Move, edit: PolicyEdit) -> MoveView {
    let mut change = None;
    let (step, text) = match edit {
        PolicyEdit::Change(wanted, _) => {
            let text = format!(
                "change `source` of `{name}` in {}:{} and load the policies",
                wanted.file, wanted.line
            );
            change = Some(wanted);
            (MoveStep::Switch, text)
        }
        PolicyEdit::Load => (MoveStep::Load, "load the policies".to_owned()),
        PolicyEdit::Review { at } => (
            MoveStep::ByHand,
            format!(
                "{at} names the source, and more of that file may have changed: review it and run \
                 `tokenctl policy reload`"
            ),
        ),
    };
    MoveView {
        change,
        ..of(name, known, step, text)
    }
}

/// A move that waits for its end.
pub(super) fn switched(name: &SecretName, known: &Move) -> MoveView {
    let text = format!(
        "it is taken from {}; the old copy in {} is the way back (`tokenctl secret move {name} \
         --back`) until `tokenctl secret move {name} --finish`",
        known.to, known.from
    );
    of(name, known, MoveStep::Finish, text)
}

/// What is left to do of a move that is over.
pub(super) fn finished(
    sources: &Sources,
    name: &SecretName,
    (from, to): (&SourceSpec, &SourceSpec),
    old: &OldCopy,
) -> String {
    let head = format!("`{name}` is taken from {to}, and the move is over");
    let what = match old {
        OldCopy::Gone => "there was no old copy any more".to_owned(),
        OldCopy::Erased => format!("the old copy in {from} is erased"),
        OldCopy::InUse(by) => {
            format!("what is stored in {from} stays, because {by} is taken from it too")
        }
        OldCopy::Left => sources.how_to_remove(from, to),
    };
    format!("{head}; {what}")
}

const fn phase(step: Step) -> MovePhase {
    match step {
        Step::Copied => MovePhase::Copied,
        Step::Switched => MovePhase::Switched,
    }
}

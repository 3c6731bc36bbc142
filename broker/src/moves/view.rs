//! A move in words: what is next, and what a person does.

use std::path::Path;

use broker_policy::SourceSpec;
use broker_protocol::moving::{MovePhase, MoveStep, MoveUnderWay, MoveView, NextMove};
use broker_protocol::names::SecretName;
use broker_vault::move_state::{Move, Step};
use jiff::Timestamp;

use super::MoveError;
use super::finish::Old;
use super::policy_edit::PolicyEdit;
use crate::moves::Moves;

impl Moves {
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
            (false, false) => (MoveStep::Put, "a person puts the value there"),
        };
        let in_the_way = if other {
            "; another value is there, which only --replace replaces"
        } else {
            ""
        };
        let planned = with_edit(of(name, state, step, String::new()), edit);
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

/// The view with what is to be done about the policy file.
pub(super) fn with_edit(view: MoveView, edit: PolicyEdit) -> MoveView {
    let mut change = None;
    let (step, text) = match edit {
        PolicyEdit::Change(wanted, _) => {
            let text = format!(
                "change `source` of `{}` in {}:{} and load the policies",
                view.secret, wanted.file, wanted.line
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
        next: NextMove { step, text },
        change,
        ..view
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

/// How a person puts a value where the broker cannot write.
pub(super) fn put(name: &SecretName, from: &SourceSpec, to: &SourceSpec, other: bool) -> String {
    let of_it = format!("the value of `{name}`, which lies in {from},");
    let how = match to {
        SourceSpec::OnePassword(_) if other => {
            format!("put {of_it} into {to} yourself, in place of the one that is there")
        }
        SourceSpec::OnePassword(_) => format!("put {of_it} into {to} yourself"),
        SourceSpec::Env(variable) => format!(
            "set the variable {variable} of tokend's environment to {of_it} and start tokend anew"
        ),
        SourceSpec::File(path) => format!(
            "put {of_it} into {}, alone, with mode 0600 and tokend's account as its owner",
            path.display()
        ),
        SourceSpec::Keyring(_) | SourceSpec::Vault => format!("put {of_it} into {to}"),
    };
    format!("{how}, then run this again")
}

/// What is left to do of a move that is over.
pub(super) fn finished(name: &SecretName, from: &SourceSpec, to: &SourceSpec, old: &Old) -> String {
    let head = format!("`{name}` is taken from {to}, and the move is over");
    let what = match old {
        Old::Gone => "there was no old copy any more".to_owned(),
        Old::Erased => format!("the old copy in {from} is erased"),
        Old::InUse(by) => format!("what lies in {from} stays, because {by} is taken from it too"),
        Old::Left => remove_by_hand(from, to),
    };
    format!("{head}; {what}")
}

fn remove_by_hand(from: &SourceSpec, to: &SourceSpec) -> String {
    match (from, to) {
        (SourceSpec::Env(variable), _) => format!(
            "remove the line {variable}=… from the file that tokend is started with; it is gone \
             once tokend is started anew"
        ),
        (SourceSpec::File(path), SourceSpec::File(_)) => format!(
            "see that it is another file than {to} names, and remove the old copy: {}",
            shred(path)
        ),
        (SourceSpec::File(path), _) => format!("remove the old copy: {}", shred(path)),
        (SourceSpec::OnePassword(_), SourceSpec::OnePassword(_)) => format!(
            "see that it is another field than {to} names, and remove the old copy in {from}"
        ),
        (SourceSpec::OnePassword(_) | SourceSpec::Keyring(_) | SourceSpec::Vault, _) => {
            format!("remove the old copy in {from}")
        }
    }
}

fn shred(path: &Path) -> String {
    let path = path.display().to_string();
    format!("shred -u '{}'", path.replace('\'', r"'\''"))
}

const fn phase(step: Step) -> MovePhase {
    match step {
        Step::Copied => MovePhase::Copied,
        Step::Switched => MovePhase::Switched,
    }
}

//! A move that failed: whether it happened all the same, and the way back where policies already name
//! a place that was not seen to give the value. Callers may be refused there.

use broker_protocol::api::SecretView;
use broker_protocol::moving::{MovePhase, MoveUnderWay, MoveView};
use broker_protocol::names::SecretName;

use super::{Driver, Switched};
use crate::args::SecretMove;
use crate::commands::secret::SECRETS;
use crate::error::Failure;

impl Driver<'_> {
    /// How it stands after a failure, and what is reported: the failure with the command to type, or
    /// nothing if only the answer was lost.
    pub(super) fn after_failure(
        &self,
        name: &SecretName,
        failure: Failure,
        switched: Switched,
    ) -> (Option<MoveView>, Result<(), Failure>) {
        let secret: Result<SecretView, _> = self.broker.read(&format!("{SECRETS}/{name}"));
        let Ok(secret) = secret else {
            return (None, Err(unknown(name, failure, switched)));
        };
        match secret.moving {
            Some(known) if known.step == MovePhase::Switched => match self.ask(name) {
                Ok(view) => (Some(view), Ok(())),
                Err(_) => (None, Err(failure)),
            },
            Some(known) if secret.source == known.to => match switched {
                Switched::ByUs => self.switch_back(name, &known, failure),
                Switched::NotByUs => {
                    let next = format!(
                        "policies take `{name}` from {} now, where callers may be refused; go back to {} \
                         with {}",
                        known.to,
                        known.from,
                        back(name)
                    );
                    (None, Err(after(failure, next)))
                }
            },
            _ => (None, Err(failure)),
        }
    }

    fn switch_back(
        &self,
        name: &SecretName,
        known: &MoveUnderWay,
        failure: Failure,
    ) -> (Option<MoveView>, Result<(), Failure>) {
        let asked = SecretMove::back(name);
        let (view, ended) = Driver {
            asked: &asked,
            ..*self
        }
        .drive(name);
        let next = match ended {
            Ok(()) => format!(
                "policies take it from {} again, and leases go on; when {} gives the value, run the \
                 same command again",
                known.from, known.to
            ),
            Err(why) => format!(
                "policies take it from {} now, where callers may be refused, and going back failed: \
                 {why}; go back to {} with {}",
                known.to,
                known.from,
                back(name)
            ),
        };
        (view, Err(after(failure, next)))
    }
}

/// The broker does not answer any more, and how it stands is not known.
fn unknown(name: &SecretName, failure: Failure, switched: Switched) -> Failure {
    if switched == Switched::NotByUs {
        return failure;
    }
    let next = format!(
        "policies name the new place, and whether it gives the value is not known: run the same \
         command again, or go back with {}",
        back(name)
    );
    after(failure, next)
}

fn after(failure: Failure, next: String) -> Failure {
    Failure::AfterSwitch {
        source: Box::new(failure),
        next,
    }
}

fn back(name: &SecretName) -> String {
    format!("`tokenctl secret move {name} --back`")
}

//! A move that failed: whether it happened all the same, and the way back where policies already name
//! a place that was not seen to give the value. Callers may be refused there.

use broker_protocol::moving::{MovePhase, MoveUnderWay};

use super::Driver;
use crate::args::SecretMove;
use crate::error::Failure;

impl Driver<'_> {
    /// How it stands after a failure, and what is reported: the failure with the command to type, or
    /// nothing if only the answer was lost.
    pub(super) fn after_failure(&mut self, failure: Failure) -> Result<(), Failure> {
        let Ok(secret) = self.secret() else {
            // The broker does not answer any more, and how it stands is not known.
            if !self.switched_by_us {
                return Err(failure);
            }
            let next = format!(
                "policies name the new place, and whether it gives the value is not known: run the same \
                 command again, or go back with {}",
                self.command_back()
            );
            return Err(after(&failure, &next));
        };
        match secret.moving {
            Some(known) if known.step == MovePhase::Switched => match self.ask() {
                Ok(_) => Ok(()),
                Err(_) => Err(failure),
            },
            Some(known) if secret.source == known.to => {
                let next = if self.switched_by_us {
                    self.switch_back(&known)
                } else {
                    format!(
                        "policies take `{}` from {} now, where callers may be refused; go back to {} \
                         with {}",
                        self.name,
                        known.to,
                        known.from,
                        self.command_back()
                    )
                };
                Err(after(&failure, &next))
            }
            _ => Err(failure),
        }
    }

    /// Goes back, and says how it stands then.
    fn switch_back(&mut self, known: &MoveUnderWay) -> String {
        let asked = SecretMove {
            back: true,
            ..SecretMove::default()
        };
        let mut back = Driver {
            asked: &asked,
            view: self.view.take(),
            switched_by_us: false,
            ..*self
        };
        let ended = back.drive();
        self.view = back.view;
        match ended {
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
                self.command_back()
            ),
        }
    }

    fn command_back(&self) -> String {
        format!("`tokenctl secret move {} --back`", self.name)
    }
}

fn after(failure: &Failure, next: &str) -> Failure {
    Failure::Failed {
        exit_code: failure.exit_code(),
        code: failure.code(),
        what: format!("{failure}; {next}"),
        hint: None,
    }
}

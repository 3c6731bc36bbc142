//! What is next in a rotation, and who does it.

use broker_github::links;
use broker_policy::{SecretDeclaration, SecretKind};
use broker_protocol::counted::counted;
use broker_protocol::names::SecretName;
use broker_protocol::rotation::{NextStep, RotationStep, WaitsFor};
use broker_vault::rotation_state::{Due, EndedBy, Phase, Rotation};

use crate::rotations::Rotations;

impl Rotations {
    pub(super) fn next_of(
        &self,
        name: &SecretName,
        declared: Option<&SecretDeclaration>,
        rotation: &Rotation,
    ) -> NextStep {
        let due = self.due(name, rotation);
        let page = || {
            let kind = declared.map_or(SecretKind::Classic, |declared| declared.kind);
            links::list_page(kind, &self.github.base)
        };
        let (step, waits_for) = match due {
            Due::Push => (RotationStep::Push, WaitsFor::Broker),
            Due::Verify => (RotationStep::Verify, WaitsFor::Broker),
            Due::Confirm => (RotationStep::Confirm, WaitsFor::Operator),
            Due::RevokeAt(_) => (RotationStep::Wait, WaitsFor::Broker),
            Due::Revoke => (RotationStep::Revoke, WaitsFor::Broker),
            Due::Prove => (RotationStep::Prove, WaitsFor::Broker),
            Due::Delete => (RotationStep::Delete, WaitsFor::Operator),
            Due::Erase => (RotationStep::Erase, WaitsFor::Broker),
            Due::Nothing => (RotationStep::Nothing, WaitsFor::NoOne),
        };
        let text = match due {
            Due::Push => {
                let count = self.sinks_pending(name).len() as u64;
                format!("write the value in use to {}", counted(count, "sink"))
            }
            Due::Verify => "ask GitHub with the stored new value".to_owned(),
            Due::Confirm => format!(
                "the new value is everywhere and works, the old one still does too: revoke the old one \
                 with `tokenctl rotate {name} --yes` (or `--revoke-after 1h`), or undo the rotation with \
                 `tokenctl rotate {name} --rollback`"
            ),
            Due::RevokeAt(at) => format!(
                "the broker revokes the old value at {}; until then `tokenctl rotate {name} --rollback` \
                 undoes the rotation",
                at.strftime("%Y-%m-%d %H:%M UTC")
            ),
            Due::Revoke => "ask GitHub to revoke the old value".to_owned(),
            Due::Prove if rotation.attempts > 2 => format!(
                "GitHub was asked to revoke the old value and still accepts it; the broker checks again by \
                 itself. If it stays so, delete it at {}",
                page()
            ),
            Due::Prove => "check that GitHub refuses the old value, and erase it".to_owned(),
            Due::Delete => {
                let back = match rotation.is_reversible() {
                    true => "; or undo the rotation with `--rollback`",
                    false => "",
                };
                format!(
                    "{}: delete it at {}, then run `tokenctl rotate {name}` again, which checks that it \
                     is revoked{back}",
                    self.why_by_hand(name, rotation),
                    page(),
                )
            }
            Due::Erase => "erase what is no longer needed".to_owned(),
            Due::Nothing => ended(name, rotation),
        };
        NextStep {
            step,
            waits_for,
            text,
            at: rotation.wakes_at(due, &self.journal.moment()),
        }
    }

    fn why_by_hand(&self, name: &SecretName, rotation: &Rotation) -> &'static str {
        let by = rotation.old.as_ref();
        let by = by.map(|old| self.ended_by(name, old.number));
        if rotation.refused {
            "GitHub refused to revoke the old value"
        } else if by != Some(EndedBy::Operator) {
            "the old value is to be revoked"
        } else {
            self.why_not_by_broker()
        }
    }

    /// Why an operator deletes a value, and the broker does not.
    pub(super) fn why_not_by_broker(&self) -> &'static str {
        if self.github.base.is_enterprise_server() {
            "the broker revokes no tokens on Enterprise Server, whose call for that differs by release"
        } else {
            "GitHub's API does not revoke a value of this kind"
        }
    }
}

fn ended(name: &SecretName, rotation: &Rotation) -> String {
    match rotation.phase {
        Phase::RolledBack => format!(
            "it was rolled back: the old value is in use; delete the token that was made for it at \
             GitHub. A new rotation begins with `tokenctl rotate {name}`"
        ),
        _ => "it is done: the new value is in use, the old one is revoked and erased".to_owned(),
    }
}

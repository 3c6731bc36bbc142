//! The audit log's head and who used what: applied in memory at once, written together.

use std::collections::HashSet;

use broker_audit::chain::Head;
use broker_protocol::api::Exposure;
use broker_protocol::names::SecretName;

use super::Work;
use crate::row_mac::Witness;
use crate::state::{ExposedTo, List, State, ValueChange};
use crate::{UsageDelta, known};

/// What has been noted in memory and not yet in the database.
#[derive(Default)]
pub(super) struct UnwrittenNotes {
    pub(super) head: Option<Head>,
    pub(super) used: HashSet<SecretName>,
    pub(super) exposed: HashSet<ExposedTo>,
    failing: bool,
}

impl UnwrittenNotes {
    /// What was counted of the two values is written where it belongs from now on.
    pub(crate) fn turn(&mut self, turn: &ValueChange) {
        let of_both = self.exposed.extract_if(|key| turn.concerns(key));
        let turned: Vec<_> = of_both.filter_map(|key| turn.turned(key)).collect();
        self.exposed.extend(turned);
    }
}

impl Work {
    pub(crate) fn apply(&mut self, head: Head, deltas: Vec<UsageDelta>) {
        self.unwritten.head = Some(head);
        if deltas.is_empty() {
            return;
        }
        let mut state = known(self.shared.state.write());
        for delta in deltas {
            let State { list, figures, .. } = &mut *state;
            let used = figures
                .last_used
                .entry(delta.secret.clone())
                .or_insert(delta.at);
            *used = delta.at.max(*used);
            self.unwritten.used.insert(delta.secret.clone());
            let Some(key) = exposed_to(list, &delta) else {
                continue;
            };
            self.unwritten.exposed.insert(key.clone());
            let (.., uid, purpose) = key.clone();
            let exposure = figures.exposures.entry(key).or_insert(Exposure {
                uid,
                purpose,
                last: delta.at,
                leases: 0,
            });
            exposure.last = delta.at.max(exposure.last);
            exposure.leases += delta.leases;
        }
    }

    /// Writes what has been noted. On failure it stays unwritten and is tried with the next note:
    /// head and figures go together or not at all, so a restart counts nothing twice.
    pub(crate) fn write_notes(&mut self) {
        let Some(head) = self.unwritten.head else {
            return;
        };
        let mut signed_head = None;
        let written = {
            let state = known(self.shared.state.read());
            let witness = known(self.shared.witness.read());
            if let Some(Witness {
                key,
                found: Ok(rows),
            }) = &*witness
            {
                signed_head = Some(key.sign_head(&state.list.log, Some(head), rows));
            }
            let UnwrittenNotes { used, exposed, .. } = &self.unwritten;
            let figures = &state.figures;
            let used = used
                .iter()
                .filter_map(|name| figures.last_used.get_key_value(name));
            let exposed = exposed
                .iter()
                .filter_map(|key| figures.exposures.get_key_value(key));
            self.store.note(head, signed_head.as_ref(), used, exposed)
        };
        match written {
            Ok(()) => {
                self.unwritten = UnwrittenNotes::default();
                let mut state = known(self.shared.state.write());
                state.noted = Some(head);
                state.signed_head = signed_head.or(state.signed_head);
            }
            Err(error) if !self.unwritten.failing => {
                self.unwritten.failing = true;
                tracing::error!(%error, "the audit log's head could not be noted in the vault");
            }
            Err(_) => {}
        }
    }
}

/// Who was handed which value; `None` if no one was, or the vault no longer has that value.
fn exposed_to(list: &List, delta: &UsageDelta) -> Option<ExposedTo> {
    let (uid, purpose) = delta.exposed_to.clone()?;
    let before = match delta.version {
        None => None,
        Some(version) => {
            let versions = &list.secrets.get(&delta.secret)?.versions;
            // Newest first: it is nearly always the one.
            let mut newest_first = versions.iter().rev();
            let of = newest_first.find(|sealed| sealed.version == version)?;
            // Perhaps an earlier version of the value in use.
            let in_use = versions.last().map(|newest| &newest.hashed_credential);
            (in_use != Some(&of.hashed_credential)).then(|| of.hashed_credential.clone())
        }
    };
    Some((delta.secret.clone(), before, uid, purpose))
}

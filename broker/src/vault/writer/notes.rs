//! The audit log's head and who used what: applied in memory at once, written together.

use std::collections::HashSet;

use broker_audit::chain::Head;
use broker_protocol::api::Exposure;
use broker_protocol::names::SecretName;

use super::Work;
use crate::vault::state::{ExposedTo, State};
use crate::vault::{UsageDelta, known};

/// What has been noted in memory and not yet in the database.
#[derive(Default)]
pub(super) struct Unwritten {
    pub(super) head: Option<Head>,
    pub(super) used: HashSet<SecretName>,
    pub(super) exposed: HashSet<ExposedTo>,
    failing: bool,
}

impl Work {
    pub(super) fn apply(&mut self, head: Head, deltas: Vec<UsageDelta>) {
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
            let newest = list.secrets.get(&delta.secret);
            let newest = newest.and_then(|s| s.versions.last()).map(|s| s.version);
            // Whoever holds an older value than today's is exposed to nothing that still counts.
            let current = delta.version.is_none() || delta.version == newest;
            if let Some((uid, purpose)) = delta.exposed_to
                && current
            {
                let key = (delta.secret, uid, purpose.clone());
                let exposure = figures
                    .exposures
                    .entry(key.clone())
                    .or_insert_with(|| Exposure {
                        uid,
                        purpose,
                        last: delta.at,
                        leases: 0,
                    });
                exposure.last = delta.at.max(exposure.last);
                exposure.leases += delta.leases;
                self.unwritten.exposed.insert(key);
            }
        }
    }

    /// Writes what has been noted. On failure it stays unwritten and is tried with the next note:
    /// head and figures go together or not at all, so a restart counts nothing twice.
    pub(super) fn write_notes(&mut self) {
        let Some(head) = self.unwritten.head else {
            return;
        };
        let written = {
            let state = known(self.shared.state.read());
            let Unwritten { used, exposed, .. } = &self.unwritten;
            let figures = &state.figures;
            let used = used
                .iter()
                .filter_map(|n| figures.last_used.get_key_value(n));
            let used = used.map(|(name, at)| (name, *at));
            let exposed = exposed
                .iter()
                .filter_map(|k| figures.exposures.get_key_value(k));
            self.store.note(head, used, exposed)
        };
        match written {
            Ok(()) => {
                self.unwritten = Unwritten::default();
                known(self.shared.state.write()).noted = Some(head);
            }
            Err(error) if !self.unwritten.failing => {
                self.unwritten.failing = true;
                tracing::error!(%error, "the audit log's head could not be noted in the vault");
            }
            Err(_) => {}
        }
    }
}

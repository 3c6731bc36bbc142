//! Removals that the log announces and the vault has not seen: the broker ended in between, or the vault
//! was put back to an earlier copy.
//!
//! Someone who can write the log's files must not be able to erase a value. So a removal counts only with its MAC,
//! and only for the versions up to the one it names: a genuine record that is appended a second time
//! erases nothing that came later.

use broker_audit_writer::SinceNoted;

use crate::operations::Operations;

impl Operations {
    /// Carries out the removals that the log announces and this vault has not seen. `false`, said
    /// loudly, if one could not be.
    pub(crate) async fn finish_removals(&self, announced: &SinceNoted) -> bool {
        for removal in &announced.removals {
            let name = &removal.secret;
            let turn = self.secrets.locks.turn(name).await;
            let Some(held) = self.vault.held(name) else {
                continue;
            };
            let Some(removed) = self.secrets.genuine_removal(&removal.body) else {
                tracing::error!(
                    secret = %name,
                    record = removal.seq,
                    "the audit log says that it was removed, in a record that has not this vault's MAC \
                     (someone else wrote it, or a tokend of before format 5 that ended amid it): it is \
                     kept. If it should go, run `tokenctl secret remove {name}`"
                );
                continue;
            };
            let taken_back = announced.failed_changes.iter().any(|(seq, body)| {
                *seq == removal.seq && self.secrets.covered_by_removal_mac(body).is_some()
            });
            if taken_back || held.version > removed.version {
                continue;
            }
            tracing::warn!(secret = %name, "the audit log says it was removed; it is erased now");
            if let Err(error) = self.erase(None, &turn).await {
                tracing::error!(secret = %name, cause = %error, "it is still there and no lease is rebuilt; fix the cause, then start the broker again");
                return false;
            }
        }
        true
    }
}

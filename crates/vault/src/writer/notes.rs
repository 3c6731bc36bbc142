//! The audit log's head and who used what: applied in memory at once, written together.

use std::collections::HashSet;

use broker_audit::chain::Head;
use broker_protocol::api::Exposure;
use broker_protocol::names::{Purpose, SecretName};
use broker_secret_memory::token::HashedToken;
use jiff::Timestamp;

use super::Work;
use crate::row_mac::Witness;
use crate::state::{ExposedBefore, ExposedTo, List, State, ValueChange};
use crate::store::Noted;
use crate::{UsageDelta, known};

/// What has been noted in memory and not yet in the database.
#[derive(Default)]
pub(super) struct UnwrittenNotes {
    pub(super) head: Option<Head>,
    pub(super) used: HashSet<SecretName>,
    pub(super) exposed: HashSet<ExposedTo>,
    pub(super) exposed_before: HashSet<ExposedBefore>,
    failing: bool,
}

impl UnwrittenNotes {
    /// What was counted of the two values is written where it belongs from now on.
    pub(crate) fn turn(&mut self, name: &SecretName, turn: &ValueChange) {
        let passed = self.exposed.extract_if(|(secret, ..)| secret == name);
        let passed: Vec<_> = passed.collect();
        let again = self
            .exposed_before
            .extract_if(|(secret, hashed, ..)| secret == name && *hashed == turn.to);
        let again = again.map(|(secret, _, uid, purpose)| (secret, uid, purpose));
        self.exposed.extend(again);
        let Some(from) = &turn.from else { return };
        let passed = passed.into_iter();
        let passed = passed.map(|(secret, uid, purpose)| (secret, from.clone(), uid, purpose));
        self.exposed_before.extend(passed);
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
            let Some((uid, purpose)) = delta.exposed_to.clone() else {
                continue;
            };
            let exposure = match held_as(list, &delta) {
                LeasedValue::InUse => {
                    let key = (delta.secret.clone(), uid, purpose.clone());
                    self.unwritten.exposed.insert(key.clone());
                    figures
                        .exposures
                        .entry(key)
                        .or_insert_with(|| none_yet(uid, purpose, delta.at))
                }
                LeasedValue::Before(hashed) => {
                    let key = (delta.secret.clone(), hashed, uid, purpose.clone());
                    self.unwritten.exposed_before.insert(key.clone());
                    figures
                        .exposed_before
                        .entry(key)
                        .or_insert_with(|| none_yet(uid, purpose, delta.at))
                }
                LeasedValue::Erased => continue,
            };
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
            if let Witness::Genuine(key, rows) = &*known(self.shared.witness.read()) {
                signed_head = Some(key.sign_head(&state.list.log, Some(head), rows));
            }
            let UnwrittenNotes {
                used,
                exposed,
                exposed_before,
                ..
            } = &self.unwritten;
            let figures = &state.figures;
            let used = used
                .iter()
                .filter_map(|n| figures.last_used.get_key_value(n));
            let used = used.map(|(name, at)| (name, *at));
            let exposed = exposed
                .iter()
                .filter_map(|k| figures.exposures.get_key_value(k));
            let before = exposed_before.iter();
            let before = before.filter_map(|k| figures.exposed_before.get_key_value(k));
            let signed_head = signed_head.as_ref();
            self.store
                .note(Noted { head, signed_head }, used, exposed, before)
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

/// Which value those hold who were handed this version.
enum LeasedValue {
    /// The one in use, perhaps as an earlier version of it.
    InUse,
    /// One before it, by its hash: it counts no more, unless it comes back.
    Before(HashedToken),
    /// One that the vault has no more.
    Erased,
}

fn held_as(list: &List, delta: &UsageDelta) -> LeasedValue {
    let Some(version) = delta.version else {
        return LeasedValue::InUse;
    };
    let versions = list
        .secrets
        .get(&delta.secret)
        .map(|secret| &secret.versions);
    let versions = versions.map(Vec::as_slice).unwrap_or_default();
    // Newest first: it is nearly always the one.
    let of = versions
        .iter()
        .rev()
        .find(|sealed| sealed.version == version);
    match (of, versions.last()) {
        (Some(of), Some(newest)) if of.hashed_credential == newest.hashed_credential => {
            LeasedValue::InUse
        }
        (Some(of), _) => LeasedValue::Before(of.hashed_credential.clone()),
        (None, _) => LeasedValue::Erased,
    }
}

const fn none_yet(uid: u32, purpose: Purpose, last: Timestamp) -> Exposure {
    Exposure {
        uid,
        purpose,
        last,
        leases: 0,
    }
}

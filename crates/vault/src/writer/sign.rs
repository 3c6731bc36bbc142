//! What decides after a start, under MACs: the noted head, rows, the log's name.

use std::mem;

use broker_audit::chain::Head;
use broker_protocol::names::LeaseId;
use jiff::Timestamp;

use super::Work;
use crate::error::VaultError;
use crate::keys::ListForm;
use crate::row_mac::{NewTombstones, Row, RowSum, SignedHead, Witness, WitnessKey};
use crate::state::State;
use crate::store::{Mark, Signed, Tx};
use crate::{LogIdentity, known};

/// What the MAC covers once a change is made; nothing where that waits until the log is trusted again.
pub(super) struct Covered(Option<(RowSum, SignedHead)>);

impl Covered {
    pub(crate) fn signed_head(&self) -> Option<&SignedHead> {
        self.0.as_ref().map(|(_, signed_head)| signed_head)
    }
}

/// What is to be put under a MAC.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// What has none, or one of an earlier format.
    IsNotYet,
    /// What remains after a mismatch.
    IsNotOurs,
}

impl Work {
    /// What the MAC covers once rows have come or gone, which `turn` puts into the sum or takes out.
    pub(super) fn covered(
        &self,
        turn: impl FnOnce(&State, &WitnessKey, RowSum) -> RowSum,
    ) -> Result<Covered, VaultError> {
        let state = known(self.shared.state.read());
        match &*known(self.shared.witness.read()) {
            Witness::NotYet => Err(VaultError::Locked),
            Witness::Changed(..) => Ok(Covered(None)),
            Witness::Genuine(key, rows) => {
                let rows = turn(&state, key, *rows);
                let signed_head = key.sign_head(&state.list.log, state.noted, &rows);
                Ok(Covered(Some((rows, signed_head))))
            }
        }
    }

    /// Changes rows that the MAC covers: in the database together with it, then in memory.
    pub(super) fn change_rows(
        &mut self,
        covered: Covered,
        write: impl FnOnce(&Tx<'_>) -> rusqlite::Result<()>,
        change: impl FnOnce(&mut State),
    ) -> Result<(), VaultError> {
        self.store.write_covered(covered.signed_head(), write)?;
        let mut state = known(self.shared.state.write());
        change(&mut state);
        self.keep_covered(&mut state, covered);
        Ok(())
    }

    /// The change is durable now.
    pub(super) fn keep_covered(&self, state: &mut State, covered: Covered) {
        let Some((rows, signed_head)) = covered.0 else {
            return;
        };
        state.signed_head = Some(signed_head);
        if let Witness::Genuine(_, kept) = &mut *known(self.shared.witness.write()) {
            *kept = rows;
        }
    }

    pub(crate) fn write_tombstones(
        &mut self,
        leases: Vec<(LeaseId, Timestamp)>,
        now: Timestamp,
    ) -> Result<(), VaultError> {
        let leases = leases.into_iter().collect();
        let new = NewTombstones { leases, now };
        let after = |state: &State, key: &WitnessKey, rows: RowSum| {
            rows.after(key, &state.tombstones, &new)
        };
        let Ok(Covered(Some((rows, signed_head)))) = self.covered(after) else {
            self.store.write_late_tombstones(&new)?;
            let mut state = known(self.shared.state.write());
            state.late_tombstones.retain(|_, until| *until >= now);
            state.late_tombstones.extend(new.leases);
            return Ok(());
        };
        self.store.write_tombstones(&new, &signed_head)?;
        let mut state = known(self.shared.state.write());
        state.tombstones.retain(|_, until| *until >= now);
        state.tombstones.extend(new.leases);
        self.keep_covered(&mut state, Covered(Some((rows, signed_head))));
        Ok(())
    }

    /// Puts under MACs what has none, or one of an earlier format, in one transaction: after a kill the
    /// next unlock finds all of it or nothing. While the store is locked again it waits for that.
    ///
    /// A head that was noted without a MAC gets none here: the log may not have been opened yet, and must
    /// lead through the one before it too. The first note after that puts it under one.
    pub(crate) fn sign(&mut self) -> Result<(), VaultError> {
        let head = |state: &State| {
            state
                .signed_head
                .map_or(state.noted, |signed_head| signed_head.head)
        };
        self.sign_with(head, What::IsNotYet)
    }

    fn sign_with(
        &mut self,
        head: impl FnOnce(&State) -> Option<Head>,
        what: What,
    ) -> Result<(), VaultError> {
        let state = known(self.shared.state.read());
        let (tombstones, rows, signed_head, mark) = {
            let keys = known(self.shared.keys.read());
            let witness = known(self.shared.witness.read());
            let key = match (&*witness, what) {
                (Witness::Genuine(key, _), _) | (Witness::Changed(key, _), What::IsNotOurs) => key,
                (Witness::NotYet | Witness::Changed(..), _) => return Ok(()),
            };
            let tombstones = state.all_tombstones();
            let buried = tombstones.iter();
            let buried = buried.map(|(lease, until)| Row::Tombstone(lease, *until));
            let rows = RowSum::of(key, buried.chain(state.rows_but_tombstones()));
            let signed_head = key.sign_head(&state.list.log, head(&state), &rows);
            // While locked again, the next unlock sees to the list.
            let alone = keys.as_ref();
            let alone = alone.filter(|keys| keys.list_form() == ListForm::V1);
            let is_done =
                state.late_tombstones.is_empty() && state.signed_head == Some(signed_head);
            if what == What::IsNotYet && (keys.is_none() || (alone.is_none() && is_done)) {
                return Ok(());
            }
            let mark = alone.map(|keys| Mark {
                changes: state.list.changes + 1,
                mac: state.list.next_tag_in(ListForm::V2, keys).bytes(),
                signed_head: None,
            });
            (tombstones, rows, signed_head, mark)
        };
        let signed = Signed { signed_head, mark };
        self.store.sign(&signed, &state).inspect_err(|error| {
            tracing::error!(%error, "what decides after a start could not be put under its MACs");
        })?;
        drop(state);
        if let Some(mark) = &signed.mark {
            self.change(mark, |_| ());
            if let Some(keys) = &mut *known(self.shared.keys.write()) {
                keys.set_list_form(ListForm::V2);
            }
        }
        let mut state = known(self.shared.state.write());
        self.take_as_genuine(|_| rows);
        state.late_tombstones.clear();
        state.tombstones = tombstones;
        self.keep_covered(&mut state, Covered(Some((rows, signed_head))));
        Ok(())
    }

    /// Nothing counts as genuine before it is written: what was forgotten is in the database until then.
    pub(crate) fn trust_log(&mut self) -> Result<(), VaultError> {
        self.sign_with(|state| state.noted, What::IsNotOurs)
    }

    /// The old log's leases are honoured in no other, so whatever was found of it does not matter now.
    pub(crate) fn new_log(&mut self, log_id: String) -> Result<LogIdentity, VaultError> {
        let state = known(self.shared.state.read());
        let (log, mark, rows, signed_head) = {
            let keys = known(self.shared.keys.read());
            let keys = keys.as_ref().ok_or(VaultError::Locked)?;
            let witness = known(self.shared.witness.read());
            let key = witness.key().ok_or(VaultError::Locked)?;
            let log = LogIdentity {
                log_id,
                ..state.list.log.clone()
            };
            let mac = state.list.next_tag_with_log(keys, &log).bytes();
            let changes = state.list.changes + 1;
            let rows = RowSum::of(key, state.rows());
            let signed_head = key.sign_head(&log, None, &rows);
            let mark = Mark {
                changes,
                mac,
                signed_head: Some(signed_head),
            };
            (log, mark, rows, signed_head)
        };
        self.store.new_log(&log.log_id, &mark, &state)?;
        drop(state);
        self.unwritten.head = None;
        self.change(&mark, |state| {
            state.list.log = log.clone();
            state.noted = None;
            state.signed_head = Some(signed_head);
        });
        self.take_as_genuine(|_| rows);
        Ok(log)
    }

    fn take_as_genuine(&self, rows: impl FnOnce(&WitnessKey) -> RowSum) {
        let mut witness = known(self.shared.witness.write());
        *witness = match mem::replace(&mut *witness, Witness::NotYet) {
            Witness::NotYet => Witness::NotYet,
            Witness::Changed(key, _) | Witness::Genuine(key, _) => {
                let rows = rows(&key);
                Witness::Genuine(key, rows)
            }
        };
    }
}

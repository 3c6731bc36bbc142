//! What decides after a start, under MACs: the noted head, rows, the log's name.

use broker_audit::chain::Head;
use broker_protocol::names::LeaseId;
use jiff::Timestamp;

use super::Work;
use crate::error::VaultError;
use crate::keys::ListForm;
use crate::row_mac::{NewTombstones, Row, RowSum, SignedHead, Witness, WitnessKey};
use crate::state::State;
use crate::store::{Mark, Tx};
use crate::{LogIdentity, known};

/// What the MAC covers once a change is made; nothing where that waits until the log is trusted again.
pub(crate) struct Covered(Option<(RowSum, SignedHead)>);

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
    pub(crate) fn covered(
        &self,
        turn: impl FnOnce(&State, &WitnessKey, RowSum) -> RowSum,
    ) -> Result<Covered, VaultError> {
        let state = known(self.shared.state.read());
        let witness = known(self.shared.witness.read());
        let Witness { key, found } = witness.as_ref().ok_or(VaultError::Locked)?;
        let Ok(rows) = found else {
            return Ok(Covered(None));
        };
        let rows = turn(&state, key, *rows);
        let signed_head = key.sign_head(&state.list.log, state.noted, &rows);
        Ok(Covered(Some((rows, signed_head))))
    }

    /// Changes rows that the MAC covers: in the database together with it, then in memory.
    pub(crate) fn change_rows<T>(
        &mut self,
        covered: Covered,
        write: impl FnOnce(&Tx<'_>) -> rusqlite::Result<T>,
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
        if let Some(Witness {
            found: Ok(kept), ..
        }) = &mut *known(self.shared.witness.write())
        {
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
            let Some(Witness { key, found }) = &*witness else {
                return Ok(());
            };
            if found.is_err() && what == What::IsNotYet {
                return Ok(());
            }
            let tombstones = state.all_tombstones();
            let buried = tombstones.iter();
            let buried = buried.map(|(lease, until)| Row::Tombstone(lease, *until));
            let rows = RowSum::of(key, buried.chain(state.rows_but_tombstones()));
            let signed_head = key.sign_head(&state.list.log, head(&state), &rows);
            // While locked again, the next unlock sees to the list.
            let alone = keys.as_ref();
            let alone = alone.filter(|keys| keys.list_form == ListForm::V1);
            let is_done =
                state.late_tombstones.is_empty() && state.signed_head == Some(signed_head);
            if what == What::IsNotYet && (keys.is_none() || (alone.is_none() && is_done)) {
                return Ok(());
            }
            let list = &state.list;
            let mark = alone.map(|keys| list.next_mark(keys, ListForm::V2, &list.log, None));
            (tombstones, rows, signed_head, mark)
        };
        let signed = self.store.sign(&signed_head, mark.as_ref(), &state);
        signed.inspect_err(|error| {
            tracing::error!(%error, "what decides after a start could not be put under its MACs");
        })?;
        drop(state);
        if let Some(mark) = &mark {
            self.change(mark, |_| ());
            if let Some(keys) = &mut *known(self.shared.keys.write()) {
                keys.list_form = ListForm::V2;
            }
        }
        let mut state = known(self.shared.state.write());
        self.take_as_genuine(rows);
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
            let Witness { key, .. } = witness.as_ref().ok_or(VaultError::Locked)?;
            let log = LogIdentity {
                log_id,
                ..state.list.log.clone()
            };
            let rows = RowSum::of(key, state.rows());
            let signed_head = key.sign_head(&log, None, &rows);
            let mark = Mark {
                signed_head: Some(signed_head),
                ..state.list.next_mark(keys, keys.list_form, &log, None)
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
        self.take_as_genuine(rows);
        Ok(log)
    }

    fn take_as_genuine(&self, rows: RowSum) {
        if let Some(witness) = &mut *known(self.shared.witness.write()) {
            witness.found = Ok(rows);
        }
    }
}

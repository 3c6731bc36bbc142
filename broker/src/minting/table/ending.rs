//! Which tokens are to be ended at GitHub, and how far that has got.

use std::time::Duration;

use broker_protocol::api::TokenEnd;
use broker_protocol::names::LeaseId;
use broker_secret_memory::token::HashedToken;

use super::{Token, TokenTable};

/// How far ending a token has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Not asked for, or to be asked for now.
    Idle,
    UnderWay,
    /// It did not work this often; GitHub is asked again at this moment of boot time.
    Again {
        tries: u32,
        at: Duration,
    },
}

/// GitHub allows a hundred requests at a time; the sweep comes four times a second.
///
/// Source: GitHub REST documentation, “Rate limits for the REST API”.
const AT_A_TIME: usize = 8;

impl TokenTable {
    /// The tokens that are to be ended at GitHub now, because no one holds them or `uses` them, their time is over
    /// or someone said so, a few at a time; each is under way from here on, and shared with no one. With each, how
    /// often it was tried. Those from before a restart only once leases are rebuilt.
    pub(crate) fn take_due(
        &self,
        now: Duration,
        rebuilt: bool,
        uses: impl Fn(&HashedToken) -> bool,
    ) -> Vec<(Token, u32)> {
        let mut inner = self.lock();
        let mut due = Vec::new();
        for entry in inner.tokens.values_mut() {
            let tries = match entry.ending {
                Ending::Idle => 0,
                Ending::Again { tries, at } if at <= now => tries,
                Ending::UnderWay | Ending::Again { .. } => continue,
            };
            let unheld = entry.holders.is_empty()
                && (rebuilt || !entry.restored)
                && !uses(&entry.token.minted.hashed_credential);
            // Behind a lease that goes on, and was not used since.
            let over = entry.token.life.is_over(now);
            if (unheld || over || entry.must_end) && due.len() < AT_A_TIME {
                entry.ending = Ending::UnderWay;
                due.push((entry.token.clone(), tries));
            }
        }
        for (token, _) in &due {
            inner.stop_sharing(&token.minted.hashed_credential);
        }
        due
    }

    /// Takes one token to end it now, even if leases hold it; or with `last` only if no lease but this
    /// one does. With it, how often it was tried.
    ///
    /// # Errors
    ///
    /// The answer where there is nothing to do: [`TokenEnd::Pending`] if it is gone or another task is
    /// ending it, or else [`TokenEnd::Shared`].
    pub(crate) fn end_now(
        &self,
        hashed: &HashedToken,
        last: Option<&LeaseId>,
    ) -> Result<(Token, u32), TokenEnd> {
        let mut inner = self.lock();
        let entry = inner.tokens.get_mut(hashed).ok_or(TokenEnd::Pending)?;
        if last.is_some_and(|last| entry.holders.iter().any(|holder| holder != last)) {
            return Err(TokenEnd::Shared);
        }
        entry.must_end = true;
        let tries = match entry.ending {
            Ending::Idle => 0,
            Ending::Again { tries, .. } => tries,
            Ending::UnderWay => return Err(TokenEnd::Pending),
        };
        entry.ending = Ending::UnderWay;
        let token = entry.token.clone();
        inner.stop_sharing(hashed);
        Ok((token, tries))
    }

    /// Ending it did not work; it is tried again at this moment of boot time.
    pub(crate) fn retry_end(&self, hashed: &HashedToken, tries: u32, at: Duration) {
        if let Some(entry) = self.lock().tokens.get_mut(hashed) {
            entry.ending = Ending::Again { tries, at };
        }
    }

    /// Has those whose end did not work tried again with the next sweep.
    pub(crate) fn retry_ends_now(&self) {
        for entry in self.lock().tokens.values_mut() {
            if let Ending::Again { at, .. } = &mut entry.ending {
                *at = Duration::ZERO;
            }
        }
    }

    /// Forgets a token that has ended at GitHub.
    pub(crate) fn remove(&self, hashed: &HashedToken) {
        let mut inner = self.lock();
        inner.stop_sharing(hashed);
        if let Some(entry) = inner.tokens.remove(hashed) {
            for lease in &entry.holders {
                inner.held.remove(lease);
            }
        }
    }
}

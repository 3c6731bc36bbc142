//! Installation tokens that are alive, who holds each, and which may be shared.
//!
//! A token is shared only within one account, rule and scope ([`mint_key`]), while enough of its life
//! is left. It is needed as long as a lease holds it; one that no lease holds is due to be revoked, once no
//! request is under way with it. A lease holds one token at most: with the next it releases the one before. Of
//! several callers that need the same token at once, one mints it and the others wait for the result.
//!
//! Values are kept in locked memory and wiped when the store is locked; the vault has them sealed. Not
//! here: GitHub, the vault, the clock.

mod ending;
mod key;
mod life;
mod restart;
mod token_ref;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_audit_writer::{Recorded, Use};
use broker_protocol::names::{LeaseId, RepoPattern};
use broker_secret_memory::locked_memory::LockedBytes;
use broker_secret_memory::token::{AccessToken, HashedToken};
use broker_vault::{MintKey, Minted};
use tokio::sync::watch;

use self::ending::Ending;
use super::MintError;

pub(crate) use self::key::mint_key;
pub(crate) use self::life::{AHEAD, TOKEN_LIFETIME, TokenLife};
pub(crate) use self::token_ref::TokenRef;

/// One token that may be alive at GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// As the vault keeps it.
    pub(crate) minted: Minted,
    /// How long it lives, by boot time, which decides.
    pub(crate) life: TokenLife,
}

/// The result of minting, for those who wait for it.
pub(crate) type Landed = Result<Token, Arc<MintError>>;

/// How a caller gets a token that it needs.
pub(crate) enum Acquired {
    /// There is one, and the lease holds it from now on.
    Held(Token),
    /// No one mints it yet: the caller does, and passes the result on.
    Leads(Leader),
    /// Another caller mints it; the result arrives here, and the lease holds the token by then.
    Follows(watch::Receiver<Option<Landed>>),
}

/// The right and the duty to mint for a key. Dropped without a result, it has the others ask again.
pub(crate) struct Leader {
    pub(crate) key: MintKey,
    sender: watch::Sender<Option<Landed>>,
}

/// Every token that may be alive, and the mints under way.
#[derive(Default)]
pub(crate) struct TokenTable(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    tokens: HashMap<HashedToken, Entry>,
    /// The token that each lease holds: the other side of [`Entry::holders`].
    held: HashMap<LeaseId, HashedToken>,
    /// The one that a lease held before, and uses until the next one is on record.
    before: HashMap<LeaseId, HashedToken>,
    /// The one that is shared, per key.
    current: BTreeMap<MintKey, HashedToken>,
    flights: HashMap<MintKey, Flight>,
}

struct Entry {
    token: Token,
    value: Option<LockedBytes>,
    holders: HashSet<LeaseId>,
    ending: Ending,
    /// It is to end even while a lease holds it.
    must_end: bool,
    /// The vault kept it over a restart: nothing is known of its leases before they are rebuilt.
    restored: bool,
}

impl Entry {
    fn new(token: Token, value: Option<LockedBytes>) -> Self {
        Self {
            token,
            value,
            holders: HashSet::new(),
            ending: Ending::Idle,
            must_end: false,
            restored: false,
        }
    }
}

struct Flight {
    receiver: watch::Receiver<Option<Landed>>,
    waiting: Vec<LeaseId>,
}

/// A token minted a moment ago for an hour counts as good for an hour.
pub(crate) const SLACK: Duration = Duration::from_secs(60);

impl TokenTable {
    /// Gives the lease the shared token of this key, if at this moment of boot time it has `wanted` of
    /// its life left.
    pub(crate) fn share(
        &self,
        key: &MintKey,
        lease: &LeaseId,
        wanted: Duration,
        now: Duration,
    ) -> Option<Token> {
        self.lock().share(key, lease, wanted, now)
    }

    /// The shared token of this key, if at this moment of boot time it has `wanted` of its life left. No one
    /// holds it for having seen it.
    pub(crate) fn shared(&self, key: &MintKey, wanted: Duration, now: Duration) -> Option<Token> {
        self.lock().shared(key, wanted, now).cloned()
    }

    /// Gives the lease the shared token, or has it wait with those who are getting one.
    pub(crate) fn acquire(
        &self,
        key: &MintKey,
        lease: &LeaseId,
        wanted: Duration,
        now: Duration,
    ) -> Acquired {
        let mut inner = self.lock();
        if let Some(token) = inner.share(key, lease, wanted, now) {
            return Acquired::Held(token);
        }
        // A flight whose leader is gone is no flight.
        if let Some(flight) = inner.flights.get_mut(key)
            && flight.receiver.has_changed().is_ok()
        {
            flight.waiting.push(lease.clone());
            return Acquired::Follows(flight.receiver.clone());
        }
        let (sender, receiver) = watch::channel(None);
        let flight = Flight {
            receiver,
            waiting: vec![lease.clone()],
        };
        inner.flights.insert(key.clone(), flight);
        let key = key.clone();
        Acquired::Leads(Leader { key, sender })
    }

    /// Puts a minted token in place for its leader and all who waited, who hold it from now on.
    ///
    /// # Errors
    ///
    /// If there is no memory for it; the leader then says so with [`Self::fail`].
    pub(crate) fn complete(
        &self,
        leader: &Leader,
        token: Token,
        value: &AccessToken,
    ) -> io::Result<()> {
        // Into locked memory.
        let value = locked(value)?;
        let mut inner = self.lock();
        inner.insert(Entry::new(token.clone(), Some(value)));
        let hashed = &token.minted.hashed_credential;
        inner.current.insert(leader.key.clone(), hashed.clone());
        let flight = inner.flights.remove(&leader.key);
        for lease in flight.into_iter().flat_map(|flight| flight.waiting) {
            inner.give(&lease, hashed);
        }
        drop(inner);
        leader.sender.send_replace(Some(Ok(token)));
        Ok(())
    }

    /// Tells all who waited that there is no token.
    pub(crate) fn fail(&self, leader: &Leader, error: &Arc<MintError>) {
        self.lock().flights.remove(&leader.key);
        leader.sender.send_replace(Some(Err(Arc::clone(error))));
    }

    /// A copy of the token that a lease holds, for the use that was recorded for it. `Ok(None)` if its
    /// value is in the vault alone.
    ///
    /// # Errors
    ///
    /// [`NotHeld`] if it was revoked meanwhile.
    pub(crate) fn take(
        &self,
        _usage: &Recorded<Use>,
        lease: &LeaseId,
        hashed: &HashedToken,
    ) -> Result<Option<AccessToken>, NotHeld> {
        let inner = self.lock();
        let entry = inner.tokens.get(hashed).ok_or(NotHeld)?;
        if !entry.holders.contains(lease) || entry.ending != Ending::Idle {
            return Err(NotHeld);
        }
        Ok(entry.value.as_ref().and_then(in_the_clear))
    }

    /// A copy of a token's value, to end it or to ask what is left of its requests.
    pub(crate) fn value(&self, hashed: &HashedToken) -> Option<AccessToken> {
        let inner = self.lock();
        inner
            .tokens
            .get(hashed)?
            .value
            .as_ref()
            .and_then(in_the_clear)
    }

    /// Keeps a value in memory again that was opened from the vault.
    pub(crate) fn cache_value(&self, hashed: &HashedToken, value: &AccessToken) {
        if let Some(entry) = self.lock().tokens.get_mut(hashed) {
            // Into locked memory; without room for it the vault is asked again next time.
            entry.value = locked(value).ok();
        }
    }

    /// Releases what a lease holds, and what it waits for under this key. The sweep ends what no one holds.
    pub(crate) fn release(&self, lease: &LeaseId, key: Option<&MintKey>) {
        let mut inner = self.lock();
        if let Some(flight) = key.and_then(|key| inner.flights.get_mut(key)) {
            flight.waiting.retain(|waiting| waiting != lease);
        }
        inner.release(lease);
    }

    /// Whether a lease holds this token, or held it before the one that it holds, and no one ends it.
    pub(crate) fn holds(&self, lease: &LeaseId, hashed: &HashedToken) -> bool {
        let inner = self.lock();
        let held = [inner.held.get(lease), inner.before.get(lease)];
        let entry = inner.tokens.get(hashed);
        held.contains(&Some(hashed)) && entry.is_some_and(|entry| entry.ending == Ending::Idle)
    }

    pub(crate) fn held_by(&self, lease: &LeaseId) -> Option<Token> {
        let inner = self.lock();
        let entry = inner.tokens.get(inner.held.get(lease)?)?;
        Some(entry.token.clone())
    }

    pub(crate) fn holders(&self, hashed: &HashedToken) -> Vec<LeaseId> {
        let inner = self.lock();
        let entry = inner.tokens.get(hashed);
        entry.map_or_else(Vec::new, |entry| entry.holders.iter().cloned().collect())
    }

    /// Hands the shared token of a key to no one from now on; those who hold it keep it.
    pub(crate) fn stop_sharing(&self, key: &MintKey) {
        self.lock().current.remove(key);
    }

    /// Shares no token any more whose scope names this repository; those who hold one keep it.
    pub(crate) fn stop_sharing_for(&self, repository: &RepoPattern) {
        self.lock()
            .current
            .retain(|key, _| !key::names(key, repository));
    }

    /// Takes in a token that no one may have, so that it is ended.
    pub(crate) fn adopt(&self, token: Token, value: Option<&AccessToken>) {
        // Into locked memory; without room for it the vault is asked.
        let value = value.and_then(|value| locked(value).ok());
        self.lock().insert(Entry::new(token, value));
    }

    /// Every token that may be alive at GitHub.
    pub(crate) fn all(&self) -> Vec<Token> {
        let inner = self.lock();
        let tokens = inner.tokens.values();
        tokens.map(|entry| entry.token.clone()).collect()
    }

    /// Every token that some lease holds.
    pub(crate) fn held(&self) -> Vec<Token> {
        let inner = self.lock();
        let held = inner.tokens.values().filter(|e| !e.holders.is_empty());
        held.map(|entry| entry.token.clone()).collect()
    }

    /// Wipes every value. The vault still has them, sealed.
    pub(crate) fn wipe(&self) {
        for entry in self.lock().tokens.values_mut() {
            entry.value = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while it was held can have left a token without a holder, which is then revoked
        // early, or with one too many, which GitHub ends within the hour.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lease no longer holds that token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotHeld;

impl Inner {
    fn share(
        &mut self,
        key: &MintKey,
        lease: &LeaseId,
        wanted: Duration,
        now: Duration,
    ) -> Option<Token> {
        let token = self.shared(key, wanted, now)?.clone();
        self.give(lease, &token.minted.hashed_credential);
        Some(token)
    }

    fn shared(&self, key: &MintKey, wanted: Duration, now: Duration) -> Option<&Token> {
        let entry = self.tokens.get(self.current.get(key)?)?;
        if entry.ending != Ending::Idle {
            return None;
        }
        let left = entry.token.life.left(now);
        (left + SLACK >= wanted && left >= SLACK).then_some(&entry.token)
    }

    fn insert(&mut self, entry: Entry) {
        let hashed = entry.token.minted.hashed_credential.clone();
        self.tokens.insert(hashed, entry);
    }

    /// Has a lease hold this token and no other. `false` if there is none such.
    fn give(&mut self, lease: &LeaseId, hashed: &HashedToken) -> bool {
        if self.held.get(lease) != Some(hashed) {
            let before = self.held.get(lease).cloned();
            self.release(lease);
            self.before
                .extend(before.map(|before| (lease.clone(), before)));
        }
        let Some(entry) = self.tokens.get_mut(hashed) else {
            return false;
        };
        entry.holders.insert(lease.clone());
        self.held.insert(lease.clone(), hashed.clone());
        true
    }

    /// A token that no one holds any more is to be ended, and so shared with no one.
    fn release(&mut self, lease: &LeaseId) {
        self.before.remove(lease);
        let Some(hashed) = self.held.remove(lease) else {
            return;
        };
        let Some(entry) = self.tokens.get_mut(&hashed) else {
            return;
        };
        entry.holders.remove(lease);
        if entry.holders.is_empty() {
            self.stop_sharing(&hashed);
        }
    }

    fn stop_sharing(&mut self, hashed: &HashedToken) {
        self.current.retain(|_, current| current != hashed);
    }
}

fn locked(value: &AccessToken) -> io::Result<LockedBytes> {
    LockedBytes::copy_of(value.expose().as_bytes())
}

fn in_the_clear(value: &LockedBytes) -> Option<AccessToken> {
    let text = str::from_utf8(value.expose()).ok()?;
    Some(AccessToken::new(text.to_owned()))
}

#[cfg(test)]
mod tests;

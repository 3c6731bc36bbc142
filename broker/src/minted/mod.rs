//! Installation tokens that are alive, who holds each, and which may be shared.
//!
//! A token is shared only within one account, rule and scope ([`MintKey`]), while enough of its life
//! is left. It is needed as long as a lease holds it; the lease that lets go of it last gets it handed
//! back, to be revoked. Of several callers that need the same token at once, one leads and the others
//! wait for what it brings.
//!
//! Values lie in locked memory and are wiped when the store is locked; the vault has them sealed. Not
//! here: GitHub, the vault, the clock.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_protocol::names::{LeaseId, OrgName, Permissions, Purpose, RepoPattern, SecretName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::audit_log::{Recorded, Use};
use crate::lease::Lease;
use crate::locked_memory::LockedBytes;
use crate::token::{AccessToken, HashedToken};

/// What leases must have in common to hold one token.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MintKey {
    /// The account.
    pub uid: u32,
    /// The App's secret.
    pub secret: SecretName,
    /// The purpose.
    pub purpose: Purpose,
    /// The rule and what it gives of repositories, organisation and permissions, as JSON.
    pub scope: Box<str>,
}

/// The scope of a key as it is written down.
#[derive(Serialize, Deserialize)]
struct Scope {
    rule: Box<str>,
    repositories: Vec<RepoPattern>,
    organization: Option<OrgName>,
    permissions: Permissions,
}

impl MintKey {
    /// The key of a lease.
    ///
    /// # Errors
    ///
    /// If the scope cannot be written as JSON: a fault of the broker's own.
    pub fn of(lease: &Lease) -> Result<Self, serde_json::Error> {
        let mut repositories = lease.repositories.to_vec();
        repositories.sort();
        repositories.dedup();
        let scope = Scope {
            rule: lease.rule.as_ref().into(),
            repositories,
            organization: lease.organization.clone(),
            permissions: Permissions::clone(&lease.permissions),
        };
        Ok(Self {
            uid: lease.caller.uid,
            secret: lease.secret.clone(),
            purpose: lease.purpose.clone(),
            scope: serde_json::to_string(&scope)?.into(),
        })
    }

    /// Whether it is for this repository by name. A scope that cannot be read names every one.
    fn names(&self, repository: &RepoPattern) -> bool {
        let scope = serde_json::from_str::<Scope>(&self.scope);
        scope.map_or(true, |scope| scope.repositories.contains(repository))
    }

    /// Whether two keys differ by no more than the rule: a rule's number changes with the file.
    fn alike(&self, other: &Self) -> bool {
        let rest = |key: &Self| {
            let scope: Scope = serde_json::from_str(&key.scope).ok()?;
            Some((scope.repositories, scope.organization, scope.permissions))
        };
        (self.uid, &self.secret, &self.purpose) == (other.uid, &other.secret, &other.purpose)
            && rest(self) == rest(other)
    }
}

/// One token that may be alive at GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Who may share it.
    pub key: MintKey,
    /// Base64 SHA-256 of it.
    pub hashed: HashedToken,
    /// The installation it is for.
    pub installation: u64,
    /// When it was minted.
    pub minted_at: Timestamp,
    /// When it ends at GitHub.
    pub expires_at: Timestamp,
}

/// What came of minting, as those who waited for it learn it.
pub type Landed<E> = Result<Token, Arc<E>>;

/// What a caller finds that needs a token.
pub enum Place<E> {
    /// A token is there, and the lease holds it from now on.
    Held(Token),
    /// Nobody is minting: the caller does, and says what came of it.
    Lead(Lead<E>),
    /// Somebody is; what comes of it arrives here. The lease holds the token by then.
    Follow(watch::Receiver<Option<Landed<E>>>),
}

/// The right and the duty to mint for a key. Dropped without a word, it tells the others to ask again.
pub struct Lead<E> {
    key: MintKey,
    sender: watch::Sender<Option<Landed<E>>>,
}

impl<E> Lead<E> {
    /// What is to be minted.
    #[must_use]
    pub const fn key(&self) -> &MintKey {
        &self.key
    }
}

/// What a lease that ended lets go of.
#[derive(Debug, PartialEq, Eq)]
pub enum LetGo {
    /// It held none.
    Nothing,
    /// Others hold the same one.
    Shared,
    /// Nobody else holds these: they are to be revoked. Nearly always one.
    Last(Vec<HashedToken>),
}

/// Every token that may be alive, and the mints under way.
pub struct MintedTable<E> {
    inner: Mutex<Inner<E>>,
}

struct Inner<E> {
    tokens: HashMap<HashedToken, Entry>,
    /// The one that is shared, per key.
    current: BTreeMap<MintKey, HashedToken>,
    flights: HashMap<MintKey, Flight<E>>,
}

struct Entry {
    token: Token,
    value: Option<LockedBytes>,
    holders: HashSet<LeaseId>,
    ending: Ending,
    /// It is to end whoever holds it.
    doomed: bool,
    /// It was kept over a restart: nothing is known of its leases before they are rebuilt.
    found: bool,
}

/// How far ending a token has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Not asked for, or to be asked for now.
    Idle,
    /// GitHub is being asked.
    UnderWay,
    /// It did not work this often; GitHub is asked again at this moment of boot time.
    Again { tries: u32, at: Duration },
}

struct Flight<E> {
    receiver: watch::Receiver<Option<Landed<E>>>,
    waiting: Vec<LeaseId>,
}

impl<E> Default for MintedTable<E> {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                tokens: HashMap::new(),
                current: BTreeMap::new(),
                flights: HashMap::new(),
            }),
        }
    }
}

/// GitHub allows a hundred requests at a time; the sweep comes four times a second.
///
/// Source: GitHub REST documentation, “Rate limits for the REST API”.
const AT_A_TIME: usize = 8;
/// A token minted a moment ago for an hour counts as good for an hour.
const SLACK: Duration = Duration::from_secs(60);

impl<E> MintedTable<E> {
    /// Takes hold of the shared token for this key, if it has `wanted` of its life left.
    pub fn hold(
        &self,
        key: &MintKey,
        lease: &LeaseId,
        wanted: Duration,
        now: Timestamp,
    ) -> Option<Token> {
        self.lock().hold(key, lease, wanted, now)
    }

    /// Takes hold of the shared token, or joins those who are getting one.
    pub fn place(
        &self,
        key: &MintKey,
        lease: &LeaseId,
        wanted: Duration,
        now: Timestamp,
    ) -> Place<E> {
        let mut inner = self.lock();
        if let Some(token) = inner.hold(key, lease, wanted, now) {
            return Place::Held(token);
        }
        // A flight whose leader is gone is no flight.
        if let Some(flight) = inner.flights.get_mut(key)
            && flight.receiver.has_changed().is_ok()
        {
            flight.waiting.push(lease.clone());
            return Place::Follow(flight.receiver.clone());
        }
        let (sender, receiver) = watch::channel(None);
        let flight = Flight {
            receiver,
            waiting: vec![lease.clone()],
        };
        inner.flights.insert(key.clone(), flight);
        let key = key.clone();
        Place::Lead(Lead { key, sender })
    }

    /// Puts a minted token in place for its leader and all who waited, who hold it from now on.
    ///
    /// # Errors
    ///
    /// If there is no memory for it; the leader then says so with [`Self::failed`].
    pub fn landed(&self, lead: &Lead<E>, token: Token, value: &AccessToken) -> io::Result<()> {
        // Into locked memory.
        let value = locked(value)?;
        let mut inner = self.lock();
        let flight = inner.flights.remove(&lead.key);
        let entry = Entry {
            token: token.clone(),
            value: Some(value),
            holders: flight.into_iter().flat_map(|f| f.waiting).collect(),
            ending: Ending::Idle,
            doomed: false,
            found: false,
        };
        inner.current.insert(lead.key.clone(), token.hashed.clone());
        inner.tokens.insert(token.hashed.clone(), entry);
        drop(inner);
        lead.sender.send_replace(Some(Ok(token)));
        Ok(())
    }

    /// Tells all who waited that there is no token.
    pub fn failed(&self, lead: &Lead<E>, error: &Arc<E>) {
        self.lock().flights.remove(&lead.key);
        lead.sender.send_replace(Some(Err(Arc::clone(error))));
    }

    /// A copy of the token that a lease holds, for the use that was recorded for it. `Ok(None)` if its
    /// value is in the vault alone.
    ///
    /// # Errors
    ///
    /// [`NotHeld`] if it was revoked meanwhile.
    pub fn take(
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
    #[must_use]
    pub fn value(&self, hashed: &HashedToken) -> Option<AccessToken> {
        let inner = self.lock();
        inner
            .tokens
            .get(hashed)?
            .value
            .as_ref()
            .and_then(in_the_clear)
    }

    /// Keeps a value in memory again that was opened from the vault.
    pub fn refill(&self, hashed: &HashedToken, value: &AccessToken) {
        if let Some(entry) = self.lock().tokens.get_mut(hashed) {
            // Into locked memory; without room for it the vault is asked again next time.
            entry.value = locked(value).ok();
        }
    }

    /// Lets go of what a lease holds.
    pub fn let_go(&self, lease: &LeaseId, key: Option<&MintKey>) -> LetGo {
        let mut inner = self.lock();
        if let Some(flight) = key.and_then(|key| inner.flights.get_mut(key)) {
            flight.waiting.retain(|waiting| waiting != lease);
        }
        // After a restart it may hold every token of its like.
        let (mut shared, mut last) = (false, Vec::new());
        for entry in inner.tokens.values_mut() {
            if entry.holders.remove(lease) {
                if entry.holders.is_empty() {
                    last.push(entry.token.hashed.clone());
                } else {
                    shared = true;
                }
            }
        }
        for hashed in &last {
            inner.stop_sharing(hashed);
        }
        match (shared, last.is_empty()) {
            (_, false) => LetGo::Last(last),
            (true, true) => LetGo::Shared,
            (false, true) => LetGo::Nothing,
        }
    }

    /// Has a lease hold this one token and no other.
    pub fn hold_only(&self, lease: &LeaseId, hashed: &HashedToken) {
        for entry in self.lock().tokens.values_mut() {
            if entry.token.hashed != *hashed {
                entry.holders.remove(lease);
            }
        }
    }

    /// The tokens a lease holds: one, but for a lease from before a restart.
    #[must_use]
    pub fn held_by(&self, lease: &LeaseId) -> Vec<Token> {
        let inner = self.lock();
        let entries = inner.tokens.values();
        let held = entries.filter(|entry| entry.holders.contains(lease));
        held.map(|entry| entry.token.clone()).collect()
    }

    /// The leases that hold a token.
    #[must_use]
    pub fn holders(&self, hashed: &HashedToken) -> Vec<LeaseId> {
        let inner = self.lock();
        let entry = inner.tokens.get(hashed);
        entry.map_or_else(Vec::new, |entry| entry.holders.iter().cloned().collect())
    }

    /// Hands the shared token of a key to nobody any more; those who hold it keep it.
    pub fn refresh(&self, key: &MintKey) {
        self.lock().current.remove(key);
    }

    /// Shares no token any more whose scope names this repository; those who hold one keep it.
    pub fn stop_sharing_for(&self, repository: &RepoPattern) {
        self.lock().current.retain(|key, _| !key.names(repository));
    }

    /// Forgets a token that has ended at GitHub.
    pub fn ended(&self, hashed: &HashedToken) {
        let mut inner = self.lock();
        inner.stop_sharing(hashed);
        inner.tokens.remove(hashed);
    }

    /// Takes in a token that nobody may have, so that it is ended.
    pub fn adopt(&self, token: Token, value: Option<&AccessToken>) {
        let entry = Entry {
            // Into locked memory; without room for it the vault is asked.
            value: value.and_then(|value| locked(value).ok()),
            holders: HashSet::new(),
            ending: Ending::Idle,
            doomed: false,
            found: false,
            token,
        };
        self.lock().tokens.insert(entry.token.hashed.clone(), entry);
    }

    /// Takes over a token that the vault kept over a restart. Nobody holds it yet, and it is shared
    /// again if it is the one of its key that lives longest.
    pub fn found(&self, token: Token) {
        let mut inner = self.lock();
        let newest = inner
            .current
            .get(&token.key)
            .and_then(|hashed| inner.tokens.get(hashed))
            .is_none_or(|entry| entry.token.expires_at < token.expires_at);
        if newest {
            inner
                .current
                .insert(token.key.clone(), token.hashed.clone());
        }
        let entry = Entry {
            token,
            value: None,
            holders: HashSet::new(),
            ending: Ending::Idle,
            doomed: false,
            found: true,
        };
        inner.tokens.insert(entry.token.hashed.clone(), entry);
    }

    /// Gives a lease that was rebuilt the tokens that are its own: the one its record names, else every
    /// one that was minted for the like of it. The end of the longest-lived.
    pub fn hold_again(
        &self,
        lease: &LeaseId,
        named: Option<&HashedToken>,
        key: &MintKey,
    ) -> Option<Timestamp> {
        let mut inner = self.lock();
        let mut ends = None;
        for entry in inner.tokens.values_mut() {
            let own = match named {
                Some(hashed) => entry.token.hashed == *hashed,
                None => entry.token.key.alike(key),
            };
            if own {
                entry.holders.insert(lease.clone());
                ends = ends.max(Some(entry.token.expires_at));
            }
        }
        ends
    }

    /// The tokens that are to be ended at GitHub now, because nobody holds them or somebody said so, a
    /// few at a time; each is under way from here on, and shared with nobody. With each, how often it
    /// was tried. Those from before a restart only once leases are rebuilt.
    #[must_use]
    pub fn to_end(&self, now: Duration, rebuilt: bool) -> Vec<(Token, u32)> {
        let mut inner = self.lock();
        let mut due = Vec::new();
        for entry in inner.tokens.values_mut() {
            let tries = match entry.ending {
                Ending::Idle => 0,
                Ending::Again { tries, at } if at <= now => tries,
                Ending::UnderWay | Ending::Again { .. } => continue,
            };
            let unheld = entry.holders.is_empty() && (rebuilt || !entry.found);
            if (unheld || entry.doomed) && due.len() < AT_A_TIME {
                entry.ending = Ending::UnderWay;
                due.push((entry.token.clone(), tries));
            }
        }
        for (token, _) in &due {
            inner.stop_sharing(&token.hashed);
        }
        due
    }

    /// Takes one token to end it now, whoever holds it. `None` if it is gone or being ended already.
    #[must_use]
    pub fn end_now(&self, hashed: &HashedToken) -> Option<(Token, u32)> {
        let mut inner = self.lock();
        inner.stop_sharing(hashed);
        let entry = inner.tokens.get_mut(hashed)?;
        entry.doomed = true;
        let tries = match entry.ending {
            Ending::Idle => 0,
            Ending::Again { tries, .. } => tries,
            Ending::UnderWay => return None,
        };
        entry.ending = Ending::UnderWay;
        Some((entry.token.clone(), tries))
    }

    /// Ending it did not work; it is tried again at this moment of boot time.
    pub fn end_again(&self, hashed: &HashedToken, tries: u32, at: Duration) {
        if let Some(entry) = self.lock().tokens.get_mut(hashed) {
            entry.ending = Ending::Again { tries, at };
        }
    }

    /// Every token that some lease holds.
    #[must_use]
    pub fn held(&self) -> Vec<Token> {
        let inner = self.lock();
        let held = inner.tokens.values().filter(|e| !e.holders.is_empty());
        held.map(|entry| entry.token.clone()).collect()
    }

    /// Every token.
    #[must_use]
    pub fn all(&self) -> Vec<Token> {
        let inner = self.lock();
        let all = inner.tokens.values();
        all.map(|entry| entry.token.clone()).collect()
    }

    /// Wipes every value. The vault still has them, sealed.
    pub fn wipe(&self) {
        for entry in self.lock().tokens.values_mut() {
            entry.value = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<E>> {
        // A panic while it was held can have left a token without a holder, which is then revoked
        // early, or with one too many, which GitHub ends within the hour.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a lease holds before it is live. Dropped before [`Hold::keep`], it lets go.
pub struct Hold<'a, E> {
    table: &'a MintedTable<E>,
    lease: Option<(LeaseId, MintKey)>,
}

impl<'a, E> Hold<'a, E> {
    /// Whatever this lease takes hold of until it is live.
    #[must_use]
    pub const fn of(table: &'a MintedTable<E>, lease: LeaseId, key: MintKey) -> Self {
        Self {
            table,
            lease: Some((lease, key)),
        }
    }

    /// What it is for.
    #[must_use]
    pub fn key(&self) -> Option<&MintKey> {
        self.lease.as_ref().map(|(_, key)| key)
    }

    /// The lease is live: its end lets go.
    pub fn keep(mut self) {
        self.lease = None;
    }
}

impl<E> Drop for Hold<'_, E> {
    fn drop(&mut self) {
        if let Some((lease, key)) = self.lease.take() {
            self.table.let_go(&lease, Some(&key));
        }
    }
}

/// The lease no longer holds that token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotHeld;

impl<E> Inner<E> {
    fn hold(
        &mut self,
        key: &MintKey,
        lease: &LeaseId,
        wanted: Duration,
        now: Timestamp,
    ) -> Option<Token> {
        let entry = self.tokens.get_mut(self.current.get(key)?)?;
        if entry.ending != Ending::Idle {
            return None;
        }
        let left = entry.token.expires_at.duration_since(now);
        let left = Duration::try_from(left).unwrap_or_default();
        if left + SLACK < wanted || left < SLACK {
            return None;
        }
        entry.holders.insert(lease.clone());
        Some(entry.token.clone())
    }

    fn stop_sharing(&mut self, hashed: &HashedToken) {
        self.current.retain(|_, current| current != hashed);
    }
}

fn locked(value: &AccessToken) -> io::Result<LockedBytes> {
    let bytes = value.expose().as_bytes();
    LockedBytes::filled(bytes.len(), |room| {
        room.copy_from_slice(bytes);
        Ok(())
    })
}

fn in_the_clear(value: &LockedBytes) -> Option<AccessToken> {
    let text = str::from_utf8(value.expose()).ok()?;
    Some(AccessToken::new(text.to_owned()))
}

#[cfg(test)]
mod tests;

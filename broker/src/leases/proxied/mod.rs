//! Leases whose token only the broker honours: the value behind each stays here.
//!
//! A value is opened at first use, on the proof that the grant's record is durable. After a restart, an unlock
//! or a rotation that proof is spent: a further `lease.issued` allows it, and names what is used from then on.
//! The value is kept in locked memory, one copy for all leases that use it, for as long as one of them lives;
//! a lock wipes it.
//!
//! Behind a lease on an App is an installation token instead, and the next one before that ends: `minted`.
//!
//! Not here: what a request may do (`broker_policy::reach`), and how it is passed on (`forwarding`).

mod minted;
mod open;
mod tunnel;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use broker_audit_writer::{Recorded, Use};
use broker_clock::Now;
use broker_protocol::api::ProxyView;
use broker_protocol::names::LeaseId;
use broker_secret_memory::locked_memory::LockedBytes;
use broker_secret_memory::token::{AccessToken, HashedToken};
use tokio::sync::OwnedMutexGuard;

pub(in crate::leases) use self::minted::FailedMints;
use self::minted::MintedState;
pub(in crate::leases) use self::tunnel::KeptTunnels;
pub(crate) use self::tunnel::{TunnelEnd, TunnelError};
use super::Leases;
use crate::lease::Lease;
use crate::minting::table::TokenLife;

/// What is kept of one live `proxy` lease. It goes with the lease.
pub(crate) struct Proxied {
    /// Allows the value to be opened once. Held while that is done.
    proof: tokio::sync::Mutex<Option<Recorded<Use>>>,
    value: Mutex<Option<Arc<HeldValue>>>,
    /// Held while the lease is renewed because it is used.
    renewal: Arc<tokio::sync::Mutex<()>>,
    /// Where TLS ends for commands of this lease.
    tunnel: Mutex<Option<Arc<TunnelEnd>>>,
    /// Held while the certificate for that is made.
    certifying: tokio::sync::Mutex<()>,
    pub(crate) uses: Uses,
    /// How many requests are under way.
    under_way: AtomicUsize,
}

/// A request that is under way. Its lease is in use until this is dropped.
pub(crate) struct UnderWay(Arc<Proxied>);

/// What a lease was used for since the broker started.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    /// Requests that were passed on.
    pub(crate) requests: AtomicU64,
    /// Of those, answered with 400 to 499 by GitHub.
    pub(crate) refused_by_github: AtomicU64,
    /// Requests that the broker refused.
    refused: AtomicU64,
    last_refusal: Mutex<Option<Box<str>>>,
}

/// A stored value, or a minted token, in locked memory. It has no `Debug` and no `Clone`.
pub(crate) struct HeldValue {
    bytes: LockedBytes,
    hashed: HashedToken,
    minted: Option<MintedState>,
}

/// The values that leases hold, each once.
#[derive(Default)]
pub(crate) struct HeldValues(Mutex<HashMap<HashedToken, Weak<HeldValue>>>);

impl Proxied {
    pub(crate) fn new(proof: Option<Recorded<Use>>) -> Self {
        Self {
            proof: tokio::sync::Mutex::new(proof),
            value: Mutex::default(),
            renewal: Arc::default(),
            tunnel: Mutex::default(),
            certifying: tokio::sync::Mutex::default(),
            uses: Uses::default(),
            under_way: AtomicUsize::new(0),
        }
    }

    /// Lets one renew the lease, and no other until that is dropped.
    pub(super) fn turn_to_renew(&self) -> Option<OwnedMutexGuard<()>> {
        Arc::clone(&self.renewal).try_lock_owned().ok()
    }

    /// Counts a request.
    pub(crate) fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// Whether a request is under way.
    pub(in crate::leases) fn is_in_use(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }

    /// Drops what is open of it. Requests under way keep theirs.
    pub(in crate::leases) fn wipe(&self) {
        *self.value() = None;
        *self.tunnel() = None;
    }

    fn value(&self) -> MutexGuard<'_, Option<Arc<HeldValue>>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tunnel(&self) -> MutexGuard<'_, Option<Arc<TunnelEnd>>> {
        self.tunnel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Proxied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxied")
            .field("uses", &self.uses)
            .finish_non_exhaustive()
    }
}

impl Uses {
    /// Counts a request that the broker refused, for this reason.
    pub(crate) fn count_refusal(&self, why: &str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let last = self.last_refusal.lock();
        *last.unwrap_or_else(PoisonError::into_inner) = Some(why.into());
    }

    /// As the API shows it, of a token that is honoured on this socket for this address.
    pub(crate) fn view(&self, socket: String, api: String) -> ProxyView {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let last = self.last_refusal.lock();
        let last = last.unwrap_or_else(PoisonError::into_inner);
        ProxyView {
            socket,
            api,
            requests: count(&self.requests),
            refused: count(&self.refused),
            refused_by_github: count(&self.refused_by_github),
            last_refusal: last.as_deref().map(str::to_owned),
        }
    }
}

impl HeldValue {
    /// A copy for one request, which is wiped after it.
    pub(crate) fn token(&self) -> AccessToken {
        let text = str::from_utf8(self.bytes.expose());
        // It was made from text.
        AccessToken::new(text.unwrap_or_default().to_owned())
    }

    pub(crate) const fn hashed(&self) -> &HashedToken {
        &self.hashed
    }
}

impl HeldValues {
    /// Whether a lease or a request under way has this value.
    fn has(&self, hashed: &HashedToken) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(hashed)
            .is_some_and(|value| value.strong_count() > 0)
    }

    /// Moves a value into locked memory, unless it is there already.
    fn keep(&self, value: &AccessToken, life: Option<TokenLife>) -> io::Result<Arc<HeldValue>> {
        let hashed = value.hashed();
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, value| value.strong_count() > 0);
        if let Some(there) = held.get(&hashed).and_then(Weak::upgrade) {
            return Ok(there);
        }
        let value = Arc::new(HeldValue {
            // From the buffer that is wiped into pages that are locked.
            bytes: LockedBytes::copy_of(value.expose().as_bytes())?,
            hashed: hashed.clone(),
            minted: life.map(MintedState::new),
        });
        held.insert(hashed, Arc::downgrade(&value));
        Ok(value)
    }
}

impl Leases {
    /// The live lease that a token was handed out for, and what is kept of it.
    pub(crate) fn proxied(
        &self,
        token: &AccessToken,
        now: Now,
    ) -> Option<(Arc<Lease>, Arc<Proxied>)> {
        self.table.proxied(&token.hashed(), now)
    }

    /// The live lease of this id whose token only the broker honours, and what is kept of it.
    pub(crate) fn proxied_by(&self, id: &LeaseId) -> Option<(Arc<Lease>, Arc<Proxied>)> {
        Some((self.find(id)?, self.table.proxied_by(id)?))
    }

    /// Whether requests are made with this value, or one is under way with it.
    pub(crate) fn uses(&self, hashed: &HashedToken) -> bool {
        self.held_values.has(hashed)
    }

    /// Wipes the values and the keys of all leases; those that are used again are opened again.
    pub(crate) fn wipe_values(&self) {
        for proxied in self.table.all_proxied() {
            proxied.wipe();
        }
    }
}

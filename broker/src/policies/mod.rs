//! The policies in force, why those on disk are not, and what they say to a request that is not made.
//!
//! A request keeps the set it began with; code that must know whether it still holds asks
//! `still_in_force`. Loading decides nothing else: what follows from another set (leases that
//! end, values that are no longer kept) is `operations`'s.

mod described;
mod explain;
mod load;
mod on_disk;
mod requested;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::iter;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use broker_policy::{Host, PolicySet, SecretKind};
use broker_protocol::names::{Delivery, Purpose, SecretName};
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use tokio::task::JoinError;

use self::on_disk::OnDisk;
use crate::caller::Programs;
use crate::metrics::{self, Counters};

pub(crate) use self::described::KnownAccounts;
pub(crate) use self::explain::{explain, explained};
pub use self::load::LoadError;
pub(crate) use self::load::{Loaded, load};
pub(crate) use self::requested::parse_ttl;

pub(crate) struct Policies {
    pub(crate) directory: PathBuf,
    host: Host,
    in_force: RwLock<Arc<InForce>>,
    fault: Mutex<Option<String>>,
    on_disk: OnDisk,
    /// Leases granted, by purpose and delivery.
    pub(crate) granted: Counters<2>,
}

/// A policy set, and since when it has been in force.
pub(crate) struct InForce {
    pub(crate) set: PolicySet,
    pub(crate) since: Timestamp,
    /// SHA-256 of every file, hexadecimal, by its name.
    pub(crate) files: BTreeMap<String, String>,
    /// Leases granted, by purpose and by each thing that it may deliver: a fallback may deliver another.
    granted: BTreeMap<Purpose, Vec<(Delivery, Counter)>>,
}

impl InForce {
    pub(crate) fn since(now: Timestamp, loaded: Loaded, counters: &Counters<2>) -> Self {
        let purposes = loaded.set.purposes().map(|purpose| &purpose.whole);
        let granted = purposes.map(|terms| {
            let fallback = terms.fallback.iter().map(|fallback| fallback.deliver);
            let delivered = iter::once(terms.deliver).chain(fallback);
            let counter = |deliver| metrics::granted(counters, &terms.purpose, deliver);
            let counters = delivered.map(|deliver| (deliver, counter(deliver)));
            (terms.purpose.clone(), counters.collect())
        });
        Self {
            granted: granted.collect(),
            since: now,
            set: loaded.set,
            files: loaded.files,
        }
    }

    /// Counts a lease that was granted, by what was delivered.
    pub(crate) fn count_granted(&self, purpose: &Purpose, delivered: Delivery) {
        let mut counters = self.granted.get(purpose).into_iter().flatten();
        let counter = counters.find(|(deliver, _)| *deliver == delivered);
        if let Some((_, counter)) = counter {
            counter.inc();
        }
    }
}

impl Policies {
    /// Puts in force what was loaded from this directory, for a broker on this host.
    pub(crate) fn new(directory: PathBuf, host: Host, loaded: Loaded, now: Timestamp) -> Self {
        let granted = Counters::default();
        Self {
            directory,
            host,
            in_force: RwLock::new(Arc::new(InForce::since(now, loaded, &granted))),
            fault: Mutex::default(),
            on_disk: OnDisk::default(),
            granted,
        }
    }

    pub(crate) fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether this set is still the one in force.
    pub(crate) fn still_in_force(&self, set: &Arc<InForce>) -> bool {
        let in_force = self.in_force.read();
        Arc::ptr_eq(set, &in_force.unwrap_or_else(PoisonError::into_inner))
    }

    /// Why the files are not the set in force, if they were refused.
    pub(crate) fn fault(&self) -> Option<String> {
        let fault = self.fault.lock();
        fault.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How much the set in force wants to know of the programs that connect.
    pub(crate) fn programs(&self) -> Programs {
        if self.in_force().set.wants_sha256() {
            Programs::PathAndDigest
        } else {
            Programs::Path
        }
    }

    /// Whether the value that is handed out is the vault's: policies say so, or do not speak of the secret.
    /// Otherwise what the vault holds of it is a copy.
    pub(crate) fn take_from_vault(&self, secret: &SecretName) -> bool {
        let in_force = self.in_force();
        let declared = in_force.set.secret(secret);
        declared.is_none_or(|declared| declared.source.is_vault())
    }

    /// Whether the secret is an App's key, of which tokens are minted.
    pub(crate) fn is_app(&self, secret: &SecretName) -> bool {
        let in_force = self.in_force();
        let declared = in_force.set.secret(secret);
        declared.is_some_and(|declared| declared.kind == SecretKind::App)
    }

    /// Reads the files again, beside everything else: account names may have to be asked for, too.
    ///
    /// # Errors
    ///
    /// The outer one is a fault of the broker's own; the inner one, why the files are refused.
    pub(crate) async fn load_again(&self) -> Result<Result<Loaded, LoadError>, JoinError> {
        let (directory, host) = (self.directory.clone(), self.host);
        tokio::task::spawn_blocking(move || load(&directory, &host)).await
    }

    pub(crate) fn replace(&self, loaded: Loaded, now: Timestamp) {
        let in_force = Arc::new(InForce::since(now, loaded, &self.granted));
        *self
            .in_force
            .write()
            .unwrap_or_else(PoisonError::into_inner) = in_force;
        self.note_fault(None);
    }

    /// Notes why the files were refused.
    pub(crate) fn note_fault(&self, why: Option<String>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

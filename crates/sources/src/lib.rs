//! Where the value of a secret comes from when it is not stored in the vault.
//!
//! A source is one implementation of `Source` and one line in [`Sources::new`]; its names are in
//! [`broker_protocol::source::SOURCES`]. [`Sources::read`] gives a copy of a value for one recorded use.
//! Places that are quick to read are read for each use. 1Password and the keyring are read now and then,
//! by one at a time, and their values cached ([`Cache`]). The outcome of the last reading says, without
//! another one, whether there is a value and which.
//!
//! The vault itself is not here. As there, [`Sources`] gives out a value only for a [`Recorded`] use;
//! [`Sources::load`], which takes none, keeps no more than a hash.

mod cache;
mod change;
mod credential;
mod env;
mod error;
mod file;
mod keyring;
pub mod one_password;
mod source;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_audit_writer::{Recorded, Use};
use broker_clock::Now;
use broker_protocol::source::{Location, ReadWhen, SourceSpec};
use broker_secret_memory::token::{AccessToken, HashedToken};
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::Notify;

use self::cache::Lookup;
use self::credential::CredentialSource;
use self::env::EnvSource;
use self::one_password::{OnePassword, Op, Plan};
use self::source::{Effort, ReadError, Source};

pub use self::cache::{Cache, CacheState, CacheTimes, ReadOptions};
pub use self::error::SourceError;
pub use self::file::FileSource;
pub use self::keyring::{KeyringError, KeyringSource};
pub use self::source::{FailureKind, Fetched, SourceContext};

/// Every source but the vault.
pub struct Sources {
    all: Vec<Arc<dyn Source>>,
    /// Why there are none, if so.
    none_because: Option<&'static str>,
    /// Files, some of which policies declare as mounted by a deployment.
    pub file: Arc<FileSource>,
    /// 1Password, whose requests are limited.
    pub one_password: Arc<OnePassword>,
    /// The values of places that are read seldom.
    pub cache: Cache,
    /// The outcomes of the last readings of places that are not cached.
    outcomes: Mutex<BTreeMap<SourceSpec, Result<HashedToken, SourceError>>>,
    /// A lease waits for a place to be read.
    awaited: Notify,
    /// A place was read.
    noted: Notify,
    /// How often cached places were read since the start.
    pub reads: Reads,
}

/// How often cached places were read, by `source` and `outcome`.
pub type Reads = Family<[(&'static str, &'static str); 2], Counter>;

/// A copy of a value.
pub struct Taken {
    /// The value.
    pub value: AccessToken,
    /// Since when it is past its time, where its place is unavailable and it is served all the same.
    pub stale_since: Option<Timestamp>,
}

impl Sources {
    /// Reads nothing yet. `lookup` is [`std::env::var_os`] but in tests.
    #[must_use]
    pub fn new(
        lookup: fn(&str) -> Option<OsString>,
        times: CacheTimes,
        one_password: OnePassword,
    ) -> Self {
        let one_password = Arc::new(one_password);
        let credentials = lookup("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let file = Arc::new(FileSource::new(credentials));
        Self {
            // In the order of the table of names.
            all: vec![
                Arc::clone(&one_password) as _,
                Arc::new(KeyringSource),
                Arc::clone(&file) as _,
                Arc::new(CredentialSource {
                    files: Arc::clone(&file),
                }),
                Arc::new(EnvSource { lookup }),
            ],
            none_because: None,
            file,
            one_password,
            cache: Cache::new(times),
            outcomes: Mutex::default(),
            awaited: Notify::new(),
            noted: Notify::new(),
            reads: Reads::default(),
        }
    }

    /// None of them: whatever policies name is refused for this reason, without a look at it.
    #[must_use]
    pub fn none(why: &'static str) -> Self {
        // No program can be there.
        let nothing = Op::new("/dev/null/op".into(), None, Duration::ZERO);
        let one_password = OnePassword::new(Box::new(nothing), Plan::default());
        let mut none = Self::new(|_| None, CacheTimes::default(), one_password);
        none.all.clear();
        none.none_because = Some(why);
        none
    }

    /// Reads the places that policies name, when those are loaded. What is read seldom is read when it is
    /// first used.
    pub async fn load<'a>(
        &self,
        named: impl IntoIterator<Item = &'a SourceSpec>,
        context: &dyn SourceContext,
    ) {
        let mut seldom = Vec::new();
        for spec in named {
            match self.find(spec) {
                Ok(_) if is_cached(spec) => seldom.push(spec),
                Ok((source, place)) => {
                    // Its outcome is noted.
                    drop(self.read_once(source, spec, place, context).await);
                }
                Err(_vault) => {}
            }
        }
        self.cache.keep_only(&seldom);
    }

    /// Returns why a place gave no value when it was last read; `None` if it gave one, or if only a limit
    /// that is over by now kept it from that.
    #[must_use]
    pub fn fault(&self, spec: &SourceSpec, now: Now) -> Option<SourceError> {
        match is_cached(spec) {
            true => self.cache.fault(spec, now),
            false => self.outcomes().get(spec)?.as_ref().err().cloned(),
        }
    }

    /// Returns the hash of the value that a place gave when it was last read.
    #[must_use]
    pub fn hashed(&self, spec: &SourceSpec) -> Option<HashedToken> {
        match is_cached(spec) {
            true => self.cache.hashed(spec),
            false => self.outcomes().get(spec)?.as_ref().ok().cloned(),
        }
    }

    /// Returns a copy of the value, for one recorded use.
    ///
    /// # Errors
    ///
    /// [`SourceError`]; [`SourceError::NotHere`] for the vault.
    pub async fn read(
        &self,
        usage: Recorded<Use>,
        spec: &SourceSpec,
        options: ReadOptions,
        context: &dyn SourceContext,
    ) -> Result<Taken, SourceError> {
        let (source, place) = self.find(spec)?;
        if !is_cached(spec) {
            let value = self.read_once(source, spec, place, context).await?;
            let stale_since = None;
            return Ok(Taken { value, stale_since });
        }
        match self.cache.look_up(spec, options, context.now()) {
            Lookup::Answer(answer) => return answer,
            Lookup::Read { stale_is_there } if stale_is_there && options.for_lease => {
                return self.wait_a_little(spec, options, context).await;
            }
            Lookup::Read { .. } => {}
        }
        let (reading, epoch) = self.cache.reading(spec);
        let _alone = reading.lock().await;
        // Someone else may have read it meanwhile.
        if let Lookup::Answer(answer) = self.cache.look_up(spec, options, context.now()) {
            return answer;
        }
        let outcome = self.read_counted(&usage, source, place, context).await;
        match &outcome {
            Ok(fetched) => context.keep(spec, fetched).await,
            Err(ReadError { error, .. }) if error.kind() == FailureKind::Refused => {
                context.forget(spec).await;
            }
            Err(_) => {}
        }
        let now = context.now();
        self.cache.note((spec, source), epoch, outcome, now);
        self.noted.notify_waiters();

        match self.cache.look_up(spec, options, context.now()) {
            Lookup::Answer(answer) => answer,
            // Everything was forgotten while it was read.
            Lookup::Read { .. } => Err(SourceError::NotHere),
        }
    }

    /// The same for the broker itself, read at the place whatever is cached, and although it failed just now.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub async fn read_now(
        &self,
        usage: Recorded<Use>,
        spec: &SourceSpec,
        context: &dyn SourceContext,
    ) -> Result<Taken, SourceError> {
        self.cache.clear_failure(spec);
        let since = Some(context.now().boot);
        let for_lease = false;
        let options = ReadOptions { since, for_lease };
        self.read(usage, spec, options, context).await
    }

    /// Returns when a lease has found a value past its time: its place is among those that are due.
    pub async fn awaited(&self) {
        self.awaited.notified().await;
    }

    /// Waits for a newer value, if upkeep reads it soon; else returns the one past its time. However long
    /// the place takes, a lease does not, and the reading goes on when the lease is gone.
    async fn wait_a_little(
        &self,
        spec: &SourceSpec,
        options: ReadOptions,
        context: &dyn SourceContext,
    ) -> Result<Taken, SourceError> {
        self.awaited.notify_one();
        let newer = async {
            loop {
                // Made before the look-up, so that it misses nothing that is noted after.
                let noted = self.noted.notified();
                match self.cache.look_up(spec, options, context.now()) {
                    Lookup::Read { .. } => noted.await,
                    Lookup::Answer(answer) => return answer,
                }
            }
        };
        let newer = tokio::time::timeout(PATIENCE, newer).await;
        newer.unwrap_or_else(|_late| self.cache.stale(spec, context.now()))
    }

    /// Reads a place that is cached, and counts that for the metrics.
    async fn read_counted(
        &self,
        _usage: &Recorded<Use>,
        source: &dyn Source,
        place: &Location,
        context: &dyn SourceContext,
    ) -> Result<Fetched, ReadError> {
        let read = source.read(place, context).await;
        let outcome = match &read {
            Ok(_) => "ok",
            Err(error) if error.effort == Effort::None => return read,
            Err(_) => "failed",
        };
        let labels = [("source", place.scheme()), ("outcome", outcome)];
        self.reads.get_or_create(&labels).inc();
        read
    }

    /// Reads a place that is not cached, and notes the outcome.
    async fn read_once(
        &self,
        source: &dyn Source,
        spec: &SourceSpec,
        place: &Location,
        context: &dyn SourceContext,
    ) -> Result<AccessToken, SourceError> {
        let read = source.read(place, context).await;
        let read = read.map(|fetched| fetched.value).map_err(|e| e.error);
        let outcome = read.as_ref().map(AccessToken::hashed);
        self.outcomes()
            .insert(spec.clone(), outcome.map_err(Clone::clone));
        read
    }

    fn find<'a>(
        &'a self,
        spec: &'a SourceSpec,
    ) -> Result<(&'a dyn Source, &'a Location), SourceError> {
        let SourceSpec::Outside(place) = spec else {
            return Err(SourceError::NotHere);
        };
        if let Some(why) = self.none_because {
            return Err(SourceError::NoPlaces(why));
        }
        let mut all = self.all.iter();
        let source = all.find(|source| source.scheme() == place.scheme());
        // A test compares those there are with those that can be named.
        Ok((&**source.ok_or(SourceError::NotHere)?, place))
    }

    /// A thread that panicked here can have left no more than an older outcome.
    fn outcomes(&self) -> MutexGuard<'_, BTreeMap<SourceSpec, Result<HashedToken, SourceError>>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_cached(spec: &SourceSpec) -> bool {
    spec.read_when() == Some(ReadWhen::Seldom)
}

/// How long a lease waits for a newer value while there is a stale one for it.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;

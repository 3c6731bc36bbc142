//! Where the value of a secret comes from when it does not lie in the vault.
//!
//! One interface for all of them: [`Sources::take`] gives a copy for one recorded use, and what came of
//! the last reading tells people, without another one, whether there is a value and which. What is
//! quick to read is read anew for each use (files) or was read for good (the environment); 1Password and
//! the keyring are asked now and then, and their values kept meanwhile.
//!
//! The vault itself is not here: `Vault::unseal` is that source. Every source takes a
//! [`Recorded`] use, as the vault does.

mod around;
mod cache;
mod desk;
pub mod env;
mod error;
mod failed;
mod fetched;
mod file;
mod kept;
mod keyring;
pub mod one_password;
mod outage;
mod requests;
mod slow;
mod wish;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_audit_writer::{Recorded, Use};
use broker_clock::Now;
use broker_policy::SourceSpec;
use broker_secret_memory::token::{AccessToken, HashedToken};
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use self::env::EnvSource;
use self::file::Mounts;
use self::one_password::ServiceLimit;
use self::slow::Slow;
use self::wish::Wish;

pub use self::around::{Around, Ask};
pub use self::desk::{Desk, OnePassword};
pub use self::error::SourceError;
pub use self::fetched::{Fetched, Nature};
pub use self::keyring::{KeyringError, KeyringSource};
pub use self::requests::{Plan, Requests, Spent};
pub use self::wish::{Standing, Times};

/// Every source but the vault.
pub struct Sources {
    env: EnvSource,
    mounts: Mounts,
    /// What came of the last reading of each file.
    files: Mutex<BTreeMap<PathBuf, Result<HashedToken, SourceError>>>,
    slow: Slow,
}

/// How often slow places were read, by `source` and `outcome`.
pub type Reads = Family<[(&'static str, &'static str); 2], Counter>;

/// A copy of a value.
pub struct Taken {
    /// The value.
    pub value: AccessToken,
    /// Since when it is past its time, where its place is down and it is served all the same.
    pub stale_since: Option<Timestamp>,
}

impl Taken {
    const fn fresh(value: AccessToken) -> Self {
        Self {
            value,
            stale_since: None,
        }
    }
}

impl Sources {
    /// Reads nothing yet. `lookup` is [`std::env::var_os`] but in tests; `ask` is how 1Password and the
    /// keyring are read.
    #[must_use]
    pub fn new(
        lookup: fn(&str) -> Option<OsString>,
        times: Times,
        plan: Plan,
        ask: Box<dyn Ask>,
    ) -> Self {
        Self {
            env: EnvSource::new(lookup),
            mounts: Mounts::new(lookup("CREDENTIALS_DIRECTORY").map(PathBuf::from)),
            files: Mutex::new(BTreeMap::new()),
            slow: Slow::new(times, plan, ask),
        }
    }

    /// Goes on from the requests to 1Password that were written down.
    pub fn went_before(&self, requests: Requests) {
        self.slow.went_before(requests);
    }

    /// Takes in which files policies say a deployment mounts, before [`Self::look_at`].
    pub fn expect_mounted(&self, files: BTreeSet<PathBuf>) {
        self.mounts.declare(files);
    }

    /// Takes in one more, the end of a move that policies do not name at the moment.
    pub fn expect_mounted_also(&self, file: &Path) {
        self.mounts.declare_also(file);
    }

    /// Looks at the places that policies name, at start and when policies change: a variable is read
    /// for good, a file is read anew for each use, and what is slow is read when it is first wanted.
    /// Blocks for as long as the disk does.
    pub fn look_at<'a>(&self, sources: impl IntoIterator<Item = &'a SourceSpec>) {
        let mut slow = Vec::new();
        for source in sources {
            match source {
                SourceSpec::Vault => {}
                SourceSpec::Env(name) => self.env.capture(name),
                SourceSpec::File(path) => {
                    let read = self.mounts.reading(path).read();
                    let read = read.map(|value| value.hashed());
                    self.files().insert(path.clone(), read);
                }
                SourceSpec::Keyring(_) | SourceSpec::OnePassword(_) => slow.push(source),
            }
        }
        self.slow.keep_only(&slow);
    }

    /// Why a place gave no value when it was last read; `None` if it gave one, or only a limit that is over by
    /// now kept it from that.
    #[must_use]
    pub fn fault(&self, source: &SourceSpec, now: Now) -> Option<SourceError> {
        match source {
            SourceSpec::Vault => None,
            SourceSpec::Env(name) => self.env.fault(name),
            SourceSpec::File(path) => self.files().get(path)?.as_ref().err().cloned(),
            SourceSpec::Keyring(_) | SourceSpec::OnePassword(_) => self.slow.fault(source, now),
        }
    }

    /// The hash of the value that a place gave when it was last read.
    #[must_use]
    pub fn hashed(&self, source: &SourceSpec) -> Option<HashedToken> {
        match source {
            SourceSpec::Vault => None,
            SourceSpec::Env(name) => self.env.hashed(name),
            SourceSpec::File(path) => self.files().get(path)?.as_ref().ok().cloned(),
            SourceSpec::Keyring(_) | SourceSpec::OnePassword(_) => self.slow.hashed(source),
        }
    }

    /// How often slow places were read since the start.
    #[must_use]
    pub fn reads(&self) -> Reads {
        self.slow.reads.clone()
    }

    /// How the value of a slow place stands; `None` for other places, and before it was read.
    #[must_use]
    pub fn standing(&self, source: &SourceSpec, now: Now) -> Option<Standing> {
        self.slow.standing(source, now)
    }

    /// A copy of the value for a lease, a recorded use. `since` (boot time) asks a slow place for a value
    /// that was read no earlier.
    ///
    /// # Errors
    ///
    /// [`SourceError`]; [`SourceError::NotHere`] for the vault.
    pub async fn take(
        &self,
        usage: Recorded<Use>,
        source: &SourceSpec,
        since: Option<Duration>,
        around: &dyn Around,
    ) -> Result<Taken, SourceError> {
        let for_a_lease = true;
        let wish = Wish { since, for_a_lease };
        self.take_as(usage, source, wish, around).await
    }

    /// The same for the broker itself, which is no reason to read it again ahead of need.
    ///
    /// # Errors
    ///
    /// As [`Self::take`].
    pub async fn look(
        &self,
        usage: Recorded<Use>,
        source: &SourceSpec,
        around: &dyn Around,
    ) -> Result<Taken, SourceError> {
        let wish = Wish {
            since: None,
            for_a_lease: false,
        };
        self.take_as(usage, source, wish, around).await
    }

    async fn take_as(
        &self,
        usage: Recorded<Use>,
        source: &SourceSpec,
        wish: Wish,
        around: &dyn Around,
    ) -> Result<Taken, SourceError> {
        match source {
            SourceSpec::Vault => Err(SourceError::NotHere),
            SourceSpec::Env(name) => self.env.take(usage, name).map(Taken::fresh),
            SourceSpec::File(path) => self.read_file(path).await.map(Taken::fresh),
            SourceSpec::Keyring(_) | SourceSpec::OnePassword(_) => {
                self.slow.take(usage, source, wish, around).await
            }
        }
    }

    /// The same, asked for at the place itself whatever is kept, and although it failed just now.
    ///
    /// # Errors
    ///
    /// As [`Self::take`].
    pub async fn read_anew(
        &self,
        usage: Recorded<Use>,
        source: &SourceSpec,
        around: &dyn Around,
    ) -> Result<Taken, SourceError> {
        match source {
            SourceSpec::Keyring(_) | SourceSpec::OnePassword(_) => {
                self.slow.read_anew(usage, source, around).await
            }
            source => self.look(usage, source, around).await,
        }
    }

    /// Lets a place be read that policies need not name: of a variable, what it was when tokend started.
    pub fn name(&self, source: &SourceSpec) {
        if let SourceSpec::Env(name) = source {
            self.env.capture(name);
        }
    }

    /// Whether a value can be written there, and erased. Elsewhere a person does it. The vault is not
    /// meant.
    #[must_use]
    pub fn can_write(&self, source: &SourceSpec) -> bool {
        self.slow.can_write(source)
    }

    /// Puts a value there, in place of what is there.
    ///
    /// # Errors
    ///
    /// [`SourceError`]. It may be there all the same, and [`Self::read_anew`] tells.
    pub async fn write(
        &self,
        source: &SourceSpec,
        value: &AccessToken,
        around: &dyn Around,
    ) -> Result<(), SourceError> {
        self.slow.write(source, value, around).await
    }

    /// Erases a value. One that is not there is erased already.
    ///
    /// # Errors
    ///
    /// [`SourceError`]. It may be erased all the same.
    pub async fn remove(
        &self,
        source: &SourceSpec,
        around: &dyn Around,
    ) -> Result<(), SourceError> {
        self.slow.remove(source, around).await
    }

    /// Reads a slow place ahead of need: that is no use of it, and nobody's reason to read it again. One
    /// whose value came since `since` (boot time) is not asked once more.
    ///
    /// # Errors
    ///
    /// As [`Self::take`].
    pub async fn refresh(
        &self,
        usage: Recorded<Use>,
        source: &SourceSpec,
        since: Duration,
        around: &dyn Around,
    ) -> Result<(), SourceError> {
        let read = self.slow.refresh(usage, source, since, around).await;
        read.map(|_value| ())
    }

    /// Returns when a lease has found a value past its time: its place is among those that are due.
    pub async fn awaited(&self) {
        self.slow.awaited().await;
    }

    /// Wipes a value that is too old to be given to anybody, and names its place.
    #[must_use]
    pub fn give_up_old(&self, now: Now) -> Option<SourceSpec> {
        self.slow.give_up_old(now)
    }

    /// The places that should be read again before they are needed, or that a lease waits for.
    #[must_use]
    pub fn due(&self, now: Now) -> Vec<SourceSpec> {
        self.slow.due(now)
    }

    /// Takes in a value of a slow place that was read in an earlier run of the broker.
    pub fn remember(&self, source: &SourceSpec, fetched: &Fetched, read_at: Timestamp, now: Now) {
        self.slow.remember(source, fetched, read_at, now);
    }

    /// Keeps values of slow places again, after [`Self::forget`].
    pub fn open(&self) {
        self.slow.open();
    }

    /// Forgets every value that was kept of a slow place, and the key they were sealed with; keeps none
    /// until [`Self::open`].
    pub fn forget(&self) {
        self.slow.forget();
    }

    /// What 1Password says of the limits of its service account, asked now.
    ///
    /// # Errors
    ///
    /// [`SourceError`].
    pub async fn one_password_limits(
        &self,
        around: &dyn Around,
    ) -> Result<Vec<ServiceLimit>, SourceError> {
        self.slow.limits(around).await
    }

    /// How many requests were made of 1Password in the last 24 hours, and how many there may be.
    #[must_use]
    pub fn requests_in_a_day(&self, now: Now) -> (u32, u32) {
        self.slow.in_a_day(now)
    }

    async fn read_file(&self, path: &Path) -> Result<AccessToken, SourceError> {
        let reading = self.mounts.reading(path);
        let reading = tokio::task::spawn_blocking(move || reading.read()).await;
        let read = reading.unwrap_or_else(|panic| {
            tracing::error!(path = %path.display(), cause = %panic, "a file could not be read");
            Err(SourceError::NotHere)
        });
        let outcome = read.as_ref().map(AccessToken::hashed);
        self.files()
            .insert(path.to_owned(), outcome.map_err(Clone::clone));
        read
    }

    /// A thread that panicked here can have left no more than an older outcome.
    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Result<HashedToken, SourceError>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

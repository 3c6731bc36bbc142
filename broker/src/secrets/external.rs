//! Maintains values that are stored elsewhere: what their places are shown, what is written down of asking
//! them, and reading them ahead of need.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::Duration;

use broker_clock::Now;
use broker_policy::{Caller, SecretDeclaration};
use broker_protocol::api::{OnePasswordView, SourceProbed, SourcesProbed};
use broker_protocol::names::{ONE_PASSWORD_TOKEN, SecretName};
use broker_protocol::source::{ReadWhen, SourceSpec};
use broker_secret_memory::token::AccessToken;
use broker_sources::one_password::{HourlyRequests, Requests};
use broker_sources::{Fetched, ReadOptions, SourceContext, SourceError};
use broker_vault::{SourceValue, VaultError};
use futures_util::future::{BoxFuture, OptionFuture};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::time::MissedTickBehavior;

use super::{Secrets, Upkeep, UpkeepError};

impl SourceContext for Secrets {
    fn now(&self) -> Now {
        self.journal.now()
    }

    fn token(&self) -> BoxFuture<'_, Result<Option<AccessToken>, SourceError>> {
        async {
            let Some(place) = &self.config.one_password.token else {
                return Ok(None);
            };
            let opened = self.open_one_password_token(place).await;
            opened.map(Some).map_err(|error| {
                let why = match &error {
                    UpkeepError::NotFound(name) => format!(
                        "the vault holds no `{name}`; store it with `tokenctl secret set {name}`"
                    ),
                    error => error.to_string(),
                };
                SourceError::NoToken(why.into())
            })
        }
        .boxed()
    }

    fn forget<'a>(&'a self, source: &'a SourceSpec) -> BoxFuture<'a, ()> {
        async move {
            if !self.config.keep_source_values {
                return;
            }
            if let Err(error) = self.vault.forget_source_value(&source.to_string()).await {
                tracing::error!(%source, cause = %error, "a value kept in the vault could not be erased");
            }
        }
        .boxed()
    }

    fn keep<'a>(&'a self, source: &'a SourceSpec, fetched: &'a Fetched) -> BoxFuture<'a, ()> {
        async move {
            // What 1Password is shown may be in the keyring: it stays there alone.
            let policies = self.policies.in_force();
            let is_named = policies.set.sources().any(|named| named == source);
            if !self.config.keep_source_values || !is_named {
                return;
            }
            let value = SourceValue {
                source: source.to_string().into(),
                version: fetched.version,
                read_at: self.journal.now().wall,
                // Sealed there, and wiped.
                value: AccessToken::new(fetched.value.expose().to_owned()),
            };
            if let Err(error) = self.vault.keep_source_value(&value).await {
                tracing::error!(%source, cause = %error, "a value could not be kept in the vault");
            }
        }
        .boxed()
    }

    fn store_requests(&self, counted: HourlyRequests) -> BoxFuture<'_, Result<(), SourceError>> {
        async move {
            let HourlyRequests { hour, requests } = counted;
            let kept = self.vault.keep_source_requests(hour, requests, hour - 24);
            kept.await.map_err(|error| {
                tracing::error!(cause = %error, "requests to 1Password could not be counted");
                SourceError::NotHere
            })
        }
        .boxed()
    }
}

/// A request is answered within a minute, whatever the places do: each of them has a line in the answer.
const PROBED_WITHIN: Duration = Duration::from_secs(50);

/// Waits for an answer, but no longer than until it is `late`.
async fn in_time<T, E: Display>(
    late: impl Future<Output = ()>,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    tokio::select! {
        biased;
        () = late => Err(format!("no answer within {} s", PROBED_WITHIN.as_secs())),
        answer = answer => answer.map_err(|error| error.to_string()),
    }
}

/// How many sources are asked at a time, beside those that leases wait for.
const MOST_AT_ONCE: usize = 8;

impl Secrets {
    /// Opens what 1Password is shown, recorded first.
    async fn open_one_password_token(
        &self,
        place: &SourceSpec,
    ) -> Result<AccessToken, UpkeepError> {
        let name = ONE_PASSWORD_TOKEN.parse();
        let name: SecretName = name.map_err(|_never| SourceError::NotHere)?;
        if place.is_vault() {
            return self.open(None, &name, None, Upkeep::SOURCE).await;
        }
        // Reading the keyring needs no token of its own: this goes one level deep.
        let options = ReadOptions::UPKEEP;
        let read = self.read_elsewhere(None, (&name, place), Upkeep::SOURCE, options);
        Ok(read.await?.value)
    }

    /// Goes on from what an earlier run wrote down.
    ///
    /// # Errors
    ///
    /// If it could not be read.
    pub(crate) async fn recall_requests(&self) -> Result<(), VaultError> {
        let stored = self.vault.source_requests().await?;
        let one_password = &self.sources.one_password;
        one_password.restore_requests(Requests::of(stored));
        Ok(())
    }

    /// Takes the values in that the vault keeps of slow places, once it is unlocked, and erases those that
    /// are not to be kept any more.
    pub(crate) async fn recall_source_values(&self) {
        self.forget_unnamed_source_values().await;
        if !self.config.keep_source_values {
            return;
        }
        let values = self.vault.source_values().await.unwrap_or_else(|error| {
            tracing::error!(cause = %error, "the values kept of sources could not be read");
            Vec::new()
        });
        let policies = self.policies.in_force();
        let now = self.journal.now();
        for value in values {
            let mut named = policies.set.sources();
            let Some(source) = named.find(|source| source.to_string() == *value.source) else {
                continue;
            };
            let fetched = Fetched {
                value: value.value,
                version: value.version,
            };
            self.sources
                .cache
                .restore(source, &fetched, value.read_at, now);
        }
    }

    /// Erases what the vault keeps of places that policies do not name, or of all where configuration does
    /// not say so.
    pub(crate) async fn forget_unnamed_source_values(&self) {
        let policies = self.policies.in_force();
        let keep = self.config.keep_source_values;
        let named = policies.set.sources().filter(|_| keep);
        let named = named.map(|source| source.to_string().into()).collect();
        if let Err(error) = self.vault.keep_only_source_values(named).await {
            tracing::error!(cause = %error, "the values kept of sources could not be erased");
        }
    }

    /// Asks for every value that is in neither the vault nor the environment, recorded first, and
    /// 1Password for its limits. A value that is kept and in its time is not asked for.
    ///
    /// # Errors
    ///
    /// [`UpkeepError::Locked`]. What a source says is in the answer.
    pub(crate) async fn probe_sources(&self, by: &Caller) -> Result<SourcesProbed, UpkeepError> {
        if self.vault.is_locked() {
            return Err(UpkeepError::Locked);
        }
        let policies = self.policies.in_force();
        let late = tokio::time::sleep(PROBED_WITHIN).shared();
        let mut probes = Vec::new();
        for declared in policies.set.secrets() {
            if !matches!(
                declared.source.read_when(),
                None | Some(ReadWhen::UntilRestart)
            ) {
                probes.push(self.probe_source(by, declared, late.clone()).boxed());
            }
        }
        let asks_1password = policies.set.sources().any(|source| source.scheme() == "op");
        // Beside them: each may take all the time that configuration gives it.
        let one_password = asks_1password.then(|| self.probe_one_password(late.clone()));
        let one_password = OptionFuture::from(one_password);
        let sources = stream::iter(probes).buffered(MOST_AT_ONCE).collect();
        let (sources, one_password) = tokio::join!(sources, one_password);
        Ok(SourcesProbed {
            sources,
            one_password,
        })
    }

    async fn probe_source(
        &self,
        by: &Caller,
        declared: &SecretDeclaration,
        late: impl Future<Output = ()>,
    ) -> SourceProbed {
        let (name, source) = (&declared.name, &declared.source);
        let options = ReadOptions::UPKEEP;
        let taken = self.read_elsewhere(Some(by), (name, source), Upkeep::PROBE, options);
        let (stale_since, fault) = match in_time(late, taken).await {
            // A stale value is there, and so is why no newer one is.
            Ok(taken) if taken.stale_since.is_some() => {
                let fault = self.sources.fault(source, self.journal.now());
                (taken.stale_since, fault.map(|fault| fault.to_string()))
            }
            Ok(_) => (None, None),
            Err(fault) => (None, Some(fault)),
        };
        SourceProbed {
            secret: name.clone(),
            source: source.to_string(),
            fault,
            stale_since,
        }
    }

    async fn probe_one_password(&self, late: impl Future<Output = ()>) -> OnePasswordView {
        let one_password = &self.sources.one_password;
        let (limits, fault) = match in_time(late, one_password.limits(self)).await {
            Ok(limits) => (limits, None),
            Err(fault) => (Vec::new(), Some(fault)),
        };
        let (requests, allowed) = one_password.requests_in_a_day(self.journal.now());
        OnePasswordView {
            requests: requests.into(),
            allowed: allowed.into(),
            limits,
            fault,
        }
    }

    /// Reads the values again that will soon be past their time, so that no one waits for that then, and
    /// at once those that a lease found past it; wipes those that are too old to be handed out. Goes
    /// on until it is dropped, and with it the questions that are under way.
    pub(crate) async fn refresh_sources(&self, every: Duration) {
        let mut tick = tokio::time::interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut readings = FuturesUnordered::new();
        let mut under_way = BTreeSet::new();
        loop {
            tokio::select! {
                Some(source) = readings.next() => {
                    under_way.remove(&source);
                }
                () = self.sources.awaited() => {}
                _ = tick.tick() => self.drop_expired_values().await,
            }
            if self.vault.is_locked() {
                continue;
            }
            let now = self.journal.now();
            for source in self.sources.cache.due(now) {
                // One place that hangs does not keep the other from being asked.
                let there = |other: &&SourceSpec| other.scheme() == source.scheme();
                let room = under_way.iter().filter(there).count() < MOST_AT_ONCE;
                if room && under_way.insert(source.clone()) {
                    readings.push(async move {
                        self.refresh(&source, now.boot).await;
                        source
                    });
                }
            }
        }
    }

    async fn drop_expired_values(&self) {
        while let Some(source) = self.sources.cache.wipe_expired(self.journal.now()) {
            SourceContext::forget(self, &source).await;
        }
    }

    async fn refresh(&self, source: &SourceSpec, since: Duration) {
        let policies = self.policies.in_force();
        let mut secrets = policies.set.secrets();
        let Some(declared) = secrets.find(|declared| declared.source == *source) else {
            return;
        };
        let name = &declared.name;
        let options = ReadOptions {
            since: Some(since),
            ..ReadOptions::UPKEEP
        };
        let read = self.read_elsewhere(None, (name, source), Upkeep::REFRESH, options);
        if let Err(error) = read.await {
            tracing::warn!(secret = %name, cause = %error, "its value could not be read again");
        }
    }

    /// At once: leases are granted from now on.
    pub(crate) fn open_sources(&self) {
        self.sources.cache.open();
        // A lock waits for no one, and may have come between.
        if self.vault.is_locked() {
            self.sources.cache.close();
        }
    }
}

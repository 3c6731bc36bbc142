//! Warns operators: of deadlines by itself, of anything else when told to.
//!
//! A warning is given once. What was given is kept in the vault, so that a restart repeats nothing, and
//! so is what the hook and the webhook have yet to hear, so that it loses nothing. One that fails is
//! tried again in later rounds, less and less often, and `status` says so. Neither a hook that hangs
//! nor a disk that does holds up a round for longer than `PATIENCE`, nor anything else at all.
//!
//! A warning whose answer was lost is sent again. Its `id` is the same each time, across restarts too,
//! for receivers that must not be told twice.
//!
//! Not here: when a deadline is near (`deadline`), how a message gets out (`notify`).

mod channel;
mod history;
mod notice;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_audit::record::SecretEvent;
use broker_protocol::api::WarningChannel;
use broker_protocol::names::SecretName;
use broker_vault::{StoredSecret, Vault};
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::timeout;

use self::channel::Channel;
use self::history::{ChannelName, NewWarning, WarningHistory};
use self::notice::{DeadlineOf, Notice};
use crate::config::WarningsConfig;
use crate::journal::Journal;
use crate::metrics::Counters;
use crate::policies::Policies;
use crate::secrets::Secrets;

/// Something that operators should hear of, once a day at the most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) kind: WarningKind,
    /// What it is about: within its kind, the same subject is the same warning.
    pub(crate) subject: String,
    /// The secret, where it is about one.
    pub(crate) secret: Option<SecretName>,
    /// In plain words; nothing secret, it leaves this machine.
    pub(crate) text: String,
    /// What to do about it, where something is to be done.
    pub(crate) hint: Option<String>,
}

/// Kinds of warnings besides deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WarningKind {
    /// Fewer requests remain at GitHub than a secret's `rate_floor`.
    RateFloor,
    /// GitHub says something else of a secret than policy declares.
    Check,
}

impl WarningKind {
    /// The kind as messages and figures name it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::RateFloor => "rate_floor",
            Self::Check => "check",
        }
    }
}

pub(crate) struct Warnings {
    journal: Arc<Journal>,
    policies: Arc<Policies>,
    secrets: Arc<Secrets>,
    vault: Arc<Vault>,
    history: Mutex<WarningHistory>,
    channels: Vec<Channel>,
    /// Notified when a warning is given.
    pub(crate) wake: Notify,
    /// Warnings given, by kind.
    pub(crate) counters: Counters<1>,
}

impl Warnings {
    /// Nothing was given yet, as far as is known before the vault is read.
    pub(crate) fn new(
        (journal, policies): (Arc<Journal>, Arc<Policies>),
        (secrets, vault): (Arc<Secrets>, Arc<Vault>),
        config: WarningsConfig,
    ) -> Self {
        let hook = config.hook.map(Channel::hook);
        let webhook = config.webhook.map(Channel::webhook);
        Self {
            journal,
            policies,
            secrets,
            vault,
            history: Mutex::default(),
            channels: hook.into_iter().chain(webhook).collect(),
            wake: Notify::new(),
            counters: Counters::default(),
        }
    }

    fn history(&self) -> MutexGuard<'_, WarningHistory> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard_by(&self) -> BTreeSet<ChannelName> {
        self.channels.iter().map(|channel| channel.name).collect()
    }

    /// The state of each channel.
    pub(crate) fn channel_states(&self) -> Vec<WarningChannel> {
        let history = self.history();
        let channels = self.channels.iter();
        channels
            .map(|channel| channel.view(history.count_waiting(channel.name)))
            .collect()
    }

    /// What was warned of within the last day, apart from deadlines and what checks found, which are shown with their
    /// secrets.
    pub(crate) fn of_last_day(&self, now: jiff::Timestamp) -> Vec<String> {
        self.history().of_last_day(now)
    }

    /// Gives a warning, unless the same one was given within a day. Returns at once.
    pub(crate) fn warn(&self, warning: Warning) {
        let now = self.journal.now().wall;
        let fresh = NewWarning {
            occasion: Box::default(),
            mark: now,
            notice: Notice::of(warning, now),
        };
        if self.add(fresh, now) {
            self.wake.notify_one();
        }
    }

    fn add(&self, fresh: NewWarning, now: jiff::Timestamp) -> bool {
        let (kind, text) = (fresh.notice.kind.clone(), fresh.notice.text.clone());
        let fresh = self.history().add(fresh, self.heard_by(), now);
        if fresh {
            tracing::warn!(kind = &*kind, "{text}");
            let kind = [("kind", kind.into_owned())];
            self.counters.get_or_create(&kind).inc();
        }
        fresh
    }

    /// Warns of the deadlines that are near, keeps what was given, and sends each channel what it
    /// has yet to hear.
    pub(crate) async fn run_round(self: &Arc<Self>) {
        if !self.load_history().await {
            return;
        }
        self.secrets.note_first_seen().await;
        self.warn_of_deadlines().await;
        self.store_history().await;
        for nth in 0..self.channels.len() {
            tokio::spawn(Arc::clone(self).deliver(nth));
        }
    }

    /// Reads what was given before this start, once. Until that is known nothing is given, or it might
    /// be given twice.
    async fn load_history(&self) -> bool {
        if self.history().is_read {
            return true;
        }
        let read = match timeout(PATIENCE, self.vault.warnings()).await {
            Ok(Ok(rows)) => {
                let heard_by = self.heard_by();
                self.history().read(rows, &heard_by);
                return true;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => "the vault does not answer".to_owned(),
        };
        tracing::error!(
            cause = read,
            "warnings wait: the vault does not say which were given"
        );
        false
    }

    async fn warn_of_deadlines(self: &Arc<Self>) {
        let this = Arc::clone(self);
        // Ten thousand secrets take some milliseconds, which the thread that serves does not have.
        let looked = tokio::task::spawn_blocking(move || this.near_deadlines());
        let (near, keys) = match looked.await {
            Ok(found) => found,
            Err(panic) => {
                tracing::error!(cause = %panic, "deadlines could not be read");
                return;
            }
        };
        let now = self.journal.now().wall;
        let over = self.history().drop_others(&keys, now);
        if !over.is_empty()
            && let Ok(Err(error)) = timeout(PATIENCE, self.vault.forget_warnings(over)).await
        {
            tracing::error!(cause = %error, "warnings that are over could not be forgotten");
        }
        let added: Vec<NewWarning> = near
            .into_iter()
            .filter(|fresh| self.add(fresh.clone(), now))
            .collect();
        if added.is_empty() {
            return;
        }
        // On their own: a log that cannot be written must not keep the warning from those who can fix it.
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let events = added.iter().filter_map(|fresh| fresh.notice.as_record());
            let records = events.map(|event: SecretEvent<'_>| {
                let this = &this;
                async move { this.journal.record_or_trace(&event).await }
            });
            join_all(records).await;
        });
    }

    /// What falls due, and the keys of all secrets that have a deadline with a warning before it.
    fn near_deadlines(&self) -> (Vec<NewWarning>, BTreeSet<Box<str>>) {
        let now = self.journal.now().wall;
        let policies = self.policies.in_force();
        let stored = self.vault.list().into_iter();
        let stored = stored.map(|(name, held)| (name, Some(held)));
        let elsewhere = policies.set.secrets();
        let elsewhere = elsewhere.filter(|declared| !declared.source.is_vault());
        let elsewhere = elsewhere.map(|declared| (declared.name.clone(), None));
        // Of those that are both, the one that is used.
        let secrets: BTreeMap<SecretName, Option<StoredSecret>> = stored.chain(elsewhere).collect();
        let near = secrets.iter().filter_map(|(name, held)| {
            let declared = policies.set.secret(name);
            let deadline = self.secrets.deadline(declared, held.as_ref());
            let version = held.as_ref().map(|held| held.version);
            history::due(DeadlineOf::Secret { name, version }, &deadline, now)
        });
        let near: Vec<NewWarning> = near.chain(self.near_root_key(now)).collect();
        let keys = near.iter().map(|fresh| fresh.notice.key()).collect();
        (near, keys)
    }

    /// The warning that the root key's deadline calls for, where an operator is to act.
    fn near_root_key(&self, now: jiff::Timestamp) -> Option<NewWarning> {
        let deadline = self.secrets.root_key_deadline();
        if !self.secrets.needs_operator(&deadline, now) {
            return None;
        }
        let key = self.vault.root_key_in_force();
        history::due(DeadlineOf::RootKey(&key), &deadline, now)
    }

    /// Keeps in the vault what was given and delivered since this was last done. If it cannot be, it
    /// is tried again in the next round.
    pub(crate) async fn store_history(&self) {
        let unkept = self.history().take_unkept();
        if unkept.is_empty() {
            return;
        }
        let keys: Vec<Box<str>> = unkept.iter().map(|row| row.key.clone()).collect();
        let why = match timeout(PATIENCE, self.vault.keep_warnings(unkept)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => "the vault does not answer".to_owned(),
        };
        tracing::error!(
            cause = why,
            "a restart may repeat a warning: it could not be kept"
        );
        self.history().not_kept(&keys);
    }

    /// Sends a channel all that it has yet to hear.
    async fn deliver(self: Arc<Self>, nth: usize) {
        let Some(channel) = self.channels.get(nth) else {
            return;
        };
        let Some(_alone) = channel.begin(self.journal.now()) else {
            return;
        };
        loop {
            let waiting = self.history().waiting(channel.name, MOST_TOGETHER);
            if waiting.is_empty() {
                return;
            }
            let notices = waiting.iter().map(|notice| &**notice);
            let told = channel.tell(&notice::message(notices)).await;
            let now = self.journal.now();
            match told {
                Ok(()) => {
                    tracing::info!(
                        channel = channel.name.as_str(),
                        warnings = waiting.len(),
                        "warnings sent"
                    );
                    channel.succeeded();
                    self.history().delivered(channel.name, &waiting);
                    self.store_history().await;
                }
                Err(error) => {
                    channel.failed(now, &error);
                    return;
                }
            }
        }
    }
}

/// How long a round waits for the vault.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many warnings one message holds at the most. More follow in messages of their own.
const MOST_TOGETHER: usize = 50;

//! Since when the value in use of a secret has been known, and keeping that.

use std::sync::Arc;

use broker_policy::SecretDeclaration;
use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;
use broker_vault::first_seen::FirstSeen;
use jiff::Timestamp;

use super::Secrets;

impl Secrets {
    /// Since when the value in use has been known: in the vault, or in the place that policies name. A value
    /// that is seen for the first time is known since now. `None` if there never was one.
    pub(crate) fn known_since(&self, declared: &SecretDeclaration) -> Option<Timestamp> {
        let now = self.journal.now().wall;
        let seen = self.vault.first_seen(&declared.name);
        let Some(hashed) = self.hash_in_use(declared) else {
            // Not read yet since the start.
            let before = seen.in_use().filter(|_| !declared.source.is_vault());
            return before.map(|since| since.min(now));
        };
        Some(self.since(declared, &seen, &hashed, now))
    }

    /// Keeps since when the values in use have been known, of secrets whose deadline depends on it.
    pub(crate) async fn note_first_seen(self: &Arc<Self>) {
        let this = Arc::clone(self);
        // As many as there are secrets, and the thread that serves has no time for that.
        let news = tokio::task::spawn_blocking(move || {
            this.first_seen_of_those(|declared| {
                !declared.source.is_vault() || declared.rotate_every.is_some()
            })
        });
        match news.await {
            Ok(news) => self.keep_first_seen(news).await,
            Err(panic) => {
                tracing::error!(cause = %panic, "the age of values could not be read");
            }
        }
    }

    /// Keeps it for secrets that are stored outside the vault, at once: what was read may not be known again for
    /// a while after a restart.
    pub(crate) async fn note_first_seen_elsewhere(&self) {
        let news = self.first_seen_of_those(|declared| !declared.source.is_vault());
        self.keep_first_seen(news).await;
    }

    /// Keeps it for one secret, before its value is moved.
    pub(crate) async fn note_first_seen_of(&self, name: &SecretName) {
        let news = self.first_seen_of_those(|declared| declared.name == *name);
        self.keep_first_seen(news).await;
    }

    fn first_seen_of_those(
        &self,
        counted: impl Fn(&SecretDeclaration) -> bool,
    ) -> Vec<(SecretName, FirstSeen)> {
        let policies = self.policies.in_force();
        let secrets = policies.set.secrets().filter(|declared| counted(declared));
        secrets
            .filter_map(|declared| self.first_seen_now(declared))
            .collect()
    }

    async fn keep_first_seen(&self, news: Vec<(SecretName, FirstSeen)>) {
        if news.is_empty() {
            return;
        }
        if let Err(error) = self.vault.keep_first_seen(news).await {
            tracing::error!(cause = %error, "since when values have been known could not be kept");
        }
    }

    /// What is to be kept, if that is not what is kept already.
    fn first_seen_now(&self, declared: &SecretDeclaration) -> Option<(SecretName, FirstSeen)> {
        let hashed = self.hash_in_use(declared)?;
        let seen = self.vault.first_seen(&declared.name);
        let since = self.since(declared, &seen, &hashed, self.journal.now().wall);
        let seen = seen.with(&hashed, since)?;
        Some((declared.name.clone(), seen))
    }

    /// The earliest that is known of this value. A time that is yet to come is that of a clock which was
    /// wrong, and counts as now.
    fn since(
        &self,
        declared: &SecretDeclaration,
        seen: &FirstSeen,
        hashed: &HashedToken,
        now: Timestamp,
    ) -> Timestamp {
        // Also a copy in the vault of a value that is stored elsewhere.
        let stored = self.vault.held(&declared.name);
        let stored = stored.filter(|held| held.hashed_credential == *hashed);
        let known = seen.of(hashed).into_iter();
        let known = known.chain(stored.map(|held| held.set_at)).min();
        known.map_or(now, |since| since.min(now))
    }

    /// The hash of the value in use; of one that is stored elsewhere only once it was read.
    pub(crate) fn hash_in_use(&self, declared: &SecretDeclaration) -> Option<HashedToken> {
        if declared.source.is_vault() {
            return Some(self.vault.held(&declared.name)?.hashed_credential);
        }
        self.sources.hashed(&declared.source)
    }
}

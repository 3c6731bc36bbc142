//! Asks GitHub what principals with live leases have left: `GET /rate_limit`, which is free.
//!
//! A server that has no rate limits, as an Enterprise Server by default, says so with 404 and is not asked again
//! before the next start.
//!
//! A caller with a `raw` or an installation token goes to GitHub by itself, so no answer of its
//! passes here. One poll for each principal, not for each secret; one at a time; no one is polled of
//! whom something was heard lately anyway. A poll opens a stored value and is recorded like any other
//! use of it; an installation is asked for with a token that is in memory anyway.
//!
//! Not here: the timer (`life`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::time::Duration;

use broker_github::{Credential, GitHubError, Principal};
use broker_protocol::causes;
use broker_protocol::names::SecretName;
use broker_secret_memory::token::{AccessToken, HashedToken};

use super::Limits;
use crate::secrets::{Upkeep, UpkeepError};

/// When each principal with live leases was last asked, in boot time.
pub(crate) type LastAsked = HashMap<Principal, Duration>;

/// How long at least between two questions for what is left of a rate limit.
const APART: Duration = Duration::from_secs(1);

/// The credential that GitHub is asked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PollCredential {
    /// A stored personal access token.
    Secret(SecretName),
    /// An installation token that some lease holds.
    Minted(HashedToken),
}

impl Limits {
    /// Whom to ask now, and with what: those with live leases of whom nothing was heard for `every`, the
    /// longest ago first. `leased` are the secrets behind live leases; `asked` forgets those who have none
    /// any more.
    pub(super) fn due_polls(
        &self,
        leased: BTreeSet<SecretName>,
        asked: &mut LastAsked,
        every: Duration,
    ) -> Vec<(Principal, PollCredential)> {
        if self.server_has_none.load(Ordering::Relaxed) {
            return Vec::new();
        }
        // No value is opened for a call that would not go out.
        if self.vault.is_locked() || self.github.left_alone().is_some() {
            return Vec::new();
        }
        let (limits, now) = (&self.github.limits, self.journal.now());
        let stored = leased
            .into_iter()
            // Asked with again and again, what GitHub refuses locks the account out.
            .filter(|secret| !self.is_rejected(secret))
            .filter_map(|secret| {
                Some((self.principal_of(&secret)?, PollCredential::Secret(secret)))
            });
        let held = self.minting.tokens.held().into_iter();
        let held = held.filter(|token| !self.secrets.was_refused(&token.minted.hashed_credential));
        let minted = held.map(|token| {
            let principal = Principal::Installation(token.minted.installation);
            (
                principal,
                PollCredential::Minted(token.minted.hashed_credential),
            )
        });
        // By principal, so that one secret of each is opened.
        let mut in_use = BTreeMap::new();
        for (principal, with) in stored.chain(minted) {
            // Who is in such a limit is left alone until that is over.
            if limits.held_off(&principal, now).is_none() {
                in_use.entry(principal).or_insert(with);
            }
        }
        let heard = |principal: &Principal| limits.heard_of(principal);
        due(in_use, asked, heard, now.boot, every)
    }

    /// Whether GitHub refuses the value in use.
    fn is_rejected(&self, secret: &SecretName) -> bool {
        let policies = self.policies.in_force();
        let declared = policies.set.secret(secret);
        declared.is_some_and(|declared| self.secrets.rejected_since(declared).is_some())
    }

    /// Asks for all that are due, one after the other, and at most one a second.
    pub(crate) async fn poll_those_due(&self, leased: BTreeSet<SecretName>, every: Duration) {
        let mut asked = self.asked.lock().await;
        for (principal, with) in self.due_polls(leased, &mut asked, every) {
            if self.server_has_none.load(Ordering::Relaxed) {
                return;
            }
            asked.insert(principal.clone(), self.journal.now().boot);
            self.poll(&principal, with).await;
            tokio::time::sleep(APART).await;
        }
    }

    /// Asks for one of them. The answer is in [`broker_github::Limits`]; a failure is traced, and the
    /// next round asks again.
    async fn poll(&self, principal: &Principal, with: PollCredential) {
        let token = match with {
            PollCredential::Minted(hashed) => self.minting.tokens.value(&hashed),
            PollCredential::Secret(secret) => self.open_for_poll(&secret).await,
        };
        let Some(token) = token else { return };
        let credential = Credential::Token(&token);
        let Err(error) = self.github.rate_limit(credential, principal).await else {
            return;
        };
        if let GitHubError::NotFound { .. } = error {
            self.server_has_none.store(true, Ordering::Relaxed);
            tracing::info!(
                api = %self.github.base,
                "this server has no rate limits (404); it is not asked for them again before the next start"
            );
            return;
        }
        if let GitHubError::Unauthorized { .. } = error {
            self.secrets.note_refused(&token.hashed());
        }
        let cause = error.for_operators();
        tracing::warn!(%principal, cause, "what is left of its rate limit is not known");
    }

    async fn open_for_poll(&self, secret: &SecretName) -> Option<AccessToken> {
        let opened = self.secrets.open(None, secret, None, Upkeep::RATE_LIMIT);
        match opened.await {
            Ok(token) => Some(token),
            // Said where it matters: to callers, in `status`, by checks.
            Err(UpkeepError::Locked | UpkeepError::NotFound(_)) => None,
            Err(error) => {
                let cause = causes::describe(&error);
                tracing::warn!(%secret, cause, "not asked what is left of its rate limit");
                None
            }
        }
    }
}

/// The longest ago first.
fn due(
    in_use: BTreeMap<Principal, PollCredential>,
    asked: &mut LastAsked,
    heard: impl Fn(&Principal) -> Option<Duration>,
    now: Duration,
    every: Duration,
) -> Vec<(Principal, PollCredential)> {
    asked.retain(|principal, _| in_use.contains_key(principal));
    let mut due: Vec<_> = in_use
        .into_iter()
        .filter_map(|(principal, with)| {
            let last = heard(&principal).max(asked.get(&principal).copied());
            let due = last.is_none_or(|last| last.saturating_add(every) <= now);
            due.then_some((last, (principal, with)))
        })
        .collect();
    due.sort_by_key(|(last, _)| *last);
    due.into_iter().map(|(_, poll)| poll).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(300);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn in_use(logins: &[&str]) -> BTreeMap<Principal, PollCredential> {
        let secret: SecretName = "org-label-sync-token".parse().unwrap();
        let principals = logins.iter().map(|login| Principal::user(login));
        principals
            .map(|one| (one, PollCredential::Secret(secret.clone())))
            .collect()
    }

    fn names(polls: &[(Principal, PollCredential)]) -> Vec<String> {
        let principals = polls.iter().map(|(principal, _)| principal.to_string());
        principals.collect()
    }

    #[test]
    fn everybody_is_asked_at_first_and_then_once_in_a_while() {
        let mut asked = LastAsked::new();
        let both = || in_use(&["b", "a"]);
        let first = due(both(), &mut asked, |_| None, at(1000), EVERY);
        assert_eq!(names(&first), ["user a", "user b"]);
        asked.insert(Principal::user("a"), at(1000));
        asked.insert(Principal::user("b"), at(1001));
        assert!(due(both(), &mut asked, |_| None, at(1299), EVERY).is_empty());
        let again = due(both(), &mut asked, |_| None, at(1300), EVERY);
        assert_eq!(names(&again), ["user a"]);
        let later = due(both(), &mut asked, |_| None, at(1301), EVERY);
        assert_eq!(names(&later), ["user a", "user b"], "the longest ago first");
    }

    #[test]
    fn nobody_is_asked_of_whom_was_heard_lately() {
        let heard = |one: &Principal| (*one == Principal::user("a")).then_some(at(1200));
        let mut asked = LastAsked::new();
        let polls = due(in_use(&["a", "b"]), &mut asked, heard, at(1300), EVERY);
        assert_eq!(names(&polls), ["user b"]);
    }

    #[test]
    fn who_has_no_lease_any_more_is_forgotten() {
        let mut asked = LastAsked::from([(Principal::user("a"), at(1))]);
        assert!(due(in_use(&[]), &mut asked, |_| None, at(1000), EVERY).is_empty());
        assert!(asked.is_empty());
    }
}

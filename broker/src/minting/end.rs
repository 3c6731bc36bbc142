//! Ends installation tokens at GitHub: when their last lease is over, when an operator says so, and
//! what a broker that was killed left alive.
//!
//! An end takes effect first and is recorded then. Before GitHub is asked, the vault notes that it is
//! about to be: a broker that is killed in between shares no dead token after the next start. It is
//! tried until GitHub says that the token is dead, or until it has ended by itself: by boot time,
//! because a wall clock may be wrong and asking GitHub again is not. “Not accepted” counts as dead only
//! for a token that is older than GitHub takes to know a new one everywhere.

use std::sync::Arc;
use std::time::Duration;

use broker_audit::record::GitHubEvent;
use broker_audit_writer::Use;
use broker_clock::Backoff;
use broker_github::{Credential, GitHubError, Principal};
use broker_policy::Caller;
use broker_protocol::api::TokenEnd;
use broker_protocol::names::LeaseId;
use broker_secret_memory::token::{AccessToken, HashedToken};
use broker_vault::Minted;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;

use super::Minting;
use crate::lease_record;
use crate::minting::table::{TOKEN_LIFETIME, Token, TokenLife};
use crate::secrets::Upkeep;

/// A new token may be refused for some seconds, until it is known everywhere. Octokit allows for five.
///
/// Source: octokit/auth-app.js, `src/hook.ts`.
pub(crate) const KNOWN_EVERYWHERE: Duration = Duration::from_secs(10);
/// How long an operator waits for GitHub's answer.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long a value is waited for that has to be recorded and opened, before the store is locked.
const OPENING: Duration = Duration::from_secs(1);
/// How long the vault is waited for that notes an end. A disk that hangs keeps no token alive.
const NOTING: Duration = Duration::from_secs(1);
/// How many tokens are ended together where all are. GitHub allows a hundred requests at a time.
///
/// Source: GitHub REST documentation, “Rate limits for the REST API”.
const TOGETHER: usize = 16;
/// Until GitHub says that a token is dead.
const BETWEEN_TRIES: Backoff = Backoff {
    first: Duration::from_secs(1),
    cap: Duration::from_secs(5 * 60),
};

/// A token that is to end, and its value or why there is none.
pub(crate) struct TokenToEnd {
    token: Token,
    tries: u32,
    value: Result<AccessToken, String>,
}

impl Minting {
    /// Ends, beside everything else, the tokens that no lease holds any more, and no request `uses`. What a
    /// start found in the vault waits until live leases are rebuilt, which `rebuilt` says.
    pub(crate) fn end_unneeded_tokens(
        self: &Arc<Self>,
        rebuilt: bool,
        uses: impl Fn(&HashedToken) -> bool,
    ) {
        let now = self.journal.now().boot;
        for (token, tries) in self.tokens.take_due(now, rebuilt, uses) {
            let this = Arc::clone(self);
            tokio::spawn(async move { this.end_token(token, tries, None).await });
        }
    }

    /// Ends a token at once, even if leases hold it, or with `last` only if no other lease does; and returns
    /// what GitHub answered within a few seconds.
    ///
    /// It has begun when this returns; the answer is awaited.
    pub(crate) fn end_token_now(
        self: &Arc<Self>,
        hashed: &HashedToken,
        by: &Arc<Caller>,
        last: Option<&LeaseId>,
    ) -> impl Future<Output = TokenEnd> + Send + use<> {
        let ending = self.tokens.end_now(hashed, last).map(|(token, tries)| {
            let (this, by) = (Arc::clone(self), Arc::clone(by));
            // Goes on when no one waits for it any more.
            tokio::spawn(async move { this.end_token(token, tries, Some(&by)).await })
        });
        async move {
            match ending {
                Ok(ending) => match tokio::time::timeout(PATIENCE, ending).await {
                    Ok(Ok(end)) => end,
                    Ok(Err(_)) | Err(_) => TokenEnd::Pending,
                },
                Err(end) => end,
            }
        }
    }

    /// Ends a token that GitHub refused for a request, if GitHub does not accept it at all: a 401 may be about one
    /// request. Its leases get another one. Of many requests that were refused together, one asks at a time, and
    /// the others only if the lease still holds the token then.
    pub(crate) async fn end_if_refused(&self, lease: &LeaseId, hashed: &HashedToken) {
        let asking = self.asking.lock().await;
        if !self.tokens.holds(lease, hashed) {
            return;
        }
        let mut all = self.tokens.all().into_iter().map(|token| token.minted);
        let minted = all.find(|one| one.hashed_credential == *hashed);
        let (Some(minted), Some(value)) = (minted, self.tokens.value(hashed)) else {
            return;
        };
        let principal = Principal::Installation(minted.installation);
        let asked = self
            .github
            .rate_limit(Credential::Token(&value), &principal);
        let Err(GitHubError::Unauthorized { .. }) = asked.await else {
            return;
        };
        let ending = self.tokens.end_now(hashed, None);
        drop(asking);
        if let Ok((token, tries)) = ending {
            self.end_token(token, tries, None).await;
        }
    }

    /// Begins to end every token that may be alive and whose value is stored in the vault alone, even if
    /// leases hold it, and opens them. It takes a record each, and [`OPENING`] at most.
    pub(crate) async fn open_values_to_end(&self, by: &Caller) -> Vec<TokenToEnd> {
        let begun = self.begin_ending(|value| value.is_none());
        let opening = begun.into_iter().map(|(token, tries, _)| async move {
            let value = tokio::time::timeout(OPENING, self.value_to_end(&token.minted, Some(by)));
            let late = |_| Err("the audit log took no record in time".to_owned());
            TokenToEnd {
                value: value.await.unwrap_or_else(late),
                token,
                tries,
            }
        });
        join_all(opening).await
    }

    /// Begins to end every token that may be alive and whose value is in memory, even if
    /// leases hold it.
    pub(crate) fn take_values_to_end(&self) -> Vec<TokenToEnd> {
        let begun = self.begin_ending(Option::is_some).into_iter();
        begun
            .filter_map(|(token, tries, value)| {
                Some(TokenToEnd {
                    value: Ok(value?),
                    token,
                    tries,
                })
            })
            .collect()
    }

    /// From here on they are shared with no one.
    fn begin_ending(
        &self,
        wanted: impl Fn(&Option<AccessToken>) -> bool,
    ) -> Vec<(Token, u32, Option<AccessToken>)> {
        let tokens = &self.tokens;
        let all = tokens.all().into_iter();
        let all = all.map(|token| (tokens.value(&token.minted.hashed_credential), token));
        all.filter(|(value, _)| wanted(value))
            .filter_map(|(value, token)| {
                let begun = tokens.end_now(&token.minted.hashed_credential, None);
                let (token, tries) = begun.ok()?;
                Some((token, tries, value))
            })
            .collect()
    }

    /// Ends them at GitHub, some at a time, and waits for it no longer than an operator does. It goes on
    /// when no one waits for it any more.
    pub(crate) async fn end_all(self: &Arc<Self>, tokens: Vec<TokenToEnd>, by: &Arc<Caller>) {
        let (this, by) = (Arc::clone(self), Arc::clone(by));
        let ending = tokio::spawn(async move {
            let minted = tokens.iter().map(|to_end| &to_end.token.minted);
            let hashed = minted.map(|minted| minted.hashed_credential.clone());
            this.note_ending(hashed.collect()).await;
            let ending = tokens
                .into_iter()
                .map(|to_end| this.end_with(to_end, Some(&by)));
            let mut ending = stream::iter(ending).buffer_unordered(TOGETHER);
            while ending.next().await.is_some() {}
        });
        if let Ok(Err(panic)) = tokio::time::timeout(PATIENCE, ending).await {
            tracing::error!(cause = %panic, "installation tokens could not be ended; the next start of tokend ends them");
        }
    }

    async fn end_token(&self, token: Token, tries: u32, by: Option<&Caller>) -> TokenEnd {
        let now = self.journal.now().boot;
        if tries > 0 && token.life.is_over(now) {
            let minted = &token.minted;
            let not_revoked = GitHubEvent::TokenNotRevoked {
                secret: minted.key.secret.as_str(),
                installation: minted.installation,
                hashed_credential: minted.hashed_credential.as_str(),
                expired_at: minted.expires_at,
            };
            return self.record_and_forget(minted, &not_revoked).await;
        }
        let noted = self.note_ending(vec![token.minted.hashed_credential.clone()]);
        let (value, ()) = tokio::join!(self.value_to_end(&token.minted, by), noted);
        let to_end = TokenToEnd {
            token,
            tries,
            value,
        };
        self.end_with(to_end, by).await
    }

    /// Notes, durably, that GitHub is about to be asked to end these tokens; those of them of which that
    /// is not known yet. Waits for [`NOTING`] at most: what takes longer is written all the same.
    async fn note_ending(&self, mut tokens: Vec<HashedToken>) {
        tokens.retain(|hashed| !self.vault.knows_ending(hashed));
        if tokens.is_empty() {
            return;
        }
        let why = match tokio::time::timeout(NOTING, self.vault.note_ending(tokens)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => "the disk is slow".to_owned(),
        };
        tracing::warn!(
            cause = why,
            "it is not noted that an installation token is about to end; a broker killed now may share it after its start"
        );
    }

    async fn end_with(&self, to_end: TokenToEnd, by: Option<&Caller>) -> TokenEnd {
        let TokenToEnd {
            token: Token { minted, life },
            tries,
            value,
        } = to_end;
        let now = self.journal.now().boot;
        let ended = match value {
            Ok(value) => {
                let github = &self.github;
                let ended = github.end_installation_token(&value, minted.installation);
                match ended.await {
                    Ok(()) => Ok("GitHub ended it"),
                    Err(GitHubError::Unauthorized { .. }) if life.age(now) >= KNOWN_EVERYWHERE => {
                        Ok("GitHub did not accept it any more")
                    }
                    Err(error) => Err((error.to_string(), error.retry_after())),
                }
            }
            Err(why) => Err((why, None)),
        };
        let (why, asked) = match ended {
            Ok(how) => {
                self.counters.revoked.inc();
                let revoked = GitHubEvent::TokenRevoked {
                    secret: minted.key.secret.as_str(),
                    installation: minted.installation,
                    hashed_credential: minted.hashed_credential.as_str(),
                    by: by.map(lease_record::caller),
                    how,
                };
                return self.record_and_forget(&minted, &revoked).await;
            }
            Err(failed) => failed,
        };
        let asked = asked.unwrap_or_default();
        let pause = BETWEEN_TRIES.pause(tries).max(asked).min(BETWEEN_TRIES.cap);
        tracing::warn!(
            cause = why,
            secret = %minted.key.secret,
            seconds = pause.as_secs(),
            "an installation token could not be ended at GitHub; it is tried again"
        );
        let at = self.journal.now().boot + pause;
        self.tokens
            .retry_end(&minted.hashed_credential, tries + 1, at);
        TokenEnd::Pending
    }

    /// The token, from memory, or out of the vault after a record.
    async fn value_to_end(
        &self,
        minted: &Minted,
        by: Option<&Caller>,
    ) -> Result<AccessToken, String> {
        if let Some(value) = self.tokens.value(&minted.hashed_credential) {
            return Ok(value);
        }
        if self.vault.is_locked() {
            return Err("the store is locked".to_owned());
        }
        let usage = Use::of(&minted.key.secret, None);
        let recorded = self
            .secrets
            .record_upkeep(by, usage, Upkeep::INSTALLATION, None);
        let recorded = recorded.await.map_err(|error| error.to_string())?;
        self.vault
            .open_minted(&recorded, &minted.hashed_credential)
            .map_err(|error| error.to_string())
    }

    /// Records that a token is dead, and forgets it.
    async fn record_and_forget(&self, minted: &Minted, event: &GitHubEvent<'_>) -> TokenEnd {
        self.journal.record_or_trace(event).await;
        self.tokens.remove(&minted.hashed_credential);
        if let Err(error) = self.vault.forget_minted(&minted.hashed_credential).await {
            tracing::warn!(cause = %error, "an ended installation token is still in the vault; the next start forgets it");
        }
        TokenEnd::Revoked
    }

    /// Takes over what the vault kept over a restart.
    pub(crate) fn find_tokens(&self) {
        let now = self.journal.now();
        for minted in self.vault.minted() {
            let life = TokenLife::restored(now, minted.minted_at, minted.expires_at);
            self.tokens.restore(Token { minted, life });
        }
    }

    /// Leases that hold a token and are not live: their grants are not honoured. Should the broker end
    /// before that is recorded, they must not keep the token alive.
    pub(crate) fn pending_holders(&self, tokens: &[Token]) -> Vec<(LeaseId, Timestamp)> {
        let until = self.journal.now().wall.saturating_add(TOKEN_LIFETIME);
        let until = until.unwrap_or(Timestamp::MAX);
        let holders = tokens
            .iter()
            .flat_map(|token| self.tokens.holders(&token.minted.hashed_credential));
        holders.map(|lease| (lease, until)).collect()
    }
}

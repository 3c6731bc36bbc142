//! The installation token behind a `proxy` lease on an App.
//!
//! It is minted, compared, shared and ended as one that is handed out (`minting`). It lives for an hour, and the
//! lease for as long as its rule says: so the next one is minted while the one in use is still good, beside the
//! requests. Each is named by a `lease.issued` before it is used. While none can be minted, the one in use is used
//! to its end.
//!
//! Not here: requests that GitHub refuses because it does not know a new token everywhere yet (`forwarding`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use broker_audit_writer::{Effect, Recorded, Use};
use broker_protocol::error::ErrorCode;
use broker_secret_memory::token::{AccessToken, HashedToken};
use broker_vault::MintKey;
use tokio::sync::OwnedMutexGuard;

use super::open::Place;
use super::{HeldValue, Proxied};
use crate::api_error::ApiError as _;
use crate::lease::Lease;
use crate::lease_record;
use crate::leases::Leases;
use crate::leases::issue::IssueError;
use crate::minting::table::{AHEAD, SLACK, Token, TokenLife, mint_key};
use crate::minting::{KNOWN_EVERYWHERE, MintError, wanted_by};

/// Mints that failed a moment ago, and why: GitHub is not asked again for each request.
#[derive(Default)]
pub(in crate::leases) struct FailedMints(Mutex<HashMap<MintKey, (Duration, Arc<MintError>)>>);

/// How long a mint that failed is not tried again. Ours.
const MINT_AGAIN: Duration = Duration::from_secs(10);

impl FailedMints {
    fn note(&self, key: MintKey, error: &Arc<MintError>, now: Duration) {
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|_, (at, _)| now < *at + MINT_AGAIN);
        failed.insert(key, (now, Arc::clone(error)));
    }

    fn lately(&self, key: &MintKey, now: Duration) -> Option<Arc<MintError>> {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, error) = failed.get(key)?;
        (now < *at + MINT_AGAIN).then(|| Arc::clone(error))
    }
}

/// What is known of an installation token that is held.
pub(super) struct MintedState {
    life: TokenLife,
    /// Whether GitHub has accepted it.
    accepted: AtomicBool,
    /// Held by the request that finds that out.
    first: Arc<tokio::sync::Mutex<()>>,
}

impl MintedState {
    pub(super) fn new(life: TokenLife) -> Self {
        Self {
            life,
            accepted: AtomicBool::new(false),
            first: Arc::default(),
        }
    }
}

impl HeldValue {
    /// Whether it is an installation token.
    pub(crate) const fn is_minted(&self) -> bool {
        self.minted.is_some()
    }

    fn life(&self) -> Option<TokenLife> {
        self.minted.as_ref().map(|minted| minted.life)
    }

    /// How long from this moment of boot time it takes until the token is so old.
    pub(crate) fn until_age(&self, age: Duration, now: Duration) -> Duration {
        let life = self.life();
        life.map_or(Duration::ZERO, |life| age.saturating_sub(life.age(now)))
    }

    /// Notes that GitHub accepts it.
    pub(crate) fn note_accepted(&self) {
        if let Some(minted) = &self.minted {
            minted.accepted.store(true, Ordering::Relaxed);
        }
    }

    /// Lets one request find out whether GitHub knows the token, and no other until the guard is dropped. `None` once
    /// that is known, and for a stored value.
    pub(crate) async fn first_request(&self) -> Option<OwnedMutexGuard<()>> {
        let minted = self.minted.as_ref()?;
        let is_accepted = || minted.accepted.load(Ordering::Relaxed);
        if is_accepted() {
            return None;
        }
        let turn = Arc::clone(&minted.first).lock_owned().await;
        (!is_accepted()).then_some(turn)
    }
}

impl Leases {
    /// Whether a request may begin with this token: it has not ended, and the lease holds it.
    pub(crate) fn is_good(&self, lease: &Lease, value: &HeldValue) -> bool {
        let now = self.journal.now().boot;
        let lives = |life: TokenLife| !life.left(now).is_zero();
        value.life().is_some_and(lives) && self.minting.tokens.holds(&lease.id, &value.hashed)
    }

    /// Whether it is time for the next token.
    pub(super) fn ends_soon(&self, value: &HeldValue) -> bool {
        let now = self.journal.now().boot;
        value.life().is_some_and(|life| life.ends_soon(now))
    }

    /// Gets the next token beside the requests, which go on with the one in use.
    pub(super) fn begin_next(self: &Arc<Self>, lease: &Arc<Lease>, proxied: &Arc<Proxied>) {
        let now = self.journal.now().boot;
        let failed = mint_key(lease).map(|key| self.failed_mints.lately(&key, now).is_some());
        // Or it is on its way.
        if failed.unwrap_or(true) || proxied.proof.try_lock().is_err() {
            return;
        }
        let (this, lease, proxied) = (Arc::clone(self), Arc::clone(lease), Arc::clone(proxied));
        tokio::spawn(async move {
            if let Err(error) = this.open_value(&lease, &proxied).await {
                tracing::warn!(
                    lease = %lease.id,
                    secret = %lease.secret,
                    cause = %error,
                    "there is no next installation token; the one in use is used until it ends"
                );
            }
        });
    }

    /// An installation token for this lease, which holds it from then on: the shared one, or a new one. That
    /// is on record before it is used.
    pub(super) async fn open_minted(
        &self,
        lease: &Lease,
        place: &Place,
        proof: &mut Option<Recorded<Use>>,
    ) -> Result<(AccessToken, TokenLife), IssueError> {
        let key = mint_key(lease)?;
        let now = self.journal.now().boot;
        if let Some(source) = self.failed_mints.lately(&key, now) {
            let secret = lease.secret.clone();
            return Err(IssueError::Mint { secret, source });
        }
        // Paid for before anything is minted.
        self.spend_bytes(lease.caller.account(), lease_record::SHORT)?;
        let version = place.held.as_ref().map(|held| held.version);
        let usage = Use::of(&lease.secret, version);
        let of_this_key = |proof: &Recorded<Use>| proof.get().version == version;
        let (recorded, named) = match proof.take().filter(of_this_key) {
            Some(proof) => (proof, None),
            None => self.record_use_of_minted(lease, &key, usage).await?,
        };
        let before = self.minting.tokens.held_by(&lease.id);
        let before = before.map(|token| token.minted.hashed_credential);
        let minted = self
            .minting
            .installation_token(recorded, lease, &key, &place.source);
        let minted = minted.await.and_then(|(token, value)| {
            let left = token.life.left(self.journal.now().boot);
            if left + SLACK < AHEAD {
                self.give_back(lease, before.as_ref());
                return Err(Arc::new(MintError::ClockAhead));
            }
            Ok((token, value))
        });
        let (token, value) = minted.map_err(|source| {
            // A lock says so itself, for as long as it lasts.
            if source.answer().code != ErrorCode::Locked {
                let now = self.journal.now().boot;
                self.failed_mints.note(key, &source, now);
            }
            let secret = lease.secret.clone();
            IssueError::Mint { secret, source }
        })?;
        let recorded = self.record_minted(lease, &token, named.as_ref(), version);
        if let Err(error) = recorded.await {
            self.give_back(lease, before.as_ref());
            return Err(error);
        }
        // What ended meanwhile has released what it held then. Nothing is sent under it.
        if self.find(&lease.id).is_none() {
            self.minting.tokens.release(&lease.id, None);
            return Err(IssueError::Ended);
        }
        Ok((value, token.life))
    }

    /// The lease does not use its next token, which is ended unless other leases hold it. It goes on with the one
    /// it held before.
    fn give_back(&self, lease: &Lease, before: Option<&HashedToken>) {
        let tokens = &self.minting.tokens;
        let goes_on = before.is_some_and(|before| tokens.restore_holder(&lease.id, before));
        if !goes_on || self.find(&lease.id).is_none() {
            tokens.release(&lease.id, None);
        }
    }

    /// The proof that allows the use of an App, once that of the grant is spent. If there is a token to share, it
    /// names that one, and is the only record of it.
    async fn record_use_of_minted(
        &self,
        lease: &Lease,
        key: &MintKey,
        usage: Use,
    ) -> Result<(Recorded<Use>, Option<HashedToken>), IssueError> {
        let (tokens, now) = (&self.minting.tokens, self.journal.now().boot);
        let Some(shared) = tokens.shared(key, wanted_by(lease), now) else {
            return Ok((self.record_opening(usage).await?, None));
        };
        let version = usage.version;
        let hashed = shared.minted.hashed_credential;
        let minted = Some((shared.minted.installation, None));
        let body = self.issued_body(lease, &hashed, minted, None)?;
        let effect = Effect::LeaseIssued(lease.id.clone());
        let recorded = self.journal.record_use_body(usage, body, effect).await;
        let recorded = recorded.map_err(IssueError::NotRecorded)?;
        self.table
            .note_opened(&lease.id, hashed.clone(), version, None);
        Ok((recorded, Some(hashed)))
    }

    /// Records the token that the lease holds, unless a record names it already.
    async fn record_minted(
        &self,
        lease: &Lease,
        token: &Token,
        named: Option<&HashedToken>,
        version: Option<u64>,
    ) -> Result<(), IssueError> {
        let hashed = &token.minted.hashed_credential;
        if named == Some(hashed) {
            return Ok(());
        }
        let minted = Some((token.minted.installation, None));
        let body = self.issued_body(lease, hashed, minted, None)?;
        let effect = Effect::LeaseIssued(lease.id.clone());
        let recorded = self.journal.record_body(body, effect).await;
        recorded.map_err(IssueError::NotRecorded)?;
        self.table
            .note_opened(&lease.id, hashed.clone(), version, None);
        Ok(())
    }

    /// What a 401 for this token means: from which moment of boot time the request is sent again, or `None` if it is
    /// the answer. `tries` counts how often it was sent, `sent` is when it was last.
    ///
    /// Source: octokit/auth-app.js, `src/hook.ts`, which waits a second longer each time.
    pub(crate) async fn again_after_401(
        &self,
        (lease, proxied): (&Lease, &Proxied),
        value: &HeldValue,
        (tries, sent): (u32, Duration),
    ) -> Option<Duration> {
        value.life()?;
        let held = proxied.value().as_ref().map(|held| held.hashed.clone());
        // It ended, or the next one took its place, while the request was on its way.
        if held.as_ref() != Some(&value.hashed) || !self.is_good(lease, value) {
            return Some(sent);
        }
        if value.until_age(KNOWN_EVERYWHERE, sent).is_zero() {
            self.minting.end_if_refused(&lease.id, &value.hashed).await;
            return None;
        }
        Some(sent + Duration::from_secs(tries.into()))
    }
}

//! Opens the value behind a `proxy` lease.

use std::panic::resume_unwind;
use std::sync::Arc;

use broker_audit::record::Body;
use broker_audit_writer::{Effect, Recorded, Use};
use broker_policy::SecretKind;
use broker_protocol::source::SourceSpec;
use broker_secret_memory::token::{AccessToken, HashedToken};
use broker_sources::ReadOptions;
use broker_vault::StoredSecret;
use jiff::Timestamp;
use tokio::task::JoinError;

use super::{HeldValue, Proxied};
use crate::lease::Lease;
use crate::leases::Leases;
use crate::leases::issue::{IssueError, vault_error};
use crate::secrets::{Upkeep, UpkeepError};

/// Where the value of a secret is.
pub(super) struct Place {
    /// Whether it is an App's key.
    is_app: bool,
    pub(super) source: SourceSpec,
    /// What the vault has of it, where that is the place.
    pub(super) held: Option<StoredSecret>,
}

impl Leases {
    /// Nothing goes on under a lease while the store is locked.
    ///
    /// # Errors
    ///
    /// [`IssueError::Locked`]
    pub(crate) fn refuse_while_locked(&self) -> Result<(), IssueError> {
        if self.grants_nothing() {
            return Err(IssueError::Locked);
        }
        Ok(())
    }

    /// The value that a request under this lease is made with. Opened first where it is not, or where another
    /// one is in use by now; that is on record before it happens.
    ///
    /// # Errors
    ///
    /// [`IssueError`]; nothing was opened, or it is not used.
    pub(crate) async fn value_behind(
        self: &Arc<Self>,
        lease: &Arc<Lease>,
        proxied: &Arc<Proxied>,
    ) -> Result<Arc<HeldValue>, IssueError> {
        if let Some(value) = self.held_value(lease, proxied)? {
            if self.ends_soon(&value) {
                self.begin_next(lease, proxied);
            }
            return Ok(value);
        }
        let (this, lease, proxied) = (Arc::clone(self), Arc::clone(lease), Arc::clone(proxied));
        // In a task: what is on record as opened is there for the next request, also if this one is gone by
        // then. Each record stays with the lease.
        let opening = tokio::spawn(async move { this.open_value(&lease, &proxied).await });
        match opening.await.map_err(JoinError::try_into_panic) {
            Ok(opened) => opened,
            Err(Ok(panic)) => resume_unwind(panic),
            Err(Err(_cancelled)) => Err(IssueError::Stopping),
        }
    }

    /// The value that is held, unless another one is in use by now or, of an installation token, it has ended.
    fn held_value(
        &self,
        lease: &Lease,
        proxied: &Proxied,
    ) -> Result<Option<Arc<HeldValue>>, IssueError> {
        self.refuse_while_locked()?;
        let in_use = self.hash_in_use(lease)?;
        let value = proxied.value().clone();
        Ok(value.filter(|value| {
            if value.is_minted() {
                return self.is_good(lease, value);
            }
            in_use.is_none_or(|in_use| value.hashed == in_use)
        }))
    }

    /// The hash of the value in use, as far as it is known before it is read.
    pub(crate) fn hash_in_use(&self, lease: &Lease) -> Result<Option<HashedToken>, IssueError> {
        let place = self.place_of(lease)?;
        Ok(match place.held {
            // Not used itself.
            _ if place.is_app => None,
            Some(held) => Some(held.hashed_credential),
            None => self.sources.hashed(&place.source),
        })
    }

    fn place_of(&self, lease: &Lease) -> Result<Place, IssueError> {
        let missing = || IssueError::SecretMissing(lease.secret.clone());
        let policies = self.policies.in_force();
        let declared = policies.set.secret(&lease.secret).ok_or_else(missing)?;
        let source = declared.source.clone();
        let held = source.is_vault().then(|| self.vault.held(&lease.secret));
        let held = held.map(|held| held.ok_or_else(missing)).transpose()?;
        Ok(Place {
            is_app: declared.kind == SecretKind::App,
            source,
            held,
        })
    }

    pub(super) async fn open_value(
        &self,
        lease: &Lease,
        proxied: &Proxied,
    ) -> Result<Arc<HeldValue>, IssueError> {
        let mut proof = proxied.proof.lock().await;
        // Another request may have opened it meanwhile.
        if let Some(value) = self.held_value(lease, proxied)?
            && !self.ends_soon(&value)
        {
            return Ok(value);
        }
        let place = self.place_of(lease)?;
        let (value, life) = if place.is_app {
            let (value, life) = Box::pin(self.open_minted(lease, &place, &mut proof)).await?;
            (value, Some(life))
        } else {
            let proof = proof.take();
            let opened = match &place.held {
                Some(held) => self.open_stored(lease, held, proof).await,
                None => self.open_elsewhere(lease, &place.source, proof).await,
            };
            (opened?, None)
        };
        let value = self.held_values.keep(&value, life);
        let value = value.map_err(|cause| IssueError::NoMemory(lease.secret.clone(), cause))?;
        *proxied.value() = Some(Arc::clone(&value));
        // A lock waits for no one, and may have come between.
        if self.grants_nothing() {
            *proxied.value() = None;
            return Err(IssueError::Locked);
        }
        Ok(value)
    }

    /// A value from the vault, whose hash is known before.
    async fn open_stored(
        &self,
        lease: &Lease,
        held: &StoredSecret,
        proof: Option<Recorded<Use>>,
    ) -> Result<AccessToken, IssueError> {
        let version = Some(held.version);
        let of_this_value = |proof: &Recorded<Use>| {
            proof.get().version == version
                && lease.hashed_credential() == Some(&held.hashed_credential)
        };
        let recorded = match proof.filter(of_this_value) {
            Some(recorded) => recorded,
            None => {
                let usage = Use::of(&lease.secret, version);
                let body = self.issued_again(lease, &held.hashed_credential, None)?;
                let effect = Effect::LeaseIssued(lease.id.clone());
                let recorded = self.journal.record_use_body(usage, body, effect).await;
                let recorded = recorded.map_err(IssueError::NotRecorded)?;
                let opened = held.hashed_credential.clone();
                self.table.note_opened(&lease.id, opened, version, None);
                recorded
            }
        };
        let value = self.vault.unseal(recorded);
        value.map_err(|error| vault_error(&lease.secret, error))
    }

    /// A value that is not stored in the vault. Its hash is known only once it is read, and recorded before
    /// the value is used.
    async fn open_elsewhere(
        &self,
        lease: &Lease,
        source: &SourceSpec,
        proof: Option<Recorded<Use>>,
    ) -> Result<AccessToken, IssueError> {
        let recorded = match proof {
            Some(recorded) => recorded,
            None => self.record_opening(Use::of(&lease.secret, None)).await?,
        };
        let options = ReadOptions {
            since: None,
            for_lease: true,
        };
        let read = self.sources.read(recorded, source, options, &*self.secrets);
        let read = read.await.map_err(|cause| IssueError::Source {
            secret: lease.secret.clone(),
            source: cause,
        })?;
        if read.stale_since.is_some() {
            self.count_stale(&lease.secret);
        }
        let hashed = read.value.hashed();
        if lease.hashed_credential() != Some(&hashed) || lease.stale_since != read.stale_since {
            let body = self.issued_again(lease, &hashed, read.stale_since)?;
            let effect = Effect::LeaseIssued(lease.id.clone());
            let recorded = self.journal.record_body(body, effect).await;
            recorded.map_err(IssueError::NotRecorded)?;
            self.table
                .note_opened(&lease.id, hashed, None, read.stale_since);
        }
        Ok(read.value)
    }

    /// The proof that a value may be opened whose hash is not known before.
    pub(super) async fn record_opening(&self, usage: Use) -> Result<Recorded<Use>, IssueError> {
        let recorded = self.secrets.record_upkeep(None, usage, Upkeep::PROXY, None);
        recorded.await.map_err(|error| match error {
            UpkeepError::NotRecorded(cause) => IssueError::NotRecorded(cause),
            _ => IssueError::Locked,
        })
    }

    /// The record of what is used at GitHub from now on, paid for.
    fn issued_again(
        &self,
        lease: &Lease,
        hashed: &HashedToken,
        stale_since: Option<Timestamp>,
    ) -> Result<Body, IssueError> {
        let body = self.issued_body(lease, hashed, None, stale_since)?;
        self.spend_bytes(lease.caller.account(), body.as_str().len())?;
        Ok(body)
    }
}

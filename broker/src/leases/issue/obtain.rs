//! Gets the value that a recorded grant allows, and records it first where the grant could not name it.

use std::sync::Arc;

use broker_audit::record::{Body, Issued as IssuedRecord, LeaseEvent};
use broker_audit_writer::{Effect, Recorded, Use};
use broker_clock::Now;
use broker_protocol::names::Delivery;
use broker_protocol::source::SourceSpec;
use broker_secret_memory::token::{AccessToken, HashedToken};
use broker_sources::ReadOptions;
use broker_vault::MintKey;
use jiff::Timestamp;

use super::{IssueError, vault_error};
use crate::lease::{Lease, TooShort};
use crate::leases::Leases;
use crate::minting::MintError;
use crate::minting::table::{TOKEN_LIFETIME, TokenRef, mint_key};

/// Where a value is to come from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) source: &'a SourceSpec,
    /// Whether what is kept of a slow place is not enough.
    pub(super) fresh: bool,
}

impl Leases {
    /// Takes hold of the token that leases like this one share, if there is one: then it is known
    /// before the grant, and one record suffices.
    pub(super) fn hold_token(
        &self,
        lease: &mut Lease,
        fresh: bool,
        now: Now,
    ) -> Result<TokenRef<'_>, IssueError> {
        let tokens = &self.minting.tokens;
        let key = mint_key(lease)?;
        if fresh {
            tokens.stop_sharing(&key);
        }
        let held = tokens.share(&key, &lease.id, lease.span.length(), now.boot);
        let hold = TokenRef::new(tokens, lease.id.clone(), key);
        let left = held.as_ref().map(|token| token.life.left(now.boot));
        lease.hashed_token = held.map(|token| token.minted.hashed_credential);
        let cut = lease.span.cut_to(left.unwrap_or(TOKEN_LIFETIME));
        lease.span = cut.map_err(|TooShort| IssueError::SecretExpired(lease.secret.clone()))?;
        Ok(hold)
    }

    /// Gets the value that the record allows; a value that was not known is recorded first.
    pub(super) async fn obtain(
        &self,
        lease: &mut Lease,
        recorded: Recorded<Use>,
        origin: Origin<'_>,
        key: Option<&MintKey>,
    ) -> Result<AccessToken, IssueError> {
        if let Some(key) = key {
            if let Some(value) = self.shared_token(lease, &recorded) {
                return Ok(value);
            }
            return Box::pin(self.obtain_minted(lease, recorded, origin.source, key)).await;
        }
        match origin.source {
            SourceSpec::Vault => self
                .vault
                .unseal(recorded)
                .map_err(|error| vault_error(&lease.secret, error)),
            _ => Box::pin(self.obtain_from_source(lease, recorded, origin)).await,
        }
    }

    /// A value that is not stored in the vault.
    async fn obtain_from_source(
        &self,
        lease: &mut Lease,
        recorded: Recorded<Use>,
        origin: Origin<'_>,
    ) -> Result<AccessToken, IssueError> {
        let options = ReadOptions {
            since: origin.fresh.then_some(lease.span.issued.boot),
            for_lease: true,
        };
        let taken = self
            .sources
            .read(recorded, origin.source, options, &*self.secrets);
        let taken = taken.await;
        let taken = taken.map_err(|source| IssueError::Source {
            secret: lease.secret.clone(),
            source,
        })?;
        if taken.stale_since.is_some() {
            self.count_stale(&lease.secret);
        }
        let hashed = taken.value.hashed();
        self.record_issued(lease, hashed, None, taken.stale_since)
            .await?;
        Ok(taken.value)
    }

    /// The token that the lease's own record names, where it is still there.
    fn shared_token(&self, lease: &Lease, recorded: &Recorded<Use>) -> Option<AccessToken> {
        let hashed = lease.hashed_token.as_ref()?;
        let taken = self.minting.tokens.take(recorded, &lease.id, hashed);
        taken.ok().flatten()
    }

    /// An installation token that the grant's record does not name, or whose value is in the vault
    /// alone.
    async fn obtain_minted(
        &self,
        lease: &mut Lease,
        recorded: Recorded<Use>,
        source: &SourceSpec,
        key: &MintKey,
    ) -> Result<AccessToken, IssueError> {
        let (token, value) = self
            .minting
            .installation_token(recorded, lease, key, source)
            .await
            .map_err(|source| IssueError::Mint {
                secret: lease.secret.clone(),
                source,
            })?;
        let hashed = token.minted.hashed_credential;
        if lease.hashed_token.as_ref() == Some(&hashed) {
            return Ok(value);
        }
        let cut = lease.span.cut_to(token.life.left(lease.span.issued.boot));
        let cut = cut.map_err(|TooShort| IssueError::Mint {
            secret: lease.secret.clone(),
            source: Arc::new(MintError::ClockAhead),
        })?;
        let ends = (cut != lease.span).then_some(cut.renewable.wall);
        lease.span = cut;
        let minted = (token.minted.installation, ends);
        self.record_issued(lease, hashed, Some(minted), None)
            .await?;
        Ok(value)
    }

    /// Records what is about to be handed out under a lease whose grant could not name it.
    async fn record_issued(
        &self,
        lease: &mut Lease,
        hashed: HashedToken,
        minted: Option<(u64, Option<Timestamp>)>,
        stale_since: Option<Timestamp>,
    ) -> Result<(), IssueError> {
        let body = self.issued_body(lease, &hashed, minted, stale_since)?;
        self.journal
            .record_body(body, Effect::LeaseIssued(lease.id.clone()))
            .await
            .map_err(IssueError::NotRecorded)?;
        lease.hashed_token = Some(hashed);
        lease.stale_since = stale_since;
        Ok(())
    }

    /// The record of what is used at GitHub under a lease, where its grant did not name it. Of a minted token:
    /// its installation, and its end if that cuts the lease short.
    pub(crate) fn issued_body(
        &self,
        lease: &Lease,
        hashed_credential: &HashedToken,
        minted: Option<(u64, Option<Timestamp>)>,
        stale_since: Option<Timestamp>,
    ) -> Result<Body, IssueError> {
        let handed_out = match lease.deliver {
            Delivery::Raw | Delivery::Installation => Some(hashed_credential),
            Delivery::Proxy => lease.hashed_token.as_ref(),
        };
        let issued = LeaseEvent::Issued(IssuedRecord {
            lease: lease.id.as_str().into(),
            hashed_token: handed_out.map_or("", HashedToken::as_str).into(),
            hashed_credential: hashed_credential.as_str().into(),
            installation: minted.map(|(installation, _)| installation),
            expires_at: minted.and_then(|(_, ends)| ends),
            stale_since,
        });
        self.with_lease_mac(&issued, &lease.secret)
    }
}

//! Issues a lease: the one path by which a credential leaves the broker.
//!
//! ```text
//! Caller ─decide→ Decision ─record→ Recorded<Use> ─unseal→ AccessToken ─lease→ Lease
//! ```
//!
//! Each step consumes the proof left by the step before it, so the order is checked by the
//! compiler and not by the reviewer.
//!
//! Why the record comes first: after a crash between the two steps, a record without a credential
//! is a line an operator can explain. A credential without a record is one no one knows about.
//!
//! A value from the vault needs one durable write: its hash is kept beside the sealed value, so the
//! record that allows the lease names it. A value that is not known yet (from the environment) adds
//! a second, `lease.issued`, before it is handed out. So does an installation token that has to be
//! minted; one that is shared is known before the grant. A start honours no lease whose log names
//! nothing that was handed out.
//!
//! What seldom happens awaits in a box of its own, which keeps the future of a lease small.
//!
//! How the value is got is in `obtain`, what becomes of a refusal in `refuse`.
//!
//! Not here: sockets, HTTP status codes, SQL. Once begun, `issue` runs to its end even if the caller
//! hangs up: the API sees to that, so no grant is left without an outcome.

mod error;
mod obtain;
mod refuse;

use std::sync::Arc;

use broker_audit::record::{Body, Event, LeaseEvent};
use broker_audit_writer::{Effect, Use};
use broker_clock::Now;
use broker_policy::{Decision, Grant, Request, SecretKind};
use broker_protocol::names::{Delivery, LeaseId, SecretName};
use broker_protocol::source::SourceSpec;
use broker_secret_memory::token::AccessToken;
use broker_secret_memory::{cipher, proxy_token};
use broker_vault::VaultError;

use self::obtain::Origin;
use crate::api_error::ApiError as _;
use crate::lease::{Lease, Span, TooShort};
use crate::lease_record;
use crate::leases::Leases;
use crate::leases::table::{LeaseTotals, LimitReached, Reservation};
use crate::minting::table::{TokenRef, mint_key};
use crate::policies::InForce;

pub(crate) use self::error::IssueError;

/// What a caller asks beside the [`Request`] that policy evaluates.
#[derive(Debug, Default)]
pub(crate) struct LeaseOptions {
    /// The caller's own words, for the record.
    pub(crate) reason: Option<Box<str>>,
    /// Whether the lease is to end with the process that asked.
    pub(crate) until_exit: bool,
    /// Whether a token that others share is not enough: GitHub refused it, or it lacks what the App was
    /// given since.
    pub(crate) fresh: bool,
}

/// A lease and the token that was handed out for it.
pub(crate) struct Issued {
    pub(crate) lease: Arc<Lease>,
    /// The token. It goes into the answer and nowhere else.
    pub(crate) token: AccessToken,
}

impl Leases {
    /// Takes a request from decision to lease.
    ///
    /// # Errors
    ///
    /// [`IssueError`]; nothing was handed out, and what was granted by then is ended and recorded
    /// so.
    pub(crate) async fn issue(
        &self,
        request: Request,
        options: LeaseOptions,
    ) -> Result<Issued, IssueError> {
        if self.gate.is_draining() {
            return Err(IssueError::Stopping);
        }
        let revocations = self.gate.revocations();
        if self.grants_nothing() {
            return Err(IssueError::Locked);
        }
        let policies = self.policies.in_force();
        let grant = match broker_policy::decide(&policies.set, &request) {
            Decision::Allow(grant) => grant,
            Decision::Deny(denial) => {
                let reason = options.reason.as_deref();
                return Err(Box::pin(self.deny(&request, reason, denial)).await);
            }
        };
        self.spend(&self.grants, request.caller.account())?;
        let asked = DecidedRequest {
            policies: &policies,
            request: &request,
            options: &options,
            revocations,
        };
        let falls_back = grant.fallback.is_some();
        match self.grant_lease(asked, grant, None).await {
            Err(error) if falls_back && error.allows_fallback() => {
                Box::pin(self.fall_back(asked, error)).await
            }
            issued => issued,
        }
    }

    /// Issues the lease on the purpose's second secret. The decision is pure: a second time it is the same.
    async fn fall_back(
        &self,
        asked: DecidedRequest<'_>,
        error: IssueError,
    ) -> Result<Issued, IssueError> {
        let again = broker_policy::decide(&asked.policies.set, asked.request);
        let Decision::Allow(grant) = again else {
            return Err(error);
        };
        let Some(grant) = grant.fall_back() else {
            return Err(error);
        };
        let why = error.to_string();
        self.grant_lease(asked, grant, Some(why.into())).await
    }

    /// Takes a grant to a lease.
    async fn grant_lease(
        &self,
        asked: DecidedRequest<'_>,
        grant: Grant,
        fallback: Option<Box<str>>,
    ) -> Result<Issued, IssueError> {
        let (policies, request) = (asked.policies, asked.request);
        let now = self.journal.now();
        // A refusal is recorded once: by the second attempt where there is one.
        let last = grant.fallback.is_none();
        let ready = match self.prepare(asked, grant, now) {
            Ok(ready) => ready,
            Err(error) if last || !error.allows_fallback() => {
                return Err(Box::pin(self.unavailable(request, error)).await);
            }
            Err(error) => return Err(error),
        };
        let PreparedLease {
            mut lease,
            source,
            hold,
            token,
        } = ready;
        lease.fallback = fallback;
        let granted = LeaseEvent::Granted(lease_record::of(&lease, self.journal.boot_id()));
        let body = self.with_lease_mac(&granted, &lease.secret)?;
        let weight = lease_record::RecordSize::of(&lease, &body)?;
        let place = self.reserve_place(&lease, weight.live, &source, now)?;
        self.spend_bytes(request.caller.account(), weight.written)?;
        let usage = Use::of(&lease.secret, lease.version);
        let recorded = self
            .journal
            .record_use_body(usage, body, Effect::LeaseLives(lease.id.clone()))
            .await
            .map_err(IssueError::NotRecorded)?;
        lease.seq = recorded.seq();

        let key = hold.as_ref().map(|hold| &hold.key);
        let origin = Origin {
            source: &source,
            fresh: asked.options.fresh,
        };
        let obtained = match token {
            // The broker keeps the value, and the proof that lets it be opened.
            Some(token) => Ok((token, Some(recorded))),
            None => {
                let obtained = self.obtain(&mut lease, recorded, origin, key).await;
                obtained.map(|token| (token, None))
            }
        };
        match obtained {
            Ok((token, proof)) => {
                let lease = Arc::new(lease);
                let over = self.table.open(place, Arc::clone(&lease), proof);
                if let Some(hold) = hold {
                    hold.keep();
                }
                self.usage.granted(&lease);
                policies.count_granted(&lease.purpose, lease.deliver);
                if lease.fallback.is_some() {
                    let purpose = [("purpose", lease.purpose.to_string())];
                    self.counters.fallbacks.get_or_create(&purpose).inc();
                }
                if let Some(over) = over {
                    Box::pin(self.record_expiry(&over, SUPERSEDED)).await;
                }
                self.recheck_lock(asked, &lease).await?;
                Ok(Issued { lease, token })
            }
            Err(error) => {
                Box::pin(self.fail(&lease, &error)).await;
                Err(error)
            }
        }
    }

    /// A place among its account's live leases; at the limit, that of an equal one.
    fn reserve_place(
        &self,
        lease: &Lease,
        bytes: usize,
        source: &SourceSpec,
        now: Now,
    ) -> Result<Reservation<'_>, IssueError> {
        let limit = self.config.limits.leases_per_account;
        let limits = LeaseTotals {
            leases: limit,
            bytes: self.config.limits.audit_bytes(),
        };
        let value = lease.hashed_token.clone();
        let value = value.or_else(|| self.sources.hashed(source));
        let place = self.table.reserve(lease, bytes, value.as_ref(), limits);
        place.map_err(|full| {
            let retry_after = full.retry_after(now);
            match full.reached {
                LimitReached::Leases => IssueError::TooManyLeases { limit, retry_after },
                LimitReached::Bytes => IssueError::LeasesTooLong {
                    mib: self.config.limits.audit_mib_per_account,
                    retry_after,
                },
            }
        })
    }

    /// Everything the record must name, worked out before it is written.
    fn prepare(
        &self,
        asked: DecidedRequest<'_>,
        grant: Grant,
        now: Now,
    ) -> Result<PreparedLease<'_>, IssueError> {
        let missing = || IssueError::SecretMissing(grant.secret.clone());
        let declared = asked.policies.set.secret(&grant.secret);
        let declared = declared.ok_or_else(missing)?;
        let source = declared.source.clone();
        let held = source
            .is_vault()
            .then(|| self.vault.held(&grant.secret).ok_or_else(missing))
            .transpose()?;
        let ends = held.as_ref().and_then(|held| held.expires_at);
        let span = Span::first(now, grant.ttl, grant.ttl_max, ends)
            .map_err(|TooShort| IssueError::SecretExpired(grant.secret.clone()))?;
        let caller = Arc::clone(&asked.request.caller);
        let mut lease = Lease::new(new_lease_id()?, caller, &grant, span);
        lease.reason.clone_from(&asked.options.reason);
        lease.until_exit = asked.options.until_exit;
        lease.version = held.as_ref().map(|held| held.version);
        let (mut hold, mut token) = (None, None);
        match grant.deliver {
            Delivery::Raw => lease.hashed_token = held.map(|held| held.hashed_credential),
            Delivery::Installation => {
                hold = Some(self.hold_token(&mut lease, asked.options.fresh, now)?);
            }
            Delivery::Proxy => {
                let made = proxy_token::generate()?;
                lease.hashed_token = Some(made.hashed());
                if declared.kind != SecretKind::App {
                    lease.opened = held.map(|held| held.hashed_credential);
                } else if asked.options.fresh {
                    self.minting.tokens.stop_sharing(&mint_key(&lease)?);
                }
                token = Some(made);
            }
        }
        self.limits
            .refuse_limited(&lease)
            .map_err(|limit| IssueError::of_upstream_limit(&lease.secret, limit))?;
        Ok(PreparedLease {
            lease,
            source,
            hold,
            token,
        })
    }

    /// The body of a record that a start rebuilds leases of.
    pub(crate) fn with_lease_mac(
        &self,
        event: &impl Event,
        secret: &SecretName,
    ) -> Result<Body, IssueError> {
        let body = Body::of(event)?;
        let mac = self.vault.lease_mac(body.as_str());
        let mac = mac.map_err(|error| vault_error(secret, error))?;
        Ok(mac.added_to(body))
    }

    /// A lease that was opened while the store was locked is not handed out; see
    /// [`Self::recheck_changes`].
    async fn recheck_lock(
        &self,
        asked: DecidedRequest<'_>,
        lease: &Arc<Lease>,
    ) -> Result<(), IssueError> {
        // Perhaps unlocked again by now.
        let revoked = self.gate.revocations() != asked.revocations;
        if revoked || self.grants_nothing() {
            Box::pin(self.end_lease(&lease.id, None, "the store was locked meanwhile")).await;
            return Err(IssueError::Locked);
        }
        self.recheck_changes(asked.policies, lease).await
    }

    /// A lease that was opened or renewed while the policies changed or its secret was removed is
    /// evaluated by the change, which may have come too early to see it.
    pub(crate) async fn recheck_changes(
        &self,
        decided: &Arc<InForce>,
        lease: &Arc<Lease>,
    ) -> Result<(), IssueError> {
        if self.secrets.secret_is_gone(lease) {
            Box::pin(self.end_lease(&lease.id, None, SECRET_REMOVED)).await;
            return Err(IssueError::SecretMissing(lease.secret.clone()));
        }
        if !self.policies.still_in_force(decided)
            && !Self::still_allowed(&self.policies.in_force(), lease)
        {
            Box::pin(self.end_lease(&lease.id, None, "the policies changed meanwhile")).await;
            return Err(IssueError::Overtaken);
        }
        Ok(())
    }

    /// Ends a lease that was granted and could not be honoured.
    async fn fail(&self, lease: &Lease, error: &IssueError) {
        let event = LeaseEvent::Failed {
            lease: lease.id.as_str(),
            code: error.answer().code.as_str(),
            why: &error.to_string(),
        };
        self.journal.record_end(&event, &lease.id).await;
    }
}

pub(super) fn vault_error(secret: &SecretName, source: VaultError) -> IssueError {
    match source {
        VaultError::Locked => IssueError::Locked,
        VaultError::NoValue(_) | VaultError::NoVersion { .. } => {
            IssueError::SecretMissing(secret.clone())
        }
        source => IssueError::Vault {
            secret: secret.clone(),
            source,
        },
    }
}

/// Why a lease ends whose place its account took for an equal one.
const SUPERSEDED: &str = "superseded";

/// Why a lease is revoked whose secret the vault no longer holds.
pub(crate) const SECRET_REMOVED: &str = "its secret was removed";

fn new_lease_id() -> Result<LeaseId, IssueError> {
    let mut bits = [0; 16];
    cipher::random(&mut bits)?;
    Ok(LeaseId::from_random(u128::from_be_bytes(bits)))
}

/// A lease that is about to be recorded.
struct PreparedLease<'a> {
    lease: Lease,
    /// Where the value is.
    source: SourceSpec,
    /// What it holds of an installation token until it is live.
    hold: Option<TokenRef<'a>>,
    /// What is handed out instead of the value.
    token: Option<AccessToken>,
}

/// What was asked, and the policies that evaluated it.
#[derive(Clone, Copy)]
struct DecidedRequest<'a> {
    policies: &'a Arc<InForce>,
    request: &'a Request,
    options: &'a LeaseOptions,
    /// How often all leases had been ended when this was asked.
    revocations: u64,
}

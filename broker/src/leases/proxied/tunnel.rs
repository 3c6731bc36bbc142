//! The certificate under which TLS for GitHub's hosts ends here, for the commands of one lease.
//!
//! It is made when it is first asked for, and kept sealed in the vault: the command trusts its authority for as
//! long as the lease lives, also across a restart of the broker. A lock wipes the copy in memory; a lease that is
//! over has none.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use broker_protocol::error::ErrorCode;
use broker_protocol::names::LeaseId;
use broker_tunnel::{Certificate, CertificateError};
use broker_vault::VaultError;
use tokio_rustls::rustls::ServerConfig;

use super::Proxied;
use crate::api_error::{Answer, ApiError};
use crate::leases::Leases;

/// What is needed to end TLS for one lease.
pub(crate) struct TunnelEnd {
    /// The authority's certificate, in PEM.
    pub(crate) authority: Box<str>,
    pub(crate) server: Arc<ServerConfig>,
}

/// Why TLS does not end here under a lease.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TunnelError {
    #[error("there is no live lease `{0}` of yours")]
    NotLive(LeaseId),
    #[error("lease `{0}` delivers no proxy token; ask GitHub directly, with the lease's own token")]
    NotProxied(LeaseId),
    #[error("lease `{0}` has no certificate yet; POST /v1/leases/{0}/tunnel makes it")]
    NoCertificate(LeaseId),
    #[error("the store is locked; an operator must run `tokenctl unlock`")]
    Locked,
    #[error("the certificate of this lease could not be kept; the broker's trace says why")]
    Vault(#[source] VaultError),
    #[error("there is no certificate for this lease; the broker's trace says why")]
    Certificate(#[from] CertificateError),
}

#[warn(clippy::wildcard_enum_match_arm)]
impl ApiError for TunnelError {
    fn answer(&self) -> Answer {
        match self {
            Self::NotLive(_) => ErrorCode::UnknownLease.into(),
            Self::NotProxied(_) | Self::NoCertificate(_) => ErrorCode::BadRequest.into(),
            Self::Locked => ErrorCode::Locked.into(),
            Self::Vault(_) | Self::Certificate(_) => ErrorCode::Internal.into(),
        }
    }
}

impl From<VaultError> for TunnelError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Locked => Self::Locked,
            error => Self::Vault(error),
        }
    }
}

/// The leases whose certificates the vault keeps.
#[derive(Default)]
pub(in crate::leases) struct KeptTunnels(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// Whether the vault was asked for those from before this start.
    asked: bool,
    leases: HashSet<LeaseId>,
}

impl KeptTunnels {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leases {
    /// Where TLS ends for a live `proxy` lease of this account; a certificate for these hosts is made if there is
    /// none.
    ///
    /// # Errors
    ///
    /// [`TunnelError`]
    pub(crate) async fn make_tunnel(
        &self,
        id: &LeaseId,
        uid: u32,
        hosts: &[String],
    ) -> Result<Arc<TunnelEnd>, TunnelError> {
        match self.tunnel(id, uid).await {
            Err(TunnelError::NoCertificate(_)) => {}
            found => return found,
        }
        let (proxied, until) = self.own_proxied(id, uid)?;
        let _turn = proxied.certifying.lock().await;
        // Another request may have made it meanwhile.
        if let Some(end) = self.kept_tunnel(id, &proxied).await? {
            return Ok(end);
        }
        let made = Certificate::make(id.as_str(), hosts, self.journal.now().wall, until)?;
        self.vault.keep_tunnel(id, made.expose()).await?;
        self.kept_tunnels.lock().leases.insert(id.clone());
        self.hold_tunnel(&proxied, &made)
    }

    /// The same of a lease that has a certificate.
    ///
    /// # Errors
    ///
    /// [`TunnelError`]
    pub(crate) async fn tunnel(
        &self,
        id: &LeaseId,
        uid: u32,
    ) -> Result<Arc<TunnelEnd>, TunnelError> {
        let (proxied, _) = self.own_proxied(id, uid)?;
        let held = proxied.tunnel().clone();
        if let Some(end) = held {
            return Ok(end);
        }
        let kept = self.kept_tunnel(id, &proxied).await?;
        kept.ok_or_else(|| TunnelError::NoCertificate(id.clone()))
    }

    /// What is kept of a live lease, and when that ends at the latest.
    fn own_proxied(
        &self,
        id: &LeaseId,
        uid: u32,
    ) -> Result<(Arc<Proxied>, jiff::Timestamp), TunnelError> {
        if self.grants_nothing() {
            return Err(TunnelError::Locked);
        }
        let lease = self.find(id).filter(|lease| lease.caller.uid == uid);
        let lease = lease.ok_or_else(|| TunnelError::NotLive(id.clone()))?;
        let proxied = self.table.proxied_by(id);
        let proxied = proxied.ok_or_else(|| TunnelError::NotProxied(id.clone()))?;
        Ok((proxied, lease.span.renewable.wall))
    }

    async fn kept_tunnel(
        &self,
        id: &LeaseId,
        proxied: &Proxied,
    ) -> Result<Option<Arc<TunnelEnd>>, TunnelError> {
        let kept = self.vault.tunnel(id).await?.map(Certificate::kept);
        kept.map(|kept| self.hold_tunnel(proxied, &kept))
            .transpose()
    }

    fn hold_tunnel(
        &self,
        proxied: &Proxied,
        certificate: &Certificate,
    ) -> Result<Arc<TunnelEnd>, TunnelError> {
        let end = Arc::new(TunnelEnd {
            authority: certificate.authority()?.into(),
            server: certificate.server()?,
        });
        *proxied.tunnel() = Some(Arc::clone(&end));
        // A lock waits for no one, and may have come between.
        if self.grants_nothing() {
            *proxied.tunnel() = None;
            return Err(TunnelError::Locked);
        }
        Ok(end)
    }

    /// Erases the certificates of leases that are over.
    pub(crate) async fn forget_tunnels(&self) {
        if !self.is_rebuilt() {
            return;
        }
        if let Err(error) = self.forget_tunnels_now().await {
            tracing::error!(cause = %error, "certificates of leases that are over could not be erased");
        }
    }

    async fn forget_tunnels_now(&self) -> Result<(), VaultError> {
        if !self.kept_tunnels.lock().asked {
            let found = self.vault.leases_with_tunnels().await?;
            let mut kept = self.kept_tunnels.lock();
            kept.leases.extend(found);
            kept.asked = true;
        }
        let kept = self.kept_tunnels.lock().leases.clone();
        let over: Vec<_> = kept.into_iter().filter(|id| !self.is_live(id)).collect();
        if over.is_empty() {
            return Ok(());
        }
        self.vault.forget_tunnels(over.clone()).await?;
        let mut kept = self.kept_tunnels.lock();
        kept.leases.retain(|id| !over.contains(id));
        Ok(())
    }

    fn is_live(&self, id: &LeaseId) -> bool {
        self.find(id).is_some()
    }
}

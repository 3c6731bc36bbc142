//! The certificates under which TLS ends in the broker, each for one lease, with their keys.
//!
//! A command trusts the authority that it was given when its lease began, so the certificate outlives a restart
//! of the broker. It is sealed under a key made from the MAC key, which no re-key changes, with the lease it is for
//! as associated data, and erased when that lease is over.

use broker_protocol::names::LeaseId;
use broker_secret_memory::cipher::{NONCE, TAG, append_sealed, open_in_place};
use zeroize::Zeroizing;

use super::error::VaultError;
use super::{Vault, envelope, known};

impl Vault {
    /// Keeps, durably, the certificate for a lease's tunnels, as text.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`], or if it could not be written.
    pub async fn keep_tunnel(&self, lease: &LeaseId, certificate: &str) -> Result<(), VaultError> {
        let key = self.tunnel_key()?;
        let mut nonce = [0; NONCE];
        envelope::random(&mut nonce)?;
        let mut sealed = Vec::with_capacity(NONCE + certificate.len() + TAG);
        let bound = self.bound_to(lease);
        append_sealed(&mut sealed, &key, nonce, &bound, certificate.as_bytes());
        drop(key);
        let lease = lease.clone();
        self.ask(move |work| work.store.keep_tunnel(&lease, &sealed))
            .await
    }

    /// The certificate for a lease's tunnels, if there is one that opens.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`], or if it could not be read.
    pub async fn tunnel(&self, lease: &LeaseId) -> Result<Option<Zeroizing<String>>, VaultError> {
        let of = lease.clone();
        let sealed = self.ask(move |work| work.store.tunnel(&of)).await?;
        let key = self.tunnel_key()?;
        let mut text = Zeroizing::new(sealed.unwrap_or_default());
        // What does not open is as good as not there.
        if open_in_place(&key, &self.bound_to(lease), &mut text).is_err() {
            return Ok(None);
        }
        let text = str::from_utf8(&text).ok();
        Ok(text.map(|text| Zeroizing::new(text.to_owned())))
    }

    /// The leases for which a certificate is kept.
    ///
    /// # Errors
    ///
    /// If they could not be read.
    pub async fn leases_with_tunnels(&self) -> Result<Vec<LeaseId>, VaultError> {
        self.ask(|work| work.store.leases_with_tunnels()).await
    }

    /// Erases the certificates of these leases. Works while locked.
    ///
    /// # Errors
    ///
    /// If it could not be written.
    pub async fn forget_tunnels(&self, leases: Vec<LeaseId>) -> Result<(), VaultError> {
        self.ask(move |work| work.store.forget_tunnels(&leases))
            .await
    }

    fn tunnel_key(&self) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let keys = known(self.shared.keys.read());
        let keys = keys.as_ref().ok_or(VaultError::Locked)?;
        let made = keys.mac("tokend tunnel key v1", [self.id().as_bytes()]);
        Ok(Zeroizing::new(made.bytes()))
    }

    fn bound_to(&self, lease: &LeaseId) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        envelope::text(&mut out, "tokend tunnel v1");
        envelope::text(&mut out, self.id());
        envelope::text(&mut out, lease.as_str());
        out
    }
}

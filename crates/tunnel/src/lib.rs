//! The certificate under which TLS for GitHub's hosts ends in the broker, for one lease.
//!
//! A command under `tokenctl exec` asks GitHub by HTTPS, as it always does, and trusts what one authority
//! certifies. That authority is made for this lease, signs one certificate, and its key is gone: it can certify
//! nothing more, for anyone.
//!
//! Not here: where the key of that certificate is kept (`broker_vault`), and what is served behind it.

use std::sync::Arc;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::server::NoServerSessionStorage;
use zeroize::{Zeroize as _, Zeroizing};

/// A certificate with its key, and its authority. No `Debug`: it holds the key, and wipes it.
///
/// As text it is PEM: the key in PKCS #8, its certificate, its authority's.
pub struct Certificate(Zeroizing<String>);

/// Why there is none, or it is of no use.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It could not be made.
    #[error("a certificate for {hosts} could not be made")]
    NotMade {
        /// The names that it was to be for.
        hosts: String,
        /// Why.
        source: rcgen::Error,
    },
    /// A moment that no certificate can name.
    #[error("a certificate cannot name the moment {0}")]
    Moment(Timestamp),
    /// What was kept is not one.
    #[error("what is kept is not a certificate with its key")]
    Damaged,
    /// TLS cannot be served with it.
    #[error("TLS cannot be served with this certificate")]
    Tls(#[from] tokio_rustls::rustls::Error),
}

impl Certificate {
    /// Makes one for these host names or addresses, valid from a day before `now` until a day after `until`: the
    /// clock may be set meanwhile, and it is the lease that ends. `lease` is in the authority's name, which must be
    /// its own: clients look for an authority by its name.
    ///
    /// # Errors
    ///
    /// [`CertificateError`]
    pub fn make(
        lease: &str,
        hosts: &[String],
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Self, CertificateError> {
        let begins = moment(now)? - time::Duration::DAY;
        let ends = moment(until)? + time::Duration::DAY;
        let not_made = |source| CertificateError::NotMade {
            hosts: hosts.join(", "),
            source,
        };
        let mut authority_key = KeyPair::generate().map_err(not_made)?;
        let mut key = KeyPair::generate().map_err(not_made)?;
        let made = || -> Result<_, rcgen::Error> {
            let mut authority = CertificateParams::default();
            (authority.not_before, authority.not_after) = (begins, ends);
            authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            let name = &mut authority.distinguished_name;
            name.push(DnType::CommonName, format!("tokend, lease {lease}"));
            let itself = authority.self_signed(&authority_key)?;

            let mut server = CertificateParams::new(hosts)?;
            (server.not_before, server.not_after) = (begins, ends);
            server.is_ca = IsCa::ExplicitNoCa;
            server.use_authority_key_identifier_extension = true;
            server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            let name = &mut server.distinguished_name;
            name.push(DnType::CommonName, "GitHub through tokend");
            let server =
                server.signed_by(&key, &Issuer::from_params(&authority, &authority_key))?;
            let key = Zeroizing::new(key.serialize_pem());
            // Grows by no step that would leave a copy of the key behind.
            let parts = [key.as_str(), &server.pem(), &itself.pem()];
            let mut text = Zeroizing::new(String::with_capacity(parts.map(str::len).iter().sum()));
            text.extend(parts);
            Ok(text)
        };
        let made = made().map_err(not_made);
        authority_key.zeroize();
        key.zeroize();
        made.map(Self)
    }

    /// One that was kept.
    #[must_use]
    pub const fn kept(text: Zeroizing<String>) -> Self {
        Self(text)
    }

    /// As it is kept. It holds the key.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The authority's certificate, in PEM.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Damaged`]
    pub fn authority(&self) -> Result<&str, CertificateError> {
        let begins = self.0.rfind(BEGIN).ok_or(CertificateError::Damaged)?;
        self.0.get(begins..).ok_or(CertificateError::Damaged)
    }

    /// What serves TLS 1.2 and 1.3 with it, for HTTP/1.1 alone. Sessions are not resumed: nothing about them is
    /// kept.
    ///
    /// # Errors
    ///
    /// [`CertificateError`]
    pub fn server(&self) -> Result<Arc<ServerConfig>, CertificateError> {
        let damaged = |_cause| CertificateError::Damaged;
        let key = PrivateKeyDer::from_pem_slice(self.0.as_bytes()).map_err(damaged)?;
        let certificate = CertificateDer::from_pem_slice(self.0.as_bytes()).map_err(damaged)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Arc::new(server))
    }
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// A certificate counts years from 1 to 9999. A day more or less stays within.
fn moment(at: Timestamp) -> Result<OffsetDateTime, CertificateError> {
    let moment = OffsetDateTime::from_unix_timestamp(at.as_second()).ok();
    let moment = moment.filter(|moment| (2..9999).contains(&moment.year()));
    moment.ok_or(CertificateError::Moment(at))
}

#[cfg(test)]
mod tests;

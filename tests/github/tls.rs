//! A certificate authority made at start, and a certificate of it: for the loopback interface, or for other names.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Makes both for the loopback interface; the authority's certificate goes to `ca`, its key is forgotten.
pub fn acceptor(ca: &Path) -> TlsAcceptor {
    acceptor_for(ca, &["127.0.0.1", "::1", "localhost"])
}

/// The same for these names.
pub fn acceptor_for(ca: &Path, names: &[&str]) -> TlsAcceptor {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority
        .distinguished_name
        .push(DnType::CommonName, "Authority of the stand-in GitHub");
    let authority_key = KeyPair::generate().unwrap();
    let certificate = authority.self_signed(&authority_key).unwrap();
    std::fs::write(ca, certificate.pem()).unwrap();
    let issuer = Issuer::new(authority, authority_key);

    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut server = CertificateParams::new(names).unwrap();
    server.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().unwrap();
    let chain = vec![server.signed_by(&key, &issuer).unwrap().der().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

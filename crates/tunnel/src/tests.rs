use std::fmt::Debug;

use rustls_pki_types::{ServerName, UnixTime};
use static_assertions::assert_not_impl_any;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

assert_not_impl_any!(Certificate: Clone, Debug);

fn made() -> Certificate {
    let now = Timestamp::from_second(i64::try_from(UnixTime::now().as_secs()).unwrap()).unwrap();
    let hosts = ["api.github.com", "github.com", "192.0.2.7"].map(str::to_owned);
    Certificate::make("1", &hosts, now, now + jiff::Span::new().hours(1)).unwrap()
}

/// What a client that trusts this authority says of the server as `name`.
async fn asked(server: &Certificate, authority: &str, name: &'static str) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(authority.as_bytes()).unwrap();
    roots.add(authority).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let acceptor = TlsAcceptor::from(server.server().unwrap());
    let (near, far) = tokio::io::duplex(1 << 14);
    let serving = tokio::spawn(async move {
        let mut stream = acceptor.accept(far).await?;
        stream.write_all(b"x").await?;
        stream.shutdown().await
    });
    let connector = TlsConnector::from(Arc::new(client));
    let name = ServerName::try_from(name).unwrap();
    let asked = async {
        let mut stream = connector.connect(name, near).await?;
        let mut got = Vec::new();
        stream.read_to_end(&mut got).await?;
        assert_eq!(got, b"x");
        Ok::<_, std::io::Error>(())
    };
    let result = asked.await.map_err(|error| error.to_string());
    serving.await.unwrap().ok();
    result
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_trusts_the_hosts_and_no_other() {
    let made = made();
    let authority = made.authority().unwrap();
    for host in ["api.github.com", "github.com", "192.0.2.7"] {
        asked(&made, authority, host).await.unwrap();
    }
    for host in ["uploads.github.com", "evil.example", "192.0.2.8"] {
        let refused = asked(&made, authority, host).await.unwrap_err();
        assert!(refused.contains("not valid for name"), "{host}: {refused}");
    }
}

#[tokio::test]
async fn what_was_kept_serves_as_before_and_another_leases_authority_does_not_fit() {
    let (one, other) = (made(), made());
    let kept = Certificate::kept(Zeroizing::new(one.expose().to_owned()));
    assert_eq!(kept.authority().unwrap(), one.authority().unwrap());
    asked(&kept, one.authority().unwrap(), "github.com")
        .await
        .unwrap();
    let refused = asked(&kept, other.authority().unwrap(), "github.com").await;
    assert!(refused.unwrap_err().contains("invalid peer certificate"));
}

#[test]
fn the_authority_comes_without_the_key() {
    let made = made();
    let authority = made.authority().unwrap();
    assert!(authority.starts_with(BEGIN) && !authority.contains("KEY"));
    assert_eq!(authority.matches(BEGIN).count(), 1);
}

#[test]
fn what_is_damaged_is_told() {
    let made = made();
    let cut = made.expose().get(..200).unwrap();
    for text in ["", "x", cut, made.authority().unwrap()] {
        let kept = Certificate::kept(Zeroizing::new(text.to_owned()));
        let error = kept.server().unwrap_err();
        assert!(matches!(error, CertificateError::Damaged), "{error}");
    }
    let far = Certificate::make("1", &[], Timestamp::MIN, Timestamp::MAX);
    let error = far.err().unwrap();
    assert!(matches!(error, CertificateError::Moment(_)), "{error}");
}

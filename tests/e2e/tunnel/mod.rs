//! GitHub by HTTPS, through the broker: what commands get under `tokenctl exec`, and what the broker makes of
//! hostile ones at its end of the tunnel. GitHub is at its own names (`support::github_com`).

mod accounts;
mod connect;
mod exec;
mod gh;
mod git;
mod lasts;
pub(crate) mod running;
mod tls;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use serde_json::{Value, json};
use support::broker::Ran;
use support::curl::Curl;
use support::github::hashed;
use support::github_com::{API, HOSTS, can_be_played};
use support::http::{self, Answer};
use support::scenes::exec::{Commands, LABEL_SYNC, Lease, PUBLIC, RAW, SITE, Scene};
use support::{canary, needs, wait};
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    StreamOwned,
};

/// A path that `label-sync` and `site` may read.
const LABELS: &str = "/repos/acme/site/labels";
/// The host of GitHub's API, as `CONNECT` names it.
const TARGET: &str = "api.github.com:443";

/// Whether GitHub can be at its own names here, and curl is there.
fn can_run() -> bool {
    can_be_played() && needs::program("curl")
}

/// TLS in a tunnel.
type Tls = StreamOwned<ClientConnection, UnixStream>;

/// What a client trusts, and how it speaks TLS.
#[derive(Clone)]
struct Client(ClientConfig);

impl Client {
    /// One that trusts this authority alone, given in PEM.
    fn trusting(authority: &str) -> Self {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(authority.as_bytes());
        roots.add(certificate.unwrap()).unwrap();
        Self(
            builder()
                .with_root_certificates(roots)
                .with_no_client_auth(),
        )
    }

    /// One that trusts everyone: whatever fails with it, the broker has refused.
    fn trusting_all() -> Self {
        let verifier = Arc::new(TrustAll);
        let builder = builder().dangerous();
        Self(
            builder
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth(),
        )
    }

    fn offering(mut self, protocols: &[&str]) -> Self {
        let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
        self.0.alpn_protocols = protocols.collect();
        self
    }

    fn without_sni(mut self) -> Self {
        self.0.enable_sni = false;
        self
    }

    /// The handshake, for this host.
    fn handshake(&self, mut stream: UnixStream, host: &str) -> std::io::Result<Tls> {
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut tls = ClientConnection::new(Arc::new(self.0.clone()), name).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(tls, stream))
    }
}

fn builder()
-> tokio_rustls::rustls::ConfigBuilder<ClientConfig, tokio_rustls::rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
}

/// What comes back when this is written in a tunnel: an answer, or none.
fn exchange(mut tls: Tls, bytes: &[u8]) -> Option<Answer> {
    // The broker may have closed it already.
    tls.write_all(bytes).ok()?;
    tls.flush().ok()?;
    http::read_answer(&mut tls)
}

/// A request in a tunnel.
fn get(host: &str, path: &str, token: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
         User-Agent: a-script\r\n\r\n"
    )
}

/// The bytes of a `CONNECT`, with these lines of headers.
fn connect_with(target: &str, headers: &str) -> Vec<u8> {
    format!("CONNECT {target} HTTP/1.1\r\n{headers}\r\n").into_bytes()
}

/// The bytes of a `CONNECT` as a relay sends it.
fn connect(target: &str, lease: &str) -> Vec<u8> {
    connect_with(
        target,
        &format!("Host: {target}\r\nTokend-Lease: {lease}\r\n"),
    )
}

/// The answer of the proxy's socket to these bytes, and the connection.
fn opened(scene: &Scene, bytes: &[u8]) -> (UnixStream, Option<Answer>) {
    let mut stream = http::connect(&scene.broker.proxy_socket());
    // The broker may have closed it before all is written.
    stream.write_all(bytes).ok();
    let answer = http::read_answer(&mut stream);
    (stream, answer)
}

/// A tunnel to this host, without TLS so far.
#[track_caller]
fn tunnel(scene: &Scene, target: &str, lease: &str) -> UnixStream {
    let (stream, answer) = opened(scene, &connect(target, lease));
    assert_eq!(answer.map(|answer| answer.status), Some(200), "{target}");
    stream
}

/// The authority of a lease, as the broker makes it at the first question and tells it at each further one.
#[track_caller]
fn authority(scene: &Scene, lease: &Lease) -> String {
    let answer = make_tunnel(scene, &lease.id);
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = answer.json();
    let hosts: Vec<_> = HOSTS.map(|host| format!("{host}:443")).into();
    assert_eq!(
        (&told["lease"], &told["hosts"]),
        (&json!(lease.id), &json!(hosts))
    );
    told["authority"].as_str().unwrap().to_owned()
}

fn make_tunnel(scene: &Scene, lease: &str) -> Answer {
    let path = format!("/v1/leases/{lease}/tunnel");
    scene.broker.http("POST", &path, "")
}

/// The broker goes on as ever.
#[track_caller]
fn assert_serves(scene: &Scene, lease: &Lease) {
    let client = Client::trusting(&authority(scene, lease));
    let tls = client.handshake(tunnel(scene, TARGET, &lease.id), "api.github.com");
    let answer = exchange(
        tls.unwrap(),
        get("api.github.com", LABELS, &lease.token).as_bytes(),
    );
    assert_eq!(answer.unwrap().status, 200);
    scene.broker.home.ctl(&["audit", "verify"]).success();
}

/// Whether an answer is a refusal of the broker's, with one of these statuses.
#[track_caller]
fn assert_refused(answer: Option<&Answer>, statuses: &[u16], what: &str) {
    let answer = answer.unwrap_or_else(|| panic!("{what}: no answer"));
    assert!(statuses.contains(&answer.status), "{what}: {answer:?}");
    assert!(
        answer.header("tokend-error").is_some(),
        "{what}: {answer:?}"
    );
}

/// Trusts every certificate.
#[derive(Debug)]
struct TrustAll;

impl ServerCertVerifier for TrustAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider: CryptoProvider = aws_lc_rs::default_provider();
        let algorithms = provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

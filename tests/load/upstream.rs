//! What the proxy's requests go to, in place of GitHub: a process that answers over TLS, as fast as it can.
//!
//! The stand-in of the tests keeps state and a journal; here it would be what is measured. The headers are those
//! of an answer of GitHub's, because passing them on is part of the work.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use support::github::tls;
use tokio::net::TcpListener;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::Transport;

/// A short list: 1 KB of labels.
pub(crate) const LABELS: &str = "/api/v3/repos/acme/site/labels";
/// An asset of [`LARGE`] bytes.
pub(crate) const ASSET: &str = "/api/v3/repos/acme/site/releases/assets/1";
/// Takes assets.
pub(crate) const UPLOADS: &str = "/api/uploads/repos/acme/site/releases/1/assets?name=load.bin";
/// How many bytes go through for one figure.
pub(crate) const LARGE: u64 = 2 << 30;

/// The process, which honours one token.
pub(crate) struct Upstream {
    child: Child,
    port: u16,
    pub(crate) ca: PathBuf,
    trust: Arc<ClientConfig>,
}

impl Upstream {
    pub(crate) fn start(directory: &Path, token: &str) -> Self {
        // Not `current_exe`: see `Echo`.
        let mut command = Command::new("/proc/self/exe");
        command.arg("upstream").arg(directory).arg(token);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        told.read_line(&mut port).unwrap();
        let ca = directory.join(AUTHORITY);
        Self {
            child,
            port: port.trim().parse().unwrap(),
            trust: trusting(&ca),
            ca,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A connection to it, without the proxy.
    pub(crate) fn connect(&self) -> Tls {
        let stream = TcpStream::connect(self.host()).unwrap();
        stream.set_nodelay(true).unwrap();
        let connection =
            ClientConnection::new(Arc::clone(&self.trust), name_of_loopback()).unwrap();
        let mut tls = StreamOwned::new(connection, stream);
        tls.conn.complete_io(&mut tls.sock).unwrap();
        Tls(tls)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A client that trusts the certificates of this PEM file.
pub(crate) fn trusting(authorities: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_file_iter(authorities).unwrap() {
        // Of the system's some are too old for it.
        roots.add_parsable_certificates([authority.unwrap()]);
    }
    let trust = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into());
    let trust = trust.with_safe_default_protocol_versions().unwrap();
    Arc::new(trust.with_root_certificates(roots).with_no_client_auth())
}

/// What servers of the loopback interface are called in their certificates.
pub(crate) fn name_of_loopback() -> ServerName<'static> {
    ServerName::try_from("127.0.0.1").unwrap()
}

/// TLS over TCP.
pub(crate) struct Tls(StreamOwned<ClientConnection, TcpStream>);

impl Read for Tls {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Tls {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Transport for Tls {
    fn fd(&self) -> BorrowedFd<'_> {
        self.0.sock.as_fd()
    }

    fn never_block(&self) {
        self.0.sock.set_nonblocking(true).unwrap();
    }
}

/// The process behind [`Upstream`]: says its port, and serves until it is killed.
pub(crate) fn serve(directory: &Path, token: &str) {
    let acceptor = tls::acceptor(&directory.join(AUTHORITY));
    let answers = Arc::new(Answers::new(token));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (acceptor, answers) = (acceptor.clone(), Arc::clone(&answers));
            tokio::spawn(async move {
                let stream = acceptor.accept(stream).await.unwrap();
                let answer = service_fn(|request| answers.answer(request));
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
                // A client that hangs up has what it wanted.
                serving.await.ok();
            });
        }
    });
}

/// All there is to say.
struct Answers {
    authorization: HeaderValue,
    headers: HeaderMap,
    labels: Bytes,
}

impl Answers {
    fn new(token: &str) -> Self {
        let label = |nth| {
            format!(
                r#"{{"id":{nth},"node_id":"MDU6TGFiZWw{nth}","url":"https://api.github.com/repos/acme/site/labels/l{nth}","name":"l{nth}","color":"f29513","default":false,"description":"what is wrong"}}"#
            )
        };
        let labels: Vec<_> = (1000..1005).map(label).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in HEADERS {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        Self {
            authorization: HeaderValue::try_from(format!("Bearer {token}")).unwrap(),
            headers,
            labels: format!("[{}]", labels.join(",")).into(),
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Content>, Infallible> {
        let path = request.uri().path();
        let status = if request.headers().get(AUTHORIZATION) != Some(&self.authorization) {
            StatusCode::UNAUTHORIZED
        } else if request.method() == Method::POST {
            let came = drain(request.into_body()).await;
            assert_eq!(came, LARGE);
            StatusCode::CREATED
        } else if path == ASSET {
            return Ok(self.of(StatusCode::OK, Content::zeros(LARGE)));
        } else {
            StatusCode::OK
        };
        Ok(self.of(status, Content::of(self.labels.clone())))
    }

    fn of(&self, status: StatusCode, content: Content) -> Response<Content> {
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_LENGTH, content.left.into());
        let mut response = Response::new(content);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

async fn drain(mut body: Incoming) -> u64 {
    let mut came = 0;
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        came += frame.unwrap().data_ref().map_or(0, Bytes::len) as u64;
    }
    came
}

/// The same piece again and again.
struct Content {
    piece: Bytes,
    left: u64,
}

impl Content {
    fn of(whole: Bytes) -> Self {
        let left = whole.len() as u64;
        Self { piece: whole, left }
    }

    fn zeros(length: u64) -> Self {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        Self {
            piece: Bytes::from_static(&ZEROS),
            left: length,
        }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        // Lengths are multiples of the piece's.
        self.left -= self.piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

const AUTHORITY: &str = "upstream-ca.pem";

/// As api.github.com sends them.
const HEADERS: &[(&str, &str)] = &[
    ("content-type", "application/json; charset=utf-8"),
    ("cache-control", "private, max-age=60, s-maxage=60"),
    (
        "vary",
        "Accept, Authorization, Cookie, X-GitHub-OTP,Accept-Encoding, Accept, X-Requested-With",
    ),
    (
        "etag",
        "W/\"4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945\"",
    ),
    ("x-oauth-scopes", "repo, workflow"),
    ("x-accepted-oauth-scopes", "repo"),
    ("x-github-media-type", "github.v3; format=json"),
    ("x-github-api-version-selected", "2022-11-28"),
    ("x-ratelimit-limit", "5000"),
    ("x-ratelimit-remaining", "4999"),
    ("x-ratelimit-reset", "4102444800"),
    ("x-ratelimit-used", "1"),
    ("x-ratelimit-resource", "core"),
    (
        "access-control-expose-headers",
        "ETag, Link, Location, Retry-After, X-GitHub-OTP, X-RateLimit-Limit, X-RateLimit-Remaining, \
         X-RateLimit-Used, X-RateLimit-Resource, X-RateLimit-Reset, X-OAuth-Scopes, \
         X-Accepted-OAuth-Scopes, X-Poll-Interval, X-GitHub-Media-Type, X-GitHub-SSO, \
         X-GitHub-Request-Id, Deprecation, Sunset",
    ),
    ("access-control-allow-origin", "*"),
    (
        "strict-transport-security",
        "max-age=31536000; includeSubdomains; preload",
    ),
    ("x-frame-options", "deny"),
    ("x-content-type-options", "nosniff"),
    ("x-xss-protection", "0"),
    (
        "referrer-policy",
        "origin-when-cross-origin, strict-origin-when-cross-origin",
    ),
    ("content-security-policy", "default-src 'none'"),
    ("server", "github.com"),
    (
        "x-github-request-id",
        "C0DE:2F3A4B:1A2B3C4:1B2C3D4:67ABCDEF",
    ),
];

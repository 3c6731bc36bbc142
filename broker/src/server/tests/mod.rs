//! Both sockets, served in the test's own process, with services that a test writes.

mod half_closed;
mod raw;
mod shared;
mod stops;
mod streams;

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::service::{Bodies, Service};
use super::{Identify, Listening, Served, Server, Waits};
use crate::api::Api;
use crate::app::scratch::Scratch;
use crate::caller::ProcEnv;
use crate::proxy::Proxy;
use crate::socket::Listener;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);
/// As short as a test can wait for.
const SHORT: Duration = Duration::from_millis(50);

const PATIENT: Waits = Waits {
    head: LONG,
    idle: LONG,
    drain: LONG,
};

type Answer = Arc<dyn Fn(Request<Body>) -> BoxFuture<'static, Response> + Send + Sync>;

/// Answers as a test says, in the place of the API or of the proxy.
#[derive(Clone)]
struct Fake<const STREAMED: bool>(Answer);

type FakeApi = Fake<false>;
type FakeProxy = Fake<true>;

impl<const STREAMED: bool> Fake<STREAMED> {
    fn new<A: Future<Output = Response> + Send + 'static>(
        answer: impl Fn(Request<Body>) -> A + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |request| Box::pin(answer(request))))
    }
}

impl<const STREAMED: bool> Service for Fake<STREAMED> {
    const BODIES: Bodies = if STREAMED {
        Bodies::Streamed
    } else {
        Bodies::Short
    };

    async fn answer(&self, request: Request<Body>) -> Response {
        (self.0)(request).await
    }

    fn is_for_kept_slots<B>(request: &Request<B>) -> bool {
        if STREAMED {
            Proxy::is_for_kept_slots(request)
        } else {
            Api::is_for_kept_slots(request)
        }
    }

    fn no_slot() -> Response {
        if STREAMED {
            Proxy::no_slot()
        } else {
            Api::no_slot()
        }
    }
}

/// Takes the whole body and answers with its length, or with what is wrong with it.
async fn counted(request: Request<Body>) -> Response {
    match axum::body::to_bytes(request.into_body(), usize::MAX).await {
        Ok(body) => body.len().to_string().into_response(),
        Err(error) => {
            let why = broker_protocol::causes::describe(&error);
            (StatusCode::REQUEST_TIMEOUT, why).into_response()
        }
    }
}

/// Never answers, and says when it was asked.
fn stuck<const STREAMED: bool>(asked: mpsc::UnboundedSender<()>) -> Fake<STREAMED> {
    Fake::new(move |request| {
        let asked = asked.clone();
        async move {
            let _request = request;
            asked.send(()).unwrap();
            std::future::pending().await
        }
    })
}

/// Sends itself when it is dropped.
struct Dropped(mpsc::UnboundedSender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.send(()).unwrap_or_default();
    }
}

struct Running {
    home: TempDir,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Running {
    /// With this `[limits]` table.
    fn start(limits: &str, waits: Waits, api: FakeApi, proxy: FakeProxy) -> Self {
        let home = tempfile::tempdir().unwrap();
        let app = Scratch::new(&format!("[limits]\n{limits}")).app;
        let (config, policies) = (Arc::clone(&app.config), Arc::clone(&app.policies));
        let identify = Identify::new(config, policies, ProcEnv::read().unwrap());
        let clock = Arc::clone(&app.journal.clock);
        let server = Server::new(app.config.limits, identify, clock);
        let server = Server { waits, ..server };
        let listening = |name: &str| {
            let socket = UnixListener::bind(home.path().join(name)).unwrap();
            let (_never, next) = mpsc::channel(1);
            let now = Listener::new(socket).unwrap();
            Listening { now, next }
        };
        let api = Served {
            listening: listening("tokend.sock"),
            service: api,
        };
        let proxy = Some(Served {
            listening: listening("proxy.sock"),
            service: proxy,
        });
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(server.serve(api, proxy, stopped));
        Self {
            home,
            stop,
            serving,
        }
    }

    fn proxy_with(waits: Waits, proxy: FakeProxy) -> Self {
        Self::start("", waits, Fake::new(counted), proxy)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A connection on which this was sent.
    async fn send(&self, name: &str, bytes: &[u8]) -> UnixStream {
        let mut stream = UnixStream::connect(self.path(name)).await.unwrap();
        // One that is turned away may be closed before it was written to.
        drop(stream.write_all(bytes).await);
        stream
    }

    async fn api(&self, bytes: &str) -> UnixStream {
        self.send("tokend.sock", bytes.as_bytes()).await
    }

    async fn proxy(&self, bytes: &str) -> UnixStream {
        self.send("proxy.sock", bytes.as_bytes()).await
    }
}

const GET: &str = "GET / HTTP/1.1\r\nhost: api.github.com\r\n\r\n";
/// Its body is three bytes, which follow.
const POST: &str = "POST / HTTP/1.1\r\nhost: api.github.com\r\ncontent-length: 3\r\n\r\n";

/// All that comes until the connection is closed.
async fn rest(mut stream: UnixStream) -> String {
    let mut bytes = Vec::new();
    // What was sent and not read by the other side is an error after what it answered.
    drop(stream.read_to_end(&mut bytes).await);
    String::from_utf8(bytes).unwrap()
}

/// One answer with a length, on a connection that stays open.
async fn answer(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8(bytes.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.unwrap().parse().unwrap() {
                return text;
            }
        }
        let read = stream.read_buf(&mut bytes).await.unwrap();
        assert!(read > 0, "the connection ended after {text:?}");
    }
}

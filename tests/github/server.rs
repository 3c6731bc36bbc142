//! The listeners, and the way of a call through them: faults, journal, connection.
//!
//! What a fault does before the request is processed, and what after, is decided here alone; the
//! answer itself is made in `respond.rs`.

use std::net::TcpListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::body::{Body as HttpBody, to_bytes};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use super::answer::Answer;
use super::faults::Effect;
use super::reply::{Closed, held_rest, response, truncated};
use super::request::Request;
use super::state::State;
use super::tls;

/// What stands behind the listeners: GitHub, or another that is stood in for.
pub(crate) trait Service: Send + 'static {
    /// Notes the call and says what strikes it. The number is for [`Self::respond`].
    fn arrive(&mut self, request: &Request) -> (usize, Option<Effect>);

    /// Answers, and completes the note.
    fn respond(&mut self, request: &Request, number: usize, effect: Option<&Effect>) -> Answer;
}

/// What connections and tests share.
pub(crate) struct Shared<S = State> {
    state: Mutex<S>,
    released: watch::Sender<u64>,
}

impl<S> Shared<S> {
    pub(crate) fn new(state: S) -> Self {
        Self {
            state: Mutex::new(state),
            released: watch::channel(0).0,
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, S> {
        self.state.lock().unwrap()
    }

    /// Held calls go on.
    pub(crate) fn release(&self) {
        self.released.send_modify(|times| *times += 1);
    }
}

/// The thread that serves; dropped, it ends and closes everything.
pub(crate) struct Running {
    pub(crate) tls_port: u16,
    pub(crate) plain_port: u16,
    pub(crate) control_port: u16,
    pub(crate) ca: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _directory: TempDir,
}

impl Running {
    /// `control` serves a connection to the listener for commands.
    pub(crate) fn start<S, F>(
        shared: &Arc<Shared<S>>,
        control: impl Fn(TcpStream, Arc<Shared<S>>) -> F + Send + 'static,
    ) -> Self
    where
        S: Service,
        F: Future<Output = ()> + Send + 'static,
    {
        let directory = tempfile::tempdir().unwrap();
        let ca = directory.path().join("ca.pem");
        let acceptor = tls::acceptor(&ca);
        let ((secure, tls_port), (plain, plain_port)) = (listen(), listen());
        let (commands, control_port) = listen();
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(shared);
        let thread = std::thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().build().unwrap().block_on(async {
                let for_plain = Arc::clone(&shared);
                tokio::spawn(accept(plain, move |stream| {
                    serve(stream, Arc::clone(&for_plain), "http", plain_port)
                }));
                let for_control = Arc::clone(&shared);
                tokio::spawn(accept(commands, move |stream| {
                    control(stream, Arc::clone(&for_control))
                }));
                tokio::spawn(accept(secure, move |stream| {
                    let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
                    async move {
                        // Who does not trust the certificate says so by hanging up.
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, shared, "https", tls_port).await;
                        }
                    }
                }));
                stopped.await.ok();
            });
        });
        Self {
            tls_port,
            plain_port,
            control_port,
            ca,
            stop: Some(stop),
            thread: Some(thread),
            _directory: directory,
        }
    }

    /// The certificate of the authority.
    pub(crate) fn ca(&self) -> &Path {
        &self.ca
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn listen() -> (StdListener, u16) {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Every connection gets a task of its own.
async fn accept<F>(listener: StdListener, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    }
}

async fn serve<C, S>(stream: C, shared: Arc<Shared<S>>, scheme: &'static str, port: u16)
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service,
{
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move {
            let (parts, body) = request.into_parts();
            let body = to_bytes(HttpBody::new(body), MOST)
                .await
                .map_err(|_gone| Closed)?;
            call(&shared, &Request::new(&parts, body, scheme, port)).await
        }
    });
    // A caller that hangs up is its own business, and so is a connection closed on purpose.
    let connection = http1::Builder::new();
    connection
        .serve_connection(TokioIo::new(stream), service)
        .await
        .ok();
}

/// Longest body taken, in bytes.
const MOST: usize = 16 << 20;

async fn call<S: Service>(
    shared: &Shared<S>,
    request: &Request,
) -> Result<hyper::Response<HttpBody>, Closed> {
    let mut released = shared.released.subscribe();
    released.mark_unchanged();
    let (number, effect) = shared.lock().arrive(request);
    match &effect {
        Some(Effect::Hang) => return std::future::pending().await,
        Some(Effect::CloseBefore) => return Err(Closed),
        Some(Effect::Hold) => {
            released.changed().await.ok();
        }
        Some(Effect::Delay(milliseconds)) => {
            tokio::time::sleep(Duration::from_millis(*milliseconds)).await;
        }
        _ => {}
    }
    let answer = shared.lock().respond(request, number, effect.as_ref());
    match effect {
        Some(Effect::LoseReply) => Err(Closed),
        Some(Effect::HangAfter) => std::future::pending().await,
        Some(Effect::Truncate) => Ok(truncated(&answer)),
        Some(Effect::HoldRest(bytes)) => Ok(held_rest(&answer, bytes, released)),
        _ => Ok(response(&answer)),
    }
}

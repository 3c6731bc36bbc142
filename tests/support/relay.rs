//! A way to `proxy.sock` for clients that cannot speak to a Unix socket: a loopback port.
//!
//! Each request goes on as it came but for its `Host`, over a connection of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::header::{HOST, HeaderValue};
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::loopback::Loopback;

/// The port, and what listens there until it is dropped.
pub struct Relay(Loopback);

impl Relay {
    /// To this socket, as `host`.
    pub fn start(socket: &Path, host: &str) -> Self {
        let to = Arc::new((socket.to_owned(), HeaderValue::from_str(host).unwrap()));
        Self(Loopback::serve(move |stream| {
            let to = Arc::clone(&to);
            let relayed = service_fn(move |request| pass_on(Arc::clone(&to), request));
            let served = server::Builder::new().serve_connection(TokioIo::new(stream), relayed);
            // A client that hangs up is its own business.
            async move { served.await.ok() }
        }))
    }

    /// Where it listens, as a base URL without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }
}

async fn pass_on(
    to: Arc<(PathBuf, HeaderValue)>,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
    let (socket, host) = &*to;
    request.headers_mut().insert(HOST, host.clone());
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

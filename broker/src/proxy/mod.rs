//! `proxy.sock`: requests to GitHub under a token that only the broker honours.
//!
//! Translation alone: what came is parsed into a [`ProxyRequest`], and what became of it is answered as GitHub
//! would, so that clients need not know who spoke. `forwarding` decides.

mod answer;
mod connect;
mod request;

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Method, Request};
use axum::response::Response;
use broker_secret_memory::redact;

pub(crate) use self::answer::refusal;
use self::request::Upstream;
use crate::api::mark_dev;
use crate::app::App;
pub(crate) use crate::forwarding::Tunnel;
use crate::forwarding::{Forwarding, Refusal, RefusedRequest, UpstreamAnswer};

/// The proxy, ready to answer.
#[derive(Clone)]
pub(crate) struct Proxy(Arc<Forwarding>);

impl Proxy {
    /// Over the services of this broker.
    pub(crate) fn of(app: &App) -> Self {
        Self(Arc::clone(&app.forwarding))
    }

    /// Answers one request, which carries its [`Peer`](crate::caller::Peer) as an extension. It lasts as long as
    /// bytes flow.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Response {
        let mut answer = self.answered(request).await;
        if self.0.base().is_absent() {
            mark_dev(&mut answer);
        }
        answer
    }

    async fn answered(&self, request: Request<Body>) -> Response {
        let (parts, body) = request.into_parts();
        if parts.method == Method::CONNECT {
            return self.connect(&parts).await;
        }
        let upstream = request::upstream(self.0.base(), &parts);
        let form = request::form(&upstream);
        match self.forwarded(upstream, parts, body).await {
            Ok(answer) => answer::passed_on(answer),
            Err(refusal) => answer::refused(&refusal, form),
        }
    }

    async fn forwarded(
        &self,
        upstream: Result<Upstream, Refusal>,
        mut parts: Parts,
        body: Body,
    ) -> Result<UpstreamAnswer, Refusal> {
        let (peer, uid) = request::peer(&parts)?;
        let peer = Arc::clone(peer);
        match request::parse(upstream, (&peer, uid), &mut parts, body) {
            Ok((request, body)) => self.0.forward(request, body).await,
            // Whoever sends no token is asked for one, and has done nothing yet.
            Err(refusal) if !parts.headers.contains_key(AUTHORIZATION) => Err(refusal),
            Err(refusal) => {
                let path = redact::mask(parts.uri.path().as_bytes());
                let method = request::shown(&parts.method);
                let refused = RefusedRequest {
                    peer: &peer,
                    method: &method,
                    path: str::from_utf8(&path).unwrap_or_default(),
                };
                Err(self.0.refuse(refused, None, refusal).await)
            }
        }
    }
}

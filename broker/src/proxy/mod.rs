//! `proxy.sock`: requests to GitHub under a token that only the broker honours.
//!
//! Translation alone: what came is parsed into a [`ProxyRequest`], and what became of it is answered as GitHub
//! would, so that clients need not know who spoke. `forwarding` decides.

mod answer;
mod request;

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use axum::response::Response;

pub(crate) use self::answer::refusal;
use crate::app::App;
use crate::forwarding::Forwarding;

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
        let form = request::form(self.0.base(), &request);
        let answered = match request::parse(self.0.base(), request) {
            Ok((request, body)) => self.0.forward(request, body).await,
            Err(refusal) => Err(refusal),
        };
        match answered {
            Ok(answered) => answer::passed_on(answered),
            Err(refusal) => answer::refused(&refusal, form),
        }
    }
}

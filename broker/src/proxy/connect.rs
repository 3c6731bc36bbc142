//! `CONNECT`: a tunnel in which TLS ends here.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use axum::http::request::Parts;
use axum::http::{HeaderName, Version};
use axum::response::Response;
use broker_protocol::api::LEASE_HEADER;
use broker_protocol::names::LeaseId;
use broker_secret_memory::redact;
use hyper::ext::ReasonPhrase;

use super::answer::{self, Form};
use super::request::{bad, only, peer, text};
use super::{Proxy, Tunnel};
use crate::forwarding::{Refusal, RefusedRequest};

impl Proxy {
    /// Answers a `CONNECT`. An answer of 200 carries its [`Tunnel`] as an extension: what follows on the
    /// connection is that tunnel's.
    pub(super) async fn connect(&self, parts: &Parts) -> Response {
        match self.tunnel(parts).await {
            Ok(tunnel) => {
                let mut response = Response::new(Body::empty());
                response.extensions_mut().insert(Arc::new(tunnel));
                response
            }
            Err(refusal) => {
                let mut refused = answer::refused(&refusal, Form::Json);
                // Clients drop the body, and some of them show this.
                if let Ok(reason) = ReasonPhrase::try_from(refusal.why.as_bytes()) {
                    refused.extensions_mut().insert(reason);
                }
                refused
            }
        }
    }

    async fn tunnel(&self, parts: &Parts) -> Result<Tunnel, Refusal> {
        let (peer, uid) = peer(parts)?;
        let opened = match parse(parts) {
            Ok((lease, target)) => self.0.open_tunnel(lease, uid, target).await,
            Err(refusal) => Err(refusal),
        };
        match opened {
            Ok(tunnel) => Ok(tunnel),
            Err(refusal) => {
                let target = parts.uri.authority().map_or("", |target| target.as_str());
                let refused = RefusedRequest {
                    peer,
                    method: "CONNECT",
                    path: &redact::words(target, LONGEST_TARGET),
                };
                Err(self.0.refuse(refused, None, refusal).await)
            }
        }
    }
}

/// The lease and the host that a `CONNECT` names.
fn parse(parts: &Parts) -> Result<(LeaseId, &str), Refusal> {
    let headers = &parts.headers;
    if parts.extensions.get::<Arc<Tunnel>>().is_some() {
        return Err(bad("a tunnel leads to GitHub, and no further"));
    }
    if parts.version > Version::HTTP_11 {
        return Err(bad("this socket speaks HTTP/1.1"));
    }
    if headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING) {
        return Err(bad("a CONNECT has no body"));
    }
    let target = parts.uri.authority().map(|target| target.as_str());
    let target = target.filter(|target| parts.uri == **target);
    let target = target.ok_or_else(|| bad("a CONNECT names HOST:PORT and nothing else"))?;
    if let Some(host) = only(headers, &HOST)?
        && !text(host, "Host")?.eq_ignore_ascii_case(target)
    {
        return Err(bad("`Host` is another one than the CONNECT names"));
    }
    const LEASE: HeaderName = HeaderName::from_static(LEASE_HEADER);
    let lease = only(headers, &LEASE)?;
    let lease = lease.ok_or_else(|| bad("a CONNECT names its lease in `tokend-lease`"))?;
    let lease = text(lease, LEASE_HEADER)?.parse();
    let lease = lease.map_err(|error| bad(format!("`tokend-lease`: {error}")))?;
    Ok((lease, target))
}

/// Longer than a host's name with a port, in characters.
const LONGEST_TARGET: usize = 260;

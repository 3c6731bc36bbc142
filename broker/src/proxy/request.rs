//! Reads a request as what GitHub would read, or refuses it: whatever two servers might read differently.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING, UPGRADE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_github::BaseUrl;
use broker_policy::reach::GithubHost;
use broker_protocol::error::ErrorCode;
use broker_secret_memory::redact;
use broker_secret_memory::token::AccessToken;
use reqwest::Url;
use zeroize::Zeroizing;

use super::answer::Form;
use crate::caller::Peer;
use crate::forwarding::{Presented, ProxyRequest, Refusal, RequestBody, Tunnel};

/// What GitHub's API is asked with.
const METHODS: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

/// Which of GitHub's hosts a request is for, and its path there.
pub(super) type Upstream = (GithubHost, Box<str>);

pub(super) fn upstream(base: &BaseUrl, parts: &Parts) -> Result<Upstream, Refusal> {
    let host = only(&parts.headers, &HOST)?.ok_or_else(|| bad("there is no `Host`"))?;
    let host = text(host, "Host")?;
    if let Some(tunnel) = parts.extensions.get::<Arc<Tunnel>>()
        && !tunnel.leads_to(host)
    {
        return Err(bad("`Host` is another one than this tunnel leads to"));
    }
    let (host, path) = base
        .upstream(host, parts.uri.path())
        .map_err(|error| Refusal::unserved(error.to_string()))?;
    Ok((host, path.into()))
}

/// Parses a caller's request, whose headers are taken out of it. What is wrong with its first line comes before
/// what is wrong with `upstream`.
///
/// # Errors
///
/// A [`Refusal`] that names what is wrong with it, and it is as it came.
pub(super) fn parse(
    upstream: Result<Upstream, Refusal>,
    (peer, uid): (&Arc<Peer>, u32),
    parts: &mut Parts,
    body: Body,
) -> Result<(ProxyRequest, Option<RequestBody>), Refusal> {
    let (method, headers) = (&parts.method, &parts.headers);
    if !METHODS.contains(method) {
        let method = shown(method);
        return Err(bad(format!("{method} is not served over this socket")));
    }
    if parts.version > Version::HTTP_11 {
        return Err(bad("this socket speaks HTTP/1.1"));
    }
    // A request line with a host in it may name another one than `Host`.
    if parts.uri.scheme().is_some() || parts.uri.authority().is_some() {
        return Err(bad(
            "the request line names a host: send a path alone there, and the host in `Host`",
        ));
    }
    if headers.contains_key(UPGRADE) {
        return Err(bad("`Upgrade` is not served"));
    }
    let (host, path) = upstream?;
    if redact::looks_like_token(&path) {
        return Err(bad(
            "the path holds what looks like a token; paths are recorded",
        ));
    }
    let query = parts.uri.query();
    if query.is_some_and(asks_for_a_script) {
        return Err(bad(
            "`callback` in a query is not served: GitHub would put the answer's status into its body",
        ));
    }
    if host == GithubHost::Api && headers.get(CONTENT_TYPE).is_some_and(is_multipart) {
        return Err(bad(
            "GitHub's API takes JSON, and a body in parts may say another method",
        ));
    }
    let request = ProxyRequest {
        peer: Arc::clone(peer),
        uid,
        presented: presented(parts)?,
        method: method.clone(),
        host,
        path,
        query: query.map(Into::into),
        headers: HeaderMap::new(),
    };
    let body = body_of(method, headers, body)?;
    let headers = std::mem::take(&mut parts.headers);
    let request = ProxyRequest { headers, ..request };
    Ok((request, body))
}

/// In which form its client reads a refusal: git prints text.
pub(super) fn form(upstream: &Result<Upstream, Refusal>) -> Form {
    match upstream {
        Ok((GithubHost::Web, path)) if !path.contains("/info/lfs/") => Form::Text,
        _ => Form::Json,
    }
}

/// A method as it is written down: one that does not exist may be anything.
pub(super) fn shown(method: &Method) -> String {
    redact::words(method.as_str(), LONGEST_METHOD)
}

/// Longer than any that exists.
const LONGEST_METHOD: usize = 20;

pub(super) fn bad(why: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::BadRequest, why)
}

/// Whether GitHub would answer with a call of JavaScript (JSONP), whose body holds status and headers: there no one
/// takes out what is not for the caller, and a 401 would look like success.
///
/// Source: GitHub REST documentation, “Using CORS and JSONP to make cross-origin requests”.
fn asks_for_a_script(query: &str) -> bool {
    // Some servers part a query at `;`, too.
    let query = query.replace(';', "&");
    let url = Url::parse(&format!("http://query/?{query}"));
    // Brackets around a name mean the same to some; GitHub has no other name with this in it.
    url.map_or(true, |url| {
        let mut keys = url.query_pairs().map(|(key, _)| key);
        keys.any(|key| key.contains("callback"))
    })
}

fn is_multipart(kind: &HeaderValue) -> bool {
    let kind = kind.as_bytes().get(.."multipart/".len());
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart/"))
}

/// Who is on the other end, and the account; the request carries its peer as an extension.
pub(super) fn peer(parts: &Parts) -> Result<(&Arc<Peer>, u32), Refusal> {
    let peer = parts.extensions.get::<Arc<Peer>>();
    let there = peer.and_then(|peer| Some((peer, peer.uid().ok()?)));
    there.ok_or_else(|| {
        let why = "the process that opened this connection has ended; connect again";
        Refusal::new(ErrorCode::Denied, why)
    })
}

/// A header that may stand once.
pub(super) fn only<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h HeaderValue>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    match values.next() {
        None => Ok(first),
        Some(_) => Err(bad(format!("there are two headers `{name}`"))),
    }
}

pub(super) fn text<'h>(value: &'h HeaderValue, name: &str) -> Result<&'h str, Refusal> {
    value
        .to_str()
        .map_err(|_not_ascii| bad(format!("`{name}` holds what is no text")))
}

/// The body and its length, where that is said. A GET with a body is what servers read differently.
fn body_of(
    method: &Method,
    headers: &HeaderMap,
    body: Body,
) -> Result<Option<RequestBody>, Refusal> {
    let chunked = only(headers, &TRANSFER_ENCODING)?.is_some();
    let length = only(headers, &CONTENT_LENGTH)?;
    if chunked && length.is_some() {
        return Err(bad(
            "`Content-Length` and `Transfer-Encoding` contradict each other",
        ));
    }
    let length = match length {
        None => None,
        Some(length) => {
            let length = text(length, "Content-Length")?.parse::<u64>();
            Some(length.map_err(|_not_one| bad("`Content-Length` is no number"))?)
        }
    };
    if !chunked && length.unwrap_or(0) == 0 && body.is_end_stream() {
        return Ok(None);
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return Err(bad(format!("a {method} has no body")));
    }
    Ok(Some((body, length)))
}

/// What it presents. Outside a tunnel that is a token.
fn presented(parts: &Parts) -> Result<Presented, Refusal> {
    match parts.extensions.get::<Arc<Tunnel>>() {
        Some(tunnel) if !parts.headers.contains_key(AUTHORIZATION) => {
            Ok(Presented::NoToken(tunnel.lease.clone()))
        }
        _ => token(&parts.headers).map(Presented::Token),
    }
}

/// The token of `Authorization`: behind `Bearer` or `token`, or as the password of `Basic`.
fn token(headers: &HeaderMap) -> Result<AccessToken, Refusal> {
    let Some(value) = only(headers, &AUTHORIZATION)? else {
        return Err(Refusal::foreign_token());
    };
    let value = text(value, "Authorization")?;
    let (scheme, rest) = value.split_once(' ').ok_or_else(Refusal::foreign_token)?;
    let rest = rest.trim_matches(' ');
    if ["bearer", "token"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return Ok(AccessToken::new(rest.to_owned()));
    }
    let password = || {
        let decoded = Zeroizing::new(STANDARD.decode(rest).ok()?);
        let (_, password) = str::from_utf8(&decoded).ok()?.split_once(':')?;
        Some(AccessToken::new(password.to_owned()))
    };
    let password = scheme.eq_ignore_ascii_case("basic").then(password);
    password.flatten().ok_or_else(Refusal::foreign_token)
}

//! One request on the wire and its answer. Nothing is tried twice here.
//!
//! The TLS client is built at first use, on a thread that may block: it reads every certificate
//! authority of the machine, which costs time and a few megabytes that a broker at rest does not need.
//!
//! Buffers that may hold a secret are wiped where they are ours: the header, the body sent and the
//! body received. Copies inside the HTTP and TLS libraries are short-lived and not ours to wipe.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Certificate, Client, Method, Response, Url, redirect};
use tokio::sync::OnceCell;
use zeroize::{Zeroize as _, Zeroizing};

use super::base::BaseUrl;
use super::error::{BadAnswer, GitHubError, Unreachable};
use super::reply::ReplyHeaders;
use crate::causes;

/// The connection pool, once there is one.
pub(super) struct Wire {
    client: OnceCell<Client>,
    ca: Option<PathBuf>,
    total: Duration,
}

/// A request, made up once and sent as often as is right.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// Shared by all attempts, wiped after the last.
    pub(super) body: Option<Bytes>,
}

/// An answer of whatever status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: ReplyHeaders,
    /// Where a 3xx points, below the base URL and without its query.
    pub(super) location: Option<Box<str>>,
    pub(super) body: Result<Zeroizing<Vec<u8>>, BadAnswer>,
}

impl Wire {
    /// Nothing is read yet. `total` is how long one exchange may take.
    pub(super) const fn new(ca: Option<PathBuf>, total: Duration) -> Self {
        Self {
            client: OnceCell::const_new(),
            ca,
            total,
        }
    }

    /// Sends it and reads the answer.
    pub(super) async fn exchange(
        &self,
        sent: &Sent,
        base: &BaseUrl,
    ) -> Result<Answer, GitHubError> {
        let build = || build(self.ca.clone(), self.total);
        let client = self.client.get_or_try_init(build).await?;
        let mut request = client
            .request(sent.method.clone(), sent.url.clone())
            .headers(sent.headers.clone());
        if let Some(body) = &sent.body {
            request = request.body(body.clone());
        }
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let headers = ReplyHeaders::read(response.headers(), base);
        let location = response
            .headers()
            .get(reqwest::header::LOCATION)
            .and_then(|value| base.relative(value.to_str().ok()?))
            .map(|path| path.split('?').next().unwrap_or_default().into());
        let body = whole_body(response).await;
        Ok(Answer {
            status,
            headers,
            location,
            body,
        })
    }
}

/// The headers of every call.
pub(super) fn headers(base: &BaseUrl, bearer: Option<&str>) -> Result<HeaderMap, GitHubError> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(
        ACCEPT,
        HeaderValue::from_static("application/vnd.github+json"),
    );
    headers.insert("x-github-api-version", base.api_version());
    if let Some(credential) = bearer {
        headers.insert(AUTHORIZATION, authorization(credential)?);
    }
    Ok(headers)
}

/// Marked sensitive, and wiped after its use.
pub(super) fn authorization(credential: &str) -> Result<HeaderValue, GitHubError> {
    let mut text = Zeroizing::new(Vec::with_capacity("Bearer ".len() + credential.len()));
    text.extend_from_slice(b"Bearer ");
    text.extend_from_slice(credential.as_bytes());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text))
        .map_err(|_cause| GitHubError::Unsendable)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A JSON body, wiped when the last attempt is over; so is what it was made of.
pub(super) fn json_body(
    headers: &mut HeaderMap,
    mut value: serde_json::Value,
) -> Result<Bytes, GitHubError> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut counted = Counted(0);
    let text = serde_json::to_writer(&mut counted, &value).and_then(|()| {
        // Its size is known, so that growing leaves no copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(counted.0));
        serde_json::to_writer(&mut *text, &value).map(|()| text)
    });
    wipe(&mut value);
    text.map(Bytes::from_owner)
        .map_err(|_cause| GitHubError::CannotAsk("the request cannot be written as JSON".into()))
}

struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wipe(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => text.zeroize(),
        serde_json::Value::Array(values) => values.iter_mut().for_each(wipe),
        serde_json::Value::Object(map) => map.values_mut().for_each(wipe),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

async fn build(ca: Option<PathBuf>, total: Duration) -> Result<Client, GitHubError> {
    let built = tokio::task::spawn_blocking(move || {
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            // How often is decided here, not by the library.
            .retry(reqwest::retry::never())
            // The environment must not be able to send credentials through another machine.
            .no_proxy()
            .referer(false)
            .http1_only()
            .connect_timeout(CONNECT)
            .timeout(total)
            .pool_max_idle_per_host(MOST_IDLE)
            .pool_idle_timeout(IDLE);
        if let Some(path) = &ca {
            builder = builder.tls_certs_merge(authorities(path)?);
        }
        builder.build().map_err(|error| {
            let why = causes::in_words(&error);
            GitHubError::CannotAsk(format!("TLS cannot be set up: {why}").into())
        })
    });
    built
        .await
        .map_err(|_panic| GitHubError::CannotAsk("TLS cannot be set up".into()))?
}

/// The certificate authorities of `[github] ca`, besides the machine's own.
fn authorities(path: &Path) -> Result<Vec<Certificate>, GitHubError> {
    let refuse = |why: String| {
        let path = path.display();
        GitHubError::CannotAsk(format!("`[github] ca`: {path}: {why}").into())
    };
    let pem = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem)
        .map_err(|_cause| refuse("is not a list of certificates in PEM".to_owned()))?;
    if found.is_empty() {
        return Err(refuse("holds no certificate in PEM".to_owned()));
    }
    Ok(found)
}

/// Reads up to the cap. A buffer that grows is copied and wiped, where a plain one would leave its
/// old self in freed memory.
async fn whole_body(mut response: Response) -> Result<Zeroizing<Vec<u8>>, BadAnswer> {
    let announced = response.content_length().unwrap_or(0);
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    if announced > LARGEST_BODY {
        return Err(BadAnswer::TooLarge);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced.max(SMALL_BODY)));
    loop {
        let chunk = response
            .chunk()
            .await
            .map_err(|_cause| BadAnswer::Truncated)?;
        let Some(chunk) = chunk else {
            return Ok(body);
        };
        let wanted = body.len() + chunk.len();
        if wanted > LARGEST_BODY {
            return Err(BadAnswer::TooLarge);
        }
        if wanted > body.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(wanted.max(2 * body.capacity())));
            larger.extend_from_slice(&body);
            body = larger;
        }
        body.extend_from_slice(&chunk);
    }
}

fn unreachable(error: reqwest::Error) -> GitHubError {
    let error = error.without_url();
    if error.is_builder() {
        return GitHubError::CannotAsk("the request cannot be made up".into());
    }
    let connecting = error.is_connect();
    let why = if error.is_timeout() {
        Unreachable::TimedOut
    } else if !connecting {
        Unreachable::Lost
    } else {
        connect_fault(&error)
    };
    GitHubError::Unreachable {
        why,
        may_have_happened: !connecting,
        cause: causes::in_words(&error).into(),
    }
}

/// The libraries have no type of their own for these. A handshake fails as an I/O error that is not
/// the system's.
fn connect_fault(error: &reqwest::Error) -> Unreachable {
    let mut next = error.source();
    while let Some(cause) = next {
        if cause.to_string().starts_with("dns error") {
            return Unreachable::Dns;
        }
        let io = cause.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.raw_os_error().is_none()) {
            return Unreachable::Tls;
        }
        next = cause.source();
    }
    Unreachable::Connect
}

/// GitHub refuses requests without one.
const AGENT: &str = concat!("tokend/", env!("CARGO_PKG_VERSION"));
const CONNECT: Duration = Duration::from_secs(5);
/// GitHub cuts a request off after ten seconds; the rest is for connecting and for the way.
///
/// Source: GitHub REST documentation, “Troubleshooting the REST API”, timeouts.
pub(super) const TOTAL: Duration = Duration::from_secs(15);
/// A connection that GitHub may have closed meanwhile costs a call that must not be repeated its
/// only attempt.
const IDLE: Duration = Duration::from_secs(15);
const MOST_IDLE: usize = 2;
/// The largest answer asked for is a token for 500 repositories: as many objects of six to eight
/// kilobytes. Twice that, so that GitHub may add fields.
const LARGEST_BODY: usize = 8 * 1024 * 1024;
const SMALL_BODY: usize = 4096;

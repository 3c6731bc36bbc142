//! HTTPS to a place that is given a credential: what every such place has in common.
//!
//! No redirect is followed, no proxy is taken from the environment, nothing is tried twice by itself.
//! The TLS client is built at first use, on a thread that may block: it reads every certificate
//! authority of the machine, which costs time and a few megabytes that a broker at rest does not need.
//!
//! Buffers that may hold a secret are wiped where they are ours: the header, the body sent and the
//! body received. Copies inside the HTTP and TLS libraries are short-lived and not ours to wipe.
//!
//! Not here: what is asked, and what an answer means.

use std::error::Error as _;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use broker_protocol::whole_file;
use bytes::Bytes;
use reqwest::header::{DATE, HeaderMap, HeaderValue, InvalidHeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, Response, Url, redirect};
use tokio::sync::OnceCell;
use zeroize::{Zeroize as _, Zeroizing};

use broker_protocol::causes;

/// A connection pool, once there is one.
pub struct Https {
    client: OnceCell<Client>,
    ca: Option<PathBuf>,
    total: Duration,
}

/// Why there can be no connection pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CannotBuild {
    /// The file of certificate authorities, and what is wrong with it.
    Authorities(Box<str>),
    /// TLS, and what is wrong with it where that is known.
    Tls(Box<str>),
}

/// How a host could not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// The host has no address, or no one says it.
    #[error("its name has no address")]
    Dns,
    /// Nothing takes the connection.
    #[error("nothing takes the connection")]
    Connect,
    /// The certificate or the handshake.
    #[error("its certificate or the TLS handshake is refused")]
    Tls,
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection ended before the answer was complete.
    #[error("the connection ended before the answer")]
    Lost,
}

/// Why a request has no answer.
pub enum NoAnswer {
    /// It could not be made up; nothing was sent.
    Unmakeable,
    /// It went out, or tried to.
    NotReached(NotReached),
}

/// A request that went out, or tried to, and was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReached {
    /// What went wrong.
    pub why: Unreachable,
    /// Whether the request may have been carried out all the same.
    pub may_have_happened: bool,
    /// The causes, for the operator. Never a URL.
    pub cause: Box<str>,
}

/// Why a body cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It ended before its end.
    #[error("it ended too early")]
    Truncated,
    /// It is larger than what was asked for can be.
    #[error("it is larger than any answer this program asks for")]
    TooLarge,
}

impl Https {
    /// Nothing is read yet. `ca` is a file of certificate authorities in PEM, trusted besides the
    /// machine's own; `total` is how long one exchange may take.
    #[must_use]
    pub const fn new(ca: Option<PathBuf>, total: Duration) -> Self {
        Self {
            client: OnceCell::const_new(),
            ca,
            total,
        }
    }

    /// The pool.
    ///
    /// # Errors
    ///
    /// [`CannotBuild`]; it is tried again next time.
    pub async fn client(&self) -> Result<&Client, CannotBuild> {
        let build = || build(self.ca.clone(), self.total);
        self.client.get_or_try_init(build).await
    }
}

/// `Authorization: Bearer …`, marked sensitive, and wiped after its use.
///
/// # Errors
///
/// [`InvalidHeaderValue`] for what no header can carry, such as a line break.
pub fn bearer(credential: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut text = Zeroizing::new(Vec::with_capacity("Bearer ".len() + credential.len()));
    text.extend_from_slice(b"Bearer ");
    text.extend_from_slice(credential.as_bytes());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A JSON body, wiped when the last attempt is over; so is what it was made of.
///
/// # Errors
///
/// As [`serde_json`].
pub fn json_body(mut value: serde_json::Value) -> serde_json::Result<Bytes> {
    let mut counted = Counted(0);
    let text = serde_json::to_writer(&mut counted, &value).and_then(|()| {
        // Its size is known, so that growing leaves no copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(counted.0));
        serde_json::to_writer(&mut *text, &value).map(|()| text)
    });
    wipe(&mut value);
    text.map(Bytes::from_owner)
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

/// Reads up to so many bytes. A buffer that grows is copied and wiped, where a plain one would leave
/// its old self in freed memory.
///
/// # Errors
///
/// [`BodyError`].
pub async fn whole_body(
    mut response: Response,
    most: usize,
) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let announced = response.content_length().unwrap_or(0);
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    if announced > most {
        return Err(BodyError::TooLarge);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced.max(SMALL_BODY)));
    loop {
        let chunk = response
            .chunk()
            .await
            .map_err(|_cause| BodyError::Truncated)?;
        let Some(chunk) = chunk else {
            return Ok(body);
        };
        let wanted = body.len() + chunk.len();
        if wanted > most {
            return Err(BodyError::TooLarge);
        }
        if wanted > body.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(wanted.max(2 * body.capacity())));
            larger.extend_from_slice(&body);
            body = larger;
        }
        body.extend_from_slice(&chunk);
    }
}

impl NoAnswer {
    /// Takes an error of the library for what it means.
    #[must_use]
    pub fn of(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_builder() {
            return Self::Unmakeable;
        }
        let connecting = error.is_connect();
        let why = if error.is_timeout() {
            Unreachable::TimedOut
        } else if !connecting {
            Unreachable::Lost
        } else {
            connect_fault(&error)
        };
        Self::NotReached(NotReached {
            why,
            may_have_happened: !connecting,
            cause: causes::describe(&error).into(),
        })
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

/// What `Retry-After` says: in seconds, fractions rounded up, or as a date, which counts from the answer's
/// own.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Some((seconds, fraction)) = text.split_once('.').or(Some((text, "")))
        && let Ok(seconds) = seconds.parse::<u32>()
        && fraction.bytes().all(|b| b.is_ascii_digit())
    {
        let more = u64::from(fraction.bytes().any(|b| b != b'0'));
        return Some(Duration::from_secs(u64::from(seconds) + more));
    }
    let date = |text: &str| {
        let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
        Some(zoned.timestamp())
    };
    let (until, from) = (date(text)?, date(headers.get(DATE)?.to_str().ok()?)?);
    Some(until.duration_since(from).try_into().unwrap_or_default())
}

/// Why the address of a server is refused, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` {why}")]
pub struct BadAddress {
    given: String,
    why: &'static str,
}

impl BadAddress {
    /// `given` is what the configuration says. What someone put before an `@` is a secret, and this text
    /// reaches a terminal.
    #[must_use]
    pub fn new(given: &str, why: &'static str) -> Self {
        let shown = given.rsplit_once('@').map_or(given, |(_, after)| after);
        Self {
            given: shown.to_owned(),
            why,
        }
    }
}

/// Parses the address of a server's API, which [`require_private`] then has to accept. A slash at the end is
/// dropped. `form` says what such an address looks like, `bare` what is wrong with a query.
///
/// # Errors
///
/// [`BadAddress`], with the fix.
pub fn parse_address(
    given: &str,
    form: &'static str,
    bare: &'static str,
) -> Result<Url, BadAddress> {
    let refuse = |why| Err(BadAddress::new(given, why));
    let Ok(url) = Url::parse(given.trim_end_matches('/')) else {
        return refuse(form);
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("holds a user name or password; a secret does not belong in a URL");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse(bare);
    }
    Ok(url)
}

/// Refuses an address that a credential must not be sent to. `given` is its text, `form` says what such an
/// address looks like.
///
/// # Errors
///
/// [`BadAddress`], with the fix.
pub fn require_private(url: &Url, given: &str, form: &'static str) -> Result<(), BadAddress> {
    let refuse = |why| Err(BadAddress::new(given, why));
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => Ok(()),
        ("http", Some(host)) if is_loopback(host) => Ok(()),
        ("http", Some(_)) => refuse(
            "would send secrets in the clear; write https:// (http:// is for a loopback address only)",
        ),
        _ => refuse(form),
    }
}

/// Whether a URL's host is this machine itself, where plain HTTP gives nothing away.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

async fn build(ca: Option<PathBuf>, total: Duration) -> Result<Client, CannotBuild> {
    let built = tokio::task::spawn_blocking(move || {
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            // How often is decided by whoever asks, not by the library.
            .retry(reqwest::retry::never())
            // The environment must not be able to send credentials through another machine.
            .no_proxy()
            .referer(false)
            .user_agent(AGENT)
            .http1_only()
            .connect_timeout(CONNECT)
            .timeout(total)
            .pool_max_idle_per_host(MOST_IDLE)
            .pool_idle_timeout(IDLE);
        if let Some(path) = &ca {
            builder = builder.tls_certs_merge(authorities(path)?.1);
        }
        builder
            .build()
            .map_err(|error| CannotBuild::Tls(causes::describe(&error).into()))
    });
    built
        .await
        .map_err(|_panic| CannotBuild::Tls(Box::default()))?
}

/// What is in a file of certificates, and the certificates. Blocks for as long as the disk does.
///
/// # Errors
///
/// [`CannotBuild::Authorities`], without a word of what names the file.
pub fn authorities(path: &Path) -> Result<(Vec<u8>, Vec<Certificate>), CannotBuild> {
    let refuse = |why: String| {
        let path = path.display();
        CannotBuild::Authorities(format!("{path}: {why}").into())
    };
    let mut pem = Vec::new();
    whole_file::open_to_read(path)
        .and_then(|file| file.take(MOST_AUTHORITIES + 1).read_to_end(&mut pem))
        .map_err(|error| refuse(error.to_string()))?;
    if pem.len() as u64 > MOST_AUTHORITIES {
        return Err(refuse("is larger than 8 MiB".to_owned()));
    }
    let found = Certificate::from_pem_bundle(&pem)
        .map_err(|_cause| refuse("is not a list of certificates in PEM".to_owned()))?;
    if found.is_empty() {
        return Err(refuse("holds no certificate in PEM".to_owned()));
    }
    Ok((pem, found))
}

impl CannotBuild {
    /// For operators; `key` is where the configuration names the file of authorities.
    #[must_use]
    pub fn in_words(&self, key: &str) -> String {
        match self {
            Self::Authorities(why) => format!("`{key}`: {why}"),
            Self::Tls(why) if why.is_empty() => "TLS cannot be set up".to_owned(),
            Self::Tls(why) => format!("TLS cannot be set up: {why}"),
        }
    }
}

/// What `User-Agent` says.
const AGENT: &str = concat!("tokend/", env!("CARGO_PKG_VERSION"));
const CONNECT: Duration = Duration::from_secs(5);
/// A connection that the other end may have closed meanwhile costs a call that must not be repeated
/// its only attempt.
const IDLE: Duration = Duration::from_secs(15);
const MOST_IDLE: usize = 2;
/// A system's whole list of authorities takes a quarter of a MiB.
const MOST_AUTHORITIES: u64 = 8 * 1024 * 1024;
const SMALL_BODY: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_a_fraction_or_a_date() {
        let date = ("date", "Sat, 21 Nov 2026 07:00:00 GMT");
        for (headers, want) in [
            (&[("retry-after", "7")][..], Some(7)),
            (&[("retry-after", "0.3")], Some(1)),
            (&[("retry-after", "2.0")], Some(2)),
            (
                &[date, ("retry-after", "Sat, 21 Nov 2026 07:01:30 GMT")],
                Some(90),
            ),
            (
                &[date, ("retry-after", "Sat, 21 Nov 2026 06:00:00 GMT")],
                Some(0),
            ),
            (&[("retry-after", "Sat, 21 Nov 2026 07:01:30 GMT")], None),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "soon")], None),
            (&[], None),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            assert_eq!(
                retry_after(&map),
                want.map(Duration::from_secs),
                "{headers:?}"
            );
        }
    }
}

//! Addresses that a credential may be sent to: HTTPS, or this machine itself.

use std::borrow::Cow;
use std::net::IpAddr;

use reqwest::Url;

/// Why the address of a server is refused, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` {why}")]
pub struct BadAddress {
    given: String,
    why: Cow<'static, str>,
}

impl BadAddress {
    /// `given` is what the configuration says. What someone put before an `@` is a secret, and this text
    /// reaches a terminal.
    #[must_use]
    pub fn new(given: &str, why: impl Into<Cow<'static, str>>) -> Self {
        let shown = given.rsplit_once('@').map_or(given, |(_, after)| after);
        Self {
            given: shown.to_owned(),
            why: why.into(),
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
    let refuse = |why: &'static str| Err(BadAddress::new(given, why));
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
    let refuse = |why: &'static str| Err(BadAddress::new(given, why));
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

//! Headers: the credential of a request, and how long an answer says to wait.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{DATE, HeaderMap, HeaderValue, InvalidHeaderValue, RETRY_AFTER};
use zeroize::Zeroizing;

/// `Authorization: Bearer …`, marked sensitive, and wiped after its use.
///
/// # Errors
///
/// [`InvalidHeaderValue`] for what no header can carry, such as a line break.
pub fn bearer(credential: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut text = Zeroizing::new(Vec::with_capacity("Bearer ".len() + credential.len()));
    text.extend_from_slice(b"Bearer ");
    text.extend_from_slice(credential.as_bytes());
    wiped(text)
}

/// `Authorization: Basic …` of a user and a password, marked sensitive, and wiped after its use.
///
/// # Errors
///
/// [`InvalidHeaderValue`], which Base64 never is.
pub fn basic(user: &str, password: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut pair = Zeroizing::new(Vec::with_capacity(user.len() + 1 + password.len()));
    pair.extend_from_slice(user.as_bytes());
    pair.push(b':');
    pair.extend_from_slice(password.as_bytes());
    let encoded = Zeroizing::new(STANDARD.encode(&*pair));
    let mut text = Zeroizing::new(Vec::with_capacity("Basic ".len() + encoded.len()));
    text.extend_from_slice(b"Basic ");
    text.extend_from_slice(encoded.as_bytes());
    wiped(text)
}

fn wiped(text: Zeroizing<Vec<u8>>) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text))?;
    value.set_sensitive(true);
    Ok(value)
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

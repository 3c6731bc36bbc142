//! The path of a request, in every way in which a server may read it.
//!
//! Clients encode what they put into a path: Octokit sends the label `type/bug` as `type%2Fbug`, which
//! is one segment to some servers and two to others. So a path has several readings, the one that came and
//! one for each time it can be decoded, and all of them must be allowed. What no client needs and what
//! servers are known to read differently is refused here: dot segments, empty ones, backslashes.

use std::borrow::Cow;

/// The longest path that is read. Ours: GitHub documents no limit, and no operation comes near.
const LONGEST: usize = 4096;
/// The most segments, so that matching takes bounded time. Ours.
const MOST_SEGMENTS: usize = 64;
/// How many times a path is decoded until nothing changes. Ours: no client encodes more than twice.
const MOST_ROUNDS: usize = 3;

/// The segments of a path, as one way of reading it gives them.
pub(super) type Reading<'t> = Vec<Cow<'t, str>>;

/// A path that can be decided on.
#[derive(Debug)]
pub(super) struct Path<'t> {
    /// As it came.
    pub(super) plain: Reading<'t>,
    /// Decoded once, twice, until nothing changes; none where there was nothing to decode.
    pub(super) decoded: Vec<Reading<'static>>,
}

/// Why a path is refused whatever it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// It does not begin with a slash: absolute form, authority form, `*`.
    #[error("a path begins with `/`")]
    NotAbsolute,
    /// A character that a path cannot hold as it is, or in no form.
    #[error(
        "a path holds printable ASCII without `\\`, `?`, `#`, space and NUL; encode other characters as UTF-8"
    )]
    Character,
    /// A `%` that encodes nothing.
    #[error("each `%` in a path begins two hexadecimal digits")]
    Percent,
    /// `//`, or a slash at the end.
    #[error("a path has no empty segment: remove the doubled or last `/`")]
    Empty,
    /// `.` or `..`, encoded or not.
    #[error("a path has no segment `.` or `..`")]
    Dots,
    /// Longer than any operation needs.
    #[error(
        "a path has at most {LONGEST} characters and {MOST_SEGMENTS} segments, and is encoded at most {MOST_ROUNDS} times"
    )]
    TooLong,
}

impl<'t> Path<'t> {
    /// Reads the path of a request: origin form without the query.
    ///
    /// # Errors
    ///
    /// A path that two servers might read differently.
    pub(super) fn parse(text: &'t str) -> Result<Self, BadPath> {
        if text.len() > LONGEST {
            return Err(BadPath::TooLong);
        }
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte))
        {
            return Err(BadPath::Character);
        }
        let plain = segments(text)?;
        let mut decoded = Vec::new();
        let Some(mut text) = decode(text, true)? else {
            return Ok(Self { plain, decoded });
        };
        for _ in 0..MOST_ROUNDS {
            let reading = segments(&text)?.into_iter();
            decoded.push(reading.map(|part| part.into_owned().into()).collect());
            match decode(&text, false)? {
                Some(next) => text = next,
                None => return Ok(Self { plain, decoded }),
            }
        }
        Err(BadPath::TooLong)
    }
}

fn segments(text: &str) -> Result<Reading<'_>, BadPath> {
    if text.contains(|c: char| c == '\\' || c.is_control()) {
        return Err(BadPath::Character);
    }
    let rest = text.strip_prefix('/').ok_or(BadPath::NotAbsolute)?;
    if rest.is_empty() {
        return Ok(Reading::new());
    }
    let segments: Reading<'_> = rest.split('/').map(Cow::Borrowed).collect();
    if segments.len() > MOST_SEGMENTS {
        return Err(BadPath::TooLong);
    }
    for segment in &segments {
        match &**segment {
            "" => return Err(BadPath::Empty),
            "." | ".." => return Err(BadPath::Dots),
            _ => {}
        }
    }
    Ok(segments)
}

/// The text with each `%XX` replaced by its byte; `None` where there is none. A `%` that encodes
/// nothing is an error in a path as it came (`strict`) and itself in one that was decoded before.
fn decode(text: &str, strict: bool) -> Result<Option<String>, BadPath> {
    if !text.contains('%') {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut changed = false;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let hex = (*first == b'%').then(|| hex(after));
        match hex {
            Some(Some((byte, after))) => {
                (changed, rest) = (true, after);
                bytes.push(byte);
            }
            Some(None) if strict => return Err(BadPath::Percent),
            Some(None) | None => bytes.push(*first),
        }
    }
    let text = String::from_utf8(bytes).map_err(|_not_text| BadPath::Character)?;
    Ok(changed.then_some(text))
}

/// The byte that two hexadecimal digits mean, and what follows them.
fn hex(text: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = text else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let value = digit(high)? * 16 + digit(low)?;
    Some((u8::try_from(value).ok()?, rest))
}

//! What was called: method, path, principal and status of every call, in the order of arrival.
//!
//! Tokens are named by their SHA-256, as GitHub's own audit log names them; never by their text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::graphql::Touched;

/// One call.
#[derive(Debug, Clone, Serialize)]
pub struct Exchange {
    /// `GET`
    pub method: String,
    /// Path, without query and Enterprise prefix.
    pub path: String,
    /// What came after `?`.
    pub query: String,
    /// Whose budget it drew on: `user acme-bot`, `installation 1004`, `app Iv23…`, `anonymous`.
    pub principal: String,
    /// Base64 SHA-256 of what it authenticated with.
    pub hashed_token: Option<String>,
    /// What was answered; `None` while there is no answer, and when the connection was closed.
    pub status: Option<u16>,
    /// Whether the request took effect, whatever became of the answer.
    pub processed: bool,
    /// Which fault struck it.
    pub fault: Option<&'static str>,
    /// `User-Agent`.
    pub user_agent: Option<String>,
    /// `X-GitHub-Api-Version`.
    pub api_version: Option<String>,
    /// When it came, by the stand-in's clock, in microseconds since 1970.
    pub at: i64,
    /// What it read and changed, if it was a document of GraphQL that was carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graphql: Option<Touched>,
}

/// All calls.
#[derive(Debug, Default)]
pub struct Journal {
    calls: Vec<Exchange>,
    forgotten: usize,
}

impl Journal {
    /// The calls since they were last forgotten.
    #[must_use]
    pub fn all(&self) -> &[Exchange] {
        &self.calls
    }

    /// Those that match, as `METHOD /path/*/more`.
    pub fn matching(&self, pattern: &str) -> impl Iterator<Item = &Exchange> {
        self.calls
            .iter()
            .filter(move |call| matches(pattern, &call.method, &call.path))
    }

    /// Forgets the calls so far.
    pub fn clear(&mut self) {
        self.forgotten += self.calls.len();
        self.calls.clear();
    }

    /// Notes an arrival; the number is for [`Self::at`].
    pub(crate) fn arrived(&mut self, call: Exchange) -> usize {
        self.calls.push(call);
        self.forgotten + self.calls.len() - 1
    }

    /// The call noted under this number, unless it was forgotten.
    pub(crate) fn at(&mut self, number: usize) -> Option<&mut Exchange> {
        let at = number.checked_sub(self.forgotten)?;
        self.calls.get_mut(at)
    }
}

/// Base64 SHA-256: how the journal names a token.
#[must_use]
pub fn hashed(token: &str) -> String {
    STANDARD.encode(Sha256::digest(token.as_bytes()))
}

/// Whether a call matches `METHOD PATH`: `*` for any method or one piece of the path, a final `**`
/// for any rest.
pub(crate) fn matches(pattern: &str, method: &str, path: &str) -> bool {
    let (wanted, pattern) = pattern.split_once(' ').unwrap_or(("*", pattern));
    if wanted != "*" && wanted != method {
        return false;
    }
    let mut pieces = path.split('/');
    for wanted in pattern.split('/') {
        if wanted == "**" {
            return true;
        }
        match pieces.next() {
            Some(piece) if wanted == "*" || wanted == piece => {}
            _ => return false,
        }
    }
    pieces.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_piece_and_two_are_the_rest() {
        assert!(matches("GET /user", "GET", "/user"));
        assert!(!matches("GET /user", "PUT", "/user"));
        assert!(matches("* /repos/*/*/issues", "POST", "/repos/a/b/issues"));
        assert!(!matches("* /repos/*/*", "GET", "/repos/a/b/issues"));
        assert!(matches("GET /repos/**", "GET", "/repos/a/b/issues"));
        assert!(!matches("GET /repos/*/*/issues", "GET", "/repos/a/b"));
    }
}

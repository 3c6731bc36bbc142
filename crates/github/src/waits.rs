//! How long GitHub is waited for.

use std::time::Duration;

/// How long GitHub is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    /// For a whole call of this program's own.
    pub(super) call: Duration,
    /// For the answer to a forwarded request to begin, once the request is sent.
    pub(super) head: Duration,
    /// For the next byte of a forwarded exchange, in either direction.
    pub(super) byte: Duration,
}

impl Waits {
    /// A pack may take GitHub longer than any answer of its API.
    pub(super) const fn of_git(self) -> Self {
        Self {
            head: self.byte,
            ..self
        }
    }
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            call: CALL,
            head: HEAD,
            byte: BYTE,
        }
    }
}

/// GitHub cuts a request off after ten seconds; the rest is for connecting and for the way.
///
/// Source: GitHub REST documentation, “Troubleshooting the REST API”, timeouts.
const CALL: Duration = Duration::from_secs(15);
/// Ours. The same ten seconds hold; what was uploaded is looked at first, and no figure is given for that.
const HEAD: Duration = Duration::from_secs(60);
/// Ours. As long as a slow network may take to come back, and not so long that dead connections add up.
const BYTE: Duration = Duration::from_secs(5 * 60);

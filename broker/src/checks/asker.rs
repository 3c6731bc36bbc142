//! Asks GitHub further about a value that it accepted; on schedule, at most once a second.

use std::time::Duration;

use broker_github::{GitHub, GitHubError, Reply};

use super::identity::ValueOwner;

/// How fast a check may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// A caller waits for it.
    Prompt,
    /// It runs on schedule: at most one request a second.
    Gentle,
}

/// Asks GitHub with one value.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) github: &'a GitHub,
    pub(super) identity: &'a ValueOwner,
    pub(super) pace: Pace,
}

impl Asker<'_> {
    pub(super) async fn get(&self, path: String) -> Result<Reply, GitHubError> {
        if self.pace == Pace::Gentle {
            tokio::time::sleep(BETWEEN_REQUESTS).await;
        }
        self.github.call(self.identity.get(path)).await
    }
}

/// Between two requests of scheduled checks, whichever secrets they are for.
pub(super) const BETWEEN_REQUESTS: Duration = Duration::from_secs(1);

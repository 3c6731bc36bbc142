//! Asks GitHub with one credential; on schedule, at most once a second.

use std::time::Duration;

use futures_util::future::BoxFuture;

use broker_github::{Call, Credential, GitHub, GitHubError, Principal, Reply};

/// How fast a check may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Someone waits for it.
    Prompt,
    /// Nobody does: at most one request a second.
    Gentle,
}

/// One check's way to GitHub.
pub(super) struct Asker<'a> {
    github: &'a GitHub,
    credential: Credential<'a>,
    principal: Option<Principal>,
    pause: Option<Pause>,
    asked: bool,
}

/// Waits: the runtime's timer, but in tests.
pub(super) type Pause = Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

impl<'a> Asker<'a> {
    pub(super) fn new(github: &'a GitHub, credential: Credential<'a>, pace: Pace) -> Self {
        let pause = || -> Pause { Box::new(|wait| Box::pin(tokio::time::sleep(wait))) };
        Self {
            github,
            credential,
            principal: None,
            pause: (pace == Pace::Gentle).then(pause),
            asked: false,
        }
    }

    /// From now on it is known whose budget this draws on.
    pub(super) fn draws_on(&mut self, principal: Option<Principal>) {
        self.principal = principal;
    }

    /// Asks for one thing.
    pub(super) async fn get(&mut self, path: String) -> Result<Reply, GitHubError> {
        self.turn().await;
        let call = Call::get(path, self.credential).drawing_on(self.principal.clone());
        self.github.call(call).await
    }

    /// Waits until the next request may go out.
    pub(super) async fn turn(&mut self) {
        if self.asked
            && let Some(pause) = &self.pause
        {
            pause(BETWEEN_REQUESTS).await;
        }
        self.asked = true;
    }
}

/// Between two requests of scheduled checks, whosever they are.
pub(super) const BETWEEN_REQUESTS: Duration = Duration::from_secs(1);

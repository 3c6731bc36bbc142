//! A channel that warnings are sent through, and its state.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_clock::{Backoff, Now};
use broker_protocol::api::WarningChannel;
use jiff::Timestamp;
use tokio::task::spawn_blocking;

use super::history::ChannelName;
use crate::notify::{Hook, HookError, Webhook, WebhookError, WebhookUrl};
use crate::policy_files::{PolicyFilesError, refuse_exposed};

pub(super) struct Channel {
    pub(super) name: ChannelName,
    out: Transport,
    /// Held while it is being told: one message at a time.
    busy: tokio::sync::Mutex<()>,
    state: Mutex<ChannelState>,
}

enum Transport {
    Hook(Hook),
    Webhook(Webhook),
}

#[derive(Default)]
struct ChannelState {
    failures: u32,
    since: Option<Timestamp>,
    why: Option<String>,
    /// By the boot clock.
    not_before: Duration,
}

/// Why a channel was not told.
#[derive(Debug, thiserror::Error)]
pub(super) enum TellError {
    #[error("the hook is not run: {0}")]
    Exposed(#[source] PolicyFilesError),
    #[error(transparent)]
    Hook(#[from] HookError),
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error("who may write to the hook could not be read")]
    Broken(#[source] tokio::task::JoinError),
}

impl Channel {
    pub(super) fn hook(hook: Hook) -> Self {
        Self::new(ChannelName::Hook, Transport::Hook(hook))
    }

    pub(super) fn webhook(url: WebhookUrl) -> Self {
        Self::new(ChannelName::Webhook, Transport::Webhook(Webhook::new(url)))
    }

    fn new(name: ChannelName, out: Transport) -> Self {
        Self {
            name,
            out,
            busy: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        }
    }

    /// The right to send through it; `None` while another message is on its way, or if it is too early
    /// after a failure.
    pub(super) fn begin(&self, now: Now) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        if now.boot < self.state().not_before {
            return None;
        }
        self.busy.try_lock().ok()
    }

    pub(super) async fn tell(&self, message: &[u8]) -> Result<(), TellError> {
        match &self.out {
            Transport::Hook(hook) => {
                let program = hook.program().to_owned();
                let evaluated = spawn_blocking(move || refuse_exposed(&program)).await;
                evaluated
                    .map_err(TellError::Broken)?
                    .map_err(TellError::Exposed)?;
                Ok(hook.run(message).await?)
            }
            Transport::Webhook(webhook) => Ok(webhook.post(message).await?),
        }
    }

    pub(super) fn succeeded(&self) {
        *self.state() = ChannelState::default();
    }

    /// The pauses grow, and are at least what a webhook asked for.
    pub(super) fn failed(&self, now: Now, error: &TellError) {
        let why = error.to_string();
        tracing::warn!(channel = self.name.as_str(), cause = why, "warnings wait");
        let asked = match error {
            TellError::Webhook(error) => error.retry_after(),
            TellError::Exposed(_) | TellError::Hook(_) | TellError::Broken(_) => None,
        };
        let mut state = self.state();
        let pause = pause_after(state.failures).max(asked.unwrap_or_default());
        state.failures = state.failures.saturating_add(1);
        state.since.get_or_insert(now.wall);
        state.why = Some(why);
        state.not_before = now.boot + pause.min(LONGEST_ASKED);
    }

    pub(super) fn view(&self, waiting: u64) -> WarningChannel {
        let state = self.state();
        WarningChannel {
            channel: self.name.as_str().to_owned(),
            waiting,
            failing_since: state.since,
            why: state.why.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, ChannelState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// After one failure the next round, then ever longer, at most an hour.
fn pause_after(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        _ => BETWEEN_TRIES.pause(failures),
    }
}

const BETWEEN_TRIES: Backoff = Backoff {
    first: Duration::from_secs(60),
    cap: Duration::from_secs(60 * 60),
};
/// A webhook may ask for more than we would wait, but not for ever.
const LONGEST_ASKED: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn now(boot: u64) -> Now {
        Now {
            wall: Timestamp::from_second(i64::try_from(boot).unwrap()).unwrap(),
            boot: Duration::from_secs(boot),
        }
    }

    #[test]
    fn one_that_fails_is_tried_in_the_next_round_and_then_less_and_less_often() {
        let pauses: Vec<u64> = (0..8).map(|n| pause_after(n).as_secs()).collect();
        assert_eq!(pauses, [0, 120, 240, 480, 960, 1920, 3600, 3600]);
    }

    #[test]
    fn it_is_left_alone_for_as_long_as_it_asked_and_a_success_makes_all_well() {
        let channel = Channel::webhook(WebhookUrl::parse("https://hooks.example/").unwrap());
        let error = TellError::Webhook(WebhookError::Refused {
            status: 429,
            retry_after: Some(Duration::from_secs(600)),
        });
        assert!(channel.begin(now(1000)).is_some());
        channel.failed(now(1000), &error);
        channel.failed(now(1001), &error);
        assert!(channel.begin(now(1600)).is_none());
        assert!(channel.begin(now(1601)).is_some());
        let view = channel.view(2);
        assert_eq!(view.failing_since, Some(now(1000).wall));
        assert_eq!(
            view.why.as_deref(),
            Some("the webhook answered with status 429")
        );
        channel.succeeded();
        assert_eq!(channel.view(0).failing_since, None);
        assert!(channel.begin(now(1002)).is_some());
    }

    #[test]
    fn it_is_told_one_message_at_a_time() {
        let hook = Hook::new(vec!["/bin/true".to_owned()]).unwrap();
        let channel = Channel::hook(hook);
        let first = channel.begin(now(1));
        assert!(first.is_some() && channel.begin(now(1)).is_none());
        drop(first);
        assert!(channel.begin(now(1)).is_some());
    }

    #[tokio::test]
    async fn a_hook_that_others_may_write_is_not_run() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("hook");
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o777)).unwrap();
        let hook = Hook::new(vec![program.to_str().unwrap().to_owned()]).unwrap();
        let error = Channel::hook(hook).tell(b"{}").await.unwrap_err();
        assert!(matches!(error, TellError::Exposed(_)), "{error}");
        assert!(error.to_string().contains("chmod go-w"), "{error}");
    }
}

//! What systemd is told: in order, and without waiting for it to read. Its queue is short, and may be full.

use std::sync::mpsc::{self, SendError};
use std::thread;

use sd_notify::NotifyState;

/// The way to systemd; leads nowhere without one.
#[derive(Clone)]
pub(super) struct Systemd(Option<mpsc::Sender<NotifyState<'static>>>);

impl Systemd {
    pub(super) fn start() -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Self(None);
        }
        let (sender, told) = mpsc::channel();
        let telling = thread::Builder::new()
            .name("systemd".to_owned())
            .spawn(move || {
                for tell in told {
                    if let Err(error) = sd_notify::notify(&[tell]) {
                        tracing::warn!(cause = %error, "systemd could not be notified");
                    }
                }
            });
        if let Err(error) = telling {
            tracing::warn!(cause = %error, "systemd cannot be notified");
            return Self(None);
        }
        Self(Some(sender))
    }

    /// Queues it. What systemd has not read when the process ends, the end itself tells.
    pub(super) fn tell(&self, tell: NotifyState<'static>) {
        if let Some(to) = &self.0
            && let Err(SendError(tell)) = to.send(tell)
        {
            tracing::warn!(?tell, "systemd could not be notified");
        }
    }
}

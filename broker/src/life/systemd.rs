//! What systemd is told: in order, and without waiting for it to read. Its queue is short, and may be full.

use std::sync::mpsc;
use std::thread;

use sd_notify::NotifyState;

/// The way to systemd; leads nowhere without one.
#[derive(Clone)]
pub(super) struct Systemd(Option<mpsc::Sender<Tell>>);

/// What it may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tell {
    Ready,
    Reloading,
    Stopping,
}

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
                    pass_on(tell);
                }
            });
        if let Err(error) = telling {
            tracing::warn!(cause = %error, "systemd cannot be told");
            return Self(None);
        }
        Self(Some(sender))
    }

    /// Queues it. What systemd has not read when the process ends, the end itself tells.
    pub(super) fn tell(&self, tell: Tell) {
        if let Some(to) = &self.0
            && to.send(tell).is_err()
        {
            tracing::warn!(?tell, "systemd could not be told");
        }
    }
}

fn pass_on(tell: Tell) {
    let state = match tell {
        Tell::Ready => NotifyState::Ready,
        Tell::Reloading => NotifyState::Reloading,
        Tell::Stopping => NotifyState::Stopping,
    };
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(cause = %error, "systemd could not be told");
    }
}

//! Watches a socket, which another program may remove.

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use broker_protocol::causes;
use tokio::sync::mpsc;

use super::tasks::{Rounds, Tasks};
use crate::socket::{Listener, SocketGuard};
use crate::status::Status;

/// Checks the socket again and again. Where it had to be made again, passes the new one on.
pub(super) fn watch_socket(
    tasks: &mut Tasks,
    guard: SocketGuard,
    status: &Arc<Status>,
    made_again: mpsc::Sender<Listener>,
) {
    let watched = Watched {
        path: guard.path().to_owned(),
        guard: Arc::new(Mutex::new(guard)),
        status: Arc::clone(status),
        made_again,
    };
    tasks.every("socket", Rounds::dropped(LOOK), &watched, look);
}

#[derive(Clone)]
struct Watched {
    path: PathBuf,
    guard: Arc<Mutex<SocketGuard>>,
    status: Arc<Status>,
    made_again: mpsc::Sender<Listener>,
}

async fn look(watched: Watched) {
    let (path, guard) = (&watched.path, watched.guard);
    // Its file system may be slow.
    let looking = move || guard.lock().unwrap_or_else(PoisonError::into_inner).look();
    let fault = match tokio::task::spawn_blocking(looking).await {
        Ok(Ok(None)) => None,
        Ok(Ok(Some(again))) => {
            let socket = path.display();
            tracing::warn!(%socket, "the socket was removed by another program; it was made again");
            listen_again(again, &watched.made_again).await.err()
        }
        Ok(Err(lost)) => Some(causes::describe(&lost)),
        Err(panic) => {
            return tracing::error!(cause = %panic, "the check of the socket failed; it is repeated in a moment");
        }
    };
    if watched.status.note_socket_fault(path, fault.clone()) {
        // Once, and not again until it is fixed.
        match fault {
            Some(fault) => tracing::error!("{fault}"),
            None => tracing::info!(socket = %path.display(), "callers can connect again"),
        }
    }
}

async fn listen_again(
    socket: UnixListener,
    made_again: &mpsc::Sender<Listener>,
) -> Result<(), String> {
    let listener = Listener::new(socket);
    let listener = listener.map_err(|error| format!("the socket cannot be watched: {error}"))?;
    // There is no receiver if the broker is stopping.
    drop(made_again.send(listener).await);
    Ok(())
}

/// How often the socket is checked.
const LOOK: Duration = Duration::from_secs(2);

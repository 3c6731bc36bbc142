//! Watches the socket, which another program may remove.

use std::os::unix::net::UnixListener;
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
    kept: SocketGuard,
    status: &Arc<Status>,
    made_again: mpsc::Sender<Listener>,
) {
    let needs = (Arc::new(Mutex::new(kept)), Arc::clone(status), made_again);
    tasks.every("socket", Rounds::dropped(LOOK), &needs, look);
}

async fn look(
    (kept, status, made_again): (Arc<Mutex<SocketGuard>>, Arc<Status>, mpsc::Sender<Listener>),
) {
    // Its file system may be slow.
    let looking = move || kept.lock().unwrap_or_else(PoisonError::into_inner).look();
    let fault = match tokio::task::spawn_blocking(looking).await {
        Ok(Ok(None)) => None,
        Ok(Ok(Some(again))) => listen_again(again, &made_again).await.err(),
        Ok(Err(lost)) => Some(causes::describe(&lost)),
        Err(panic) => {
            return tracing::error!(cause = %panic, "the check of the socket failed; it is repeated in a moment");
        }
    };
    if status.note_socket_fault(fault.clone()) {
        // Once, and not again until it is fixed.
        match fault {
            Some(fault) => tracing::error!("{fault}"),
            None => tracing::info!("callers can connect again"),
        }
    }
}

async fn listen_again(
    socket: UnixListener,
    made_again: &mpsc::Sender<Listener>,
) -> Result<(), String> {
    let listener = Listener::new(socket);
    let listener = listener.map_err(|error| format!("the socket cannot be watched: {error}"))?;
    tracing::warn!("the socket was removed by another program; it was made again");
    // There is no receiver if the broker is stopping.
    drop(made_again.send(listener).await);
    Ok(())
}

/// How often the socket is checked.
const LOOK: Duration = Duration::from_secs(2);

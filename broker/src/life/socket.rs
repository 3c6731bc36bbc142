//! Watches the socket, which another program may remove.

use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use broker_protocol::causes;
use tokio::sync::{mpsc, watch};

use crate::server;
use crate::socket::{Listener, SocketGuard};
use crate::status::Status;

/// Looks at the socket until the stop, and passes the next one on when it had to be made again.
pub(super) async fn watch_socket(
    mut kept: SocketGuard,
    status: Arc<Status>,
    made_again: mpsc::Sender<Listener>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = server::until_stopped(&mut stopped) => return,
            _ = look.tick() => {}
        }
        // Its file system may be slow.
        let looking = tokio::task::spawn_blocking(move || {
            let looked = kept.look();
            (kept, looked)
        });
        let looked = tokio::select! {
            () = server::until_stopped(&mut stopped) => return,
            looked = looking => looked,
        };
        let fault = match looked {
            Ok((same, looked)) => {
                kept = same;
                match looked {
                    Ok(None) => None,
                    Ok(Some(again)) => listen_again(again, &made_again).await.err(),
                    Err(lost) => Some(causes::describe(&lost)),
                }
            }
            Err(panic) => {
                return tracing::error!(cause = %panic, "the socket is no longer watched");
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

/// How often the socket is looked at.
const LOOK: Duration = Duration::from_secs(2);

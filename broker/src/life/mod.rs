//! A started broker until it stops: serving, sweeping, signals, and an orderly end.
//!
//! Each goes on beside the others, so that a disk that hangs keeps neither a lease alive nor a
//! `SIGTERM` waiting: what is written last has a limit of time as well.

mod socket;
mod systemd;
mod tasks;
mod work;

use std::sync::Arc;
use std::time::Duration;

use broker_audit::record::BrokerEvent;
use sd_notify::NotifyState;
use systemd::Systemd;
use tasks::Tasks;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use self::socket::watch_socket;
use self::work::start_tasks;
use crate::api::{self, Api};
use crate::app::App;
use crate::caller::ProcEnv;
use crate::give_back;
use crate::operations::Operations;
use crate::proxy::Proxy;
use crate::server::{self, Identify, Listening, Served, Server};
use crate::socket::{OpenSocket, Sockets};
use crate::startup::StartError;

/// How long everything that goes on may take to end, once requests under way are finished or cut off.
const END_LIMIT: Duration = Duration::from_secs(15);

/// Serves until a signal says to stop, sweeping meanwhile.
pub(crate) async fn run(app: App, sockets: Sockets) -> Result<(), StartError> {
    let systemd = Systemd::start();
    let on = |kind| signal(kind).map_err(StartError::system("signals cannot be awaited"));
    let mut terminate = on(SignalKind::terminate())?;
    let mut interrupt = on(SignalKind::interrupt())?;
    let mut hangup = on(SignalKind::hangup())?;
    let (stop, stopped) = watch::channel(false);
    let proc_env = ProcEnv::read().map_err(StartError::system("`/proc` cannot be read"))?;
    let identify = Identify::new(Arc::clone(&app.config), Arc::clone(&app.policies), proc_env);
    let clock = Arc::clone(&app.journal.clock);
    let server = Server::new(app.config.limits, identify, clock);
    let mut tasks = Tasks::until(stopped.clone());
    let proxy_socket = sockets
        .proxy
        .as_ref()
        .map(|_| app.places.proxy_socket.display());
    let api = Served {
        listening: listening(&mut tasks, sockets.api, &app),
        service: Api::of(app.clone()),
    };
    let proxy = sockets.proxy.map(|socket| Served {
        listening: listening(&mut tasks, socket, &app),
        service: Proxy::of(&app),
    });
    let serving = tokio::spawn(server.serve(api, proxy, stopped.clone()));
    if let Some(serving) = scrape(&app, stopped).await? {
        tasks.run("metrics", serving);
    }
    start_tasks(&app, &mut tasks);
    give_back::unused_memory();
    systemd.tell(NotifyState::Ready);
    tracing::info!(
        socket = %app.places.socket.display(),
        proxy = proxy_socket.map(tracing::field::display),
        purposes = app.policies.in_force().set.purposes().count(),
        locked = app.vault.is_locked(),
        "ready"
    );

    let why = loop {
        tokio::select! {
            _ = terminate.recv() => break "SIGTERM",
            _ = interrupt.recv() => break "SIGINT",
            // The terminal of `tokend --dev` has gone, and no one would stop it.
            _ = hangup.recv() => match app.config.is_dev() {
                true => break "SIGHUP",
                false => reload(&app.operations, &systemd),
            },
        }
    };

    systemd.tell(NotifyState::Stopping);
    tracing::info!(why, "stopping");
    app.leases.gate.drain();
    if stop.send(true).is_err() {
        tracing::debug!("serving had already ended");
    }
    // Has a limit of its own, after which requests are cut off.
    if let Err(error) = serving.await {
        tracing::error!(cause = %error, "serving ended in a panic");
    }
    let ending = async {
        // At once: what a task waits for may take all the time there is.
        tokio::join!(tasks.ended(), app.warnings.store_history());
        last_records(&app, why).await
    };
    match tokio::time::timeout(END_LIMIT, ending).await {
        Ok(written) => written,
        Err(elapsed) => {
            // What its parts wait for when they are dropped may never come.
            #[expect(
                clippy::mem_forget,
                reason = "the process ends, and its memory with it"
            )]
            std::mem::forget(app.clone());
            let what = "the disk takes nothing; what was to be written last is not";
            Err(StartError::system(what)(elapsed.into()))
        }
    }
}

/// Accepts on a socket, and on those that are made in its place.
fn listening(tasks: &mut Tasks, socket: OpenSocket, app: &App) -> Listening {
    let (made_again, next) = mpsc::channel(1);
    if let Some(guard) = socket.guard {
        watch_socket(tasks, guard, &app.status, made_again);
    }
    Listening {
        now: socket.listener,
        next,
    }
}

/// What goes on by itself, for a test that serves by itself.
#[cfg(test)]
pub(crate) fn go_on(app: &App, stopped: watch::Receiver<bool>) {
    start_tasks(app, &mut Tasks::until(stopped));
}

/// An orderly end, for a test that served by itself.
#[cfg(test)]
pub(crate) async fn end(app: &App, why: &'static str) -> Result<(), StartError> {
    app.leases.gate.drain();
    app.warnings.store_history().await;
    last_records(app, why).await
}

async fn last_records(app: &App, why: &'static str) -> Result<(), StartError> {
    app.leases.close_last_minutes().await;
    app.journal
        .record_or_trace(&BrokerEvent::Stopped { why })
        .await;
    let closing = Arc::clone(&app.journal);
    let closed = tokio::task::spawn_blocking(move || closing.close());
    if let Err(panic) = closed.await {
        tracing::error!(cause = %panic, "the audit log was not closed");
    }
    app.leases.note_head();
    app.vault.settle().await?;
    Ok(())
}

/// Reads the policies again beside everything else: a slow disk must not keep a stop waiting. A
/// refusal is traced, recorded and shown by `status`; the old set stays in force.
fn reload(operations: &Arc<Operations>, systemd: &Systemd) {
    let (operations, systemd) = (Arc::clone(operations), systemd.clone());
    tokio::spawn(async move {
        systemd.tell(NotifyState::Reloading);
        if let Ok(reloaded) = operations.reload_policies(None).await {
            tracing::info!(purposes = reloaded.purposes, "policies reloaded");
        }
        systemd.tell(NotifyState::Ready);
    });
}

/// `/metrics` over TCP, if it is configured.
async fn scrape(
    app: &App,
    stopped: watch::Receiver<bool>,
) -> Result<Option<impl Future<Output = ()> + Send + 'static>, StartError> {
    let Some(address) = app.config.metrics_listen else {
        return Ok(None);
    };
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(StartError::system("`[metrics] listen` cannot be bound"))?;
    let figures = api::metrics_router(app.clone());
    Ok(Some(server::serve_metrics(listener, figures, stopped)))
}

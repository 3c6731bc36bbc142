//! A started broker until it stops: serving, sweeping, signals, and an orderly end.
//!
//! Each goes on beside the others, so that a disk that hangs keeps neither a lease alive nor a
//! `SIGTERM` waiting: what is written last has a limit of time as well.

mod systemd;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use broker_audit::record::BrokerEvent;
use broker_protocol::causes;
use systemd::{Systemd, Tell};
use tasks::{Rhythm, Tasks};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::api::{self, Api};
use crate::app::App;
use crate::caller::Surroundings;
use crate::give_back;
use crate::operations::Operations;
use crate::server::{self, Identify, Listening};
use crate::socket::{Kept, Listener};
use crate::startup::StartError;
use crate::status::Status;

/// How often what has ended is looked for.
const SWEEP: Duration = Duration::from_millis(250);
/// How often the socket is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How long everything that goes on may take to end, once requests under way are finished or cut off.
const END_LIMIT: Duration = Duration::from_secs(15);
/// How often the vault notes the audit log's head.
const NOTE: Duration = Duration::from_secs(1);
/// How often deadlines are looked at, and what could not be delivered is tried again.
const WARN: Duration = Duration::from_secs(60);
/// How long at least between two questions for what is left of a rate limit.
const POLL: Duration = Duration::from_secs(1);

/// How often values that lie elsewhere are looked at for those that are soon past their time.
const REFRESH: Duration = Duration::from_secs(1);
/// How often a check that is due is looked for.
const CHECK: Duration = Duration::from_secs(1);
/// How often rotations are looked at for steps that are due.
const TEND: Duration = Duration::from_secs(1);
/// How long after a start what runs from time to time has run once.
const SETTLED: Duration = Duration::from_secs(5);
/// How often memory that is no longer needed is looked for after that.
const TIDY: Duration = Duration::from_secs(60 * 60);

/// Serves until a signal says to stop, sweeping meanwhile.
pub(crate) async fn live(
    app: App,
    listener: Listener,
    kept: Option<Kept>,
) -> Result<(), StartError> {
    let systemd = Systemd::start();
    let on = |kind| {
        signal(kind).map_err(|source| StartError::System {
            what: "signals cannot be awaited",
            source,
        })
    };
    let (mut terminate, mut interrupt, mut hangup) = (
        on(SignalKind::terminate())?,
        on(SignalKind::interrupt())?,
        on(SignalKind::hangup())?,
    );
    let (stop, stopped) = watch::channel(false);
    let api = Api::of(app.clone());
    let limits = app.config.limits;
    let surroundings = Surroundings::look().map_err(|source| StartError::System {
        what: "`/proc` cannot be read",
        source,
    })?;
    let identify = Arc::new(Identify::new(
        Arc::clone(&app.config),
        Arc::clone(&app.policies),
        surroundings,
    ));
    let (made_again, listeners) = mpsc::channel(1);
    let listening = Listening {
        now: listener,
        next: listeners,
    };
    let serving = tokio::spawn(server::serve(
        listening,
        api,
        limits,
        (identify, Arc::clone(app.journal.clock())),
        stopped.clone(),
    ));
    let mut tasks = Tasks::until(stopped.clone());
    if let Some(kept) = kept {
        let status = Arc::clone(&app.status);
        tasks.run("socket", keep(kept, status, made_again, stopped.clone()));
    }
    if let Some(serving) = scrape(&app, stopped).await? {
        tasks.run("metrics", serving);
    }
    look_after(&app, &mut tasks);
    give_back::unused_memory();
    systemd.tell(Tell::Ready);
    tracing::info!(
        socket = %app.places.socket.display(),
        purposes = app.policies.in_force().set.purposes().count(),
        locked = app.vault.is_locked(),
        "ready"
    );

    let why = loop {
        tokio::select! {
            _ = terminate.recv() => break "SIGTERM",
            _ = interrupt.recv() => break "SIGINT",
            _ = hangup.recv() => reload(&app.operations, &systemd),
        }
    };

    systemd.tell(Tell::Stopping);
    tracing::info!(why, "stopping");
    app.leases.drain();
    if stop.send(true).is_err() {
        tracing::debug!("nobody was serving any more");
    }
    // Has a limit of its own, after which requests are cut off.
    if let Err(error) = serving.await {
        tracing::error!(cause = %error, "serving ended in a panic");
    }
    let ending = async {
        // At once: what a task waits for may take all the time there is.
        tokio::join!(tasks.ended(), app.warnings.keep_given());
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
            Err(StartError::System {
                what: "the disk takes nothing; what was to be written last is not",
                source: elapsed.into(),
            })
        }
    }
}

/// What goes on by itself, for a test that serves by itself.
#[cfg(test)]
pub(crate) fn go_on(app: &App, stopped: watch::Receiver<bool>) {
    look_after(app, &mut Tasks::until(stopped));
}

/// An orderly end, for a test that served by itself.
#[cfg(test)]
pub(crate) async fn end(app: &App, why: &'static str) -> Result<(), StartError> {
    app.leases.drain();
    app.warnings.keep_given().await;
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

/// Looks after the socket, and hands on the next one when it had to be made again.
async fn keep(
    mut kept: Kept,
    status: Arc<Status>,
    made_again: mpsc::Sender<Listener>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = server::told_to(&mut stopped) => return,
            _ = look.tick() => {}
        }
        // Its file system may be slow.
        let looking = tokio::task::spawn_blocking(move || {
            let looked = kept.look();
            (kept, looked)
        });
        let looked = tokio::select! {
            () = server::told_to(&mut stopped) => return,
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
                return tracing::error!(cause = %panic, "the socket is looked after no more");
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
    socket: std::os::unix::net::UnixListener,
    made_again: &mpsc::Sender<Listener>,
) -> Result<(), String> {
    let listener = Listener::new(socket);
    let listener = listener.map_err(|error| format!("the socket cannot be watched: {error}"))?;
    tracing::warn!("the socket was removed by another program; it was made again");
    // There is no receiver if the broker is stopping.
    drop(made_again.send(listener).await);
    Ok(())
}

/// Reads the policies again beside everything else: a slow disk must not keep a stop waiting. A
/// refusal is traced, recorded and shown by `status`; the old set stays in force.
fn reload(operations: &Arc<Operations>, systemd: &Systemd) {
    let (operations, systemd) = (Arc::clone(operations), systemd.clone());
    tokio::spawn(async move {
        systemd.tell(Tell::Reloading);
        if let Ok(reloaded) = operations.reload_policies().await {
            tracing::info!(purposes = reloaded.purposes, "policies reloaded");
        }
        systemd.tell(Tell::Ready);
    });
}

/// Ends what is over, tells the vault how far the log has got, looks after deadlines, budgets, rotations
/// and values that lie elsewhere.
fn look_after(app: &App, tasks: &mut Tasks) {
    let over = app.clone();
    tasks.every("sweep", Rhythm::finished(SWEEP), move || {
        over.leases.expire_leases();
        over.minting.end_unneeded_tokens(over.leases.is_rebuilt());
        over.leases.close_minutes();
        std::future::ready(())
    });
    let noted = app.clone();
    tasks.every("note", Rhythm::finished(NOTE), move || {
        noted.leases.note_head();
        noted.limits.record_limits();
        noted.limits.warn_of_floors();
        std::future::ready(())
    });
    // What is on its way to people when the broker stops is told again after the next start.
    let told = Arc::clone(&app.warnings);
    tasks.run_until_stop("warnings", move || {
        let warnings = Arc::clone(&told);
        async move {
            let mut round = tokio::time::interval(WARN);
            round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = round.tick() => {}
                    () = warnings.given_one() => {}
                }
                warnings.warning_round().await;
            }
        }
    });
    if let Some(every) = app.config.github.poll_every {
        // Leases come and go; looking for whom to ask is work too.
        let (look, polled) = ((every / 30).max(POLL), app.clone());
        tasks.every("polls", Rhythm::dropped(look), move || {
            let App { limits, leases, .. } = polled.clone();
            async move { limits.poll_those_due(leases.live().secrets(), every).await }
        });
    }
    if let Some(every) = app.config.github.check_every {
        let checks = Arc::clone(&app.checks);
        // A check that has begun may take a minute.
        tasks.every("checks", Rhythm::dropped(CHECK), move || {
            let checks = Arc::clone(&checks);
            async move { checks.check_the_next(every).await }
        });
    }
    // Beside the sweep, because GitHub may take its time.
    let rotations = Arc::clone(&app.rotations);
    tasks.every("rotations", Rhythm::dropped(TEND), move || {
        let rotations = Arc::clone(&rotations);
        async move { rotations.run_due_rotations().await }
    });
    let tended = app.clone();
    tasks.every("root key", Rhythm::finished(TEND), move || {
        let App {
            secrets,
            operations,
            ..
        } = tended.clone();
        async move {
            secrets.note_first_seen_elsewhere().await;
            operations.run_due_rekey().await;
        }
    });
    // Their places may take their time, too; a question that is under way is given up.
    let tended = Arc::clone(&app.secrets);
    tasks.run_until_stop("sources", move || {
        let secrets = Arc::clone(&tended);
        async move { secrets.tend_sources(REFRESH).await }
    });
    // Once the start has settled, because its first rounds touch much that is not touched again, and then
    // every hour in which nobody holds a lease: whoever comes next pays for it in microseconds, and a
    // broker that is busy does not pay at all.
    let (leases, mut starting) = (Arc::clone(&app.leases), true);
    tasks.every(
        "memory",
        Rhythm::finished(TIDY).first_after(SETTLED),
        move || {
            let idle = std::mem::take(&mut starting) || leases.live().is_empty();
            async move {
                if !idle {
                    return;
                }
                // It takes milliseconds, in which leases go on.
                let given = tokio::task::spawn_blocking(give_back::unused_memory);
                if let Err(panic) = given.await {
                    tracing::error!(cause = %panic, "memory could not be given back");
                }
            }
        },
    );
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
        .map_err(|source| StartError::System {
            what: "`[metrics] listen` cannot be bound",
            source,
        })?;
    let figures = api::metrics_router(app.clone());
    Ok(Some(server::serve_figures(listener, figures, stopped)))
}

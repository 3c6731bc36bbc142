//! A started broker until it stops: serving, sweeping, signals, and an orderly end.
//!
//! Each goes on beside the others, so that a disk that hangs keeps neither a lease alive nor a
//! `SIGTERM` waiting: what is written last has a limit of time as well.

mod systemd;

use std::sync::Arc;
use std::time::Duration;

use broker_audit::record::Event;
use systemd::{Systemd, Tell};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::api::{self, Api};
use crate::broker::Broker;
use crate::caller::Surroundings;
use crate::principals::Asked;
use crate::server::{self, Identify, Listening};
use crate::socket::{Kept, Listener};
use crate::startup::StartError;
use crate::{causes, check, give_back};

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
/// How often rotations are looked at for steps that are due.
const TEND: Duration = Duration::from_secs(1);
/// How long after a start what runs from time to time has run once.
const SETTLED: Duration = Duration::from_secs(5);
/// How often memory that is no longer needed is looked for after that.
const TIDY: Duration = Duration::from_secs(60 * 60);

/// Serves until a signal says to stop, sweeping meanwhile.
pub(crate) async fn live(
    broker: Arc<Broker>,
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
    let api = Api::of(Arc::clone(&broker));
    let limits = broker.config.limits;
    let surroundings = Surroundings::look().map_err(|source| StartError::System {
        what: "`/proc` cannot be read",
        source,
    })?;
    let identify = Arc::new(Identify::new(Arc::clone(&broker), surroundings));
    let (made_again, listeners) = mpsc::channel(1);
    let listening = Listening {
        now: listener,
        next: listeners,
    };
    let serving = tokio::spawn(server::serve(
        listening,
        api,
        limits,
        identify,
        stopped.clone(),
    ));
    let keeping = kept.map(|kept| keep(kept, Arc::clone(&broker), made_again, stopped.clone()));
    let keeping = keeping.map(tokio::spawn);
    let scraping = scrape(&broker, stopped.clone()).await?;
    let warning = tokio::spawn(warn(Arc::clone(&broker), stopped.clone()));
    let polling = tokio::spawn(poll(Arc::clone(&broker), stopped.clone()));
    let checking = tokio::spawn(check::watch::watch(
        Arc::clone(&broker.checks),
        stopped.clone(),
    ));
    let tending = tokio::spawn(tend(Arc::clone(&broker), stopped.clone()));
    let refreshing = tokio::spawn(refresh(Arc::clone(&broker), stopped.clone()));
    let tidying = tokio::spawn(tidy(Arc::clone(&broker), stopped.clone()));
    let sweeping = tokio::spawn(sweep(Arc::clone(&broker), stopped));
    give_back::unused_memory();
    systemd.tell(Tell::Ready);
    tracing::info!(
        socket = %broker.places.socket.display(),
        purposes = broker.policies.in_force().set.purposes().count(),
        locked = broker.vault.is_locked(),
        "ready"
    );

    let why = loop {
        tokio::select! {
            _ = terminate.recv() => break "SIGTERM",
            _ = interrupt.recv() => break "SIGINT",
            _ = hangup.recv() => reload(&broker, &systemd),
        }
    };

    systemd.tell(Tell::Stopping);
    tracing::info!(why, "stopping");
    broker.leases.drain();
    if stop.send(true).is_err() {
        tracing::debug!("nobody was serving any more");
    }
    // Has a limit of its own, after which requests are cut off.
    ended(serving).await;
    let going_on = [
        Some(sweeping),
        Some(checking),
        Some(warning),
        Some(polling),
        Some(tending),
        Some(refreshing),
        Some(tidying),
        scraping,
        keeping,
    ];
    let ending = async {
        for task in going_on.into_iter().flatten() {
            ended(task).await;
        }
        last_records(&broker, why).await
    };
    match tokio::time::timeout(END_LIMIT, ending).await {
        Ok(written) => written,
        Err(elapsed) => {
            // What its parts wait for when they are dropped may never come.
            #[expect(
                clippy::mem_forget,
                reason = "the process ends, and its memory with it"
            )]
            std::mem::forget(Arc::clone(&broker));
            Err(StartError::System {
                what: "the disk takes nothing; what was to be written last is not",
                source: elapsed.into(),
            })
        }
    }
}

async fn ended(task: tokio::task::JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(cause = %error, "a task ended in a panic");
    }
}

async fn last_records(broker: &Arc<Broker>, why: &'static str) -> Result<(), StartError> {
    broker.leases.close_last_minutes().await;
    broker
        .journal
        .record_or_trace(&Event::BrokerStopped { why })
        .await;
    let closing = Arc::clone(broker);
    let closed = tokio::task::spawn_blocking(move || closing.journal.close());
    if let Err(panic) = closed.await {
        tracing::error!(cause = %panic, "the audit log was not closed");
    }
    broker.leases.note_head();
    broker.vault.settle().await?;
    Ok(())
}

/// Looks after the socket, and hands on the next one when it had to be made again.
async fn keep(
    mut kept: Kept,
    broker: Arc<Broker>,
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
                    Err(lost) => Some(causes::in_words(&lost)),
                }
            }
            Err(panic) => {
                return tracing::error!(cause = %panic, "the socket is looked after no more");
            }
        };
        if broker.status.note_socket_fault(fault.clone()) {
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
fn reload(broker: &Arc<Broker>, systemd: &Systemd) {
    let (broker, systemd) = (Arc::clone(broker), systemd.clone());
    tokio::spawn(async move {
        systemd.tell(Tell::Reloading);
        if let Ok(reloaded) = broker.operations.reload_policies().await {
            tracing::info!(purposes = reloaded.purposes, "policies reloaded");
        }
        systemd.tell(Tell::Ready);
    });
}

/// Ends what is over, and tells the vault how far the audit log has got.
async fn sweep(broker: Arc<Broker>, mut stopped: watch::Receiver<bool>) {
    let mut sweep = tokio::time::interval(SWEEP);
    let mut note = tokio::time::interval(NOTE);
    loop {
        tokio::select! {
            () = server::told_to(&mut stopped) => return,
            _ = sweep.tick() => {
                broker.leases.expire_leases();
                broker.minting.end_unneeded_tokens(broker.leases.is_rebuilt());
                broker.leases.close_minutes();
            }
            _ = note.tick() => {
                broker.leases.note_head();
                broker.limits.record_limits();
                broker.limits.warn_of_floors();
            }
        }
    }
}

/// Warns people, each time something is given to warn of and in rounds. What is on its way to them when
/// the broker stops is told again after the next start.
async fn warn(broker: Arc<Broker>, mut stopped: watch::Receiver<bool>) {
    let mut round = tokio::time::interval(WARN);
    round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let rounds = async {
        loop {
            tokio::select! {
                _ = round.tick() => {}
                () = broker.warnings.given_one() => {}
            }
            broker.warnings.warning_round().await;
        }
    };
    tokio::select! {
        () = server::told_to(&mut stopped) => {}
        () = rounds => {}
    }
    broker.warnings.keep_given().await;
}

/// Asks what principals with live leases have left at GitHub: one after the other, and at most one a
/// second.
async fn poll(broker: Arc<Broker>, mut stopped: watch::Receiver<bool>) {
    let Some(every) = broker.config.github.poll_every else {
        return;
    };
    // Leases come and go; looking for whom to ask is work too.
    let look = (every / 30).max(POLL);
    let asking = async {
        let mut asked = Asked::default();
        loop {
            for one in broker
                .limits
                .due_polls(broker.leases.live().secrets(), &mut asked, every)
            {
                broker.limits.poll(one, &mut asked).await;
                tokio::time::sleep(POLL).await;
            }
            tokio::time::sleep(look).await;
        }
    };
    tokio::select! {
        () = server::told_to(&mut stopped) => {}
        () = asking => {}
    }
}

/// Takes the steps of rotations that have a time of their own. Beside the sweep, because GitHub may take
/// its time; a step that is under way at a stop is left where it is, and done again after the next start.
async fn tend(broker: Arc<Broker>, mut stopped: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(TEND);
    let mut last_rekey = None;
    loop {
        tokio::select! {
            () = server::told_to(&mut stopped) => return,
            _ = tick.tick() => {}
        }
        tokio::select! {
            () = server::told_to(&mut stopped) => return,
            () = broker.rotations.tend_rotations() => {}
        }
        broker.secrets.note_first_seen_elsewhere().await;
        // Seconds at the most, and never left half-way.
        broker.operations.tend_root_key(&mut last_rekey).await;
    }
}

/// Gives memory back once the start has settled, because its first rounds touch much that is not touched
/// again, and then every hour in which nobody holds a lease: whoever comes next pays for it in
/// microseconds, and a broker that is busy does not pay at all.
async fn tidy(broker: Arc<Broker>, mut stopped: watch::Receiver<bool>) {
    let mut round = tokio::time::interval_at(tokio::time::Instant::now() + SETTLED, TIDY);
    round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut starting = true;
    loop {
        tokio::select! {
            () = server::told_to(&mut stopped) => return,
            _ = round.tick() => {}
        }
        if std::mem::take(&mut starting) || broker.leases.live().is_empty() {
            // It takes milliseconds, in which leases go on.
            let given = tokio::task::spawn_blocking(give_back::unused_memory);
            if let Err(panic) = given.await {
                tracing::error!(cause = %panic, "memory could not be given back");
            }
        }
    }
}

/// Reads values again that lie elsewhere, before they are past their time. Beside the rest, because their
/// places may take their time; a question that is under way at a stop is given up.
async fn refresh(broker: Arc<Broker>, mut stopped: watch::Receiver<bool>) {
    tokio::select! {
        () = server::told_to(&mut stopped) => {}
        () = broker.secrets.tend_sources(REFRESH) => {}
    }
}

/// `/metrics` over TCP, if it is configured.
async fn scrape(
    broker: &Arc<Broker>,
    stopped: watch::Receiver<bool>,
) -> Result<Option<tokio::task::JoinHandle<()>>, StartError> {
    let Some(address) = broker.config.metrics_listen else {
        return Ok(None);
    };
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|source| StartError::System {
            what: "`[metrics] listen` cannot be bound",
            source,
        })?;
    let figures = api::metrics_router(Arc::clone(broker));
    let serving = server::serve_figures(listener, figures, stopped);
    Ok(Some(tokio::spawn(serving)))
}

//! The tasks of the services: what each does by itself, and how often.

use std::time::Duration;

use super::tasks::{Rounds, Tasks};
use crate::app::App;
use crate::give_back;

/// Starts all of them.
pub(super) fn start_tasks(app: &App, tasks: &mut Tasks) {
    tasks.every("sweep", Rounds::finished(SWEEP), app, |app| async move {
        app.leases.expire_leases();
        let uses = |token: &_| app.leases.uses(token);
        app.minting
            .end_unneeded_tokens(app.leases.is_rebuilt(), uses);
        app.leases.close_minutes();
    });

    tasks.every("note", Rounds::finished(NOTE), app, |app| async move {
        app.leases.note_head();
        app.limits.record_limits();
        app.limits.warn_of_floors();
    });

    tasks.every("in use", Rounds::finished(IN_USE), app, |app| async move {
        app.leases.forget_tunnels().await;
        app.leases.renew_those_in_use().await;
    });

    // What is on its way to operators when the broker stops is sent again after the next start.
    tasks.run_until_stop("warnings", &app.warnings, |warnings| async move {
        let mut round = tokio::time::interval(WARN);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = round.tick() => {}
                () = warnings.wake.notified() => {}
            }
            warnings.run_round().await;
        }
    });

    if let Some(every) = app.config.github.poll_every {
        // Leases come and go; looking for whom to ask is work too.
        let look = Rounds::dropped((every / 30).max(POLL));
        tasks.every("polls", look, app, move |app| async move {
            let secrets = app.leases.table.secrets();
            app.limits.poll_those_due(secrets, every).await;
        });
    }

    if let Some(every) = app.config.github.check_every {
        // A check that has begun may take a minute.
        let rounds = Rounds::dropped(CHECK);
        tasks.every("checks", rounds, &app.checks, move |checks| async move {
            checks.run_due_check(every).await;
        });
    }

    // Beside the sweep, because GitHub may take its time.
    tasks.every("rotations", Rounds::dropped(DUE), app, |app| async move {
        app.rotations.run_due_rotations().await;
    });

    tasks.every("root key", Rounds::finished(DUE), app, |app| async move {
        app.secrets.note_first_seen_elsewhere().await;
        app.operations.run_due_rekey().await;
    });

    // Their places may be slow as well; a stop drops a question that is under way.
    tasks.run_until_stop("sources", &app.secrets, |secrets| async move {
        secrets.refresh_sources(REFRESH).await;
    });

    // Once the start has settled, because its first rounds touch much that is not touched again, and then
    // every hour in which no one holds a lease: the next caller pays for it in microseconds, and a
    // broker that is busy does not pay at all.
    let (rounds, mut starting) = (Rounds::finished(TIDY).first_after(SETTLED), true);
    tasks.every("memory", rounds, &app.leases, move |leases| {
        let idle = std::mem::take(&mut starting) || leases.table.len() == 0;
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
    });
}

/// How often what has ended is looked for.
const SWEEP: Duration = Duration::from_millis(250);
/// How often the vault notes the audit log's head.
const NOTE: Duration = Duration::from_secs(1);
/// How often leases of requests under way are looked at, and certificates of leases that are over.
const IN_USE: Duration = Duration::from_secs(1);
/// How often deadlines are checked, and what could not be delivered is tried again.
const WARN: Duration = Duration::from_secs(60);
/// How long at least between two questions for what is left of a rate limit.
const POLL: Duration = Duration::from_secs(1);
/// How often values that are stored elsewhere are searched for those that are soon past their time.
const REFRESH: Duration = Duration::from_secs(1);
/// How often a check that is due is looked for.
const CHECK: Duration = Duration::from_secs(1);
/// How often rotations are searched for steps that are due.
const DUE: Duration = Duration::from_secs(1);
/// How long after a start what runs from time to time has run once.
const SETTLED: Duration = Duration::from_secs(5);
/// How often memory that is no longer needed is looked for after that.
const TIDY: Duration = Duration::from_secs(60 * 60);

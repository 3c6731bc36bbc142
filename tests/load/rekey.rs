//! A new root key for ten thousand secrets, and what leases notice of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::canary;

use crate::client::{Connection, Request};
use crate::lease::{broker, record_size, timed};
use crate::raw::Appends;
use crate::table::{Row, Spread, Table, highest, median};

const SECRETS: usize = 10_000;
/// Leases of the quiet part of a round.
const QUIET: usize = 4000;

struct Round {
    quiet: Spread,
    during: Spread,
    /// The bare disk, quiet and meanwhile.
    append: (Spread, Spread),
    longest: f64,
    seconds: f64,
}

pub(crate) fn measure(rounds: usize, table: &mut Table) {
    let broker = broker();
    let mut client = Connection::open(&broker.socket());
    let body = format!(r#"{{"value":"{}"}}"#, canary::CLASSIC);
    for nth in 0..SECRETS {
        client.exchange(&Request::put(&format!("/v1/secrets/more-{nth:05}"), &body));
    }
    let lease = Request::lease();
    client.exchange(&lease);
    let raw = broker.home.path().join("raw");
    let mut appends = Appends::to(&raw, record_size(&broker));
    let rounds: Vec<Round> = (0..rounds)
        .map(|_| {
            // They take turns, so that both see the same weather.
            let mut take = || {
                let lease = timed(|| {
                    client.exchange(&lease);
                });
                (lease, timed(|| appends.append()))
            };
            let (quiet, quiet_appends) = (0..QUIET).map(|_| take()).unzip();
            let done = AtomicBool::new(false);
            let (during, seconds) = std::thread::scope(|scope| {
                let rekeying = scope.spawn(|| {
                    let mut operator = Connection::open(&broker.socket());
                    let took = timed(|| {
                        operator.exchange(&Request::rekey());
                    });
                    done.store(true, Ordering::Relaxed);
                    took.as_secs_f64()
                });
                let (mut during, mut appends) = (Vec::new(), Vec::new());
                while !done.load(Ordering::Relaxed) {
                    let (lease, append) = take();
                    during.push(lease);
                    appends.push(append);
                }
                ((during, appends), rekeying.join().unwrap())
            });
            let (during, appends_during) = during;
            let longest = during.iter().max().map_or(0.0, Duration::as_secs_f64);
            let round = Round {
                quiet: Spread::of(quiet),
                during: Spread::of(during),
                append: (Spread::of(quiet_appends), Spread::of(appends_during)),
                longest: longest * 1000.0,
                seconds,
            };
            eprintln!(
                "  re-key {seconds:.2} s; lease p99 quiet {:.0} us, meanwhile {:.0} us, longest {longest:.4} s; append and sync p99 quiet {:.0} us, meanwhile {:.0} us",
                round.quiet.p99, round.during.p99, round.append.0.p99, round.append.1.p99,
            );
            round
        })
        .collect();
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    let seconds = of(|round| round.seconds);
    table.push(Row {
        what: "re-key, 10 000 secrets",
        goal: "≤ 10 s".to_owned(),
        raw: "leases taken all the while".to_owned(),
        median: format!("{seconds:.2} s"),
        worst: format!("{:.2} s", highest(rounds.iter().map(|round| round.seconds))),
        met: Some(seconds <= 10.0),
    });
    let times = of(|round| round.during.p99 / round.quiet.p99);
    table.push(Row {
        what: "a lease during a re-key, p99",
        goal: "≤ 3 × quiet".to_owned(),
        raw: format!(
            "quiet {:.0} µs; append and sync {:.0} µs, {:.2} × quiet",
            of(|round| round.quiet.p99),
            of(|round| round.append.1.p99),
            of(|round| round.append.1.p99 / round.append.0.p99),
        ),
        median: format!("{:.0} µs, {times:.2} ×", of(|round| round.during.p99)),
        worst: format!(
            "one lease took {:.1} ms",
            highest(rounds.iter().map(|round| round.longest))
        ),
        met: Some(times <= 3.0),
    });
}

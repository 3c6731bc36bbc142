//! One client on a kept connection, everything on one processor: waking an idle one would hide the
//! rest.

use std::time::{Duration, Instant};

use support::{Home, TestBroker, canary};

use crate::client::{Connection, Request};
use crate::machine;
use crate::raw::{Appends, Echo};
use crate::table::{Row, Spread, Table, highest, median};

/// Of each kind, in a round.
const TIMES: usize = 4000;

/// A broker with `label-sync`, and room for as many leases as a measurement takes.
pub(crate) fn broker() -> TestBroker {
    let home = Home::ready();
    home.config(ROOM);
    let broker = home.start();
    let set = ["secret", "set", "org-label-sync-token"];
    broker.home.ctl_with(&set, canary::CLASSIC).success();
    broker
}

/// Size of the record that allows a lease, newline included.
pub(crate) fn record_size(broker: &TestBroker) -> usize {
    broker.home.records().last().unwrap().len() + 1
}

struct Round {
    append: Spread,
    trip: Spread,
    lease: Spread,
}

impl Round {
    fn raw(&self) -> f64 {
        self.append.p50 + self.trip.p50
    }

    fn times_raw(&self) -> f64 {
        self.lease.p50 / self.raw()
    }

    fn tail(&self) -> f64 {
        self.lease.p99 / self.lease.p50
    }
}

pub(crate) fn measure(rounds: usize, table: &mut Table) {
    let rounds: Vec<Round> = (0..rounds).map(|_| round()).collect();
    for round in &rounds {
        eprintln!(
            "  append {:.1}/{:.1}, round trip {:.1}/{:.1}, lease {:.1}/{:.1} us (p50/p99)",
            round.append.p50,
            round.append.p99,
            round.trip.p50,
            round.trip.p99,
            round.lease.p50,
            round.lease.p99,
        );
    }
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    let times = of(Round::times_raw);
    table.push(Row {
        what: "a lease, one client, p50",
        goal: "≤ 1.3 × raw".to_owned(),
        raw: format!(
            "append and sync {:.1} µs + round trip {:.1} µs",
            of(|round| round.append.p50),
            of(|round| round.trip.p50),
        ),
        median: format!("{:.1} µs, {times:.2} ×", of(|round| round.lease.p50)),
        worst: format!("{:.2} ×", highest(rounds.iter().map(Round::times_raw))),
        met: Some(times <= 1.3),
    });
    let tail = of(Round::tail);
    table.push(Row {
        what: "a lease, one client, p99",
        goal: "≤ 3 × its p50".to_owned(),
        raw: format!(
            "append and sync {:.1} µs, {:.2} × its p50",
            of(|round| round.append.p99),
            of(|round| round.append.p99 / round.append.p50),
        ),
        median: format!("{:.1} µs, {tail:.2} ×", of(|round| round.lease.p99)),
        worst: format!("{:.2} ×", highest(rounds.iter().map(Round::tail))),
        met: Some(tail <= 3.0),
    });
}

/// All three take turns, so that they see the same weather.
fn round() -> Round {
    let broker = broker();
    let request = Request::lease();
    let mut client = Connection::open(&broker.socket());
    let answer = client.exchange(&request).len();
    let directory = broker.home.path();
    let mut appends = Appends::to(&directory.join("raw"), record_size(&broker));
    let mut echo = Echo::start(&directory.join("echo"), request.bytes.len(), answer);
    for pid in [
        broker.pid().as_raw().unsigned_abs(),
        echo.pid(),
        std::process::id(),
    ] {
        machine::pin(pid, "0");
    }
    let (mut append, mut trip, mut lease) = (Vec::new(), Vec::new(), Vec::new());
    for nth in 0..TIMES + WARM_UP {
        let times = (
            timed(|| appends.append()),
            timed(|| echo.round_trip()),
            timed(|| {
                client.exchange(&request);
            }),
        );
        if nth >= WARM_UP {
            append.push(times.0);
            trip.push(times.1);
            lease.push(times.2);
        }
    }
    machine::pin(std::process::id(), &machine::all());
    Round {
        append: Spread::of(append),
        trip: Spread::of(trip),
        lease: Spread::of(lease),
    }
}

/// Of one round: leases on a value that is kept in memory, beside leases on one from the environment.
pub(crate) struct Beside {
    env: Spread,
    kept: Spread,
}

impl Beside {
    /// Takes leases for `from-env` and for this purpose, in turns.
    pub(crate) fn of(broker: &TestBroker, purpose: &str) -> Self {
        let [from_env, kept] = ["from-env", purpose]
            .map(|purpose| Request::post("/v1/leases", &format!("{{\"purpose\":\"{purpose}\"}}")));
        let mut client = Connection::open(&broker.socket());
        for pid in [broker.pid().as_raw().unsigned_abs(), std::process::id()] {
            machine::pin(pid, "0");
        }
        let mut times = (Vec::new(), Vec::new());
        for nth in 0..TIMES + WARM_UP {
            let env = timed(|| {
                client.exchange(&from_env);
            });
            let kept = timed(|| {
                client.exchange(&kept);
            });
            if nth >= WARM_UP {
                times.0.push(env);
                times.1.push(kept);
            }
        }
        machine::pin(std::process::id(), &machine::all());
        Self {
            env: Spread::of(times.0),
            kept: Spread::of(times.1),
        }
    }

    fn times(&self) -> f64 {
        self.kept.p50 / self.env.p50
    }

    /// The line of all rounds. A kept one may take `most` times as long as one `beside` it.
    pub(crate) fn row(rounds: &[Self], what: &'static str, beside: &str, most: f64) -> Row {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure));
        let times = of(Self::times);
        Row {
            what,
            goal: format!("≤ {most} × {beside}"),
            raw: format!("from the environment {:.1} µs", of(|round| round.env.p50)),
            median: format!("{:.1} µs, {times:.2} ×", of(|round| round.kept.p50)),
            worst: format!("{:.2} ×", highest(rounds.iter().map(Self::times))),
            met: Some(times <= most),
        }
    }
}

/// Configuration with room for as many leases as a measurement takes.
pub(crate) const ROOM: &str = "[limits]\nleases_per_account = 100000000\nleases_per_minute = 100000000\naudit_mib_per_account = 4000\n";

const WARM_UP: usize = 300;

pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

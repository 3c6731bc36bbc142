//! `tokenctl get` as a whole process, beside a process that does nothing.

use std::path::Path;
use std::process::{Command, Stdio};

use support::canary;

use crate::client::{Connection, Request};
use crate::lease::{broker, timed};
use crate::machine;
use crate::table::{Row, Spread, Table, highest, median};

const TIMES: usize = 300;

struct Round {
    nothing: Spread,
    lease: Spread,
    get: Spread,
}

impl Round {
    /// What `get` takes beyond its lease, in processes that do nothing.
    fn processes(&self) -> f64 {
        (self.get.p50 - self.lease.p50) / self.nothing.p50
    }
}

pub(crate) fn measure(rounds: usize, table: &mut Table) {
    let rounds: Vec<Round> = (0..rounds).map(|_| round()).collect();
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    let processes = of(Round::processes);
    table.push(Row {
        what: "`tokenctl get`, whole process, p50",
        goal: "≤ 2.5 × `/bin/true` + one lease".to_owned(),
        raw: format!(
            "`/bin/true` {:.0} µs, lease {:.0} µs",
            of(|round| round.nothing.p50),
            of(|round| round.lease.p50),
        ),
        median: format!(
            "{:.0} µs, {processes:.2} × + lease",
            of(|round| round.get.p50)
        ),
        worst: format!(
            "{:.2} × + lease",
            highest(rounds.iter().map(Round::processes))
        ),
        met: Some(processes <= 2.5),
    });
}

fn round() -> Round {
    let broker = broker();
    let request = Request::lease();
    let mut client = Connection::open(&broker.socket());
    for pid in [broker.pid().as_raw().unsigned_abs(), std::process::id()] {
        machine::pin(pid, "0");
    }
    let (mut nothing, mut lease, mut get) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let mut idle = broker.home.command(Path::new("/bin/true"));
        nothing.push(timed(|| run(&mut idle, "")));
        lease.push(timed(|| {
            client.exchange(&request);
        }));
        let mut command = broker.home.tokenctl();
        command.args(["get", "label-sync"]);
        get.push(timed(|| run(&mut command, canary::CLASSIC)));
    }
    machine::pin(std::process::id(), &machine::all());
    Round {
        nothing: Spread::of(nothing),
        lease: Spread::of(lease),
        get: Spread::of(get),
    }
}

fn run(command: &mut Command, wanted: &str) {
    let ran = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(ran.status.success());
    assert_eq!(ran.stdout.trim_ascii_end(), wanted.as_bytes());
}

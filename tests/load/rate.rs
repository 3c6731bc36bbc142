//! Sixty-four clients, every lease durable, nothing pinned.
//!
//! H is the same HTTP without the log: reading back a lease, which asks the kernel who is asking and
//! answers with the same body. `/healthz` does neither, and is shown for scale.

use std::time::Duration;

use crate::client::{Connection, Request, rate};
use crate::lease::{broker, record_size};
use crate::raw::group_commit;
use crate::table::{Row, Table, lowest, median};

const CLIENTS: usize = 64;
const TIME: Duration = Duration::from_secs(3);

struct Round {
    health: f64,
    http: f64,
    group: f64,
    leases: f64,
}

impl Round {
    /// What is left of the rate at which a request would take one of H and one of G.
    fn share(&self) -> f64 {
        self.leases * (1.0 / self.http + 1.0 / self.group)
    }
}

pub(crate) fn measure(rounds: usize, table: &mut Table) {
    let rounds: Vec<Round> = (0..rounds).map(|_| round()).collect();
    for round in &rounds {
        eprintln!(
            "  healthz {:.0}, H {:.0}, G {:.0}, leases {:.0} a second, {:.2}",
            round.health,
            round.http,
            round.group,
            round.leases,
            round.share(),
        );
    }
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    let leases = of(|round| round.leases);
    table.push(Row {
        what: "leases a second, 64 clients",
        goal: "≥ 20000".to_owned(),
        raw: format!(
            "H {:.0}, G {:.0} (`/healthz` {:.0})",
            of(|round| round.http),
            of(|round| round.group),
            of(|round| round.health),
        ),
        median: format!("{leases:.0}"),
        worst: format!("{:.0}", lowest(rounds.iter().map(|round| round.leases))),
        met: Some(leases >= 20_000.0),
    });
    let share = of(Round::share);
    table.push(Row {
        what: "the same, as a share of 1/(1/H + 1/G)",
        goal: "≥ 0.7".to_owned(),
        raw: "1".to_owned(),
        median: format!("{share:.2}"),
        worst: format!("{:.2}", lowest(rounds.iter().map(Round::share))),
        met: Some(share >= 0.7),
    });
}

fn round() -> Round {
    let broker = broker();
    let socket = broker.socket();
    let lease = Request::lease();
    let answer = Connection::open(&socket).exchange(&lease).to_vec();
    let size = record_size(&broker);
    let show = Request::get(&format!("/v1/leases/{}", id(&answer)));
    Round {
        health: rate(&socket, CLIENTS, &Request::get("/healthz"), TIME),
        http: rate(&socket, CLIENTS, &show, TIME),
        group: group_commit(&broker.home.path().join("raw"), CLIENTS, size, TIME),
        leases: rate(&socket, CLIENTS, &lease, TIME),
    }
}

/// The lease's id in an answer.
fn id(answer: &[u8]) -> String {
    let body = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    let body: serde_json::Value = serde_json::from_slice(&answer[body..]).unwrap();
    body["lease"].as_str().unwrap().to_owned()
}

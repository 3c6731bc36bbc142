//! Requests to GitHub through the proxy, beside the same asked of the upstream directly by the same client.

use std::time::Duration;

use support::broker::own;
use support::{Home, TestBroker, canary};

use crate::client::{Connection, Request, Transport, rate, rate_over};
use crate::lease::timed;
use crate::machine;
use crate::table::{Row, Spread, Table, highest, lowest, median};
use crate::upstream::{LABELS, Upstream};

/// Of each kind, in a round.
const TIMES: usize = 4000;
/// So many of one kind in a row: what the record of one takes must fall to those like it.
const IN_A_ROW: usize = 100;
const CLIENTS: usize = 64;
const TIME: Duration = Duration::from_secs(3);

/// A broker and its upstream.
pub(crate) struct Proxied {
    pub(crate) broker: TestBroker,
    pub(crate) upstream: Upstream,
}

impl Proxied {
    pub(crate) fn start() -> Self {
        let home = Home::ready();
        let upstream = Upstream::start(home.path(), canary::CLASSIC);
        let api = format!("https://{}/api/v3", upstream.host());
        home.github_at(&api, &upstream.ca, CONFIG);
        home.policy("load-secret.toml", SECRET);
        home.policy("load-proxy.toml", &own(PURPOSE));
        let broker = home.start();
        let set = ["secret", "set", "load-proxied"];
        broker.home.ctl_with(&set, canary::CLASSIC).success();
        Self { broker, upstream }
    }

    /// Returns the token of a new `proxy` lease.
    pub(crate) fn take_lease(&self) -> String {
        let token = self.broker.home.ctl(&["get", "load-proxy"]).success();
        token.trim().to_owned()
    }
}

/// No calls of the broker's own, and room for all that is measured.
const CONFIG: &str = "check_every = \"off\"\npoll_every = \"off\"\n\
    [limits]\nleases_per_account = 100\naudit_mib_per_account = 60000";

/// What stands behind the purposes of the parts that go through the proxy.
pub(crate) const SECRET: &str = "[secret.load-proxied]\nkind = \"classic\"\nscopes = [\"repo\"]\n\
                      owner = \"acme-bot\"\nsource = \"vault\"\n";
const PURPOSE: &str = "purpose = \"load-proxy\"\nsecret = \"load-proxied\"\n\
    repositories = [\"acme/*\"]\ndeliver = \"proxy\"\n\
    permissions = { contents = \"write\", issues = \"read\", metadata = \"read\" }\n\
    [[allow]]\ncaller = { uid = UID }\n";

struct Round {
    direct: Spread,
    proxied: Spread,
    health: f64,
    upstream: f64,
    rate: f64,
}

impl Round {
    fn added(&self) -> f64 {
        self.proxied.p50 - self.direct.p50
    }

    /// What is left of the rate at which a request would take one of H and one of U.
    fn share(&self) -> f64 {
        self.rate * (1.0 / self.health + 1.0 / self.upstream)
    }
}

pub(crate) fn measure(rounds: usize, table: &mut Table) {
    let rounds: Vec<Round> = (0..rounds).map(|_| round()).collect();
    for round in &rounds {
        eprintln!(
            "  direct {:.1}/{:.1}, proxied {:.1}/{:.1} us (p50/p99); H {:.0}, U {:.0}, proxied {:.0} a second, {:.2}",
            round.direct.p50,
            round.direct.p99,
            round.proxied.p50,
            round.proxied.p99,
            round.health,
            round.upstream,
            round.rate,
            round.share(),
        );
    }
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    let added = of(Round::added);
    table.push(Row {
        what: "a small GET through the proxy, one client, p50",
        goal: "≤ direct + 100 µs".to_owned(),
        raw: format!("direct {:.1} µs", of(|round| round.direct.p50)),
        median: format!(
            "{:.1} µs, direct + {added:.1} µs",
            of(|round| round.proxied.p50)
        ),
        worst: format!(
            "direct + {:.1} µs",
            highest(rounds.iter().map(Round::added))
        ),
        met: Some(added <= 100.0),
    });
    let rate = of(|round| round.rate);
    table.push(Row {
        what: "small GETs a second through the proxy, 64 connections",
        goal: "≥ 10000".to_owned(),
        raw: format!(
            "`/healthz` H {:.0}, direct U {:.0}",
            of(|round| round.health),
            of(|round| round.upstream),
        ),
        median: format!("{rate:.0}"),
        worst: format!("{:.0}", lowest(rounds.iter().map(|round| round.rate))),
        met: Some(rate >= 10_000.0),
    });
    let share = of(Round::share);
    table.push(Row {
        what: "the same, as a share of 1/(1/H + 1/U)",
        goal: "≥ 0.5".to_owned(),
        raw: "1".to_owned(),
        median: format!("{share:.2}"),
        worst: format!("{:.2}", lowest(rounds.iter().map(Round::share))),
        met: Some(share >= 0.5),
    });
}

fn round() -> Round {
    let proxied = Proxied::start();
    let token = proxied.take_lease();
    // The same request through the proxy and past it.
    let [through, past] = [token.as_str(), canary::CLASSIC]
        .map(|token| Request::to_github(LABELS, &proxied.upstream.host(), token));
    let (socket, proxy_socket) = (proxied.broker.socket(), proxied.broker.proxy_socket());
    let upstream = &proxied.upstream;
    let broker = proxied.broker.pid().as_raw().unsigned_abs();

    let mut client = Connection::open(&proxy_socket);
    let mut direct = Connection::over(upstream.connect());
    // Starts what is started at first use.
    client.exchange(&through);
    let all = [broker, upstream.pid(), std::process::id()];
    for pid in all {
        machine::pin(pid, "0");
    }
    let (mut past_times, mut through_times) = (Vec::new(), Vec::new());
    for nth in 0..=TIMES / IN_A_ROW {
        let past = in_a_row(&mut direct, &past);
        let through = in_a_row(&mut client, &through);
        if nth > 0 {
            past_times.extend(past);
            through_times.extend(through);
        }
    }
    for pid in all {
        machine::pin(pid, &machine::all());
    }
    drop((client, direct));

    Round {
        direct: Spread::of(past_times),
        proxied: Spread::of(through_times),
        health: rate(&socket, CLIENTS, &Request::get("/healthz"), TIME),
        upstream: rate_over(|| upstream.connect(), CLIENTS, &past, TIME),
        rate: rate(&proxy_socket, CLIENTS, &through, TIME),
    }
}

fn in_a_row<T: Transport>(
    connection: &mut Connection<T>,
    request: &Request,
) -> impl Iterator<Item = Duration> + use<T> {
    let times: Vec<_> = (0..IN_A_ROW)
        .map(|_| {
            timed(|| {
                connection.exchange(request);
            })
        })
        .collect();
    times.into_iter()
}

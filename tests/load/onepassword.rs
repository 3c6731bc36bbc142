//! A lease on a value kept of 1Password beside one from the environment, taking turns: neither lies in
//! the vault, and both are recorded twice.

use support::one_password::StandInOp;
use support::{Home, TestBroker, canary};

use crate::client::{Connection, Request};
use crate::lease::{TIMES, WARM_UP, timed};
use crate::machine;
use crate::table::{Row, Spread, Table, highest, median};

const SECRETS: &str = "[secret.load-op]\nkind = \"classic\"\nsource = \"op://Load/load/credential\"\n\
                       [secret.load-env]\nkind = \"classic\"\nsource = \"env:LOAD_TOKEN\"\n";
const PURPOSE: &str = "purpose = \"PURPOSE\"\nsecret = \"SECRET\"\nrepositories = [\"acme/*\"]\n\
                       permissions = { issues = \"write\" }\ndeliver = \"raw\"\n\
                       [[allow]]\ncaller = { uid = UID }\n";
const TOKEN: &str = "ops_CANARYcanaryCANARYcanaryCANARYcanaryCANARY";

struct Round {
    env: Spread,
    cached: Spread,
}

impl Round {
    fn times(&self) -> f64 {
        self.cached.p50 / self.env.p50
    }
}

pub(crate) fn measure(rounds: usize, table: &mut Table) {
    let rounds: Vec<Round> = (0..rounds).map(|_| round()).collect();
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    let times = of(Round::times);
    table.push(Row {
        what: "a lease on a value kept of 1Password, p50",
        goal: "≤ 1.1 × a lease from the environment".to_owned(),
        raw: format!("from the environment {:.1} µs", of(|round| round.env.p50)),
        median: format!("{:.1} µs, {times:.2} ×", of(|round| round.cached.p50)),
        worst: format!("{:.2} ×", highest(rounds.iter().map(Round::times))),
        met: Some(times <= 1.1),
    });
}

fn round() -> Round {
    let home = Home::ready();
    // Its world is no part of the broker's home, but of the same disk.
    let op = StandInOp::in_dir(&home.path().join("op"));
    op.know_token(TOKEN);
    op.set("Load", "load", "credential", canary::CLASSIC);
    // One reading for the whole round.
    home.config(&format!(
        "[limits]\nleases_per_account = 100000000\nleases_per_minute = 100000000\n\
         [onepassword]\ntoken = \"vault\"\nprogram = \"{}\"\n[sources]\nttl = \"1h\"\n",
        op.program().display()
    ));
    home.policy("load-secrets.toml", SECRETS);
    let uid = nix::unistd::geteuid().to_string();
    for (purpose, secret) in [("from-env", "load-env"), ("from-op", "load-op")] {
        let text = PURPOSE.replace("PURPOSE", purpose);
        let text = text.replace("SECRET", secret).replace("UID", &uid);
        home.policy(&format!("{purpose}.toml"), &text);
    }
    let broker = TestBroker::start(home, |tokend| {
        tokend.env("LOAD_TOKEN", canary::CLASSIC);
    });
    let set = ["secret", "set", "onepassword-token"];
    broker.home.ctl_with(&set, TOKEN).success();

    let [from_env, from_op] = ["from-env", "from-op"]
        .map(|purpose| Request::post("/v1/leases", &format!("{{\"purpose\":\"{purpose}\"}}")));
    let mut client = Connection::open(&broker.socket());
    for pid in [broker.pid().as_raw().unsigned_abs(), std::process::id()] {
        machine::pin(pid, "0");
    }
    let (mut env, mut cached) = (Vec::new(), Vec::new());
    for nth in 0..TIMES + WARM_UP {
        let times = (
            timed(|| {
                client.exchange(&from_env);
            }),
            timed(|| {
                client.exchange(&from_op);
            }),
        );
        if nth >= WARM_UP {
            env.push(times.0);
            cached.push(times.1);
        }
    }
    machine::pin(std::process::id(), &machine::all());
    assert_eq!(op.calls().len(), 1);
    Round {
        env: Spread::of(env),
        cached: Spread::of(cached),
    }
}

//! A lease on a cached installation token beside a raw one from the environment, taking turns: both
//! hand out what does not lie in the vault under a secret's name.

use support::github::{App, AppKey, Level, Repositories, StandIn, World};
use support::{Home, TestBroker, canary};

use crate::client::{Connection, Request};
use crate::lease::{TIMES, WARM_UP, timed};
use crate::machine;
use crate::table::{Row, Spread, Table, highest, median};

const POLICIES: [(&str, &str); 3] = [
    (
        "load-secrets.toml",
        "[secret.load-app]\nkind = \"app\"\nclient_id = \"Iv23liLoad\"\n\
         [secret.load-env]\nkind = \"classic\"\nsource = \"env:LOAD_TOKEN\"\n",
    ),
    (
        "load-minted.toml",
        "purpose = \"minted\"\nsecret = \"load-app\"\nrepositories = [\"acme/*\"]\n\
         permissions = { issues = \"write\" }\n[[allow]]\ncaller = { uid = UID }\n",
    ),
    (
        "load-env.toml",
        "purpose = \"from-env\"\nsecret = \"load-env\"\nrepositories = [\"acme/*\"]\n\
         permissions = { issues = \"write\" }\ndeliver = \"raw\"\n[[allow]]\ncaller = { uid = UID }\n",
    ),
];

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
        what: "a lease on a cached installation token, p50",
        goal: "≤ 1.2 × a raw lease from the environment".to_owned(),
        raw: format!("from the environment {:.1} µs", of(|round| round.env.p50)),
        median: format!("{:.1} µs, {times:.2} ×", of(|round| round.cached.p50)),
        worst: format!("{:.2} ×", highest(rounds.iter().map(Round::times))),
        met: Some(times <= 1.2),
    });
}

fn round() -> Round {
    let key = AppKey::generate();
    let app = App::new("Iv23liLoad", "acme", &key, &[("issues", Level::Write)])
        .installed("acme", Repositories::All);
    let github = StandIn::start(World::new().organization("acme", &[]).app(app));
    let home = Home::ready();
    home.config(&format!(
        "[limits]\nleases_per_account = 100000000\nleases_per_minute = 100000000\n\
         [github]\napi = \"{}\"\nca = \"{}\"\ncheck_every = \"off\"\npoll_every = \"off\"\n",
        github.api(),
        github.ca().display()
    ));
    let uid = nix::unistd::geteuid().to_string();
    for (name, text) in POLICIES {
        home.policy(name, &text.replace("UID", &uid));
    }
    let broker = TestBroker::start(home, |tokend| {
        tokend.env("LOAD_TOKEN", canary::CLASSIC);
    });
    let set = ["secret", "set", "load-app"];
    broker.home.ctl_with(&set, key.pem()).success();

    let [from_env, minted] = ["from-env", "minted"]
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
                client.exchange(&minted);
            }),
        );
        if nth >= WARM_UP {
            env.push(times.0);
            cached.push(times.1);
        }
    }
    machine::pin(std::process::id(), &machine::all());
    assert_eq!(github.calls("POST /app/installations/*/access_tokens"), 1);
    Round {
        env: Spread::of(env),
        cached: Spread::of(cached),
    }
}

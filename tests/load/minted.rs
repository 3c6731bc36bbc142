//! A lease on a cached installation token beside a raw one from the environment, taking turns: both
//! hand out what is not stored in the vault under a secret's name.

use support::github::{App, AppKey, Level, Repositories, StandIn, World};
use support::{Home, TestBroker, canary};

use crate::lease::{Beside, ROOM};
use crate::table::Table;

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

pub(crate) fn measure(rounds: usize, table: &mut Table) {
    let rounds: Vec<Beside> = (0..rounds).map(|_| round()).collect();
    let what = "a lease on a cached installation token, p50";
    let beside = "a raw lease from the environment";
    table.push(Beside::row(&rounds, what, beside, 1.2));
}

fn round() -> Beside {
    let key = AppKey::generate();
    let app = App::new("Iv23liLoad", "acme", &key, &[("issues", Level::Write)])
        .installed("acme", Repositories::All);
    let github = StandIn::start(World::new().organization("acme", &[]).app(app));
    let home = Home::ready();
    home.config(&format!(
        "{ROOM}[github]\napi = \"{}\"\nca = \"{}\"\ncheck_every = \"off\"\npoll_every = \"off\"\n",
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

    let round = Beside::of(&broker, "minted");
    assert_eq!(github.calls("POST /app/installations/*/access_tokens"), 1);
    round
}

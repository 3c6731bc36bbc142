//! A lease on a value kept of 1Password beside one from the environment, taking turns: neither is stored in
//! the vault, and both are recorded twice.

use support::one_password::StandInOp;
use support::{Home, TestBroker, canary};

use crate::lease::{Beside, ROOM};
use crate::table::Table;

const SECRETS: &str = "[secret.load-op]\nkind = \"classic\"\nsource = \"op://Load/load/credential\"\n\
                       [secret.load-env]\nkind = \"classic\"\nsource = \"env:LOAD_TOKEN\"\n";
const PURPOSE: &str = "purpose = \"PURPOSE\"\nsecret = \"SECRET\"\nrepositories = [\"acme/*\"]\n\
                       permissions = { issues = \"write\" }\ndeliver = \"raw\"\n\
                       [[allow]]\ncaller = { uid = UID }\n";
const TOKEN: &str = "ops_CANARYcanaryCANARYcanaryCANARYcanaryCANARY";

pub(crate) fn measure(rounds: usize, table: &mut Table) {
    let rounds: Vec<Beside> = (0..rounds).map(|_| round()).collect();
    let what = "a lease on a value kept of 1Password, p50";
    let beside = "a lease from the environment";
    table.push(Beside::row(&rounds, what, beside, 1.1));
}

fn round() -> Beside {
    let home = Home::ready();
    // Its world is no part of the broker's home, but of the same disk.
    let op = StandInOp::in_dir(&home.path().join("op"));
    op.know_token(TOKEN);
    op.set("Load", "load", "credential", canary::CLASSIC);
    // One reading for the whole round.
    home.config(&format!(
        "{ROOM}[onepassword]\ntoken = \"vault\"\nprogram = \"{}\"\n[sources]\nttl = \"1h\"\n",
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

    let round = Beside::of(&broker, "from-op");
    assert_eq!(op.calls().len(), 1);
    round
}

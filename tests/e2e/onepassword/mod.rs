//! Values in 1Password, handed out by the real broker: through `op`, a program, and through Connect.

mod bad;
mod doctor;
mod down;
mod lease;
mod quotas;

use std::process::Command;

use serde_json::Value;
use support::broker::{MANY_LEASES, SECRETS};
use support::connect::{StandInConnect, World};
use support::one_password::StandInOp;
use support::wait::until;
use support::{Home, TestBroker, canary};
use tempfile::TempDir;

use support::described::{ask, lease};

/// The secret behind `label-sync`.
const NAME: &str = "org-label-sync-token";
const VAULT: &str = "Github-Tokens";
const ITEM: &str = "Sync-Robot";
const REFERENCE: &str = "op://Github-Tokens/Sync-Robot/credential";
/// A service account's.
const TOKEN: &str = "ops_CANARYcanaryCANARYcanaryCANARYcanaryCANARY";

/// `op` as it was put in, knowing one token and the value of [`REFERENCE`]. Its world is in the
/// directory, which is no part of the broker's home.
fn op() -> (TempDir, StandInOp) {
    let scratch = tempfile::tempdir().unwrap();
    let op = StandInOp::in_dir(scratch.path());
    op.know_token(TOKEN);
    op.set(VAULT, ITEM, "credential", canary::CLASSIC);
    (scratch, op)
}

/// A home whose secret is in 1Password. `more` goes on from within `[onepassword]`.
fn home(op: &StandInOp, more: &str) -> Home {
    let program = format!("program = \"{}\"", op.program().display());
    configured(&format!(
        "[onepassword]\ntoken = \"vault\"\n{program}\n{more}"
    ))
}

/// The same, through Connect.
fn home_with_connect(connect: &StandInConnect, more: &str) -> Home {
    configured(&format!("{}{more}", connect.config()))
}

fn configured(one_password: &str) -> Home {
    let home = Home::ready();
    home.policy("secrets.toml", &SECRETS.replace("vault", REFERENCE));
    home.config(&format!("{MANY_LEASES}{one_password}\n"));
    home
}

/// Started, with this token in its vault.
fn started(home: Home, token: &str) -> TestBroker {
    let broker = home.start();
    give_token(&broker, token);
    broker
}

fn give_token(broker: &TestBroker, token: &str) {
    let set = ["secret", "set", "onepassword-token"];
    broker.home.ctl_with(&set, token).success();
}

/// A broker with `op`.
fn broker(op: &StandInOp, more: &str) -> TestBroker {
    started(home(op, more), TOKEN)
}

/// A Connect server that knows the value of [`REFERENCE`].
fn connect() -> StandInConnect {
    let connect = StandInConnect::start(World::default());
    connect.set(VAULT, ITEM, "credential", canary::CLASSIC);
    connect
}

/// A lease on this value, which is in its time.
#[track_caller]
fn assert_leased(broker: &TestBroker, value: &str) {
    let (status, leased) = lease(broker);
    assert_eq!((status, &leased["token"]), (201, &value.into()), "{leased}");
    assert!(leased.get("stale_since").is_none(), "{leased}");
}

/// The figure of this name and these labels.
fn figure(broker: &TestBroker, name: &str) -> Option<u64> {
    let text = String::from_utf8(broker.http("GET", "/metrics", "").body).unwrap();
    let figure = text.lines().find_map(|line| line.strip_prefix(name));
    figure.map(|figure| figure.trim().parse().unwrap())
}

/// A program with no keyring within reach.
fn without_a_keyring(command: &mut Command) {
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
}

//! The memory of a broker that holds ten thousand secrets and does nothing.

use std::fmt::Write as _;
use std::time::Duration;

use support::{Home, TestBroker, canary};

use crate::client::{Connection, Request};
use crate::machine::kilobytes;
use crate::table::{Row, Table};

const SECRETS: usize = 10_000;
/// A policy file is at most 1 MiB long.
const IN_ONE_FILE: usize = 2000;

pub(crate) fn measure(table: &mut Table) {
    let broker = full();
    let after_setting = kilobytes(broker.pid().as_raw(), "VmRSS:") / 1024.0;
    let broker = broker.stop().start();
    // Until what it still does after it has said that it is ready is done, and the memory that this took
    // is given back, which is five seconds after the start.
    std::thread::sleep(Duration::from_secs(9));
    let pid = broker.pid().as_raw();
    let (rest, own) = (
        kilobytes(pid, "VmRSS:") / 1024.0,
        kilobytes(pid, "RssAnon:") / 1024.0,
    );
    table.push(Row {
        what: "resident memory at rest, 10 000 secrets",
        goal: "≤ 20 MB".to_owned(),
        raw: format!("{own:.1} MiB besides the program's own file"),
        median: format!("{rest:.1} MiB"),
        worst: format!("{after_setting:.1} MiB after setting them all"),
        met: Some(rest * 1.048_576 <= 20.0),
    });
}

/// A running broker with ten thousand secrets, each set once.
pub(crate) fn full() -> TestBroker {
    let home = Home::ready();
    let names: Vec<String> = (0..SECRETS)
        .map(|nth| format!("org-label-sync-{nth:05}"))
        .collect();
    for (nth, names) in names.chunks(IN_ONE_FILE).enumerate() {
        home.policy(&format!("secrets-{nth}.toml"), &declared(names));
    }
    let broker = home.start();
    let mut client = Connection::open(&broker.socket());
    let body = format!(r#"{{"value":"{}"}}"#, canary::CLASSIC);
    for name in &names {
        client.exchange(&Request::put(&format!("/v1/secrets/{name}"), &body));
    }
    broker
}

fn declared(names: &[String]) -> String {
    let mut text = String::new();
    for name in names {
        write!(
            text,
            "[secret.{name}]\nkind   = \"classic\"\nowner  = \"acme-bot\"\n\
             scopes = [\"repo\", \"workflow\"]\nrotate_every = \"90d\"\nsource = \"vault\"\n\n"
        )
        .unwrap();
    }
    text
}

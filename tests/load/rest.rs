//! The memory of a broker that holds ten secrets, or ten thousand, and does nothing. Pages of the program's own
//! file are shared with everything that runs it, so private pages count.

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
    for (secrets, what, most) in [
        (10, "private memory at rest, ten secrets", 2.0),
        (SECRETS, "private memory at rest, 10 000 secrets", 15.0),
    ] {
        let broker = holding(secrets);
        let after_setting = memory(&broker, "RssAnon:");
        let broker = broker.stop().start();
        // Until what it still does after it has said that it is ready is done, and the memory that this
        // took is given back, which is five seconds after the start.
        std::thread::sleep(Duration::from_secs(9));
        let own = memory(&broker, "RssAnon:");
        table.push(Row {
            what,
            goal: format!("≤ {most} MB"),
            raw: format!(
                "{:.1} MiB resident, with shared pages",
                memory(&broker, "VmRSS:")
            ),
            median: format!("{own:.1} MiB"),
            worst: format!("{after_setting:.1} MiB after setting them all"),
            met: Some(own * 1.048_576 <= most),
        });
    }
}

/// A figure of the broker's in MiB.
fn memory(broker: &TestBroker, key: &str) -> f64 {
    kilobytes(broker.pid().as_raw(), key) / 1024.0
}

/// A running broker with ten thousand secrets, each set once.
pub(crate) fn full() -> TestBroker {
    holding(SECRETS)
}

fn holding(secrets: usize) -> TestBroker {
    let home = Home::ready();
    let names: Vec<String> = (0..secrets)
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

//! A backup of ten thousand secrets, made while nothing else is asked, and its verification.

use std::time::{Duration, Instant};

use support::broker::Ran;

use crate::rest;
use crate::table::{Row, Table};

const PASSPHRASE: &str = "correct horse battery staple";

pub(crate) fn measure(rounds: usize, table: &mut Table) {
    let broker = rest::full();
    let file = broker.home.path().join("tokend.backup");
    let path = file.to_str().unwrap();
    let from = ["--passphrase-file", "-"];
    let timed = |arguments: &[&str]| {
        let before = Instant::now();
        let ran: Ran = broker
            .home
            .ctl_with(&[arguments, &from].concat(), PASSPHRASE);
        ran.success();
        before.elapsed()
    };
    // What a passphrase costs wherever one is typed: that of a file that holds next to nothing.
    let empty = support::Home::ready().start();
    let small = empty.home.path().join("tokend.backup");
    let small = small.to_str().unwrap();
    let (mut bare, mut ours, mut verified) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let before = Instant::now();
        let arguments = ["backup", small, "--force"];
        let ran = empty
            .home
            .ctl_with(&[&arguments[..], &from].concat(), PASSPHRASE);
        ran.success();
        bare.push(before.elapsed());
        ours.push(timed(&["backup", path, "--force"]));
        verified.push(timed(&["backup", "--verify", path]));
    }
    let size = std::fs::metadata(&file).unwrap().len() as f64 / 1_000_000.0;
    let (bare, (ours, worst)) = (middle(&mut bare).0, middle(&mut ours));
    let besides = ours.saturating_sub(bare);
    table.push(Row {
        what: "a backup of 10 000 secrets, whole command, besides that of an empty vault",
        goal: "≤ 2 s".to_owned(),
        raw: format!("an empty one, Argon2id included, {:.0} ms", ms(bare)),
        median: format!("{:.0} ms, {size:.1} MB", ms(besides)),
        worst: format!("{:.0} ms", ms(worst.saturating_sub(bare))),
        met: Some(besides <= Duration::from_secs(2)),
    });
    let (median, worst) = middle(&mut verified);
    table.push(Row {
        what: "`backup --verify` of it, every value opened",
        goal: "none".to_owned(),
        raw: String::new(),
        median: format!("{:.0} ms", ms(median)),
        worst: format!("{:.0} ms", ms(worst)),
        met: None,
    });
}

/// Median and worst.
fn middle(times: &mut [Duration]) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() - 1])
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

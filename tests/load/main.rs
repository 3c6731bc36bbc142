//! Measures the broker beside the raw limits of the machine, and prints one table in Markdown.
//!
//! `cargo load` measures everything; `cargo load -- rounds=9 lease rate` some of it, more often. The parts: `lease` (one
//! client), `minted` (a cached installation token), `onepassword` (a value kept of 1Password), `rate` (64 clients), `get`
//! (the command line), `proxy` (requests to GitHub), `graphql` (decisions on documents), `transfer` (2 GiB through the proxy), `exec` (handshakes and git
//! under `tokenctl exec`), `rest` (memory with ten thousand secrets), `rekey` (a new root key for as many), `backup` (of ten
//! thousand secrets), `start` (with a million records). `TMPDIR` chooses the disk; a tmpfs measures nothing.
//!
//! A goal that is a multiple of a raw figure is compared in each round with the raw figure of the
//! same round, because a shared machine changes from one minute to the next. Where it helps, raw and
//! ours take turns.
//!
//! Not here: `audit verify` (`cargo bench -p broker-audit`) and the audit log by itself (`cargo bench
//! -p broker`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a load program: it takes the time, prints, and stops at the first error"
)]

mod backup;
mod client;
mod exec;
mod get;
mod graphql;
mod lease;
mod machine;
mod minted;
mod onepassword;
mod proxy;
mod rate;
mod raw;
mod rekey;
mod rest;
mod start;
mod table;
mod transfer;
mod upstream;

use table::Table;

/// Rounds of each part, unless `rounds=N` says otherwise. Odd, so that the median is one of them.
const ROUNDS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [what, socket, request, answer] = arguments.as_slice()
        && what == "echo"
    {
        return raw::echo(socket, request.parse().unwrap(), answer.parse().unwrap());
    }
    if let [what, directory, token] = arguments.as_slice()
        && what == "upstream"
    {
        return upstream::serve(directory.as_ref(), token);
    }
    let mut rounds = ROUNDS;
    let mut parts = Vec::new();
    for argument in &arguments {
        match argument.split_once('=') {
            Some(("rounds", number)) => rounds = number.parse().unwrap(),
            _ => parts.push(argument.as_str()),
        }
    }
    let wanted = |part| parts.is_empty() || parts.contains(&part);
    println!("{}\n", machine::describe());
    let mut table = Table::default();
    if wanted("lease") {
        lease::measure(rounds, &mut table);
    }
    if wanted("minted") {
        minted::measure(rounds, &mut table);
    }
    if wanted("onepassword") {
        onepassword::measure(rounds, &mut table);
    }
    if wanted("rate") {
        rate::measure(rounds, &mut table);
    }
    if wanted("get") {
        get::measure(rounds, &mut table);
    }
    if wanted("proxy") {
        proxy::measure(rounds, &mut table);
    }
    if wanted("graphql") {
        graphql::measure(rounds, &mut table);
    }
    if wanted("transfer") {
        transfer::measure(rounds, &mut table);
    }
    if wanted("exec") {
        exec::measure(rounds, &mut table);
    }
    if wanted("rest") {
        rest::measure(&mut table);
    }
    if wanted("rekey") {
        rekey::measure(rounds, &mut table);
    }
    if wanted("backup") {
        backup::measure(rounds, &mut table);
    }
    if wanted("start") {
        start::measure(rounds, &mut table);
    }
    println!("{table}");
}

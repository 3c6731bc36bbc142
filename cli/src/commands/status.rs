//! `status`: the broker, its secrets and your leases.

use broker_protocol::api::{BrokerStatus, GitHubStatus, Status, WarningChannel};
use broker_protocol::counted::counted;

use crate::account;
use crate::broker::Broker;
use crate::clock;
use crate::commands::registry;
use crate::error::Failure;
use crate::ui::{self, List, Table};

pub(crate) fn run(broker: &Broker, json: bool) -> Result<(), Failure> {
    ui::answer(&broker.get("/v1/status")?, json, print)
}

fn print(status: Status) -> Result<(), Failure> {
    head(&status).print()?;
    if let Some(all) = &status.broker {
        if !all.secrets.is_empty() {
            ui::line("")?;
            registry::overview(&all.secrets).print()?;
            registry::note_unanswered(&all.secrets);
        }
        if !all.github.principals.is_empty() {
            ui::line("")?;
            print_limits(&all.github)?;
        }
        if !all.warnings.is_empty() {
            ui::line("")?;
        }
        for warning in &all.warnings {
            ui::line(format_args!("warning: {warning}"))?;
        }
    }
    Ok(())
}

/// A line for each thing, the operator's part only where the broker sent it.
fn head(status: &Status) -> Table {
    let mut table = Table::of_fields();
    let caller = &status.caller;
    let seen_as = [&caller.unit, &caller.user_unit, &caller.exe]
        .into_iter()
        .flatten()
        .fold(account::name(caller.uid), |text, more| {
            format!("{text}, {more}")
        });
    let role = if status.operator { " (operator)" } else { "" };
    if status.dev {
        table.field("not for use", "made-up tokens, no GitHub, nothing is kept");
    }
    match &status.broker {
        Some(all) => table.field(
            "broker",
            format_args!(
                "{}, pid {}, started {}",
                status.version,
                all.pid,
                clock::moment(all.started_at)
            ),
        ),
        None => table.field("broker", &status.version),
    }
    let ready = if status.ready { "yes" } else { "no" };
    let ready = match &*status.not_ready {
        [] => ready.to_owned(),
        why => format!("{ready}: {}", why.join("; ")),
    };
    table.field("ready", ready);
    table.field("store", if status.locked { "locked" } else { "unlocked" });
    if let Some(all) = &status.broker {
        operators_part(&mut table, all);
    }
    table.field("your leases", status.own_leases);
    table.field("you are", format_args!("{seen_as}{role}"));
    table
}

/// Where it comes from, how old it is and by when it must change.
fn root_key(all: &BrokerStatus) -> String {
    let key = &all.root_key_in_force;
    let since = clock::short(key.since);
    let by = key.deadline.map_or_else(String::new, |at| {
        let day = clock::short(at);
        match key.needs {
            None => format!(", changed automatically by {day}"),
            Some(_) => format!(", must be changed by {day}"),
        }
    });
    format!(
        "{}, version {} since {since}{by}",
        all.root_key, key.version
    )
}

fn operators_part(table: &mut Table, all: &BrokerStatus) {
    table.field("root key", root_key(all));
    let head = all.audit_head.get(..16).unwrap_or(&all.audit_head);
    let fault = all.audit_fault.as_ref();
    table.field(
        "audit log",
        format_args!(
            "{}, head {head}…{}",
            counted(all.audit_records, "record"),
            fault.map_or_else(String::new, |why| format!(" REFUSES: {why}"))
        ),
    );
    let fault = all.policy_fault.as_ref();
    table.field(
        "policies",
        format_args!(
            "{}, loaded {}{}{}",
            counted(all.purposes, "purpose"),
            clock::short(all.policies_loaded_at),
            not_loaded(&all.policy_files_changed),
            fault.map_or_else(String::new, |why| format!(" RELOAD REFUSED: {why}"))
        ),
    );
    table.field(
        "leases",
        format_args!("{} live, {} of them raw", all.live_leases, all.raw_leases),
    );
    let github = &all.github;
    let heard = github.last_answer.map_or_else(
        || "has not answered since the start".to_owned(),
        |at| format!("answered {}", clock::relative(at, clock::now())),
    );
    let breaker = match &*github.breaker {
        "closed" => "",
        "half_open" => ", NOT REACHED: trying now",
        _ => ", NOT REACHED: trying again soon",
    };
    table.field("github", format_args!("{}, {heard}{breaker}", github.api));
    let memory = if all.memory_locked {
        "never swapped out"
    } else {
        "COULD BE SWAPPED OUT: see `tokenctl doctor`"
    };
    table.field("keys in memory", memory);
    for channel in &all.warning_channels {
        table.field("warnings to", channel_line(channel));
    }
}

/// What of the policy files is not in force.
fn not_loaded(changed: &[String]) -> String {
    match changed {
        [] => String::new(),
        changed => format!("; NOT LOADED: {}", few(changed)),
    }
}

/// The first of them, and how many there are besides.
pub(crate) fn few(names: &[String]) -> String {
    let (few, rest) = names.split_at(names.len().min(3));
    let few = few.join(", ");
    match rest.len() {
        0 => few,
        more => format!("{few} and {more} more"),
    }
}

/// `hook`, or `webhook: 3 waiting, FAILS since …: why`.
fn channel_line(channel: &WarningChannel) -> String {
    let mut parts = Vec::new();
    if channel.waiting > 0 {
        parts.push(format!("{} waiting", channel.waiting));
    }
    if let Some(since) = channel.failing_since {
        let why = channel.why.as_deref().unwrap_or("no reason is known");
        parts.push(format!("FAILS since {}: {why}", clock::short(since)));
    }
    match &*parts.join(", ") {
        "" => channel.channel.clone(),
        how => format!("{}: {how}", channel.channel),
    }
}

/// Prints what principals have left: of `core`, and of whatever else is used up.
fn print_limits(github: &GitHubStatus) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for one in &github.principals {
        for limit in &one.resources {
            if limit.resource == "core" || limit.rate.remaining == 0 {
                let rate = &limit.rate;
                rows.push((&one.principal, &limit.resource, Some(rate), rate.reset_at));
            }
        }
        if let Some(hold) = &one.held_off {
            rows.push((&one.principal, &hold.limit, None, hold.until));
        }
    }
    let number = |number: Option<u64>| number.map_or_else(String::new, |n| n.to_string());
    List::of(&rows)
        .column("PRINCIPAL", |(whom, ..)| whom)
        .column("RESOURCE", |(_, what, ..)| what)
        .column("LEFT", |(.., rate, _)| {
            number(rate.map(|rate| rate.remaining))
        })
        .column("OF", |(.., rate, _)| number(rate.map(|rate| rate.limit)))
        .column("WINDOW ENDS", |(.., end)| {
            clock::relative(*end, clock::now())
        })
        .print()
}

//! `status`: how the broker, its secrets and one's own leases stand.

use broker_protocol::api::{BrokerStatus, Status, WarningChannel};

use crate::broker::Broker;
use crate::clock;
use crate::commands::secret;
use crate::error::Failure;
use crate::ui::{self, Table};

pub(crate) fn run(broker: &Broker, json: bool) -> Result<(), Failure> {
    let answer = broker.get("/v1/status")?;
    if json {
        return ui::json(&answer.body);
    }
    let status: Status = answer.json()?;
    head(&status).print()?;
    if let Some(all) = &status.broker {
        if !all.secrets.is_empty() {
            ui::line("")?;
            secret::overview(&all.secrets).print()?;
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
        .fold(format!("uid {}", caller.uid), |text, more| {
            format!("{text}, {more}")
        });
    let role = if status.operator { " (operator)" } else { "" };
    match &status.broker {
        Some(all) => table.field(
            "broker",
            format_args!(
                "{}, pid {}, started {} ({})",
                status.version,
                all.pid,
                clock::short(all.started_at),
                clock::relative(all.started_at, clock::now())
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

fn operators_part(table: &mut Table, all: &BrokerStatus) {
    table.field("root key", &all.root_key);
    let head = all.audit_head.get(..16).unwrap_or(&all.audit_head);
    let fault = all.audit_fault.as_ref();
    table.field(
        "audit log",
        format_args!(
            "{} records, head {head}…{}",
            all.audit_records,
            fault.map_or_else(String::new, |why| format!(" REFUSES: {why}"))
        ),
    );
    let fault = all.policy_fault.as_ref();
    table.field(
        "policies",
        format_args!(
            "{} purpose{}, loaded {}{}",
            all.purposes,
            if all.purposes == 1 { "" } else { "s" },
            clock::short(all.policies_loaded_at),
            fault.map_or_else(String::new, |why| format!(" RELOAD REFUSED: {why}"))
        ),
    );
    table.field(
        "leases",
        format_args!("{} live, {} of them raw", all.live_leases, all.raw_leases),
    );
    let memory = if all.memory_locked {
        "locked"
    } else {
        "NOT locked: keys could be swapped out"
    };
    table.field("memory", memory);
    for channel in &all.warning_channels {
        table.field("warnings to", told(channel));
    }
}

/// `hook`, or `webhook: 3 waiting, FAILS since …: why`.
fn told(channel: &WarningChannel) -> String {
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

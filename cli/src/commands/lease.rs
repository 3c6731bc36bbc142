//! `lease`: list, show, renew and end leases.

use broker_protocol::api::{LeaseList, LeaseView, ProxyView, RenewRequest, Revoked, TokenEnd};
use broker_protocol::client::{MAX_WHOLE_ANSWER, Request};
use broker_protocol::names::{Delivery, LeaseId};

use crate::account;
use crate::args::LeaseCommand;
use crate::broker::Broker;
use crate::clock;
use crate::commands::purpose;
use crate::error::Failure;
use crate::ui::{self, List, Table};

pub(crate) fn run(broker: &Broker, command: LeaseCommand, json: bool) -> Result<(), Failure> {
    match command {
        LeaseCommand::List => ui::answer(&broker.list("/v1/leases")?, json, list),
        LeaseCommand::Show { lease } => {
            ui::answer(&broker.get(&format!("/v1/leases/{lease}"))?, json, show)
        }
        LeaseCommand::Renew { lease, ttl } => {
            let ttl = ttl.map(|ttl| ttl.as_secs());
            let path = format!("/v1/leases/{lease}/renew");
            ui::answer(&broker.post(&path, &RenewRequest { ttl })?, json, show)
        }
        LeaseCommand::Revoke { leases, all } => {
            let leases = if all {
                let live: LeaseList = broker.read_list("/v1/leases")?;
                live.leases.into_iter().map(|view| view.lease).collect()
            } else {
                leases
            };
            revoke(broker, &leases, json)
        }
    }
}

fn list(list: LeaseList) -> Result<(), Failure> {
    let mut table = List::of(&list.leases)
        .column("LEASE", |lease| &lease.lease)
        .column("PURPOSE", |lease| &lease.purpose)
        .column("ACCOUNT", |lease| account::name(lease.uid))
        .column("ENDS", |lease| {
            clock::relative(lease.expires_at, clock::now())
        })
        .column("DELIVER", |lease| lease.deliver.as_str())
        .column("ENFORCED BY", |lease| lease.enforced_by.as_str())
        .column("SECRET", |lease| &lease.secret);
    if list.leases.iter().any(|lease| lease.proxy.is_some()) {
        table = table.column("REQUESTS", |lease| {
            ui::or_dash(lease.proxy.as_ref().map(requests))
        });
    }
    table.print_or("no live leases")
}

/// What a proxy lease was used for, in one line.
fn requests(proxy: &ProxyView) -> String {
    let mut text = format!("{} passed on", proxy.requests);
    if proxy.refused_by_github > 0 {
        text.push_str(&format!(" ({} refused by GitHub)", proxy.refused_by_github));
    }
    if proxy.refused > 0 {
        text.push_str(&format!(", {} refused by the broker", proxy.refused));
    }
    text
}

fn show(lease: LeaseView) -> Result<(), Failure> {
    let mut table = Table::of_fields();
    table.field("lease", &lease.lease);
    table.field("purpose", &lease.purpose);
    table.field("secret", &lease.secret);
    table.field("rule", &lease.rule);
    table.field("deliver", lease.deliver.as_str());
    table.field("enforced by", lease.enforced_by.as_str());
    purpose::scope(
        &mut table,
        &lease.repositories,
        lease.organization.as_ref(),
        &lease.permissions,
    );
    table.field("account", account::name(lease.uid));
    table.field("issued", clock::short(lease.issued_at));
    table.field("ends", clock::moment(lease.expires_at));
    table.field("renewable until", clock::short(lease.renewable_until));
    table.field("audit record", lease.audit_seq);
    if let Some(rate) = &lease.rate_limit {
        table.field(
            "left at GitHub",
            format_args!(
                "{} of {} requests, until {}",
                rate.remaining,
                rate.limit,
                clock::short(rate.reset_at)
            ),
        );
    }
    if let Some(proxy) = &lease.proxy {
        used(&mut table, proxy);
    }
    table.print()?;
    if lease.deliver == Delivery::Raw {
        ui::note("raw: revoking this lease changes nothing at GitHub; only a rotation does");
    }
    Ok(())
}

/// Adds where a proxy token is honoured, and what became of the requests with it.
fn used(table: &mut Table, proxy: &ProxyView) {
    table.field("socket", &proxy.socket);
    table.field("address", &proxy.api);
    table.field(
        "passed on to GitHub",
        format_args!("{} since the broker started", proxy.requests),
    );
    table.field("refused by GitHub", proxy.refused_by_github);
    let last = proxy.last_refusal.as_ref();
    let last = last.map_or_else(String::new, |why| format!("; the last one: {why}"));
    table.field(
        "refused by the broker",
        format_args!("{}{last}", proxy.refused),
    );
}

/// Revokes each; goes on after one that could not be revoked, and fails at the end.
fn revoke(broker: &Broker, leases: &[LeaseId], json: bool) -> Result<(), Failure> {
    let mut failed = None;
    for lease in leases {
        // A token that other leases share is revoked too.
        let path = format!("/v1/leases/{lease}?at_once=true");
        let request = Request::new("DELETE", &path).longest(MAX_WHOLE_ANSWER);
        match broker.send(&request) {
            Ok(answer) => ui::answer(&answer, json, report)?,
            Err(failure) => {
                if let Some(before) = failed.replace(failure) {
                    ui::failure(&before);
                }
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

fn report(revoked: Revoked) -> Result<(), Failure> {
    ui::line(format_args!("lease {} revoked", revoked.lease))?;
    for other in &revoked.also_ended {
        ui::line(format_args!(
            "lease {other} was revoked too: it shared the token"
        ))?;
    }
    match revoked.token {
        Some(TokenEnd::Revoked) => ui::line("its token is revoked at GitHub")?,
        Some(TokenEnd::Shared) => ui::note("its token stays valid: other leases share it"),
        Some(TokenEnd::Pending) => ui::warning(
            "GitHub has not confirmed yet that its token is revoked; the broker retries until it has, and the token expires within the hour",
        ),
        None => {}
    }
    if let Some(warning) = &revoked.warning {
        ui::warning(warning);
    }
    if !revoked.recorded {
        ui::warning("the audit log cannot be written: the revocation is recorded once it can");
    }
    Ok(())
}

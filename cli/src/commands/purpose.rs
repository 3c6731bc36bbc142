//! `purpose`: what a caller may ask for.

use std::fmt::Display;
use std::time::Duration;

use broker_protocol::api::{FallbackView, PurposeList, PurposeView};
use broker_protocol::duration;
use broker_protocol::names::{Delivery, OrgName, Permissions, Purpose, RepoPattern};

use crate::args::PurposeCommand;
use crate::broker::Broker;
use crate::error::Failure;
use crate::ui::{self, List, Table};

pub(crate) fn run(broker: &Broker, command: PurposeCommand, json: bool) -> Result<(), Failure> {
    match command {
        PurposeCommand::List => ui::answer(&broker.list(PURPOSES)?, json, list),
        PurposeCommand::Show { purpose } => show(broker, &purpose, json),
    }
}

fn list(list: PurposeList) -> Result<(), Failure> {
    List::of(&list.purposes)
        .column("PURPOSE", |view| &view.purpose)
        .column("DELIVER", |view| view.deliver.as_str())
        .column("TTL", |view| span(view.ttl_default))
        .column("RULE", |view| {
            view.rule.as_deref().unwrap_or("none for you")
        })
        .text("ABOUT", |view| view.about.as_deref().unwrap_or_default())
        .print_or("no rule allows you any purpose")
}

fn show(broker: &Broker, purpose: &Purpose, json: bool) -> Result<(), Failure> {
    let list: PurposeList = broker.read_list(PURPOSES)?;
    let Some(view) = list.purposes.into_iter().find(|v| v.purpose == *purpose) else {
        return Err(Failure::with_hint(
            format!("no rule allows you the purpose `{purpose}`"),
            "`tokenctl purpose list` shows those that are",
        ));
    };
    if json {
        return ui::print_json(&view);
    }
    print(&view)
}

fn print(view: &PurposeView) -> Result<(), Failure> {
    let mut table = Table::of_fields();
    table.field("purpose", &view.purpose);
    table.field("about", view.about.as_deref().unwrap_or("-"));
    table.field("secret", &view.secret);
    table.field("deliver", view.deliver.as_str());
    if let Some(FallbackView { secret, deliver }) = &view.fallback {
        table.field("fallback", format_args!("{secret}, {}", deliver.as_str()));
    }
    table.field("rule", view.rule.as_deref().unwrap_or("none for you"));
    scope(
        &mut table,
        &view.repositories,
        view.organization.as_ref(),
        &view.permissions,
    );
    table.field(
        "ttl",
        format_args!("{}, at most {}", span(view.ttl_default), span(view.ttl_max)),
    );
    table.print()?;
    if view.deliver == Delivery::Proxy {
        ui::note(format_args!(
            "proxy: the token works only through the broker: under `tokenctl exec {} -- COMMAND`, or over \
             its socket, as `tokenctl get` shows",
            view.purpose
        ));
    } else if view.deliver == Delivery::Raw {
        ui::note("raw: you get the stored token itself, which is not limited to the scope above");
    } else if let Some(FallbackView { secret, .. }) = &view.fallback {
        ui::note(format_args!(
            "where `{}` is missing, expired or not installed, you get the stored token `{secret}` \
             itself, which is not limited to the scope above",
            view.secret
        ));
    }
    Ok(())
}

/// Adds what access is for.
pub(crate) fn scope(
    table: &mut Table,
    repositories: &[RepoPattern],
    organization: Option<&OrgName>,
    permissions: &Permissions,
) {
    table.field("repositories", joined(repositories));
    if let Some(organization) = organization {
        table.field("organisation", organization);
    }
    let pairs: Vec<String> = permissions
        .iter()
        .map(|(name, level)| format!("{name}={}", level.as_str()))
        .collect();
    table.field("permissions", joined(&pairs));
}

/// The items with commas between them, or a dash.
pub(crate) fn joined(items: &[impl Display]) -> String {
    if items.is_empty() {
        return "-".to_owned();
    }
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(", ")
}

/// Seconds in the form of a policy, such as `15m`.
pub(crate) fn span(seconds: u64) -> String {
    duration::format(Duration::from_secs(seconds))
}

/// Where purposes are listed.
pub(crate) const PURPOSES: &str = "/v1/purposes";

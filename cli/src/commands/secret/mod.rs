//! `secret`: declare, store, show and remove what the broker holds.
//!
//! A value comes from the terminal or stdin, goes straight to the broker, and is never shown.

mod add;

use broker_protocol::api::{SecretSet, SecretView, SetSecret, UndoSecret};
use broker_protocol::client::Request;
use broker_protocol::counted::counted;
use broker_protocol::names::SecretName;
use jiff::Timestamp;
use zeroize::Zeroize as _;

use crate::account;
use crate::args::{Format, SecretCommand};
use crate::broker::{Broker, PATIENCE};
use crate::clock;
use crate::commands::purpose::{joined, span};
use crate::commands::registry::{deadline, state};
use crate::commands::{check, moving, registry, sinks};
use crate::error::Failure;
use crate::secret_text::SecretText;
use crate::ui::{self, Table, or_dash};

pub(crate) fn run(broker: &Broker, command: SecretCommand, json: bool) -> Result<(), Failure> {
    match command {
        SecretCommand::Add(add) => add::run(broker, &add, json),
        SecretCommand::Set {
            name,
            undo,
            expires,
            no_check,
        } => {
            let check = wanted(no_check);
            let set = if undo {
                self::undo(broker, &name, check)?
            } else {
                let value = SecretText::read(&format!("Value of {name}"))?;
                store(broker, &name, &value, expires, check)?
            };
            report(&set, json)
        }
        SecretCommand::List { format } => {
            let format = if json { Some(Format::Json) } else { format };
            registry::run(broker, format.unwrap_or(Format::Table))
        }
        SecretCommand::Check { names } => check::run(broker, names, json),
        SecretCommand::Show { name } => {
            ui::answer(&broker.get(&format!("{SECRETS}/{name}"))?, json, show)
        }
        SecretCommand::Move(asked) => moving::run(broker, &asked, json),
        SecretCommand::Sinks { name, push } => sinks::show(broker, name, push, json),
        SecretCommand::Revoke { name, now: _ } => sinks::revoke(broker, &name, json),
        SecretCommand::Remove { name, yes } => remove(broker, &name, yes, json),
    }
}

/// Whether the broker checks a new value: as configured, or not.
fn wanted(no_check: bool) -> Option<bool> {
    no_check.then_some(false)
}

/// Stores a new version of a value. `check` is whether it is checked at once, if that is said.
pub(crate) fn store(
    broker: &Broker,
    name: &SecretName,
    value: &SecretText,
    expires_at: Option<Timestamp>,
    check: Option<bool>,
) -> Result<SecretSet, Failure> {
    let path = format!("/v1/secrets/{name}");
    let mut body = SetSecret {
        value: value.expose().to_owned(),
        expires_at,
        check,
    };
    // A rotation or a move of it that asks elsewhere comes first.
    let request = Request::new("PUT", &path).patience(PATIENCE).json(&body);
    body.value.zeroize();
    // To the broker, which seals it.
    Ok(broker.send_secret(&request?)?.json()?)
}

/// Stores the previous value again, as a new version.
fn undo(broker: &Broker, name: &SecretName, check: Option<bool>) -> Result<SecretSet, Failure> {
    // A second request would undo the first, so this waits for the answer like any change.
    let path = format!("{SECRETS}/{name}/undo");
    let request = Request::new("POST", &path).patience(PATIENCE);
    Ok(broker.send(&request.json(&UndoSecret { check })?)?.json()?)
}

fn report(set: &SecretSet, json: bool) -> Result<(), Failure> {
    if json {
        ui::print_json(set)?;
    } else {
        let checked = set.check.as_ref();
        let checked = checked.map_or_else(String::new, |check| {
            format!(", and checked: {}", check::headline(check))
        });
        let again = set.restores.map_or_else(String::new, |before| {
            format!(", a copy of version {before}")
        });
        ui::line(format_args!(
            "{} is stored as version {}{again}{checked}",
            set.name, set.version
        ))?;
    }
    set.warnings.iter().for_each(ui::warning);
    Ok(())
}

fn show(secret: SecretView) -> Result<(), Failure> {
    let mut table = Table::of_fields();
    table.field("secret", &secret.name);
    table.field("state", state(&secret));
    check::field(&mut table, &secret);
    table.field("deadline", deadline(&secret));
    table.field("kind", or_dash(secret.kind));
    table.field("owner", or_dash(secret.owner));
    table.field("scopes", joined(&secret.scopes));
    table.field("source", &secret.source);
    if let Some(fault) = &secret.source_fault {
        let read = secret.source_read_at;
        table.field(read.map_or("no value", |_| "source"), fault);
    }
    if let Some(read) = secret.source_read_at {
        let stale = secret.stale_since.map_or_else(String::new, |since| {
            format!(", past its time since {}", clock::short(since))
        });
        table.field("read", format_args!("{}{stale}", clock::short(read)));
    }
    if let Some(moving) = &secret.moving {
        table.field(
            "move",
            format_args!(
                "{} from {} to {}, since {}",
                moving.step.as_str(),
                moving.from,
                moving.to,
                clock::short(moving.begun_at)
            ),
        );
    }
    table.field("purposes", joined(&secret.purposes));
    table.field("rotate every", or_dash(secret.rotate_every.map(span)));
    table.field("rate floor", or_dash(secret.rate_floor));
    table.field("version", or_dash(secret.version));
    table.field("created", or_dash(secret.created_at.map(clock::short)));
    table.field("set", or_dash(secret.set_at.map(clock::short)));
    table.field("expires", or_dash(secret.expires_at.map(clock::short)));
    table.field("last used", or_dash(secret.last_used.map(clock::short)));
    table.field("hashed credential", or_dash(secret.hashed_credential));
    for exposed in &secret.exposed_to {
        table.field(
            "exposed to",
            format_args!(
                "{} for {}, {}, last {}",
                account::name(exposed.uid),
                exposed.purpose,
                counted(exposed.leases, "lease"),
                clock::short(exposed.last)
            ),
        );
    }
    table.print()?;
    let findings = secret.check.and_then(|check| check.findings);
    for finding in findings.iter().flatten() {
        check::line_of(finding)?;
    }
    Ok(())
}

fn remove(broker: &Broker, name: &SecretName, yes: bool, json: bool) -> Result<(), Failure> {
    if !yes {
        if !ui::stdin_is_terminal() {
            return Err(Failure::Usage(format!(
                "this erases every value of {name} from the vault; pass --yes"
            )));
        }
        if !ui::ask_yes(&format!("Erase every value of {name} from the vault?"))? {
            return Err(Failure::new("nothing was erased"));
        }
    }
    let path = format!("/v1/secrets/{name}");
    broker.send(&Request::new("DELETE", &path).patience(PATIENCE))?;
    if json {
        ui::print_json(&serde_json::json!({"secret": name, "erased": true}))?;
    } else {
        ui::line(format_args!("{name} is erased from the vault"))?;
    }
    ui::note("its declaration stays in the policies, and the token keeps working at GitHub");
    Ok(())
}

/// Where secrets are listed.
pub(crate) const SECRETS: &str = "/v1/secrets";

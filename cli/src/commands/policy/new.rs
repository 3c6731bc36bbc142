//! `policy new`: the file of a purpose that has none.

use std::io::ErrorKind;
use std::time::Duration;

use broker_protocol::names::{Delivery, Permissions};

use super::{Written, about, by_hand, lease_ends, lines_to_add};
use crate::args::{Kind, PolicyNew};
use crate::broker::Broker;
use crate::commands::daemon;
use crate::error::Failure;
use crate::policy_dir::PolicyDir;
use crate::policy_file::NewFiles;
use crate::purpose_file::{DEFAULT_TTL, NewPurpose};
use crate::rule_for::RuleFor;
use crate::ui;

pub(crate) fn new(broker: &Broker, new: &PolicyNew, json: bool) -> Result<(), Failure> {
    let purpose = &new.purpose;
    let allow: Vec<RuleFor> = new.allow.iter().cloned().map(RuleFor::User).collect();
    for rule in &allow {
        rule.require_existing()?;
    }
    let dir = PolicyDir::read(&broker.places.policies)?;
    if let Some(there) = dir.purpose(purpose) {
        return Err(Failure::with_hint(
            format!(
                "purpose `{purpose}` exists already: {}",
                there.path.display()
            ),
            format!(
                "`tokenctl policy allow {purpose} --user NAME` adds a rule; edit the file for anything else, \
                 then run `tokenctl policy reload`"
            ),
        ));
    }
    let deliver = match (new.deliver, dir.kind(&new.secret)?) {
        (Some(deliver), _) => deliver.into(),
        (None, Kind::App) => Delivery::Installation,
        (None, Kind::Classic | Kind::FineGrained) => Delivery::Proxy,
    };
    let permissions: Permissions = new.permissions.iter().cloned().collect();
    let text = NewPurpose {
        purpose,
        about: new.about.as_deref().unwrap_or_default(),
        secret: &new.secret,
        repositories: &new.repositories,
        organization: new.organization.as_ref(),
        permissions: &permissions,
        deliver,
        ttl: (new.ttl, longest(new)),
        allow: &allow,
    };
    write(broker, new, &text.text(), json)?;
    if allow.is_empty() && !json {
        ui::note(format_args!(
            "no one may use it yet: `tokenctl policy allow {purpose} --user NAME`"
        ));
    }
    Ok(())
}

fn longest(new: &PolicyNew) -> Duration {
    new.max_ttl.unwrap_or_else(|| new.ttl.max(DEFAULT_TTL.1))
}

fn write(broker: &Broker, new: &PolicyNew, text: &str, json: bool) -> Result<(), Failure> {
    let name = format!("{}.toml", new.purpose);
    let path = broker.places.policies.join(&name);
    let mut files = NewFiles::new();
    match files.write(&path, text) {
        Err(Failure::File { source, .. })
            if matches!(
                source.kind(),
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            let put = lines_to_add(text, json)?;
            let command = format!("new {} …", new.purpose);
            return Err(by_hand(broker, &path, &source, &put, &command));
        }
        written => written?,
    }
    let (in_force, warnings) = match broker.reload() {
        Err(none) if none.is_no_broker() => {
            let checked = files.keep_if(|| daemon::check_policies(&broker.places))?;
            (false, checked)
        }
        answer => {
            let loaded = files.keep_if_loaded(broker, answer)?;
            lease_ends(&loaded);
            (true, loaded.warnings)
        }
    };
    let written = Written {
        purpose: &new.purpose,
        file: path.display().to_string(),
        changed: true,
        in_force,
        warnings: about(&name, warnings),
    };
    written.report("wrote", json)
}

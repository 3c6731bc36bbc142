//! `secret sinks` and `secret revoke`: where else a value is kept, and its end everywhere.

use broker_protocol::api::SecretList;
use broker_protocol::counted::counted;
use broker_protocol::names::SecretName;
use broker_protocol::rotation::{SecretRevoked, SinkList, SinkStatus};

use super::secret::SECRETS;
use crate::broker::Broker;
use crate::clock;
use crate::error::Failure;
use crate::ui::{self, List, or_dash};

/// Shows the sinks of one secret or of all; with `push`, writes those first that lack the value in use.
pub(crate) fn show(
    broker: &Broker,
    name: Option<SecretName>,
    push: bool,
    json: bool,
) -> Result<(), Failure> {
    let names = match name {
        Some(name) => vec![name],
        None => {
            let list: SecretList = broker.read_list(SECRETS)?;
            let declared = list.secrets.into_iter().filter(|secret| secret.declared);
            declared.map(|secret| secret.name).collect()
        }
    };
    let mut all = SinkList { sinks: Vec::new() };
    for name in names {
        let path = format!("{SECRETS}/{name}/sinks");
        let mut list: SinkList = broker.read(&path)?;
        if push && list.sinks.iter().any(|s| s.state != SinkStatus::Current) {
            list = broker.act(&format!("{path}/push"))?.json()?;
        }
        all.sinks.extend(list.sinks);
    }
    if json {
        ui::print_json(&all)?;
    } else {
        List::of(&all.sinks)
            .column("SECRET", |sink| &sink.secret)
            .column("SINK", |sink| &sink.sink)
            .column("STATE", |sink| sink.state.as_str())
            .column("UPDATED AT GITHUB", |sink| {
                or_dash(sink.updated_at.map(clock::short))
            })
            .column("WITH", |sink| &sink.with)
            .text("WHY", |sink| sink.failure.as_deref().unwrap_or_default())
            .print_or("no sinks; `[[secret.NAME.sinks]]` in a policy file declares one")?;
    }
    let mut failed = all.sinks.iter().filter_map(|sink| sink.failure.as_deref());
    match failed.next() {
        Some(why) if push => Err(Failure::Upstream(why.to_owned())),
        _ => Ok(()),
    }
}

/// Ends every value of a secret at GitHub, now.
pub(crate) fn revoke(broker: &Broker, name: &SecretName, json: bool) -> Result<(), Failure> {
    let answer = broker.act(&format!("{SECRETS}/{name}/revoke"))?;
    let revoked: SecretRevoked = answer.json()?;
    if json {
        ui::json(&answer.body)?;
    } else {
        let state = if revoked.dead {
            "revoked: GitHub rejects it, and it is erased here"
        } else {
            "not revoked yet: GitHub still accepts it"
        };
        ui::line(format_args!(
            "{name} is {state}; revoked with it: {}",
            counted(revoked.leases_ended, "lease")
        ))?;
    }
    for sink in &revoked.sinks {
        ui::warning(format_args!("it is still in the {sink}"));
    }
    let todo = revoked.todo.join("; ");
    if revoked.dead {
        ui::note(todo);
        Ok(())
    } else {
        Err(Failure::Waiting(todo))
    }
}

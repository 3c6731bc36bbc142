//! `lock --revoke`: the kill switch, what it ended, and what it could not end.

use std::collections::BTreeMap;

use broker_protocol::api::{Lock, Locked, RevokedAll};
use broker_protocol::names::{Delivery, Purpose, SecretName};

use crate::broker::Broker;
use crate::clock;
use crate::error::Failure;
use crate::ui::{self, Table};

/// Locks the store and ends all that was handed out. Fails with 75 if some of it ends later.
pub(crate) fn run(broker: &Broker, json: bool) -> Result<(), Failure> {
    let begun = clock::now();
    let answer = broker.post("/v1/lock", &Lock { revoke: true })?;
    let locked: Locked = answer.json()?;
    let Some(revoked) = locked.revoked else {
        return Err(Failure::new(
            "the broker is older than this tokenctl: it locked the store, and leases stay valid; revoke them with `tokenctl lease revoke --all`"
                .to_owned(),
        ));
    };
    if json {
        ui::json(&answer.body)?;
    } else {
        report(&revoked)?;
        ui::line(format_args!(
            "to see what was done: `tokenctl audit search --kind lease.revoked --since {begun:.0}`, and with \
             `--kind token` for what GitHub confirmed"
        ))?;
    }
    if !revoked.recorded {
        ui::warning("the audit log cannot be written: the revocations are recorded once it can");
    }
    match (revoked.tokens_pending.len(), revoked.leases_at_unlock) {
        (0, 0) => Ok(()),
        (tokens, leases) => Err(Failure::Later(later(tokens, leases))),
    }
}

fn report(revoked: &RevokedAll) -> Result<(), Failure> {
    ui::line("locked: no lease until `tokenctl unlock`")?;
    let rows = rows(revoked);
    if rows.is_empty() {
        return ui::line("there was no live lease and no valid token");
    }
    let headings = [
        "SECRET",
        "PURPOSE",
        "UID",
        "DELIVER",
        "LEASES ENDED",
        "AT GITHUB",
    ];
    let mut table = Table::new(&headings);
    for ((secret, purpose, uid, deliver), row) in &rows {
        table.row([
            secret.to_string(),
            purpose.to_string(),
            uid.to_string(),
            (*deliver).to_owned(),
            row.leases.to_string(),
            row.at_github(deliver),
        ]);
    }
    table.print()?;
    for held in &revoked.raw {
        ui::warning(format_args!(
            "uid {} still holds `{}` itself, for `{}`. To make it invalid: {}",
            held.uid, held.secret, held.purpose, held.hint
        ));
    }
    Ok(())
}

type Key<'a> = (&'a SecretName, &'a Purpose, u32, &'static str);

#[derive(Default)]
struct Ends {
    leases: usize,
    dead: usize,
    pending: usize,
}

impl Ends {
    fn at_github(&self, deliver: &str) -> String {
        match (self.dead, self.pending) {
            (0, 0) if deliver == Delivery::Raw.as_str() => "still valid".to_owned(),
            (0, 0) => "no token".to_owned(),
            (dead, 0) => format!("{dead} dead"),
            (0, pending) => format!("{pending} pending"),
            (dead, pending) => format!("{dead} dead, {pending} pending"),
        }
    }
}

fn rows(revoked: &RevokedAll) -> BTreeMap<Key<'_>, Ends> {
    let mut rows = BTreeMap::<Key<'_>, Ends>::new();
    for lease in &revoked.leases {
        let key = (
            &lease.secret,
            &lease.purpose,
            lease.uid,
            lease.deliver.as_str(),
        );
        rows.entry(key).or_default().leases += 1;
    }
    let minted = Delivery::Installation.as_str();
    for token in &revoked.tokens_ended {
        let key = (&token.secret, &token.purpose, token.uid, minted);
        rows.entry(key).or_default().dead += 1;
    }
    for token in &revoked.tokens_pending {
        let key = (&token.secret, &token.purpose, token.uid, minted);
        rows.entry(key).or_default().pending += 1;
    }
    rows
}

fn later(tokens: usize, leases: u64) -> String {
    let tokens = (tokens > 0).then(|| {
        format!(
            "GitHub has not confirmed the revocation of {tokens} installation {}, which the broker retries after the next `tokenctl unlock`, and which {} within the hour",
            if tokens == 1 { "token" } else { "tokens" },
            if tokens == 1 { "ends by itself" } else { "end by themselves" },
        )
    });
    let leases = (leases > 0).then(|| {
        format!(
            "leases from before the last start, {leases} by the log, are revoked at the next unlock: this broker has \
             not been unlocked since"
        )
    });
    let both: Vec<String> = tokens.into_iter().chain(leases).collect();
    both.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_said_in_one_line() {
        let one = later(1, 0);
        assert!(
            one.contains("1 installation token,") && one.contains("ends by itself"),
            "{one}"
        );
        let both = later(2, 3);
        assert!(
            both.contains("2 installation tokens,") && both.contains("3 by the log"),
            "{both}"
        );
    }
}

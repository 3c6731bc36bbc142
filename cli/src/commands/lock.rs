//! `lock` and `unlock`: forget the root key, and load it again. `lock --revoke`: the kill switch, what it
//! ended, and what it could not end.

use std::collections::BTreeMap;

use broker_protocol::api::{
    EndedLease, EndedToken, Health, Lock, Locked, RevokedAll, Status, Unlock as UnlockBody,
};
use broker_protocol::client::Request;
use broker_protocol::names::{Delivery, Purpose, SecretName};
use zeroize::Zeroize as _;

use crate::account;
use crate::args::Unlock;
use crate::broker::Broker;
use crate::clock;
use crate::error::Failure;
use crate::passphrase;
use crate::secret_text;
use crate::ui::{self, List};

/// Makes the broker forget the root key.
pub(crate) fn lock(broker: &Broker, json: bool) -> Result<(), Failure> {
    let answer = broker.send(&Request::new("POST", "/v1/lock"))?;
    ui::answer(&answer, json, |_: Locked| {
        ui::line("locked: no lease until `tokenctl unlock`")
    })
}

/// Makes the broker load the root key again: from a passphrase where that is its source or one was
/// asked for, otherwise from its key file, credential or keyring.
pub(crate) fn unlock(broker: &Broker, how: &Unlock, json: bool) -> Result<(), Failure> {
    let by_passphrase = how.passphrase || {
        let status: Status = broker.read("/v1/status")?;
        status.broker.is_some_and(|b| b.root_key == "passphrase")
    };
    let read = || passphrase::known(secret_text::ask("Passphrase")?, "passphrase");
    let typed = by_passphrase.then(read).transpose()?;
    let mut body = UnlockBody {
        passphrase: typed.map(|mut text| std::mem::take(&mut *text)),
    };
    let request = Request::new("POST", "/v1/unlock").json(&body);
    body.passphrase.zeroize();
    // To the broker, which unwraps the root key with it.
    let answer = broker.send_secret(&request?)?;
    ui::answer(&answer, json, |_: Health| ui::line("unlocked"))
}

/// Locks the store and ends all that was handed out. Fails with 75 if some of it ends later.
pub(crate) fn lock_and_revoke(broker: &Broker, json: bool) -> Result<(), Failure> {
    let begun = clock::now();
    let answer = broker.post("/v1/lock", &Lock { revoke: true })?;
    let locked: Locked = answer.json()?;
    let Some(revoked) = locked.revoked else {
        return Err(Failure::new(
            "the broker is older than this tokenctl: it locked the store, and leases stay valid; revoke them with `tokenctl lease revoke --all`",
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
    let rows: Vec<_> = rows(revoked).into_iter().collect();
    if rows.is_empty() {
        return ui::line("there was no live lease and no valid token");
    }
    List::of(&rows)
        .column("SECRET", |((secret, ..), _)| secret)
        .column("PURPOSE", |((_, purpose, ..), _)| purpose)
        .column("ACCOUNT", |((_, _, uid, _), _)| account::name(*uid))
        .column("DELIVER", |((.., deliver), _)| deliver.as_str())
        .column("LEASES ENDED", |(_, ends)| ends.leases)
        .column("AT GITHUB", |((.., deliver), ends)| {
            ends.at_github(*deliver)
        })
        .print()?;
    for held in &revoked.raw {
        ui::warning(format_args!(
            "{} still holds `{}` itself, for `{}`. To make it invalid: {}",
            account::name(held.uid),
            held.secret,
            held.purpose,
            held.hint
        ));
    }
    Ok(())
}

type Key<'a> = (&'a SecretName, &'a Purpose, u32, Delivery);

#[derive(Default)]
struct Ends {
    leases: usize,
    revoked: usize,
    pending: usize,
}

impl Ends {
    fn at_github(&self, deliver: Delivery) -> String {
        match (self.revoked, self.pending) {
            (0, 0) if deliver == Delivery::Raw => "still valid".to_owned(),
            (0, 0) => "no token".to_owned(),
            (revoked, 0) => format!("{revoked} revoked"),
            (0, pending) => format!("{pending} pending"),
            (revoked, pending) => format!("{revoked} revoked, {pending} pending"),
        }
    }
}

fn rows(revoked: &RevokedAll) -> BTreeMap<Key<'_>, Ends> {
    let mut rows = BTreeMap::<Key<'_>, Ends>::new();
    for lease in &revoked.leases {
        let key = (&lease.secret, &lease.purpose, lease.uid, lease.deliver);
        rows.entry(key).or_default().leases += 1;
    }
    for token in &revoked.tokens_ended {
        rows.entry(key(revoked, token)).or_default().revoked += 1;
    }
    for token in &revoked.tokens_pending {
        rows.entry(key(revoked, token)).or_default().pending += 1;
    }
    rows
}

/// With the leases that it was minted for: they had it, or the broker had it for them.
fn key<'a>(revoked: &'a RevokedAll, token: &'a EndedToken) -> Key<'a> {
    let of_token = |lease: &&EndedLease| {
        (&lease.secret, &lease.purpose, lease.uid) == (&token.secret, &token.purpose, token.uid)
    };
    let mut leases = revoked.leases.iter().filter(of_token);
    let deliver = if leases.any(|lease| lease.deliver == Delivery::Proxy) {
        Delivery::Proxy
    } else {
        Delivery::Installation
    };
    (&token.secret, &token.purpose, token.uid, deliver)
}

fn later(tokens: usize, leases: u64) -> String {
    let mut left = Vec::new();
    if tokens > 0 {
        let (which, end) = match tokens {
            1 => ("token", "expires by itself"),
            _ => ("tokens", "expire by themselves"),
        };
        left.push(format!(
            "GitHub has not confirmed the revocation of {tokens} installation {which}, which the broker retries after the next `tokenctl unlock`, and which {end} within the hour"
        ));
    }
    if leases > 0 {
        left.push(format!(
            "leases from before the last start, {leases} by the log, are revoked at the next unlock: this broker has \
             not been unlocked since"
        ));
    }
    left.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_is_said_in_one_line() {
        let one = later(1, 0);
        assert!(
            one.contains("1 installation token,") && one.contains("expires by itself"),
            "{one}"
        );
        let both = later(2, 3);
        assert!(
            both.contains("2 installation tokens,") && both.contains("3 by the log"),
            "{both}"
        );
    }

    #[test]
    fn a_token_stands_with_the_leases_that_it_was_minted_for() {
        let purposes = [("import", "installation"), ("sync", "proxy")];
        let leases = purposes.map(|(purpose, deliver)| {
            let lease = "0".repeat(32);
            json!({"lease": lease, "purpose": purpose, "secret": "app", "uid": 7, "deliver": deliver})
        });
        let tokens = purposes.map(|(purpose, _)| {
            json!({
                "hashed_token": "x", "secret": "app", "purpose": purpose, "uid": 7,
                "installation": 1, "expires_at": "2026-11-21T08:00:00Z"
            })
        });
        let revoked: RevokedAll = serde_json::from_value(json!({
            "leases": leases, "tokens_ended": tokens, "tokens_pending": [], "raw": [],
            "leases_at_unlock": 0, "recorded": true
        }))
        .unwrap();
        let rows = rows(&revoked);
        let said = rows
            .iter()
            .map(|((.., deliver), ends)| (ends.leases, ends.at_github(*deliver)));
        assert_eq!(
            said.collect::<Vec<_>>(),
            [(1, "1 revoked".to_owned()), (1, "1 revoked".to_owned())]
        );
    }
}

//! Which records `audit search` finds.
//!
//! A record of a request under a lease names the lease and not its purpose, secret or caller: its grant does. So
//! the whole log is read, also where records before some moment are not wanted.

use std::collections::HashSet;

use jiff::Timestamp;
use serde_json::Value;

use super::{Who, who};
use crate::account;
use crate::args::Wanted;
use crate::error::Failure;

/// A search, and what it has seen so far.
pub(crate) struct Search {
    wanted: Wanted,
    caller: Option<CallerWanted>,
    /// Leases whose grant is for the purpose, the secret and the caller that are wanted.
    leases: HashSet<String>,
}

/// Who must have asked or acted.
enum CallerWanted {
    Account(u32),
    /// A system unit or a program.
    Named(String),
    /// A unit of an account's own manager. The account chooses the name, so that no other kind matches it.
    UserUnit(String),
}

impl Search {
    /// Looks the caller's name up.
    pub(crate) fn new(mut wanted: Wanted) -> Result<Self, Failure> {
        let caller = wanted.caller.take().map(CallerWanted::parse).transpose()?;
        let leases = HashSet::new();
        Ok(Self {
            wanted,
            caller,
            leases,
        })
    }

    /// Whether the next record is what the options ask for; one that cannot be read is not.
    pub(crate) fn finds(&mut self, line: &[u8]) -> bool {
        let Ok(record) = serde_json::from_slice::<Value>(line) else {
            return false;
        };
        self.note_grants(&record);
        let text = |name: &str| record.get(name).and_then(Value::as_str);
        let w = &self.wanted;
        let time = || text("time").and_then(|time| time.parse::<Timestamp>().ok());
        let of_lease = text("lease").is_some_and(|lease| self.leases.contains(lease));
        self.names_all(&record, of_lease)
            && w.lease
                .as_ref()
                .is_none_or(|lease| text("lease") == Some(lease.as_str()))
            && w.kind.as_deref().is_none_or(|kind| {
                let rest = text("kind").and_then(|have| have.strip_prefix(kind));
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
            && w.since
                .is_none_or(|since| time().is_some_and(|at| at >= since))
            && w.until
                .is_none_or(|until| time().is_some_and(|at| at < until))
    }

    /// Whether the record names the purpose, the secret and the caller that are wanted. What it does not name at all
    /// is its lease's.
    fn names_all(&self, record: &Value, of_lease: bool) -> bool {
        let names = |field: &str, wanted: Option<&str>| match (wanted, record.get(field)) {
            (None, _) => true,
            (Some(wanted), Some(has)) => has.as_str() == Some(wanted),
            (Some(_), None) => of_lease,
        };
        let w = &self.wanted;
        names("purpose", w.purpose.as_ref().map(|name| name.as_str()))
            && names("secret", w.secret.as_ref().map(|name| name.as_str()))
            && match (&self.caller, who(record)) {
                (None, _) => true,
                (Some(wanted), Some(who)) => wanted.is(&who),
                (Some(_), None) => of_lease,
            }
    }

    fn note_grants(&mut self, record: &Value) {
        let w = &self.wanted;
        if w.purpose.is_none() && w.secret.is_none() && self.caller.is_none() {
            return;
        }
        let kind = record.get("kind").and_then(Value::as_str);
        match kind {
            Some("lease.granted" | "lease.renewed") => self.note_grant(record),
            // A log whose earlier segments are gone begins with the leases that were live.
            Some("leases.open") => {
                let bodies = record.get("leases").and_then(Value::as_array);
                for body in bodies.into_iter().flatten().filter_map(Value::as_str) {
                    if let Ok(grant) = serde_json::from_str(&format!("{{{body}")) {
                        self.note_grant(&grant);
                    }
                }
            }
            _ => {}
        }
    }

    fn note_grant(&mut self, grant: &Value) {
        if let Some(lease) = grant.get("lease").and_then(Value::as_str)
            && self.names_all(grant, false)
        {
            self.leases.insert(lease.to_owned());
        }
    }
}

impl CallerWanted {
    fn parse(text: String) -> Result<Self, Failure> {
        if let Ok(uid) = text.parse() {
            return Ok(Self::Account(uid));
        }
        if let Some(unit) = text.strip_prefix("user:") {
            return Ok(Self::UserUnit(unit.to_owned()));
        }
        // No account is called so.
        if text.starts_with('/') || text.ends_with(".service") || text.ends_with(".scope") {
            return Ok(Self::Named(text));
        }
        match account::uid_of(&text) {
            Ok(Some(uid)) => Ok(Self::Account(uid)),
            Ok(None) => Err(Failure::Usage(format!(
                "there is no account `{text}` on this machine: name an account, a uid, a unit (`x.service`) or a \
                 program (`/usr/bin/x`)"
            ))),
            Err(errno) => Err(Failure::new(format!(
                "cannot look up the account `{text}`: {errno}"
            ))),
        }
    }

    fn is(&self, who: &Who<'_>) -> bool {
        let field = |name: &str| who.caller.and_then(|caller| caller.get(name));
        match self {
            Self::Account(wanted) => {
                let owner = field("subordinate_of").and_then(Value::as_u64);
                who.uid == *wanted || owner == Some(u64::from(*wanted))
            }
            Self::Named(wanted) => ["unit", "exe"]
                .into_iter()
                .any(|name| field(name).and_then(Value::as_str) == Some(wanted)),
            Self::UserUnit(wanted) => {
                field("user_unit").and_then(Value::as_str) == Some(wanted.as_str())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::GRANTED;
    use super::*;

    fn search(options: &[&str]) -> Search {
        Search::new(Wanted::of(options)).unwrap()
    }

    fn finds(options: &[&str], line: &[u8]) -> bool {
        search(options).finds(line)
    }

    #[test]
    fn every_condition_must_hold() {
        for (options, want) in [
            (&[][..], true),
            (&["--kind", "lease"], true),
            (&["--kind", "lease.granted"], true),
            (&["--kind", "leases"], false),
            (&["--caller", "1000"], true),
            (&["--caller", "sync.service"], true),
            (&["--caller", "100"], false),
            (&["--caller", "root"], false),
            (&["--since", "2026-11-21T07:00:00Z"], true),
            (&["--since", "2026-11-21T07:00:01Z"], false),
            (&["--until", "2026-11-21T07:00:00Z"], false),
            (&["--until", "2026-11-21T07:00:01Z"], true),
            (&["--kind", "lease", "--purpose", "other"], false),
        ] {
            assert_eq!(finds(options, GRANTED), want, "{options:?}");
        }
    }

    #[test]
    fn an_account_is_found_by_its_name_and_one_that_is_not_there_is_an_error() {
        let locked = br#"{"kind":"vault.locked","by":{"uid":0,"gid":0}}"#;
        assert!(finds(&["--caller", "root"], locked));
        let counted = br#"{"kind":"lease.denied_more","uid":0}"#;
        assert!(finds(&["--caller", "root"], counted));
        let of_a_container = br#"{"kind":"x.y","caller":{"uid":165536,"subordinate_of":0}}"#;
        assert!(finds(&["--caller", "root"], of_a_container));
        let unknown = Wanted::of(&["--caller", "no-such-account"]);
        let refused = Search::new(unknown).err().unwrap();
        assert_eq!(refused.exit_code(), 2);
        let refused = refused.to_string();
        assert!(refused.starts_with("there is no account `no-such-account` on this machine: "));
    }

    #[test]
    fn a_unit_whose_name_an_account_chose_is_found_as_its_own_alone() {
        let own = br#"{"kind":"x.y","caller":{"uid":1000,"user_unit":"sync.service"}}"#;
        assert!(finds(&["--caller", "user:sync.service"], own));
        assert!(!finds(&["--caller", "sync.service"], own));
        assert!(!finds(&["--caller", "user:sync.service"], GRANTED));
    }

    #[test]
    fn what_is_done_under_a_lease_is_found_by_what_its_grant_names() {
        let id = "0123456789abcdef0123456789abcdef";
        let request = json!({"kind": "proxy.request", "lease": id}).to_string();
        let refused =
            json!({"kind": "proxy.refused", "lease": id, "caller": {"uid": 1001}}).to_string();
        let ended = json!({"kind": "lease.expired", "lease": id, "purpose": "label-sync",
                           "secret": "s"})
        .to_string();
        let stranger = json!({"kind": "proxy.request", "lease": "f".repeat(32)}).to_string();
        for (options, of_all) in [
            (&["--purpose", "label-sync"][..], [true, true, true, false]),
            (&["--secret", "s"], [true, true, true, false]),
            (&["--caller", "1000"], [true, false, true, false]),
            (&["--purpose", "label-sync", "--caller", "1"], [false; 4]),
            (&["--purpose", "other"], [false; 4]),
            (
                &[
                    "--purpose",
                    "label-sync",
                    "--kind",
                    "proxy",
                    "--since",
                    "2020-01-01",
                ],
                [false; 4],
            ),
        ] {
            let mut search = search(options);
            search.finds(GRANTED);
            let found = [&request, &refused, &ended, &stranger];
            let found = found.map(|line| search.finds(line.as_bytes()));
            assert_eq!(found, of_all, "{options:?}");
        }
    }

    #[test]
    fn a_log_whose_earlier_segments_are_gone_still_says_what_its_leases_are_for() {
        let granted = std::str::from_utf8(GRANTED).unwrap();
        let (_, body) = granted.trim_end().split_once("\"prev\":\"00\",").unwrap();
        let open = json!({"kind": "leases.open", "leases": [body, "nonsense"]}).to_string();
        let mut search = search(&["--purpose", "label-sync"]);
        assert!(!search.finds(open.as_bytes()));
        let id = "0123456789abcdef0123456789abcdef";
        let request = json!({"kind": "proxy.request", "lease": id}).to_string();
        assert!(search.finds(request.as_bytes()));
    }
}

//! Rebuilds live leases from the audit log, once the vault can tell which are genuine.
//!
//! Who can write the log's files cannot make a lease: without the MAC under a key in the vault
//! nothing is rebuilt. Who cuts the tail off cannot revive one: revocations left a tombstone in
//! the vault. Another boot with a wall clock behind the log's last record honours nothing, because
//! there is no telling how late it is.
//!
//! A lease holds again the one token that its grant names, or the genuine `lease.issued` after it. If
//! neither does, the broker ended in between and no one was handed anything: the lease is over, and
//! the token, if one was minted, is ended as one that no one holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use broker_audit::record::{Body, LeaseEvent, VaultEvent};
use broker_audit_writer::{LiveLease, LogState, SinceNoted};
use broker_clock::BootId;
use broker_protocol::error::ErrorCode;
use broker_protocol::names::{Delivery, LeaseId, Purpose, SecretName};
use broker_vault::{Forgotten, VaultError};
use futures_util::future::join_all;
use jiff::Timestamp;
use serde::Deserialize;

use super::Leases;
use crate::caller::ExitWatch;
use crate::lease::Lease;
use crate::lease_record;
use crate::leases::issue::SECRET_REMOVED;

/// One body found in the log, evaluated.
enum LoggedLease {
    Live(Arc<Lease>),
    Ended(Arc<Lease>, &'static str),
    /// Granted, and nothing was handed out.
    NotIssued(LeaseId),
    NotOurs(&'static str),
    /// The vault was locked again meanwhile.
    NotYet,
}

/// The fields of a refused body that the record of its end names.
#[derive(Deserialize)]
struct LeaseNames {
    lease: LeaseId,
    purpose: Option<Purpose>,
    secret: Option<SecretName>,
}

impl Leases {
    /// Removals that the log announces, which are carried out before any lease is honoured. Still to be seen
    /// meanwhile, so that the log's head is not noted before they are done.
    pub(crate) fn announced(&self) -> SinceNoted {
        let announced = self.found().as_ref().map(|found| found.since_noted.clone());
        announced.unwrap_or_default()
    }

    /// Evaluates what a start found in the log, the first time the vault is unlocked.
    pub(crate) async fn rebuild(self: &Arc<Self>) {
        let Some(found) = self.found().take() else {
            return;
        };
        let mismatch = self.vault.mismatch();
        let mut all_evaluated = true;
        let tombstones = self.vault.tombstones();
        let (mut honoured, mut forged) = (0, 0);
        let (mut over, mut not_issued, mut not_ours) = (Vec::new(), Vec::new(), Vec::new());
        for (nth, live) in found.live.iter().enumerate() {
            let (evaluated, among_issued) = self.evaluate_live(live, found.last_time, &tombstones);
            forged += among_issued;
            match evaluated {
                LoggedLease::Live(lease) if mismatch.is_some() => over.push((lease, CHANGED)),
                LoggedLease::Live(lease) => {
                    if !self.restore_token(&lease) {
                        over.push((lease, "its token has ended"));
                        continue;
                    }
                    let bytes = live.bytes();
                    if !lease.until_exit {
                        self.table.rebuild(lease, bytes);
                    } else if let Some(watch) = watch(&lease) {
                        self.table.rebuild(Arc::clone(&lease), bytes);
                        self.end_with_caller(watch, lease.id.clone());
                    } else {
                        over.push((lease, "caller_exit"));
                        continue;
                    }
                    honoured += 1;
                }
                LoggedLease::Ended(lease, why) => over.push((lease, why)),
                LoggedLease::NotIssued(lease) => not_issued.push(lease),
                LoggedLease::NotYet => {
                    *self.found() = Some(LogState {
                        live: found.live.get(nth..).unwrap_or_default().to_vec(),
                        last_time: found.last_time,
                        ..LogState::default()
                    });
                    all_evaluated = false;
                    break;
                }
                LoggedLease::NotOurs(why) => not_ours.push((&live.lives.body, why)),
            }
        }
        let ended = (over.len() + not_issued.len()) as u64;
        let refused = not_ours.len() as u64 + forged;
        // Together, so that they share their syncs.
        let ends = over
            .iter()
            .map(|(lease, why)| self.record_expiry(lease, why));
        let recorded = join_all(ends).await.into_iter().all(|recorded| recorded);
        if let Some(forgotten) = mismatch.filter(|_| all_evaluated) {
            let reported = self.report_mismatch(ended, &forgotten).await;
            if !(recorded && reported && self.trust_the_log().await) {
                let this = Arc::clone(self);
                tokio::spawn(async move { this.trust_the_log_once_all_is_recorded().await });
            }
        }
        join_all(not_issued.iter().map(|lease| self.record_not_issued(lease))).await;
        join_all(
            not_ours
                .iter()
                .map(|(body, why)| self.record_not_ours(body, why)),
        )
        .await;
        if refused > 0 {
            tracing::error!(
                refused,
                "the audit log holds records of leases that this broker never wrote; someone else \
                 wrote into it. They are not honoured. Compare the log with your last anchored copy"
            );
        }
        if !found.live.is_empty() {
            let event = LeaseEvent::Rebuilt {
                honoured,
                ended,
                refused,
            };
            self.journal.record_or_trace(&event).await;
        }
        self.evaluate_leases().await;
    }

    /// Says that no lease of before was honoured, and what is forgotten. `true` if it is recorded.
    async fn report_mismatch(&self, ended: u64, forgotten: &Forgotten) -> bool {
        let rotations = names(&forgotten.rotations);
        let moves = names(&forgotten.moves);
        tracing::error!(
            ended,
            ?rotations,
            ?moves,
            "what the vault had noted (the audit log's head, revoked leases, rotations, moves, repositories) \
             was changed by something other than tokend: leases from before this start are not honoured, and \
             callers take new ones. Records may be missing at the end of the log: run `tokenctl audit \
             verify`, and compare with a head that you kept elsewhere. A rotation or move that was under way \
             is forgotten: its old value may still work at GitHub, its old copy may still be there"
        );
        let event = VaultEvent::Mismatch {
            what: "witness",
            ended,
            rotations: &rotations,
            moves: &moves,
            repositories: forgotten.repositories as u64,
        };
        self.journal.record_or_trace(&event).await
    }

    /// Takes log and vault as they are from here on. `true` if that is written.
    async fn trust_the_log(&self) -> bool {
        let trusted = self.vault.trust_the_log().await;
        if let Err(error) = &trusted {
            tracing::error!(cause = %error, "the vault notes nothing under a MAC until that works");
        }
        trusted.is_ok()
    }

    /// What could not be recorded is written before anything else once the log works again.
    async fn trust_the_log_once_all_is_recorded(&self) {
        loop {
            tokio::time::sleep(TRUST_AGAIN).await;
            if self.journal.fault().is_none() && self.trust_the_log().await {
                return;
            }
        }
    }

    /// The leases that a start found in the log and no one has evaluated yet, and when each would end. They
    /// may be forged: good enough for tombstones, and for nothing else.
    pub(crate) fn unverified_leases(&self) -> Vec<(LeaseId, Timestamp)> {
        let found = self.found();
        let live = found.iter().flat_map(|found| &found.live);
        live.filter_map(|live| {
            let (covered, _mac) = Body::split_mac(&live.lives.body)?;
            let (lease, _boot) = lease_record::read(&covered).ok()?;
            Some((lease.id, lease.span.renewable.wall))
        })
        .collect()
    }

    /// Gives a lease its installation token again. `false` if its caller has that and it is no longer there: it
    /// ended at GitHub, and the end of the lease came too late for the log. Behind a `proxy` lease another one is
    /// minted when it is used.
    fn restore_token(&self, lease: &Lease) -> bool {
        let tokens = &self.minting.tokens;
        let again = |hashed| tokens.restore_holder(&lease.id, hashed);
        let holds = lease.hashed_credential().is_some_and(again);
        holds || lease.deliver != Delivery::Installation
    }

    /// Ends in the log a lease of which no one was handed anything.
    async fn record_not_issued(&self, lease: &LeaseId) {
        let event = LeaseEvent::Failed {
            lease: lease.as_str(),
            code: ErrorCode::Internal.as_str(),
            why: "no genuine `lease.issued` follows its grant: the broker ended in between",
        };
        self.journal.record_end(&event, lease).await;
    }

    /// Ends in the log what it holds live and no broker honours, so that it is evaluated only once.
    async fn record_not_ours(&self, body: &str, why: &'static str) {
        let Ok(named) = serde_json::from_str::<LeaseNames>(&format!("{{{body}")) else {
            return;
        };
        let event = LeaseEvent::Revoked {
            lease: named.lease.as_str(),
            purpose: named.purpose.as_ref().map_or("", Purpose::as_str),
            secret: named.secret.as_ref().map_or("", SecretName::as_str),
            by: None,
            why,
        };
        self.journal.record_end(&event, &named.lease).await;
    }

    /// Evaluates a lease by its records, and counts those of what was issued that are not ours.
    fn evaluate_live(
        &self,
        live: &LiveLease,
        last_time: Option<Timestamp>,
        tombstones: &HashMap<LeaseId, Timestamp>,
    ) -> (LoggedLease, u64) {
        let lives = match self.genuine(&live.lives.body) {
            Ok(Some(covered)) => covered,
            Ok(None) => return (LoggedLease::NotOurs(FORGED), 0),
            Err(_locked) => return (LoggedLease::NotYet, 0),
        };
        let (mut issued, mut forged) = (None, 0);
        for record in &live.issued {
            match self.genuine(&record.body) {
                Ok(Some(covered)) => issued = Some(covered),
                Ok(None) => forged += 1,
                Err(_locked) => return (LoggedLease::NotYet, 0),
            }
        }
        let read = lease_record::read(&lives).and_then(|(mut lease, boot_id)| {
            if let Some(issued) = issued {
                let issued = format!("{{{issued}");
                lease_record::add_issued(&mut lease, &serde_json::from_str(&issued)?)?;
            }
            lease.seq = live.lives.seq;
            Ok((lease, boot_id))
        });
        let evaluated = match read {
            Ok((lease, boot_id)) => self.evaluate_genuine(lease, &boot_id, last_time, tombstones),
            Err(error) => {
                tracing::warn!(cause = %error, "a lease of another version's is not honoured");
                LoggedLease::NotOurs("another version of tokend granted it")
            }
        };
        (evaluated, forged)
    }

    /// What the record's MAC covers, if it is this vault's.
    fn genuine(&self, body: &str) -> Result<Option<String>, VaultError> {
        let Some((covered, mac)) = Body::split_mac(body) else {
            return Ok(None);
        };
        let genuine = self.vault.lease_mac(&covered)?.is(&mac);
        Ok(genuine.then_some(covered))
    }

    fn evaluate_genuine(
        &self,
        mut lease: Lease,
        boot_id: &BootId,
        last_time: Option<Timestamp>,
        tombstones: &HashMap<LeaseId, Timestamp>,
    ) -> LoggedLease {
        let now = self.journal.now();
        let same_boot = boot_id == self.journal.boot_id();
        let span = if same_boot {
            Some(lease.span).filter(|span| !span.has_ended(now))
        } else {
            lease.span.in_another_boot(now)
        };
        let why = if tombstones.contains_key(&lease.id) {
            "revoked; the record of it was lost"
        } else if self.secrets.secret_is_gone(&lease) {
            SECRET_REMOVED
        } else if lease.hashed_token.is_none() {
            return LoggedLease::NotIssued(lease.id);
        } else if !same_boot && last_time.is_some_and(|last| now.wall < last) {
            "clock"
        } else if let Some(span) = span {
            lease.span = span;
            return LoggedLease::Live(Arc::new(lease));
        } else {
            "ttl"
        };
        LoggedLease::Ended(Arc::new(lease), why)
    }
}

fn names(secrets: &[SecretName]) -> Vec<&str> {
    secrets.iter().map(SecretName::as_str).collect()
}

/// How often a log that cannot be written is checked before the vault trusts it.
const TRUST_AGAIN: Duration = Duration::from_secs(1);

const CHANGED: &str = "what the vault had noted of the log was changed by someone else";

const FORGED: &str = "not granted by this broker: its MAC is not this vault's";

/// Someone who sees the end of the process that took this lease before the restart.
fn watch(lease: &Lease) -> Option<ExitWatch> {
    let (pid, started) = (lease.caller.pid?, lease.caller.started?);
    ExitWatch::of_process(pid, started).unwrap_or_else(|error| {
        tracing::warn!(cause = %error, lease = %lease.id, "its caller cannot be watched; it ends");
        None
    })
}

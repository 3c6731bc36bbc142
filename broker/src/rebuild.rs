//! Rebuilds live leases from the audit log, once the vault can tell which are genuine.
//!
//! Whoever can write the log's files cannot make a lease: without the MAC under a key in the vault
//! nothing is rebuilt. Whoever cuts the tail off cannot revive one: revocations left a tombstone in
//! the vault. Another boot with a wall clock behind the log's last record honours nothing, because
//! there is no telling how late it is.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use broker_audit::record::{self, Body, Event};
use broker_protocol::names::{Delivery, LeaseId, Purpose, SecretName};
use futures_util::future::join_all;
use jiff::Timestamp;
use serde::Deserialize;

use crate::audit_log::LiveLease;
use crate::broker::{Broker, Found};
use crate::caller::ExitWatch;
use crate::issue::SECRET_REMOVED;
use crate::lease::{Lease, Span, TooShort};
use crate::lease_record;
use crate::minted::MintKey;

/// One body found in the log, judged.
enum Judged {
    Live(Box<Lease>),
    Ended(Box<Lease>, &'static str),
    NotOurs(&'static str),
    /// The vault was locked again meanwhile.
    NotYet,
}

/// As much of a refused body as the record of its end names.
#[derive(Deserialize)]
struct Named {
    lease: LeaseId,
    purpose: Option<Purpose>,
    secret: Option<SecretName>,
}

impl Broker {
    /// Judges what a start found in the log, the first time the vault is unlocked.
    pub(crate) async fn rebuild_leases(self: &Arc<Self>) {
        let lock = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        // Still to be seen meanwhile, so that the log's head is not noted before they are done.
        let removed = lock().as_ref().map(|found| found.removed.clone());
        if !self.finish_removals(&removed.unwrap_or_default()).await {
            return;
        }
        let Some(found) = lock().take() else { return };
        let tombstones = self.vault.tombstones();
        let mut honoured = 0;
        let (mut over, mut not_ours) = (Vec::new(), Vec::new());
        for (nth, LiveLease { seq, body }) in found.live.iter().enumerate() {
            match self.judge_body(body, found.last_time, &tombstones) {
                Judged::Live(mut lease) => {
                    lease.seq = *seq;
                    if !self.hold_token_again(&mut lease) {
                        over.push((Arc::from(lease), "ttl"));
                        continue;
                    }
                    let lease: Arc<Lease> = Arc::from(lease);
                    if !lease.until_exit {
                        self.leases.rebuild(lease);
                    } else if let Some(watch) = watch(&lease) {
                        self.leases.rebuild(Arc::clone(&lease));
                        self.end_with_caller(watch, lease.id.clone());
                    } else {
                        over.push((lease, "caller_exit"));
                        continue;
                    }
                    honoured += 1;
                }
                Judged::Ended(lease, why) => over.push((Arc::from(lease), why)),
                Judged::NotYet => {
                    let live = found.live.get(nth..).unwrap_or_default().to_vec();
                    *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(Found {
                        live,
                        removed: Vec::new(),
                        last_time: found.last_time,
                    });
                    break;
                }
                Judged::NotOurs(why) => not_ours.push((body, why)),
            }
        }
        let (ended, refused) = (over.len() as u64, not_ours.len() as u64);
        // Together, so that they share their syncs.
        join_all(
            over.iter()
                .map(|(lease, why)| self.record_expiry(lease, why)),
        )
        .await;
        join_all(
            not_ours
                .iter()
                .map(|(body, why)| self.record_not_ours(body, why)),
        )
        .await;
        if refused > 0 {
            tracing::error!(
                refused,
                "the audit log holds leases that this broker never granted; someone else wrote \
                 into it. They are not honoured. Compare the log with your last anchored copy"
            );
        }
        if !found.live.is_empty() {
            let event = Event::LeasesRebuilt {
                honoured,
                ended,
                refused,
            };
            self.record_or_trace(&event).await;
        }
        self.judge_leases().await;
    }

    /// Gives an installation lease its token again, and no more time than that has left. `false` if none
    /// is left.
    fn hold_token_again(&self, lease: &mut Lease) -> bool {
        if lease.deliver != Delivery::Installation {
            return true;
        }
        let Ok(key) = MintKey::of(lease) else {
            return false;
        };
        let tokens = &self.minting.tokens;
        match tokens.hold_again(&lease.id, lease.hashed_token.as_ref(), &key) {
            None => true,
            Some(ends) => match lease.span.cut_to(ends) {
                Ok(cut) => {
                    lease.span = cut;
                    true
                }
                Err(TooShort) => false,
            },
        }
    }

    /// Ends in the log what it holds live and no broker honours, so that it is judged only once.
    async fn record_not_ours(&self, body: &str, why: &'static str) {
        let Ok(named) = serde_json::from_str::<Named>(&format!("{{{body}")) else {
            return;
        };
        let event = Event::LeaseRevoked {
            lease: named.lease.as_str(),
            purpose: named.purpose.as_ref().map_or("", Purpose::as_str),
            secret: named.secret.as_ref().map_or("", SecretName::as_str),
            by: None,
            why,
        };
        self.record_end(&event, &named.lease).await;
    }

    fn judge_body(
        &self,
        body: &str,
        last_time: Option<Timestamp>,
        tombstones: &HashMap<LeaseId, Timestamp>,
    ) -> Judged {
        let Some((covered, mac)) = Body::split_mac(body) else {
            return Judged::NotOurs(FORGED);
        };
        match self.vault.verify_lease_mac(&covered, &mac) {
            Ok(true) => {}
            Ok(false) => return Judged::NotOurs(FORGED),
            Err(_locked) => return Judged::NotYet,
        }
        let line = format!("{{{covered}");
        let read = serde_json::from_str::<record::Lease<'_>>(&line)
            .map_err(lease_record::NotALease::from)
            .and_then(|record| lease_record::read(&record));
        let (mut lease, boot_id) = match read {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!(cause = %error, "a lease of another version's is not honoured");
                return Judged::NotOurs("another version of tokend granted it");
            }
        };
        if tombstones.contains_key(&lease.id) {
            return Judged::Ended(Box::new(lease), "revoked; the record of it was lost");
        }
        if self.secret_is_gone(&lease) {
            return Judged::Ended(Box::new(lease), SECRET_REMOVED);
        }
        let now = self.now();
        let span: Option<Span> = if boot_id == *self.clock.boot_id() {
            (!lease.span.has_ended(now)).then_some(lease.span)
        } else if last_time.is_some_and(|last| now.wall < last) {
            return Judged::Ended(Box::new(lease), "clock");
        } else {
            lease.span.in_another_boot(now)
        };
        match span {
            Some(span) => {
                lease.span = span;
                Judged::Live(Box::new(lease))
            }
            None => Judged::Ended(Box::new(lease), "ttl"),
        }
    }
}

const FORGED: &str = "not granted by this broker: its MAC is not this vault's";

/// Someone who sees the end of the process that took this lease before the restart.
fn watch(lease: &Lease) -> Option<ExitWatch> {
    let (pid, started) = (lease.caller.pid?, lease.caller.started?);
    ExitWatch::of_process(pid, started).unwrap_or_else(|error| {
        tracing::warn!(cause = %error, lease = %lease.id, "its caller cannot be watched; it ends");
        None
    })
}

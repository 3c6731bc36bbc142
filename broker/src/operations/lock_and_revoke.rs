//! The kill switch: locks the store, ends every live lease, and every installation token at GitHub.
//!
//! ```text
//! refuse   nothing is granted from here on
//! open     tokens whose value is stored in the vault alone, after a record each: a second at most
//! lock     the root key is forgotten, values in memory are wiped, all leases end: in one step
//! note     tombstones and records, so that no restart revives a lease
//! end      the tokens at GitHub, which are what they authenticate with: some seconds at most
//! ```
//!
//! Only the second step waits for anything before the lock, and no longer than it says. A grant that is
//! on its way meanwhile is not honoured: it looks before it hands out. What GitHub does not confirm is
//! ended after the next unlock, from the vault, which forgets a token only when it is dead. A raw value is
//! out of reach: it is named, with what takes it away.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use broker_policy::Caller;
use broker_protocol::api::{EndedLease, EndedToken, RevokedAll, StillValid};
use broker_protocol::names::{Delivery, SecretName};
use broker_protocol::source::SourceSpec;
use broker_vault::Minted;

use crate::lease::Lease;
use crate::operations::Operations;

impl Operations {
    /// Locks the store and ends all that was handed out, as far as that can be ended.
    pub(crate) async fn lock_and_revoke(self: &Arc<Self>, by: &Arc<Caller>) -> RevokedAll {
        let refusing = self.leases.gate.revoke();
        let mut to_end = self.minting.open_values_to_end(by).await;
        // Nothing is awaited from here to the end of the leases.
        to_end.extend(self.minting.take_values_to_end());
        self.forget_keys(by);
        let tokens = self.minting.tokens.all();
        let live = self.leases.list(None);
        let ended = self.leases.end_in_table(live.iter().map(|lease| &lease.id));
        drop(refusing);

        let unverified = self.leases.unverified_leases();
        let leases_at_unlock = unverified.len() as u64;
        let tombstones = unverified
            .into_iter()
            .chain(self.minting.pending_holders(&tokens))
            .collect();
        // In a task, so that it is on its way before anything else is asked for.
        let (this, operator, leases) = (Arc::clone(self), Arc::clone(by), ended.clone());
        let recording = tokio::spawn(async move {
            let ends = this
                .leases
                .record_ends(leases, tombstones, Some(&operator), WHY);
            let ends = ends.await;
            let locked = this.record_locked(&operator).await;
            locked && ends.iter().all(|end| end.recorded)
        });
        self.minting.end_all(to_end, by).await;
        // GitHub's time has been the disk's too. Where that hangs, all of it is still on its way.
        let recorded = match tokio::time::timeout(RECORDING, recording).await {
            Ok(Ok(recorded)) => recorded,
            Ok(Err(panic)) => {
                tracing::error!(cause = %panic, "the ends of leases could not be recorded");
                false
            }
            Err(_elapsed) => false,
        };
        let alive = self.minting.tokens.all().into_iter();
        let alive: HashSet<_> = alive.map(|t| t.minted.hashed_credential).collect();
        let (pending, dead) = tokens
            .iter()
            .map(|token| &token.minted)
            .partition::<Vec<_>, _>(|minted| alive.contains(&minted.hashed_credential));
        RevokedAll {
            raw: self.still_valid(&ended),
            leases: ended.iter().map(|lease| ended_lease(lease)).collect(),
            leases_at_unlock,
            tokens_ended: dead.into_iter().map(ended_token).collect(),
            tokens_pending: pending.into_iter().map(ended_token).collect(),
            recorded,
        }
    }

    /// Who holds a secret's own value, and what takes it away.
    fn still_valid(&self, ended: &[Arc<Lease>]) -> Vec<StillValid> {
        let mut held = BTreeMap::new();
        for lease in ended.iter().filter(|lease| lease.deliver == Delivery::Raw) {
            *held
                .entry((&lease.secret, &lease.purpose, lease.caller.uid))
                .or_insert(0) += 1;
        }
        let held = held
            .into_iter()
            .map(|((secret, purpose, uid), leases)| StillValid {
                secret: secret.clone(),
                purpose: purpose.clone(),
                uid,
                leases,
                hint: self.what_takes_away(secret),
            });
        held.collect()
    }

    fn what_takes_away(&self, secret: &SecretName) -> String {
        let policies = self.policies.in_force();
        let source = policies.set.secret(secret).map(|declared| &declared.source);
        match source {
            None | Some(SourceSpec::Vault) => format!(
                "`tokenctl rotate {secret}`, or `tokenctl secret revoke {secret} --now`, after `tokenctl unlock`"
            ),
            Some(source) => {
                format!("delete it at GitHub by hand, and put a new value into {source}")
            }
        }
    }
}

fn ended_lease(lease: &Lease) -> EndedLease {
    EndedLease {
        lease: lease.id.clone(),
        purpose: lease.purpose.clone(),
        secret: lease.secret.clone(),
        uid: lease.caller.uid,
        deliver: lease.deliver,
    }
}

fn ended_token(minted: &Minted) -> EndedToken {
    EndedToken {
        hashed_token: minted.hashed_credential.as_str().to_owned(),
        secret: minted.key.secret.clone(),
        purpose: minted.key.purpose.clone(),
        uid: minted.key.uid,
        installation: minted.installation,
        expires_at: minted.expires_at,
    }
}

/// How long the answer waits for records and tombstones once GitHub has had its time.
const RECORDING: Duration = Duration::from_secs(1);

/// Why all leases ended, in their records.
const WHY: &str = "all leases were revoked with a lock";

//! Ends a leaked secret now: every value of it that the vault holds, at GitHub, with the leases on it.
//!
//! No confirmation, no overlap and no way back. Run again, it goes on where it was: GitHub takes the
//! same request again, and what it refuses already is dead.

use std::time::Duration;

use broker_audit::record::SecretEvent;
use broker_clock::Backoff;
use broker_github::links;
use broker_policy::{Caller, SecretKind};
use broker_protocol::names::{Delivery, SecretName};
use broker_protocol::rotation::SecretRevoked;
use broker_vault::StoredVersion;
use broker_vault::rotation_state::EndedBy;

use super::RotationError;
use super::steps::is_final;
use crate::lease_record;
use crate::rotations::Rotations;
use crate::secrets::{Upkeep, UpkeepError};

/// Why its leases end.
const LEAKED: &str = "the secret was revoked at GitHub";
/// How often GitHub is asked again before the answer says that it still accepts a value.
const LOOKS: u32 = 4;
/// Between these: 1 s, 2 s, 4 s, 8 s.
const BETWEEN_LOOKS: Backoff = Backoff {
    first: Duration::from_secs(1),
    cap: Duration::from_secs(8),
};

impl Rotations {
    /// Ends every stored value of a secret at GitHub, ends its leases, and checks that GitHub refuses the
    /// values. Those that it refuses are erased, once it refuses all.
    ///
    /// # Errors
    ///
    /// [`RotationError`]. Leases have ended from the moment the record was written.
    pub(crate) async fn revoke_secret(
        &self,
        by: &Caller,
        name: &SecretName,
    ) -> Result<SecretRevoked, RotationError> {
        let turn = self.secrets.turn(name).await?;
        let declared = self.in_the_vault(name)?;
        let versions = self.vault.versions(name);
        if versions.is_empty() {
            return Err(UpkeepError::NotFound(name.clone()).into());
        }
        let numbers: Vec<u64> = versions.iter().map(|known| known.number).collect();
        let hashes = versions.iter().map(|one| one.hashed_credential.as_str());
        let hashes: Vec<&str> = hashes.collect();
        let event = SecretEvent::Revoking {
            by: lease_record::caller(by),
            secret: name.as_str(),
            versions: numbers.clone(),
            hashed_credentials: hashes.clone(),
        };
        self.journal.record(&event).await?;
        let all = (&numbers[..], &[Delivery::Raw, Delivery::Proxy][..]);
        let leases_ended = self.end_leases_on(name, all, Some(by), LEAKED).await;
        let mut todo = Vec::new();
        let looks = self.ask_to_end(by, name, &versions, &mut todo).await?;
        let dead = self.all_refused(by, name, numbers.clone(), looks).await?;
        let page = links::list_page(declared.kind, &self.github.base);
        if dead {
            // Why it had to be ended by hand is of no interest any more.
            todo.clear();
            let event = SecretEvent::Revoked {
                by: lease_record::caller(by),
                secret: name.as_str(),
                versions: numbers.clone(),
                hashed_credentials: hashes,
            };
            let newest = numbers.last().copied().unwrap_or_default();
            let recorded = self.record_change(&turn, newest, &event).await?;
            self.vault.retire(recorded, None, None).await?;
            todo.push(match declared.kind {
                SecretKind::App => format!(
                    "make a new key at {page}, and store it with `tokenctl secret set {name}`"
                ),
                _ => format!("create a new value and give it to `tokenctl rotate {name}`"),
            });
        } else {
            todo.push(format!(
                "GitHub still accepts it: delete it at {page}, then run this again"
            ));
        }
        let sinks = self.sinks_of(name).into_iter();
        Ok(SecretRevoked {
            secret: name.clone(),
            dead,
            versions: numbers,
            leases_ended,
            sinks: sinks.map(|sink| sink.to_string()).collect(),
            todo,
        })
    }

    /// Asks GitHub to end what it ends by its value. Says how often it is worth to look again.
    async fn ask_to_end(
        &self,
        by: &Caller,
        name: &SecretName,
        versions: &[StoredVersion],
        todo: &mut Vec<String>,
    ) -> Result<u32, RotationError> {
        let mut values = Vec::new();
        for known in versions {
            if self.ended_by(name, known.number) == EndedBy::Broker {
                let number = Some(known.number);
                let value = self
                    .secrets
                    .open(Some(by), name, number, Upkeep::REVOCATION);
                values.push(value.await?);
            }
        }
        if values.len() < versions.len() {
            todo.push(format!("{}; delete it by hand", self.why_not_by_broker()));
        }
        // An operator needs longer than any look.
        if values.is_empty() {
            return Ok(0);
        }
        let Err(source) = self.revoke_at_github(values).await else {
            return Ok(LOOKS);
        };
        // Asked again it would say the same. What an operator has deleted meanwhile is seen all the same.
        if is_final(&source) {
            tracing::warn!(secret = %name, cause = %source, "GitHub refused to revoke a value");
            todo.push(format!("GitHub refused to revoke it: {source}"));
            return Ok(0);
        }
        Err(RotationError::GitHub {
            doing: "asking GitHub to revoke the value",
            source,
        })
    }

    /// Looks a few times, since GitHub takes some seconds.
    async fn all_refused(
        &self,
        by: &Caller,
        name: &SecretName,
        mut alive: Vec<u64>,
        looks: u32,
    ) -> Result<bool, RotationError> {
        let declared = self.in_the_vault(name)?;
        for look in 0..=looks {
            let mut still = Vec::new();
            for number in alive {
                let identity =
                    self.identify_version(Some(by), &declared, Some(number), Upkeep::REVOCATION);
                if identity.await?.is_some() {
                    still.push(number);
                }
            }
            alive = still;
            if alive.is_empty() || look == looks {
                break;
            }
            tokio::time::sleep(BETWEEN_LOOKS.pause(look)).await;
        }
        Ok(alive.is_empty())
    }
}

//! Opens a stored value for the broker's own use at GitHub: recorded first, like a lease.

use broker_audit::record::SecretEvent;
use broker_audit_writer::{Recorded, Use};
use broker_policy::{Caller, SecretDeclaration};
use broker_protocol::names::SecretName;
use broker_protocol::source::SourceSpec;
use broker_secret_memory::token::AccessToken;
use broker_sources::{ReadOptions, Taken};
use broker_vault::VaultError;

use super::{Secrets, UpkeepError};
use crate::lease_record;

/// What the broker opens a stored value for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Upkeep(&'static str);

impl Upkeep {
    /// To ask GitHub what it may do.
    pub(crate) const CHECK: Self = Self("check");
    /// To ask GitHub how many requests are left.
    pub(crate) const RATE_LIMIT: Self = Self("rate_limit");
    /// To write another value to a place at GitHub, or to be written there.
    pub(crate) const SINK: Self = Self("sink");
    /// To replace it by a new one.
    pub(crate) const ROTATION: Self = Self("rotation");
    /// To end it at GitHub.
    pub(crate) const REVOCATION: Self = Self("revocation");
    /// To end an installation token at GitHub.
    pub(crate) const INSTALLATION: Self = Self("installation");
    /// To be shown to 1Password, for a value that is stored there.
    pub(crate) const SOURCE: Self = Self("source");
    /// To make requests with under a proxy lease, after the proof of its grant is spent.
    pub(crate) const PROXY: Self = Self("proxy");
    /// To be read again where it is stored, ahead of need.
    pub(crate) const REFRESH: Self = Self("refresh");
    /// To see whether it can be had.
    pub(crate) const PROBE: Self = Self("probe");
    /// To be moved to another place, or compared with what is there.
    pub(crate) const MOVE: Self = Self("move");
    /// To be stored again, in place of the one after it.
    pub(crate) const UNDO: Self = Self("undo");

    /// The word in the record.
    pub(crate) const fn as_str(self) -> &'static str {
        self.0
    }
}

impl Secrets {
    /// Records what a stored value is about to be used for, then opens it. `version` picks one of the
    /// vault's; without it the one in use is opened. `by` is absent where the broker acts by itself.
    ///
    /// # Errors
    ///
    /// [`UpkeepError`]; nothing was opened.
    pub(crate) async fn open(
        &self,
        by: Option<&Caller>,
        name: &SecretName,
        version: Option<u64>,
        what_for: Upkeep,
    ) -> Result<AccessToken, UpkeepError> {
        if self.vault.is_locked() {
            return Err(UpkeepError::Locked);
        }
        let policies = self.policies.in_force();
        let declared = policies.set.secret(name);
        if let Some(SecretDeclaration { source, .. }) = declared
            && !source.is_vault()
        {
            let read = self.read_elsewhere(by, (name, source), what_for, ReadOptions::UPKEEP);
            return Ok(read.await?.value);
        }
        let in_use = || self.vault.held(name).map(|held| held.version);
        let version = version.or_else(in_use);
        let version = version.ok_or_else(|| UpkeepError::NotFound(name.clone()))?;
        let usage = Use::of(name, Some(version));
        let recorded = self.record_upkeep(by, usage, what_for, None).await?;
        self.vault.unseal(recorded).map_err(|error| match error {
            VaultError::NoValue(name) => UpkeepError::NotFound(name),
            error => error.into(),
        })
    }

    /// Reads a value where it is stored outside the vault, recorded first.
    pub(super) async fn read_elsewhere(
        &self,
        by: Option<&Caller>,
        (name, source): (&SecretName, &SourceSpec),
        what_for: Upkeep,
        options: ReadOptions,
    ) -> Result<Taken, UpkeepError> {
        let usage = Use::of(name, None);
        let recorded = self.record_upkeep(by, usage, what_for, None).await?;
        Ok(self.sources.read(recorded, source, options, self).await?)
    }

    /// Records that a place is about to be read for a move, then reads it again, whatever policies name.
    /// `None` if nothing is there.
    ///
    /// # Errors
    ///
    /// [`UpkeepError`]: nothing is known of the place.
    pub(crate) async fn open_at(
        &self,
        by: &Caller,
        name: &SecretName,
        place: &SourceSpec,
    ) -> Result<Option<AccessToken>, UpkeepError> {
        if self.vault.is_locked() {
            return Err(UpkeepError::Locked);
        }
        let version = match place {
            SourceSpec::Vault => match self.vault.held(name) {
                None => return Ok(None),
                Some(held) => Some(held.version),
            },
            _ => None,
        };
        let policies = self.policies.in_force();
        let declared = policies.set.secret(name);
        if let Some(file) = place.file()
            && declared.is_some_and(|declared| declared.mounted)
        {
            // A move changes the line of the source alone: `mounted` holds at its other end, too.
            self.sources.file.add_mounted(file);
        }
        let shown = place.to_string();
        let usage = Use::of(name, version);
        let recorded = self.record_upkeep(Some(by), usage, Upkeep::MOVE, Some(&shown));
        let recorded = recorded.await?;
        if place.is_vault() {
            return match self.vault.unseal(recorded) {
                Ok(value) => Ok(Some(value)),
                Err(VaultError::NoValue(_) | VaultError::NoVersion { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            };
        }
        match self.sources.read_now(recorded, place, self).await {
            Ok(taken) => Ok(Some(taken.value)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error.without_pause().into()),
        }
    }

    /// Records that a stored value is about to be used. The use has no version where the value is not stored
    /// in the vault, or is none of the secret's own; `source` is set where it is not stored where policies
    /// say.
    pub(crate) async fn record_upkeep(
        &self,
        by: Option<&Caller>,
        usage: Use,
        what_for: Upkeep,
        source: Option<&str>,
    ) -> Result<Recorded<Use>, UpkeepError> {
        let name = usage.secret.clone();
        let event = SecretEvent::Used {
            by: by.map(lease_record::caller),
            secret: name.as_str(),
            version: usage.version,
            what_for: what_for.as_str(),
            source,
        };
        Ok(self.journal.record_use(usage, &event).await?)
    }
}

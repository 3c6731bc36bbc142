//! Stores and erases values. A change is recorded before it is made.

use broker_audit::record::{Body, Event, SecretEvent};
use broker_audit_writer::{AuditLogError, Effect, Use};
use broker_policy::{Caller, SecretKind};
use broker_protocol::names::{ONE_PASSWORD_TOKEN, SecretName};
use broker_protocol::source::SourceSpec;
use broker_secret_memory::token::AccessToken;
use broker_vault::{NewValue, StoredSecret, StoredVersion, ValueRole, VaultError, kind_of};
use jiff::Timestamp;
use serde::Deserialize;

use super::{SecretTurn, Secrets, Upkeep, UpkeepError, kind};
use crate::lease_record;

/// The field of a removal's record that decides.
#[derive(Deserialize)]
pub(crate) struct RemovalRecord {
    pub(crate) version: u64,
}

impl Secrets {
    /// Stores a new version of a secret. What is provably not of the declared kind is refused.
    ///
    /// # Errors
    ///
    /// [`UpkeepError`]; the version in use stays in use.
    pub(crate) async fn set_secret(
        &self,
        by: &Caller,
        name: &SecretName,
        value: AccessToken,
        expires_at: Option<Timestamp>,
    ) -> Result<StoredSecret, UpkeepError> {
        let turn = self.turn(name).await?;
        self.refuse_while_rotating(&turn)?;
        self.refuse_while_moving(&turn)?;
        self.refuse_another_kind(name, &value).await?;
        let new = NewValue { value, expires_at };
        self.store_value(by, &turn, new, None).await
    }

    /// Stores the value before the one in use again, as a new version. Who was handed it is exposed to
    /// the value in use again.
    ///
    /// # Errors
    ///
    /// [`UpkeepError`]; the version in use stays in use. [`UpkeepError::NothingBefore`] if the vault has no
    /// other value of it.
    pub(crate) async fn undo_secret(
        &self,
        by: &Caller,
        name: &SecretName,
    ) -> Result<Undone, UpkeepError> {
        let turn = self.turn(name).await?;
        self.refuse_while_rotating(&turn)?;
        self.refuse_while_moving(&turn)?;
        if self.vault.held(name).is_none() {
            return Err(UpkeepError::NotFound(name.clone()));
        }
        let before = self.value_before(name);
        let before = before.ok_or_else(|| UpkeepError::NothingBefore(name.clone()))?;
        let restores = before.number;
        let usage = Use::of(name, Some(restores));
        let recorded = self.record_upkeep(Some(by), usage, Upkeep::UNDO, None);
        let recorded = recorded.await?;
        let value = self.vault.unseal(recorded)?;
        let looks_like = kind_of(&value);
        let new = NewValue {
            value,
            expires_at: before.expires_at,
        };
        let held = self.store_value(by, &turn, new, Some(restores)).await?;
        Ok(Undone {
            held,
            restores,
            looks_like,
        })
    }

    /// The newest version with another value than the one in use, if the vault has one.
    pub(crate) fn value_before(&self, name: &SecretName) -> Option<StoredVersion> {
        let mut versions = self.vault.versions(name);
        let newest = versions.pop()?;
        let mut earlier = versions.into_iter().rev();
        earlier.find(|version| version.hashed_credential != newest.hashed_credential)
    }

    /// Records and stores the next version, whatever is under way. `restores` is the earlier one whose value
    /// it brings back.
    pub(crate) async fn store_value(
        &self,
        by: &Caller,
        turn: &SecretTurn,
        new: NewValue,
        restores: Option<u64>,
    ) -> Result<StoredSecret, UpkeepError> {
        let name = turn.name();
        let now = self.journal.now().wall;
        let version = self.vault.reserve_version(name, now).await?;
        let hashed = new.value.hashed();
        let event = SecretEvent::Set {
            by: lease_record::caller(by),
            secret: name.as_str(),
            version,
            hashed_credential: hashed.as_str(),
            expires_at: new.expires_at,
            restores,
        };
        let usage = Use::of(name, Some(version));
        let recorded = self.journal.record_use(usage, &event).await?;
        let announced = recorded.seq();
        let now = self.journal.now().wall;
        let role = self.value_role(name);
        match self.vault.store(recorded, new, role, now).await {
            Ok(held) => Ok(held),
            Err(error) => Err(self.change_failed(name, announced, error).await),
        }
    }

    async fn refuse_another_kind(
        &self,
        name: &SecretName,
        value: &AccessToken,
    ) -> Result<(), UpkeepError> {
        let policies = self.policies.in_force();
        let shown = self.config.one_password.token.as_ref();
        let (why, declared) = if let Some(declared) = policies.set.secret(name) {
            let kind = declared.kind;
            let why = kind::contradicted(kind, value).await;
            (
                why,
                format!(
                    "{} declares {}; if that is wrong, change `kind` there and run `tokenctl policy reload`",
                    declared.place,
                    kind.as_str()
                ),
            )
        } else if name.as_str() == ONE_PASSWORD_TOKEN && shown.is_some_and(SourceSpec::is_vault) {
            let why = kind::not_for_1password(value).map(str::to_owned);
            (why, "it is `[onepassword] token`".to_owned())
        } else {
            return Ok(());
        };
        let Some(why) = why else { return Ok(()) };
        Err(UpkeepError::AnotherKind {
            name: name.clone(),
            why,
            declared,
        })
    }

    /// A rotation that is under way would lose sight of its values.
    pub(crate) fn refuse_while_rotating(&self, turn: &SecretTurn) -> Result<(), UpkeepError> {
        let rotation = self.vault.rotation(turn.name());
        if rotation.is_some_and(|rotation| rotation.is_under_way()) {
            return Err(UpkeepError::Rotating(turn.name().clone()));
        }
        Ok(())
    }

    /// Erases every version of a secret, recorded first.
    pub(crate) async fn erase_value(
        &self,
        by: Option<&Caller>,
        turn: &SecretTurn,
    ) -> Result<(), UpkeepError> {
        let name = turn.name();
        let body = self.with_removal_mac(&SecretEvent::Removed {
            by: by.map(lease_record::caller),
            secret: name.as_str(),
            version: self.vault.held(name).map_or(0, |held| held.version),
        })?;
        let usage = Use::of(name, None);
        let recorded = self.journal.record_use_body(usage, body, Effect::Nothing);
        let recorded = recorded.await?;
        let announced = recorded.seq();
        match self.vault.remove(recorded, self.value_role(name)).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.change_failed(name, announced, error).await),
        }
    }

    /// What a value in the vault is while policies name this place or another.
    fn value_role(&self, name: &SecretName) -> ValueRole {
        match self.policies.take_from_vault(name) {
            true => ValueRole::InForce,
            false => ValueRole::Elsewhere,
        }
    }

    async fn change_failed(
        &self,
        name: &SecretName,
        announced: u64,
        error: VaultError,
    ) -> UpkeepError {
        let why = error.to_string();
        let event = SecretEvent::Failed {
            secret: name.as_str(),
            announced,
            why: &why,
        };
        // With its MAC, for it may take a removal back.
        match self.with_removal_mac(&event) {
            Ok(body) => self.journal.record_body_or_trace(body).await,
            Err(_) => self.journal.record_or_trace(&event).await,
        };
        error.into()
    }

    /// A record that decides about a value after a start.
    pub(crate) fn with_removal_mac(&self, event: &impl Event) -> Result<Body, UpkeepError> {
        let body = Body::of(event).map_err(AuditLogError::from)?;
        let mac = self.vault.removal_mac(body.as_str());
        let mac = mac.map_err(|_locked| UpkeepError::Locked)?;
        Ok(mac.added_to(body))
    }

    pub(crate) fn genuine_removal(&self, body: &str) -> Option<RemovalRecord> {
        let covered = self.covered_by_removal_mac(body)?;
        serde_json::from_str(&format!("{{{covered}")).ok()
    }

    /// What the MAC of a record covers, if it is this vault's.
    pub(crate) fn covered_by_removal_mac(&self, body: &str) -> Option<String> {
        let (covered, mac) = Body::split_mac(body)?;
        let expected = self.vault.removal_mac(&covered).ok()?;
        expected.is(&mac).then_some(covered)
    }
}

pub(crate) struct Undone {
    /// The version that it is now.
    pub(crate) held: StoredSecret,
    pub(crate) restores: u64,
    /// What its first characters say it is.
    pub(crate) looks_like: Option<SecretKind>,
}

//! Versions of secrets: their numbers, their values, their end. Each change with the MAC over the list.

use broker_protocol::names::SecretName;
use broker_secret_memory::token::HashedToken;
use jiff::Timestamp;

use super::Work;
use crate::error::VaultError;
use crate::rotation_state::Rotation;
use crate::row_mac::Row;
use crate::state::{ExposedTo, Outline, Sealed, Secret, ValueChange};
use crate::values::ValueRole;
use crate::{StoredSecret, known};

impl Work {
    pub(crate) fn reserve(&mut self, name: SecretName, now: Timestamp) -> Result<u64, VaultError> {
        let (outline, mark) = self.prepare(&name, |list| {
            let secret = list.secrets.get(&name);
            let versions = secret.map(|secret| secret.outline().versions);
            // A secret that was removed and comes back is a new one with old numbers behind it.
            let kept = secret.filter(|s| !s.versions.is_empty());
            Ok(Outline {
                created_at: kept.map_or(now, |s| s.created_at),
                last_version: secret.map_or(0, |s| s.last_version) + 1,
                versions: versions.unwrap_or_default(),
            })
        })?;
        let version = outline.last_version;
        self.store
            .reserve(&name, version, outline.created_at, &mark)?;
        self.change(&mark, |state| {
            let secret = state.list.secrets.entry(name).or_insert(Secret {
                created_at: now,
                last_version: 0,
                versions: Vec::new(),
            });
            secret.created_at = outline.created_at;
            secret.last_version = version;
        });
        Ok(version)
    }

    pub(crate) fn add(
        &mut self,
        name: &SecretName,
        mut sealed: Sealed,
        role: ValueRole,
        rotation: Option<Box<Rotation>>,
    ) -> Result<StoredSecret, VaultError> {
        self.catch_up(name.as_str(), sealed.version, &mut sealed.envelope)?;
        let (_, mut mark) = self.prepare(name, |list| {
            let next = list.secrets.get(name).filter(|secret| {
                let newest = secret.versions.last().map_or(0, |newest| newest.version);
                newest < sealed.version && sealed.version <= secret.last_version
            });
            let secret = next.ok_or_else(|| VaultError::Conflict {
                secret: name.clone(),
                version: sealed.version,
            })?;
            let mut outline = secret.outline();
            outline.versions.push(sealed.version);
            Ok(outline)
        })?;
        let turn = self.turn(name, &sealed, role);
        let stored = rotation.map(|rotation| self.store.stored(*rotation));
        let (rotation, text) = stored.transpose()?.unzip();
        let covered = self.covered(|state, key, rows| {
            let before = state.rotations.get(name).filter(|_| rotation.is_some());
            let turned = before.into_iter().chain(&rotation);
            rows.turned(key, turned.map(|row| Row::Rotation(name, &row.digest)))
        })?;
        mark.signed_head = covered.signed_head().copied();
        let beside = (text.as_deref(), turn.as_ref());
        self.store.add_version(name, &sealed, beside, &mark)?;
        if let Some(turn) = &turn {
            self.unwritten.turn(turn);
            known(self.shared.state.write()).figures.turn(turn);
        }
        let held = self.change(&mark, |state| {
            if let Some(rotation) = rotation {
                state.rotations.insert(name.clone(), rotation);
            }
            self.keep_covered(state, covered);
            state.list.secrets.get_mut(name)?.add(sealed);
            state.held(name)
        });
        held.ok_or_else(|| VaultError::NoValue(name.clone()))
    }

    /// Whoever was handed the value before holds an old one only. `None` if the value stays the same, or
    /// is none that is in use.
    fn turn(&self, name: &SecretName, sealed: &Sealed, role: ValueRole) -> Option<ValueChange> {
        if !role.is_in_force() {
            return None;
        }
        let held = known(self.shared.state.read()).held(name);
        let from = held.map(|held| held.hashed_credential);
        let to = sealed.hashed_credential.clone();
        let secret = name.clone();
        (from.as_ref() != Some(&to)).then_some(ValueChange { secret, from, to })
    }

    /// Values were erased, and who was handed them does not matter any more.
    fn forget_exposures(&mut self, to_erased: impl Fn(&ExposedTo) -> bool) {
        self.unwritten.exposed.retain(|key| !to_erased(key));
        let mut state = known(self.shared.state.write());
        state.figures.exposures.retain(|key, _| !to_erased(key));
    }

    pub(crate) fn remove(&mut self, name: &SecretName, role: ValueRole) -> Result<(), VaultError> {
        let (_, mut mark) = self.prepare(name, |list| {
            Ok(Outline {
                versions: Vec::new(),
                ..list.with_value(name)?.outline()
            })
        })?;
        let covered = self.covered(|state, key, rows| {
            let rotation = state.rotations.get(name).into_iter();
            let rotation = rotation.map(|row| Row::Rotation(name, &row.digest));
            rows.turned(key, rotation.chain(state.sink_rows(name)))
        })?;
        mark.signed_head = covered.signed_head().copied();
        self.store.remove(name, role, &mark)?;
        let in_force = role.is_in_force();
        self.forget_exposures(|(secret, before, ..)| {
            secret == name && (in_force || before.is_some())
        });
        self.unwritten.used.remove(name);
        self.change(&mark, |state| {
            if in_force {
                state.first_seen.remove(name);
            }
            state.figures.last_used.remove(name);
            state.checks.remove(name);
            state.rotations.remove(name);
            state.sinks.remove(name);
            self.keep_covered(state, covered);
            if let Some(secret) = state.list.secrets.get_mut(name) {
                secret.versions = Vec::new();
            }
        });
        self.store.forget_old_rows()
    }

    pub(crate) fn retire(
        &mut self,
        name: &SecretName,
        keep: Option<u64>,
        rotation: Option<Box<Rotation>>,
    ) -> Result<(), VaultError> {
        let (_, mut mark) = self.prepare(name, |list| {
            let outline = list.with_value(name)?.outline();
            if let Some(version) = keep.filter(|version| !outline.versions.contains(version)) {
                let secret = name.clone();
                return Err(VaultError::NoVersion { secret, version });
            }
            Ok(Outline {
                versions: keep.into_iter().collect(),
                ..outline
            })
        })?;
        let hashed = keep.and_then(|keep| self.hash_of(name, keep));
        let kept = keep.zip(hashed.as_ref());
        let stored = rotation.map(|rotation| self.store.stored(*rotation));
        let (rotation, text) = stored.transpose()?.unzip();
        let covered = self.covered(|state, key, rows| {
            let turned = state.rotations.get(name).into_iter().chain(&rotation);
            rows.turned(key, turned.map(|row| Row::Rotation(name, &row.digest)))
        })?;
        mark.signed_head = covered.signed_head().copied();
        self.store.retire(name, kept, text.as_deref(), &mark)?;
        self.forget_exposures(|(secret, before, ..)| {
            secret == name && before.is_some() && *before != hashed
        });
        self.change(&mark, |state| {
            match rotation {
                Some(rotation) => state.rotations.insert(name.clone(), rotation),
                None => state.rotations.remove(name),
            };
            self.keep_covered(state, covered);
            if let Some(secret) = state.list.secrets.get_mut(name) {
                secret
                    .versions
                    .retain(|sealed| keep == Some(sealed.version));
            }
        });
        self.store.forget_old_rows()
    }

    fn hash_of(&self, name: &SecretName, version: u64) -> Option<HashedToken> {
        let state = known(self.shared.state.read());
        let mut versions = state.list.secrets.get(name)?.versions.iter();
        let sealed = versions.find(|sealed| sealed.version == version)?;
        Some(sealed.hashed_credential.clone())
    }
}

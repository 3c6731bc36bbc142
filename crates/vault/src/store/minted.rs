//! Minted tokens and pinned repositories in the database.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use broker_secret_memory::token::HashedToken;
use rusqlite::params;

use super::load::{count, hashed, name, parsed, time};
use super::{Store, Tx, count_seals, for_each, integer};
use crate::error::VaultError;
use crate::minted::{MintKey, Minted, SealedMinted};

impl Store {
    pub(crate) fn keep_minted(&mut self, sealed: &SealedMinted) -> Result<(), VaultError> {
        let SealedMinted { minted, envelope } = sealed;
        let seals = self.seals.load(Ordering::Relaxed);
        self.durably(|tx| {
            count_seals(tx, seals)?;
            tx.execute(
                "INSERT OR REPLACE INTO minted VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                params![
                    minted.hashed_credential.as_str(),
                    integer(minted.installation),
                    minted.key.secret.as_str(),
                    minted.key.uid,
                    minted.key.purpose.as_str(),
                    minted.key.scope,
                    minted.minted_at.as_microsecond(),
                    minted.expires_at.as_microsecond(),
                    envelope,
                    minted.ending,
                ],
            )
        })
    }

    pub(crate) fn forget_minted(&mut self, hashed: &HashedToken) -> Result<(), VaultError> {
        let delete = "DELETE FROM minted WHERE hashed_credential = ?";
        self.durably(|tx| tx.execute(delete, [hashed.as_str()]))
    }

    pub(crate) fn note_ending(&mut self, tokens: &[HashedToken]) -> Result<(), VaultError> {
        self.durably(|tx| {
            let update = "UPDATE minted SET ending = 1 WHERE hashed_credential = ?";
            for_each(tx, update, tokens.iter().map(|hashed| [hashed.as_str()]))
        })
    }

    pub(super) fn minted(&self) -> rusqlite::Result<HashMap<HashedToken, SealedMinted>> {
        self.rows(
            "SELECT hashed_credential, installation, secret, uid, purpose, scope, minted_at,
                    expires_at, envelope, ending FROM minted",
            |row| {
                let minted = Minted {
                    key: MintKey {
                        uid: row.get(3)?,
                        secret: name(row, 2)?,
                        purpose: parsed(row, 4)?,
                        scope: row.get(5)?,
                    },
                    hashed_credential: hashed(row, 0)?,
                    installation: count(row, 1)?,
                    minted_at: time(row, 6)?,
                    expires_at: time(row, 7)?,
                    ending: row.get(9)?,
                };
                let envelope = row.get(8)?;
                let hashed = minted.hashed_credential.clone();
                Ok((hashed, SealedMinted { minted, envelope }))
            },
        )
    }

    pub(super) fn repositories(&self) -> rusqlite::Result<HashMap<Box<str>, u64>> {
        self.rows("SELECT name, id FROM repository", |row| {
            Ok((row.get(0)?, count(row, 1)?))
        })
    }
}

pub(crate) fn pin_repositories(
    tx: &Tx<'_>,
    names: &HashMap<Box<str>, u64>,
) -> rusqlite::Result<()> {
    let rows = names.iter().map(|(name, id)| (name, integer(*id)));
    for_each(tx, "INSERT OR REPLACE INTO repository VALUES (?, ?)", rows)
}

pub(crate) fn unpin_repository(tx: &Tx<'_>, name: &str) -> rusqlite::Result<usize> {
    tx.execute("DELETE FROM repository WHERE name = ?", [name])
}

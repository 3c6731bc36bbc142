//! Minted tokens and pinned repositories in the database.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use broker_secret_memory::token::HashedToken;
use rusqlite::params;

use super::load::{count, hashed, name, time, unreadable};
use super::{Store, Tx, count_seals, integer};
use crate::error::VaultError;
use crate::minted::{MintKey, Minted, SealedMinted};

impl Store {
    pub(crate) fn keep_minted(&mut self, sealed: &SealedMinted) -> Result<(), VaultError> {
        let SealedMinted { minted, envelope } = sealed;
        let seals = self.seals.load(Ordering::Relaxed);
        self.durably(|tx| {
            count_seals(tx, seals)?;
            tx.prepare_cached(
                "INSERT OR REPLACE INTO minted VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
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
            ])?;
            Ok(())
        })
    }

    pub(crate) fn forget_minted(&mut self, hashed: &HashedToken) -> Result<(), VaultError> {
        self.durably(|tx| {
            tx.prepare_cached("DELETE FROM minted WHERE hashed_credential = ?")?
                .execute([hashed.as_str()])?;
            Ok(())
        })
    }

    pub(crate) fn note_ending(&mut self, tokens: &[HashedToken]) -> Result<(), VaultError> {
        self.durably(|tx| {
            let mut update =
                tx.prepare_cached("UPDATE minted SET ending = 1 WHERE hashed_credential = ?")?;
            for hashed in tokens {
                update.execute([hashed.as_str()])?;
            }
            Ok(())
        })
    }

    pub(super) fn minted(&self) -> rusqlite::Result<HashMap<HashedToken, SealedMinted>> {
        self.rows(
            "SELECT hashed_credential, installation, secret, uid, purpose, scope, minted_at,
                    expires_at, envelope, ending FROM minted",
            |row| {
                let purpose: String = row.get(4)?;
                let minted = Minted {
                    key: MintKey {
                        uid: row.get(3)?,
                        secret: name(row, 2)?,
                        purpose: purpose.parse().map_err(unreadable(4))?,
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
    let mut insert = tx.prepare_cached("INSERT OR REPLACE INTO repository VALUES (?, ?)")?;
    for (name, id) in names {
        insert.execute(params![name, integer(*id)])?;
    }
    Ok(())
}

pub(crate) fn unpin_repository(tx: &Tx<'_>, name: &str) -> rusqlite::Result<()> {
    tx.execute("DELETE FROM repository WHERE name = ?", [name])?;
    Ok(())
}

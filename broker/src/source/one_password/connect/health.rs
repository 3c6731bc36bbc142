//! Whether a Connect server answers and knows the token: for people who look for a fault.

use serde::Deserialize;

use super::Connect;
use super::item::Vault;
use super::wire::{Ask, json};
use crate::redact;
use crate::source::one_password::OnePasswordError;
use crate::token::AccessToken;

/// A Connect server that answers and knows the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectHealth {
    /// Its version.
    pub version: Box<str>,
    /// What it works with, and how that does: `sync` talks to 1Password.
    pub dependencies: Vec<Dependency>,
    /// The names of the vaults that the token may see.
    pub vaults: Vec<Box<str>>,
}

/// What a Connect server works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Such as `sync` or `sqlite`.
    pub service: Box<str>,
    /// Such as `ACTIVE` or `TOKEN_NEEDED`.
    pub status: Box<str>,
    /// In its own words; may be empty.
    pub message: Box<str>,
}

impl Connect {
    /// Asks whether it answers, which vaults the token may see, and how it does: in this order, for
    /// until the first call with a token it waits for one.
    ///
    /// # Errors
    ///
    /// [`OnePasswordError`]; [`OnePasswordError::Unauthenticated`] if it answers and does not know
    /// the token.
    pub async fn probe(&self, token: &AccessToken) -> Result<ConnectHealth, OnePasswordError> {
        self.ask(Ask::get(&["heartbeat"]), None).await?;
        let body = self.ask(Ask::get(&["v1", "vaults"]), Some(token)).await?;
        let vaults: Vec<Vault> = json(&body)?;
        let body = self.ask(Ask::get(&["health"]), None).await?;
        let health: Health = json(&body)?;
        let dependency = |told: Told| Dependency {
            service: shown(&told.service),
            status: shown(&told.status),
            message: shown(&told.message),
        };
        Ok(ConnectHealth {
            version: shown(&health.version),
            dependencies: health.dependencies.into_iter().map(dependency).collect(),
            vaults: vaults.iter().map(|vault| shown(&vault.name)).collect(),
        })
    }
}

#[derive(Deserialize)]
struct Health {
    version: String,
    #[serde(default)]
    dependencies: Vec<Told>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    service: String,
    status: String,
    message: String,
}

fn shown(text: &str) -> Box<str> {
    redact::words(text, LONGEST_SHOWN).into()
}

const LONGEST_SHOWN: usize = 200;

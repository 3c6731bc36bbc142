//! Whether a Connect server answers, knows the token and is in touch with 1Password: for operators who look
//! for a fault.

use broker_secret_memory::redact;
use broker_secret_memory::token::AccessToken;
use serde::Deserialize;

use super::Connect;
use super::item::Vault;
use super::wire::{Ask, json};
use crate::one_password::OnePasswordError;

impl Connect {
    /// Asks whether it answers, whether it knows the token, and how it does: in this order, for until the
    /// first call with a token it waits for one.
    ///
    /// # Errors
    ///
    /// [`OnePasswordError`]; [`OnePasswordError::Unauthenticated`] if it answers and does not know
    /// the token.
    pub async fn probe(&self, token: &AccessToken) -> Result<(), OnePasswordError> {
        self.ask(Ask::get(&["heartbeat"]), None).await?;
        let body = self.ask(Ask::get(&["v1", "vaults"]), Some(token)).await?;
        json::<Vec<Vault>>(&body)?;
        let body = self.ask(Ask::get(&["health"]), None).await?;
        let health: Health = json(&body)?;
        let mut dependencies = health.dependencies.iter();
        match dependencies.find(|one| one.service == "sync" && one.status != "ACTIVE") {
            None => Ok(()),
            Some(Dependency {
                status, message, ..
            }) => {
                let said = redact::words(&format!("{status} {message}"), LONGEST_SHOWN);
                let fault = format!(
                    "the Connect server cannot reach 1Password and answers from its cache; it says: {said}"
                );
                Err(OnePasswordError::Unreachable(fault.into()))
            }
        }
    }
}

#[derive(Deserialize)]
struct Health {
    #[serde(default)]
    dependencies: Vec<Dependency>,
}

/// What a Connect server works with: `sync` talks to 1Password, and is `ACTIVE` or, for one, `TOKEN_NEEDED`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Dependency {
    service: String,
    status: String,
    message: String,
}

const LONGEST_SHOWN: usize = 200;

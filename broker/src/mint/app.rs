//! An App that is about to speak for itself: its key, and GitHub's clock.

use std::sync::{Arc, Mutex, PoisonError};

use broker_protocol::names::SecretName;
use jiff::{SignedDuration, Timestamp};

use super::MintError;
use crate::github::app_jwt::{PemSigner, Signer};
use crate::github::{AppJwt, GitHubError, Principal};
use crate::token::AccessToken;

/// An App's key, read for one task and forgotten after it.
pub(crate) struct App {
    secret: SecretName,
    client_id: Box<str>,
    signer: Arc<dyn Signer>,
}

impl App {
    /// Reads the key away from the thread that serves: it takes a millisecond.
    pub(crate) async fn read(
        secret: &SecretName,
        client_id: &str,
        pem: AccessToken,
    ) -> Result<Self, MintError> {
        let signer = tokio::task::spawn_blocking(move || PemSigner::read(&pem)).await;
        let signer = signer.map_err(MintError::Broken)?;
        let signer = signer.map_err(|source| MintError::Key {
            secret: secret.clone(),
            source,
        })?;
        Ok(Self {
            secret: secret.clone(),
            client_id: client_id.into(),
            signer: Arc::new(signer),
        })
    }

    /// Whose budget its own calls draw on.
    pub(crate) fn principal(&self) -> Principal {
        Principal::App(self.client_id.clone())
    }

    /// A JWT, signed away from the thread that serves.
    pub(crate) async fn jwt(&self, skew: &Skew, now: Timestamp) -> Result<AppJwt, MintError> {
        let (signer, client_id) = (Arc::clone(&self.signer), self.client_id.clone());
        let now = skew.at_github(now);
        let signed =
            tokio::task::spawn_blocking(move || AppJwt::sign(&*signer, &client_id, now)).await;
        signed
            .map_err(MintError::Broken)?
            .map_err(|source| MintError::Key {
                secret: self.secret.clone(),
                source,
            })
    }
}

/// How far GitHub's clock is ahead of ours, as far as it said so.
#[derive(Debug, Default)]
pub(crate) struct Skew(Mutex<SignedDuration>);

impl Skew {
    /// The moment at GitHub.
    fn at_github(&self, now: Timestamp) -> Timestamp {
        let skew = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.checked_add(skew).unwrap_or(now)
    }

    /// Learns from a JWT that GitHub refused because the clocks differ. `true` if another one, signed
    /// for GitHub's time, is worth a try.
    ///
    /// Source of the two texts: octokit/auth-app.js, `src/hook.ts`.
    pub(crate) fn learn(&self, error: &GitHubError, now: Timestamp) -> bool {
        let GitHubError::Unauthorized {
            message,
            date: Some(date),
        } = error
        else {
            return false;
        };
        let of_clocks = ["'Expiration time' claim", "'Issued at' claim"];
        if !of_clocks.iter().any(|text| message.as_str().contains(text)) {
            return false;
        }
        let skew = date.duration_since(now);
        tracing::warn!(seconds = skew.as_secs(), "GitHub's clock is ahead of ours");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = skew;
        true
    }
}

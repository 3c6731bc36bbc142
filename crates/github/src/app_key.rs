//! An App that is about to speak for itself: its key, read for one task and forgotten after it.
//!
//! Keys are read and used away from the thread that serves: each takes a millisecond. The JWT itself is
//! signed where it is used, by [`super::GitHub::call`], which knows how far GitHub's clock is from ours.

use std::sync::{Arc, Mutex, PoisonError};

use broker_secret_memory::token::AccessToken;
use jiff::{SignedDuration, Timestamp};

use super::app_jwt::{KeyError, PemSigner};
use super::{AppJwt, GitHubError, Principal};

/// An App's client id, and the key that signs for it. It has no `Debug`.
pub struct AppKey {
    client_id: Box<str>,
    signer: Arc<PemSigner>,
}

/// Why an App cannot speak for itself.
#[derive(Debug, thiserror::Error)]
pub enum NoAppKey {
    /// The stored value is no key that GitHub would take.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Reading or signing panicked: a fault of the broker's own.
    #[error("the App's key could not be read")]
    Broken(#[from] tokio::task::JoinError),
}

impl AppKey {
    /// Reads a private key in PEM form.
    ///
    /// # Errors
    ///
    /// [`NoAppKey`].
    pub async fn read(client_id: &str, pem: AccessToken) -> Result<Self, NoAppKey> {
        let signer = tokio::task::spawn_blocking(move || PemSigner::read(&pem)).await??;
        Ok(Self {
            client_id: client_id.into(),
            signer: Arc::new(signer),
        })
    }

    /// Whose budget its own calls draw on.
    #[must_use]
    pub fn principal(&self) -> Principal {
        Principal::App(self.client_id.clone())
    }

    /// The key as the App's settings page shows it.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        self.signer.fingerprint()
    }

    /// A JWT dated `now`.
    pub(super) async fn jwt(&self, now: Timestamp) -> Result<AppJwt, NoAppKey> {
        let (signer, client_id) = (Arc::clone(&self.signer), self.client_id.clone());
        let signing = move || AppJwt::sign(&signer, &client_id, now);
        Ok(tokio::task::spawn_blocking(signing).await??)
    }
}

/// How far GitHub's clock is ahead of ours, as far as it said so.
#[derive(Debug, Default)]
pub(super) struct Skew(Mutex<SignedDuration>);

impl Skew {
    /// The moment at GitHub.
    pub(super) fn at_github(&self, now: Timestamp) -> Timestamp {
        let skew = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.checked_add(skew).unwrap_or(now)
    }

    /// Learns from a JWT that GitHub refused because the clocks differ. `true` if another one, signed
    /// for GitHub's time, is worth a try.
    ///
    /// Source of the two texts: octokit/auth-app.js, `src/hook.ts`.
    pub(super) fn learn(&self, error: &GitHubError, now: Timestamp) -> bool {
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

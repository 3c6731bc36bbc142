//! Gets installation tokens, for leases and for the broker's own use: finds the installation, mints,
//! compares, keeps.
//!
//! ```text
//! Recorded<Use> ─unseal→ App key ─sign→ JWT ─mint→ token ─seal→ vault ─compare→ shared table
//! ```
//!
//! A token is in the vault before a lease holds it, so a broker that was killed can revoke it when it
//! comes back. Of several callers who need the same one, one goes to GitHub. A mint whose answer was
//! lost is not repeated: that token, if there is one, is held by no one, and ends within the hour.
//!
//! Ending tokens is in `end`, where an App is installed in `find`. Not here: who may have one
//! (`policy`), leases (`issue`).

mod end;
mod error;
mod find;
mod repositories;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_audit_writer::{Recorded, Use};
use broker_github::installation::{self, MintRequest, Repositories, Target};
use broker_github::{AppKey, GitHub, GitHubError};
use broker_protocol::names::{Delivery, OrgName, Permissions, RepoPattern, SecretName};
use broker_protocol::source::SourceSpec;
use broker_secret_memory::token::AccessToken;
use broker_sources::{ReadOptions, Sources};
use broker_vault::{MintKey, Minted, Vault, VaultError};

use self::find::{found_as, refused, target_of};
use self::table::{AHEAD, Acquired, Leader, SLACK, TOKEN_LIFETIME, Token, TokenLife, TokenTable};
use crate::journal::Journal;
use crate::lease::Lease;
use crate::metrics::TokenCounters;
use crate::policies::Policies;
use crate::secrets::Secrets;

pub(crate) use self::end::KNOWN_EVERYWHERE;
pub(crate) use self::error::MintError;

pub(crate) struct Minting {
    journal: Arc<Journal>,
    policies: Arc<Policies>,
    secrets: Arc<Secrets>,
    vault: Arc<Vault>,
    sources: Arc<Sources>,
    github: Arc<GitHub>,
    /// Tokens that may be alive, and who holds them.
    pub(crate) tokens: TokenTable,
    /// By App and account: where the App is installed.
    installations: Mutex<HashMap<(SecretName, Box<str>), u64>>,
    /// Held while GitHub is asked whether it accepts a token that it refused.
    asking: tokio::sync::Mutex<()>,
    pub(crate) counters: TokenCounters,
}

impl Minting {
    /// Mints at this GitHub, and keeps in this vault.
    pub(crate) fn new(
        (journal, policies): (Arc<Journal>, Arc<Policies>),
        (secrets, vault, sources): (Arc<Secrets>, Arc<Vault>, Arc<Sources>),
        github: Arc<GitHub>,
    ) -> Self {
        Self {
            journal,
            policies,
            secrets,
            vault,
            sources,
            github,
            tokens: TokenTable::default(),
            installations: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            counters: TokenCounters::default(),
        }
    }

    /// Closes the connections to GitHub that are not in use, whose buffers hold the credentials that were sent last.
    pub(crate) fn close_idle_connections(&self) {
        self.github.close_idle_connections();
    }

    fn installations(&self) -> MutexGuard<'_, HashMap<(SecretName, Box<str>), u64>> {
        self.installations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much of its life a token must have left for this lease: one that goes on without its caller having the token
/// gets the next one.
pub(crate) fn wanted_by(lease: &Lease) -> Duration {
    match lease.deliver {
        Delivery::Raw | Delivery::Installation => lease.span.length(),
        Delivery::Proxy => AHEAD + SLACK,
    }
}

/// What a token is to reach.
#[derive(Clone, Copy)]
pub(crate) struct MintScope<'a> {
    /// These repositories, or all of an owner's.
    pub(crate) repositories: &'a [RepoPattern],
    /// This organisation.
    pub(crate) organization: Option<&'a OrgName>,
    /// Never empty.
    pub(crate) permissions: &'a Permissions,
}

impl Minting {
    /// A token for a lease whose grant is recorded: the shared one, one that is on its way, or a new
    /// one. The lease holds it from then on.
    ///
    /// # Errors
    ///
    /// [`MintError`]; the lease holds nothing.
    pub(crate) async fn installation_token(
        &self,
        recorded: Recorded<Use>,
        lease: &Lease,
        key: &MintKey,
        source: &SourceSpec,
    ) -> Result<(Token, AccessToken), Arc<MintError>> {
        let tokens = &self.tokens;
        let wanted = wanted_by(lease);
        loop {
            let token = match tokens.acquire(key, &lease.id, wanted, self.journal.now().boot) {
                Acquired::Held(token) => token,
                Acquired::Follows(mut result) => {
                    let result = result.wait_for(Option::is_some).await;
                    match result.ok().and_then(|result| result.clone()) {
                        None => continue,
                        Some(result) => result?,
                    }
                }
                Acquired::Leads(leader) => {
                    let minted = self.mint_for(recorded, lease, &leader, source).await;
                    return minted.map_err(|error| {
                        let error = Arc::new(error);
                        tokens.fail(&leader, &error);
                        error
                    });
                }
            };
            if let Some(value) = self.held_value(&recorded, lease, &token)? {
                return Ok((token, value));
            }
        }
    }

    /// The value of a token that the lease holds; `None` if it was revoked meanwhile.
    fn held_value(
        &self,
        recorded: &Recorded<Use>,
        lease: &Lease,
        token: &Token,
    ) -> Result<Option<AccessToken>, Arc<MintError>> {
        let hashed = &token.minted.hashed_credential;
        let Ok(in_memory) = self.tokens.take(recorded, &lease.id, hashed) else {
            return Ok(None);
        };
        if in_memory.is_some() {
            return Ok(in_memory);
        }
        match self.vault.open_minted(recorded, hashed) {
            Ok(value) => {
                self.tokens.cache_value(hashed, &value);
                Ok(Some(value))
            }
            Err(source @ VaultError::Locked) => {
                let secret = lease.secret.clone();
                Err(Arc::new(MintError::Vault { secret, source }))
            }
            Err(error) => {
                tracing::error!(cause = %error, "a kept installation token does not open; another one is minted");
                self.tokens.stop_sharing(&token.minted.key);
                Ok(None)
            }
        }
    }

    async fn mint_for(
        &self,
        recorded: Recorded<Use>,
        lease: &Lease,
        leader: &Leader,
        source: &SourceSpec,
    ) -> Result<(Token, AccessToken), MintError> {
        let secret = &lease.secret;
        let policies = self.policies.in_force();
        let client_id = policies
            .set
            .secret(secret)
            .and_then(|declared| declared.client_id.as_deref())
            .ok_or_else(|| MintError::Undeclared(secret.clone()))?;
        let pem = match source {
            SourceSpec::Vault => self.vault.unseal(recorded).map_err(|source| {
                let secret = secret.clone();
                MintError::Vault { secret, source }
            })?,
            source => {
                let taken = self
                    .sources
                    .read(recorded, source, ReadOptions::LEASE, &*self.secrets)
                    .await;
                let taken = taken.map_err(|source| {
                    let secret = secret.clone();
                    MintError::Source { secret, source }
                })?;
                taken.value
            }
        };
        let key = pem.hashed();
        let app = AppKey::read(client_id, pem).await;
        let app = app.map_err(|error| MintError::of_key(secret, error))?;
        let scope = MintScope {
            repositories: &lease.repositories,
            organization: lease.organization.as_ref(),
            permissions: &lease.permissions,
        };
        let minted = self.mint_kept(&app, leader.key.clone(), scope).await;
        match &minted {
            Ok(_) => self.secrets.note_accepted(&key),
            Err(MintError::GitHub {
                source: GitHubError::Unauthorized { .. },
            }) => self.secrets.note_refused(&key),
            Err(_) => {}
        }
        let (token, value) = minted?;
        if let Err(error) = self.tokens.complete(leader, token.clone(), &value) {
            self.tokens.adopt(token, Some(&value));
            return Err(MintError::NoMemory(error));
        }
        Ok((token, value))
    }

    /// Mints a token and keeps it in the vault. If it is not what was asked for, or cannot be kept, it is
    /// ended. The caller puts it into the table, which has it ended once no lease holds it.
    pub(crate) async fn mint_kept(
        &self,
        app: &AppKey,
        key: MintKey,
        scope: MintScope<'_>,
    ) -> Result<(Token, AccessToken), MintError> {
        let secret = &key.secret;
        let target = target_of(scope.repositories, scope.organization)
            .ok_or_else(|| MintError::Undeclared(secret.clone()))?;
        let request = self.mint_request(scope);
        let asked = self.journal.now();
        let (installation, minted) = self.mint(app, secret, target, &request).await?;
        self.counters.minted.inc();
        let there = self.journal.now();
        // Its clock may be ahead of ours.
        let within_the_hour = there.wall.saturating_add(TOKEN_LIFETIME);
        let token = Token {
            minted: Minted {
                key,
                hashed_credential: minted.token.hashed(),
                installation,
                minted_at: there.wall,
                expires_at: minted.expires_at.min(within_the_hour.unwrap_or(there.wall)),
                ending: false,
            },
            life: TokenLife::minted(asked, there, minted.expires_at),
        };
        // Kept first, whatever else is wrong with it: what is in the vault can be revoked.
        let kept = self.vault.keep_minted(token.minted.clone(), &minted.token);
        let kept = kept.await.map_err(MintError::NotKept);
        let ids = match kept.and_then(|()| Ok(minted.granted.compare(&request)?)) {
            Ok(ids) => ids,
            Err(error) => {
                self.tokens.adopt(token, Some(&minted.token));
                return Err(error);
            }
        };
        let ids = ids.iter().map(|(name, id)| (name.as_str(), *id));
        if let Err(error) = self.vault.pin_repositories(ids).await {
            tracing::warn!(cause = %error, "which repositories are meant could not be kept; they are named again next time");
        }
        Ok((token, minted.token))
    }

    /// Finds the installation where it is not known, and mints. An installation that is known and
    /// gone is looked for again: an App that was taken out and put back has a new one.
    async fn mint(
        &self,
        app: &AppKey,
        secret: &SecretName,
        target: Target<'_>,
        request: &MintRequest<'_>,
    ) -> Result<(u64, installation::Minted), MintError> {
        let known = found_as(secret, target);
        let cached = self.installations().get(&known).copied();
        let mut installation = match cached {
            Some(id) => id,
            None => self.find_installation(app, secret, target).await?,
        };
        let mut looked_again = cached.is_none();
        loop {
            match self.github.mint(app, installation, request).await {
                Ok(minted) => return Ok((installation, minted)),
                Err(GitHubError::Unprocessable { message })
                    if message.as_str().contains("to the parent installation") =>
                {
                    return Err(self.out_of_reach(app, secret, target, request).await);
                }
                Err(GitHubError::NotFound { .. }) if !looked_again => {
                    looked_again = true;
                    self.installations().remove(&known);
                    installation = self.find_installation(app, secret, target).await?;
                }
                Err(error) => return Err(refused(error, secret, target)),
            }
        }
    }

    /// What to ask for: exactly this scope, by id where all ids are known.
    fn mint_request<'a>(&self, scope: MintScope<'a>) -> MintRequest<'a> {
        let repositories = scope.repositories;
        let all = repositories.iter().any(|one| one.name().is_none());
        let id = |one: &'a RepoPattern| (one, self.vault.repository_id(one.as_str()));
        MintRequest {
            repositories: if all || repositories.is_empty() {
                Repositories::All
            } else {
                Repositories::These(repositories.iter().map(id).collect())
            },
            permissions: scope.permissions,
        }
    }
}

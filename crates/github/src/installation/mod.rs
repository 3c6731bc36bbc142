//! Installations of an App, and the tokens minted for them.
//!
//! A mint always names the permissions, and the repositories wherever the lease does: at GitHub leaving
//! one out means all there is. Names change hands and ids do not, so a repository is named by its id
//! where that is known. What GitHub says it granted is compared with what was asked before anyone gets it.
//!
//! Source: GitHub REST documentation, “Apps”; “Generating an installation access token for a GitHub
//! App”.

mod compare;
#[cfg(test)]
mod tests;

use broker_protocol::names::{OrgName, Permissions, RepoPattern};
use broker_secret_memory::token::AccessToken;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use zeroize::Zeroizing;

use super::{AppKey, Call, Credential, GitHub, GitHubError, Method, Principal, Retry};

pub use self::compare::{Differs, Granted};

/// Where an App is installed, as far as it is used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Installation {
    /// Its number.
    pub id: u64,
    /// Set while an owner has suspended it.
    pub suspended_at: Option<Timestamp>,
}

/// Through what an installation is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A repository it reaches, `owner/name`.
    Repository(&'a RepoPattern),
    /// An account, personal or an organisation's.
    Account(&'a str),
    /// An organisation.
    Organization(&'a OrgName),
}

impl<'a> Target<'a> {
    /// The name itself.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        match self {
            Self::Repository(name) => name.as_str(),
            Self::Account(login) => login,
            Self::Organization(organization) => organization.as_str(),
        }
    }
}

/// What a token is to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MintRequest<'a> {
    /// The repositories.
    pub repositories: Repositories<'a>,
    /// The permissions; never empty.
    pub permissions: &'a Permissions,
}

/// Which repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repositories<'a> {
    /// All of the installation's, or none where the permissions are the organisation's alone.
    All,
    /// These, with their ids as far as they are known; never empty.
    These(Vec<(&'a RepoPattern, Option<u64>)>),
}

/// What GitHub minted. It holds the token and so has no `Debug`.
pub struct Minted {
    /// The token.
    pub token: AccessToken,
    /// When it ends: one hour from minting.
    pub expires_at: Timestamp,
    /// What it may do, by GitHub's account.
    pub granted: Granted,
}

impl GitHub {
    /// Finds where an App is installed.
    ///
    /// # Errors
    ///
    /// [`GitHubError::NotFound`] where it is not, or where there is no such thing.
    pub async fn installation(
        &self,
        app: &AppKey,
        target: Target<'_>,
    ) -> Result<Installation, GitHubError> {
        // Names are made of letters, digits, `-`, `_` and `.`: nothing to encode.
        let path = match target {
            Target::Repository(name) => format!("/repos/{name}/installation"),
            Target::Account(login) => format!("/users/{login}/installation"),
            Target::Organization(org) => format!("/orgs/{org}/installation"),
        };
        let call = Call::get(path, Credential::App(app)).drawing_on(Some(app.principal()));
        self.call(call).await?.json()
    }

    /// Mints an installation token. Sent once: of a lost answer no one knows the token, and a second
    /// one would be alive beside it.
    ///
    /// # Errors
    ///
    /// [`GitHubError`]; its outcome says whether a token may be alive that no one holds.
    pub async fn mint(
        &self,
        app: &AppKey,
        installation: u64,
        request: &MintRequest<'_>,
    ) -> Result<Minted, GitHubError> {
        let body = request.body()?;
        let reply = self
            .call(Call {
                method: Method::POST,
                path: format!("/app/installations/{installation}/access_tokens"),
                credential: Credential::App(app),
                principal: Some(app.principal()),
                body: Some(body),
                retry: Retry::Once,
            })
            .await?;
        let MintAnswer {
            mut token,
            expires_at,
            permissions,
            repositories,
        } = reply.json()?;
        // Whatever else is wrong with the answer, the token in it is to be ended and not lost.
        let repositories = repositories.and_then(|all| {
            let all: Vec<RepositoryAnswer> = serde_json::from_value(all).ok()?;
            let named = |one: RepositoryAnswer| (one.full_name.to_ascii_lowercase(), one.id);
            Some(all.into_iter().map(named).collect())
        });
        let permissions = permissions.and_then(|all| serde_json::from_value(all).ok());
        Ok(Minted {
            token: AccessToken::new(std::mem::take(&mut token)),
            expires_at,
            granted: Granted {
                permissions,
                repositories,
            },
        })
    }

    /// Ends an installation token at once.
    ///
    /// # Errors
    ///
    /// [`GitHubError::Unauthorized`] if GitHub no longer accepts it, or not yet: a token is known
    /// everywhere only after some seconds.
    pub async fn end_installation_token(
        &self,
        token: &AccessToken,
        installation: u64,
    ) -> Result<(), GitHubError> {
        let call = Call {
            method: Method::DELETE,
            path: TOKEN.to_owned(),
            credential: Credential::Token(token),
            principal: Some(Principal::Installation(installation)),
            body: None,
            retry: Retry::Repeatable,
        };
        self.call(call).await.map(drop)
    }
}

/// The token a call authenticates with.
pub(super) const TOKEN: &str = "/installation/token";

impl<'a> MintRequest<'a> {
    /// The repositories by id; `None` where not all ids are known: then they are asked for by name.
    #[must_use]
    pub fn by_id(&self) -> Option<Vec<(&'a RepoPattern, u64)>> {
        let Repositories::These(these) = &self.repositories else {
            return None;
        };
        let ids = these.iter().map(|(name, id)| Some((*name, (*id)?)));
        ids.collect()
    }

    /// Refused where it would name no repository, or not each by its name: what GitHub makes of an empty
    /// list is not for a lease to find out.
    fn body(&self) -> Result<serde_json::Value, GitHubError> {
        let permissions = self.permissions;
        let Repositories::These(these) = &self.repositories else {
            return Ok(json!({ "permissions": permissions }));
        };
        let names: Option<Vec<&str>> = these.iter().map(|(name, _)| name.name()).collect();
        let Some(names) = names.filter(|names| !names.is_empty()) else {
            let why = "a token for some repositories is not asked for without their names";
            return Err(GitHubError::CannotAsk(why.into()));
        };
        Ok(match self.by_id() {
            Some(ids) => {
                let ids: Vec<u64> = ids.iter().map(|(_, id)| *id).collect();
                json!({ "permissions": permissions, "repository_ids": ids })
            }
            None => json!({ "permissions": permissions, "repositories": names }),
        })
    }
}

#[derive(Deserialize)]
struct MintAnswer {
    /// Wiped if it is not taken out.
    #[serde(deserialize_with = "wiped")]
    token: Zeroizing<String>,
    expires_at: Timestamp,
    permissions: Option<serde_json::Value>,
    repositories: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct RepositoryAnswer {
    id: u64,
    full_name: String,
}

fn wiped<'de, D: Deserializer<'de>>(text: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(text).map(Zeroizing::new)
}

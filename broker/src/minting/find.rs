//! Where an App is installed: found once for each account, and what a refusal says of it.

use broker_github::installation::{MintRequest, Repositories, Target};
use broker_github::{AppKey, GitHubError, Principal};
use broker_protocol::names::{OrgName, RepoPattern, SecretName};

use super::{MintError, Minting};
use crate::lease::Lease;

/// What the installation that a lease needs is found by. Policy allows exactly one.
pub(super) fn target_of<'a>(
    repositories: &'a [RepoPattern],
    organization: Option<&'a OrgName>,
) -> Option<Target<'a>> {
    if let Some(organization) = organization {
        return Some(Target::Organization(organization));
    }
    let first = repositories.first()?;
    // A personal account and an organisation answer alike to this.
    Some(match first.name() {
        Some(_) => Target::Repository(first),
        None => Target::Account(first.owner()),
    })
}

/// The key of an installation that was found: the App and the account.
pub(super) fn found_as(secret: &SecretName, target: Target<'_>) -> (SecretName, Box<str>) {
    let login = match target {
        Target::Repository(name) => name.owner(),
        Target::Account(login) => login,
        Target::Organization(organization) => organization.as_str(),
    };
    (secret.clone(), login.to_ascii_lowercase().into())
}

impl Minting {
    /// Why GitHub minted nothing for these repositories, which it does not say: the App does not reach one of them,
    /// or one has another name now. A search by name shows which. Asked for by id, an id may also be no longer there,
    /// and another repository have its name.
    pub(super) async fn out_of_reach(
        &self,
        app: &AppKey,
        secret: &SecretName,
        target: Target<'_>,
        request: &MintRequest<'_>,
    ) -> MintError {
        let not_installed = |target: &str| MintError::NotInstalled {
            secret: secret.clone(),
            target: target.into(),
        };
        let Repositories::These(these) = &request.repositories else {
            return not_installed(target.as_str());
        };
        for (name, _) in these.iter().take(MOST_SEARCHED) {
            match self
                .github
                .installation(app, Target::Repository(name))
                .await
            {
                Ok(_) => {}
                Err(GitHubError::NotFound { .. }) => return not_installed(name.as_str()),
                Err(error) => return refused(error, secret, Target::Repository(name)),
            }
        }
        match request.by_id() {
            None => not_installed(target.as_str()),
            Some(pinned) => MintError::Pinned {
                pinned: pinned
                    .into_iter()
                    .map(|(name, id)| (name.as_str().into(), id))
                    .collect(),
            },
        }
    }

    pub(super) async fn find_installation(
        &self,
        app: &AppKey,
        secret: &SecretName,
        target: Target<'_>,
    ) -> Result<u64, MintError> {
        let found = self.github.installation(app, target).await;
        let found = found.map_err(|error| match &error {
            // Unless it is said of an App that does not exist, not of where it is installed.
            GitHubError::NotFound { message }
                if !message.as_str().contains("Integration not found") =>
            {
                MintError::NotInstalled {
                    secret: secret.clone(),
                    target: target.as_str().into(),
                }
            }
            _ => refused(error, secret, target),
        })?;
        if found.suspended_at.is_some() {
            return Err(MintError::Suspended {
                secret: secret.clone(),
                target: target.as_str().into(),
            });
        }
        self.installations()
            .insert(found_as(secret, target), found.id);
        Ok(found.id)
    }

    /// Whose budget at GitHub a lease of an App draws on: known once it holds a token, also one from before
    /// a restart, or an installation was found for the account.
    pub(crate) fn installation_principal(&self, lease: &Lease) -> Option<Principal> {
        let held = self.tokens.held_by(&lease.id);
        let installation = held.map(|token| token.minted.installation).or_else(|| {
            let target = target_of(&lease.repositories, lease.organization.as_ref())?;
            let known = found_as(&lease.secret, target);
            self.installations().get(&known).copied()
        });
        installation.map(Principal::Installation)
    }

    /// Every installation that was found for an App.
    pub(crate) fn installations_of(&self, secret: &SecretName) -> Vec<Principal> {
        let found = self.installations();
        let own = found.iter().filter(|((of, _), _)| of == secret);
        own.map(|(_, id)| Principal::Installation(*id)).collect()
    }
}

/// A refusal of a mint or a search, told from those that have a name of their own.
pub(super) fn refused(error: GitHubError, secret: &SecretName, target: Target<'_>) -> MintError {
    match &error {
        GitHubError::Forbidden { message, .. } | GitHubError::Refused { message, .. }
            if message.as_str().contains("suspended") =>
        {
            MintError::Suspended {
                secret: secret.clone(),
                target: target.as_str().into(),
            }
        }
        GitHubError::Moved { .. } => MintError::Moved {
            target: target.as_str().into(),
        },
        _ => error.into(),
    }
}

/// Of so many repositories at most the App's reach is asked, after a refusal that names none of them.
const MOST_SEARCHED: usize = 10;

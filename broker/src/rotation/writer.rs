//! Whose token writes a sink: a personal access token, or one minted of an App for that place alone.

use broker_protocol::names::{Level, Permissions, SecretName};

use super::RotationError;
use super::sinks::NotPushed;
use crate::broker::Broker;
use crate::github::installation::{MintRequest, Repositories, Target};
use crate::github::{AppKey, GitHubError, Principal};
use crate::policy::{Caller, SecretDeclaration, SecretKind, SinkKind, SinkPlace, SinkSpec};
use crate::token::AccessToken;
use crate::upkeep::Upkeep;

/// A token that may write to one sink.
pub(super) struct SinkToken {
    pub(super) token: AccessToken,
    pub(super) principal: Option<Principal>,
    /// Set for a minted one, which is ended after its use.
    installation: Option<u64>,
}

impl Broker {
    /// Opens or mints the token that policies name for this sink.
    pub(super) async fn sink_token(
        &self,
        by: Option<&Caller>,
        name: &SecretName,
        version: u64,
        sink: &SinkSpec,
    ) -> Result<SinkToken, NotPushed> {
        let with = sink.with.as_ref().unwrap_or(name);
        let policies = self.policies();
        let declared = policies.set.secret(with);
        let version = sink.with.is_none().then_some(version);
        let value = self.open_for_upkeep(by, with, version, Upkeep::Sink).await;
        let value = match value {
            Ok(value) => value,
            // Only this sink depends on it.
            Err(error) if sink.with.is_some() => {
                return Err(NotPushed::because(format!("its token `{with}`: {error}")));
            }
            Err(error) => return Err(NotPushed::All(RotationError::from(error))),
        };
        match declared {
            Some(app) if app.kind == SecretKind::App => self.mint_for(app, value, sink).await,
            declared => {
                let owner = declared.and_then(|declared| declared.owner.as_deref());
                Ok(SinkToken {
                    token: value,
                    principal: owner.map(Principal::user),
                    installation: None,
                })
            }
        }
    }

    async fn mint_for(
        &self,
        declared: &SecretDeclaration,
        pem: AccessToken,
        sink: &SinkSpec,
    ) -> Result<SinkToken, NotPushed> {
        let name = &declared.name;
        let client_id = declared.client_id.as_deref().unwrap_or_default();
        let app = AppKey::read(client_id, pem).await;
        let app = app
            .map_err(|error| NotPushed::because(format!("a token of the App `{name}`: {error}")))?;
        let (target, repositories) = match &sink.at {
            SinkPlace::Repository(repository) | SinkPlace::Environment { repository, .. } => (
                Target::Repository(repository),
                Repositories::Named(vec![(repository, None)]),
            ),
            SinkPlace::Organization(organization) => {
                (Target::Organization(organization), Repositories::All)
            }
        };
        let found = self.github.installation(&app, target).await;
        let found = found.map_err(|error| of_github(name, &error))?;
        let permissions = permissions(sink);
        let request = MintRequest {
            repositories,
            permissions: &permissions,
        };
        let minted = self.github.mint(&app, found.id, &request).await;
        let minted = minted.map_err(|error| of_github(name, &error))?;
        let token = SinkToken {
            token: minted.token,
            principal: Some(Principal::Installation(found.id)),
            installation: Some(found.id),
        };
        Ok(token)
    }

    /// Ends a minted token. One that cannot be ended now ends by itself within the hour.
    pub(super) async fn let_go_of_sink_token(&self, token: SinkToken) {
        let Some(installation) = token.installation else {
            return;
        };
        let ended = self
            .github
            .end_installation_token(&token.token, installation)
            .await;
        if let Err(error) = ended {
            tracing::warn!(installation, %error, "a token that wrote a sink is not ended before its hour");
        }
    }
}

fn of_github(name: &SecretName, error: &GitHubError) -> NotPushed {
    NotPushed::Sink {
        why: format!("a token of the App `{name}`: {error}"),
        may_have_happened: false,
        retry_after: error.retry_after(),
    }
}

/// What writing there takes, and no more.
///
/// Source: GitHub REST documentation, “Permissions required for GitHub Apps”.
fn permissions(sink: &SinkSpec) -> Permissions {
    let name = match (sink.kind, &sink.at) {
        (SinkKind::Actions, SinkPlace::Environment { .. }) => "environments",
        (SinkKind::Actions, SinkPlace::Repository(_)) => "secrets",
        (SinkKind::Actions, SinkPlace::Organization(_)) => "organization_secrets",
        (SinkKind::Dependabot, SinkPlace::Organization(_)) => "organization_dependabot_secrets",
        (SinkKind::Dependabot, _) => "dependabot_secrets",
        (SinkKind::Codespaces, SinkPlace::Organization(_)) => "organization_codespaces_secrets",
        (SinkKind::Codespaces, _) => "codespaces_secrets",
    };
    let name = name.parse().ok();
    name.map(|name| (name, Level::Write)).into_iter().collect()
}

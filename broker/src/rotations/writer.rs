//! Whose token writes a sink: a personal access token, or one minted of an App for that place alone.
//!
//! A minted one is sealed in the vault and recorded before it is used, so that a broker which was killed
//! ends it when it comes back. Its end after use is that of every installation token: tried until GitHub
//! says that it is dead.

use broker_audit::record::GitHubEvent;
use broker_github::{AppKey, Principal};
use broker_policy::{Caller, SecretDeclaration, SecretKind, SinkKind, SinkPlace, SinkSpec};
use broker_protocol::names::{Level, Permissions, SecretName};
use broker_secret_memory::token::AccessToken;
use broker_vault::MintKey;

use super::RotationError;
use super::sinks::PushError;
use crate::api_error::ApiError as _;
use crate::lease_record;
use crate::minting::table::Token;
use crate::minting::{MintScope, Minting};
use crate::rotations::Rotations;
use crate::secrets::Upkeep;

/// A token that may write to one sink. Dropped, one that was minted for it is ended.
pub(super) struct SinkToken<'a> {
    pub(super) token: AccessToken,
    pub(super) principal: Option<Principal>,
    /// Set for a minted one.
    minted: Option<Token>,
    minting: &'a Minting,
}

impl SinkToken<'_> {
    /// Whether it was minted, and is no stored value.
    pub(super) const fn is_minted(&self) -> bool {
        self.minted.is_some()
    }
}

impl Drop for SinkToken<'_> {
    fn drop(&mut self) {
        if let Some(minted) = self.minted.take() {
            // No one holds it there, so the next sweep ends it.
            self.minting.tokens.adopt(minted, Some(&self.token));
        }
    }
}

impl Rotations {
    /// Opens or mints the token that policies name for this sink.
    pub(super) async fn sink_token(
        &self,
        by: Option<&Caller>,
        name: &SecretName,
        version: u64,
        sink: &SinkSpec,
    ) -> Result<SinkToken<'_>, PushError> {
        let with = sink.with.as_ref().unwrap_or(name);
        let policies = self.policies.in_force();
        let declared = policies.set.secret(with);
        let version = sink.with.is_none().then_some(version);
        let value = match self.secrets.open(by, with, version, Upkeep::SINK).await {
            Ok(value) => value,
            // Only this sink depends on it.
            Err(error) if sink.with.is_some() => {
                return Err(PushError::because(format!("its token `{with}`: {error}")));
            }
            Err(error) => return Err(PushError::All(RotationError::from(error))),
        };
        match declared {
            Some(app) if app.kind == SecretKind::App => self.mint_for(by, app, value, sink).await,
            declared => {
                let owner = declared.and_then(|declared| declared.owner.as_deref());
                Ok(SinkToken {
                    token: value,
                    principal: owner.map(Principal::user),
                    minted: None,
                    minting: &self.minting,
                })
            }
        }
    }

    async fn mint_for(
        &self,
        by: Option<&Caller>,
        declared: &SecretDeclaration,
        pem: AccessToken,
        sink: &SinkSpec,
    ) -> Result<SinkToken<'_>, PushError> {
        let name = &declared.name;
        let client_id = declared.client_id.as_deref().unwrap_or_default();
        let app = AppKey::read(client_id, pem).await;
        let app = app
            .map_err(|error| PushError::because(format!("a token of the App `{name}`: {error}")))?;
        let (repositories, organization) = match &sink.at {
            SinkPlace::Repository(repository) | SinkPlace::Environment { repository, .. } => {
                (std::slice::from_ref(repository), None)
            }
            SinkPlace::Organization(organization) => (&[][..], Some(organization)),
        };
        let permissions = permissions(sink);
        let scope = MintScope {
            repositories,
            organization,
            permissions: &permissions,
        };
        let minted = self
            .minting
            .mint_kept(&app, self.key_for(name, sink)?, scope)
            .await;
        let (held, token) = minted.map_err(|error| PushError::Sink {
            why: format!("a token of the App `{name}`: {error}"),
            may_have_happened: false,
            retry_after: error.answer().retry_after,
        })?;
        let minted = held.minted.clone();
        let token = SinkToken {
            token,
            principal: Some(Principal::Installation(minted.installation)),
            minted: Some(held),
            minting: &self.minting,
        };
        self.journal
            .record(&GitHubEvent::TokenMinted {
                by: by.map(lease_record::caller),
                secret: name.as_str(),
                installation: minted.installation,
                hashed_credential: minted.hashed_credential.as_str(),
                what_for: Upkeep::SINK.as_str(),
                expires_at: minted.expires_at,
            })
            .await
            .map_err(|error| PushError::All(error.into()))?;
        Ok(token)
    }

    /// The broker's own account, and a scope that no lease's is written like: it is shared with no one.
    fn key_for(&self, app: &SecretName, sink: &SinkSpec) -> Result<MintKey, PushError> {
        let purpose = Upkeep::SINK.as_str().parse();
        Ok(MintKey {
            uid: self.config.own_uid,
            secret: app.clone(),
            purpose: purpose.map_err(|_never| PushError::because("`sink` is no purpose".into()))?,
            scope: sink.to_string().into(),
        })
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

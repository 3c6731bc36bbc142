//! What the policies in force say to a request that is not made.

use std::sync::Arc;

use broker_policy::{Asker, Caller, Explanation, PolicySet, Request, RequestLine};
use broker_protocol::api::{ExplainRequest, Explained};
use broker_protocol::error::ErrorCode;
use broker_protocol::names::Purpose;
use tokio::task::JoinError;

use super::Policies;
use super::described::{Described, KnownAccounts, NoSuchCaller};
use super::requested::{ZeroTtl, parse_ttl};
use crate::api_error::{Answer, ApiError};

/// Why nothing is explained.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExplainError {
    #[error(transparent)]
    Caller(#[from] NoSuchCaller),
    #[error(transparent)]
    Ttl(#[from] ZeroTtl),
    #[error("there is no purpose `{0}`{1}")]
    Purpose(Purpose, String),
    #[error("`request`: {0}")]
    Request(&'static str),
    /// A fault of the broker's own.
    #[error("the accounts could not be looked up")]
    Broken(#[from] JoinError),
}

#[warn(clippy::wildcard_enum_match_arm)]
impl ApiError for ExplainError {
    fn answer(&self) -> Answer {
        let code = match self {
            Self::Caller(_) | Self::Ttl(_) | Self::Request(_) => ErrorCode::BadRequest,
            Self::Purpose(..) => ErrorCode::NotFound,
            Self::Broken(_) => ErrorCode::Internal,
        };
        code.into()
    }
}

impl Policies {
    /// Says what this set answers, and which files are not in it. `by` is who wants to know.
    pub(crate) async fn explain(
        &self,
        asked: ExplainRequest,
        by: Arc<Caller>,
    ) -> Result<Explained, ExplainError> {
        let in_force = self.in_force();
        let set = Arc::clone(&in_force);
        // Accounts may be a directory service's, and a program is read for its hash.
        let explaining = move || explain(&set.set, asked, &by, KnownAccounts::OfThisMachine);
        let explanation = tokio::task::spawn_blocking(explaining).await??;
        self.look_at_files().await;
        Ok(Explained {
            in_force_since: Some(in_force.since),
            files_changed: self.changed_files(),
            ..explained(explanation)
        })
    }
}

/// Says what a set answers. What is left open of who asks is `own`'s; where nothing is said of it, it is `own`.
pub(crate) fn explain(
    set: &PolicySet,
    asked: ExplainRequest,
    own: &Caller,
    known: KnownAccounts<'_>,
) -> Result<Explanation, ExplainError> {
    let github = asked.request.as_deref().map(str::parse::<RequestLine>);
    let github = github.transpose().map_err(ExplainError::Request)?;
    let described = match &asked.caller {
        Some(who) => Described::of(who, own, known)?,
        None => Described::itself(own.clone()),
    };
    let asker = Asker {
        account: &described.account,
        groups: &described.groups,
    };
    let request = Request {
        caller: Arc::new(described.caller),
        purpose: asked.purpose,
        repositories: asked.repositories,
        organization: asked.organization,
        permissions: asked.permissions,
        ttl: parse_ttl(asked.ttl)?,
    };
    let explanation = set.explain(&request, asker, github.as_ref());
    explanation.ok_or_else(|| {
        let meant = set.meant_purpose(&request.purpose);
        ExplainError::Purpose(request.purpose, meant)
    })
}

/// Of a set that need not be in force.
pub(crate) fn explained(explanation: Explanation) -> Explained {
    Explained {
        outcome: explanation.outcome,
        rule: explanation.rule.map(|rule| rule.as_ref().to_owned()),
        lines: explanation.lines,
        in_force_since: None,
        files_changed: Vec::new(),
    }
}

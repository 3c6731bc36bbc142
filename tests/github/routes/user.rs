//! `GET /user` and `GET /rate_limit`.

use serde_json::json;

use super::super::answer::Answer;
use super::super::identify::Who;
use super::super::permission::scopes_allow;
use super::super::request::Request;
use super::super::state::State;
use super::super::world::PatKind;
use super::Outcome;

impl State {
    pub(super) fn get_user(&self, request: &Request, who: &Who) -> Outcome {
        let pat = match who {
            Who::User(pat) => pat,
            Who::Anonymous => return Err(Answer::error(401, "Requires authentication")),
            // A JWT is no token of a user, nor is an installation's.
            Who::App(_) => {
                return Err(Answer::error(401, "A JSON web token could not be decoded"));
            }
            Who::Installation(..) => {
                return Err(Answer::error(403, "Resource not accessible by integration"));
            }
        };
        let private = match &pat.kind {
            PatKind::Classic { scopes } => scopes_allow(scopes, "user"),
            PatKind::FineGrained { .. } => false,
        };
        let login = self
            .account_named(&pat.login)
            .map_or("", |account| account.login.as_str());
        Ok(Answer::json(
            200,
            self.own_user(&request.base, login, private),
        ))
    }

    pub(super) fn get_rate_limit(&mut self, request: &Request, who: &Who) -> Outcome {
        if !self.settings.rate_limits {
            return Err(Answer::error(404, "Rate limiting is not enabled."));
        }
        let (principal, _) = self.principal(who);
        let limit = self.hourly_limit(who);
        let now = self.clock.now().as_second();
        let resources = self.limits.overview(&principal, limit, now);
        let mut body = json!({ "resources": resources });
        // Gone from version 2026-03-10 on.
        if request.header("x-github-api-version") != Some("2026-03-10") {
            body["rate"] = body["resources"]["core"].clone();
        }
        Ok(Answer::json(200, body))
    }

    /// Requests an hour.
    ///
    /// Source: GitHub documentation, “Rate limits for the REST API”.
    pub(crate) fn hourly_limit(&self, who: &Who) -> u64 {
        match who {
            Who::Anonymous => 60,
            Who::User(_) | Who::App(_) => 5000,
            Who::Installation(_, minted) => {
                let installed = self.installation(minted.installation);
                let repositories = installed.map_or(0, |(_, one)| self.reach(one).len() as u64);
                (5000 + repositories.saturating_sub(20) * 50).min(12_500)
            }
        }
    }
}

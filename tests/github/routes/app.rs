//! Apps, their installations, and the tokens these are given.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::clock::iso;
use super::super::identify::Who;
use super::super::objects::{permissions, selection};
use super::super::permission::{Level, Permissions, allows};
use super::super::request::Request;
use super::super::state::{InstallationToken, State};
use super::super::tokens::{stateful_installation_token, stateless_installation_token};
use super::super::world::{App, Installation};
use super::{Outcome, page};

/// GitHub ends an installation token after this long.
const LIFE: SignedDuration = SignedDuration::from_hours(1);
/// Most repositories that one token may be cut down to.
const MOST_REPOSITORIES: usize = 500;

impl State {
    pub(super) fn get_app(&self, request: &Request, who: &Who) -> Outcome {
        let app = self.own_app(who)?;
        Ok(Answer::json(200, self.app_object(&request.base, app)))
    }

    pub(super) fn list_installations(&self, request: &Request, who: &Who) -> Outcome {
        let app = self.own_app(who)?;
        let all: Vec<_> = app.installations.iter().collect();
        let (installations, link) = page(request, all);
        let list: Vec<Value> = installations
            .into_iter()
            .map(|installation| self.installation_object(&request.base, app, installation))
            .collect();
        let answer = Answer::json(200, json!(list));
        Ok(match link {
            Some(link) => answer.with("link", link),
            None => answer,
        })
    }

    pub(super) fn get_installation(&self, request: &Request, who: &Who, id: &str) -> Outcome {
        let (app, installation) = self.own_installation(who, id)?;
        let object = self.installation_object(&request.base, app, installation);
        Ok(Answer::json(200, object))
    }

    pub(super) fn installation_of_account(
        &self,
        request: &Request,
        who: &Who,
        account: &str,
    ) -> Outcome {
        let app = self.own_app(who)?;
        self.installation_answer(request, app, account, |_| true)
    }

    pub(super) fn installation_of_repository(
        &self,
        request: &Request,
        who: &Who,
        owner: &str,
        name: &str,
    ) -> Outcome {
        let app = self.own_app(who)?;
        let repository = self.find_repository(request, owner, name)?;
        let reaches =
            |installation: &Installation| self.reach(installation).contains(&repository.id);
        self.installation_answer(request, app, &repository.owner, reaches)
    }

    pub(super) fn mint(&mut self, request: &Request, who: &Who, id: &str) -> Outcome {
        let body = request.json()?;
        let (app, installation) = self.own_installation(who, id)?;
        if installation.suspended {
            return Err(Answer::error(403, "This installation has been suspended"));
        }
        let granted = installation.granted(app);
        let asked = asked_permissions(&body)?;
        let mut allowed = match asked {
            Some(asked) => {
                if !asked
                    .iter()
                    .all(|(name, level)| allows(granted, name, *level))
                {
                    return Err(Answer::error(
                        422,
                        "The permissions requested are not granted to this installation.",
                    ));
                }
                asked
            }
            None => granted.clone(),
        };
        // Repositories cannot be reached without.
        allowed.entry("metadata".to_owned()).or_insert(Level::Read);
        let chosen = self.asked_repositories(&body, installation)?;
        let (now, installation_id) = (self.clock.now(), installation.id);
        let expires = now + LIFE;
        let token = if self.long_token(request) {
            stateless_installation_token(app.id, installation_id, expires.as_second())
        } else {
            stateful_installation_token()
        };
        let narrowed = chosen.is_some();
        let minted = InstallationToken {
            installation: installation_id,
            repositories: chosen,
            permissions: allowed,
            created: now,
            expires,
            blind_calls: self.settings.replication_calls,
            revoked: false,
        };
        let mut answer = json!({
            "token": token,
            "expires_at": iso(expires),
            "permissions": permissions(&minted.permissions),
            "repository_selection": match narrowed {
                true => "selected",
                false => selection(&installation.repositories),
            },
        });
        if answer["repository_selection"] == "selected" {
            let reach = self.token_reach(&minted);
            let objects = reach.iter().map(|id| &self.repositories[id]);
            let objects = objects.map(|one| self.repository_object(&request.base, one));
            answer["repositories"] = objects.collect();
        }
        self.installation_tokens.insert(token, minted);
        Ok(Answer::json(201, answer))
    }

    pub(super) fn delete_token(&mut self, who: &Who) -> Outcome {
        let Who::Installation(token, _) = who else {
            return Err(Answer::error(
                403,
                "Resource not accessible by personal access token",
            ));
        };
        self.revoke(token);
        Ok(Answer::empty(204))
    }

    pub(super) fn reachable(&self, request: &Request, who: &Who) -> Outcome {
        let Who::Installation(_, minted) = who else {
            return Err(Answer::error(
                403,
                "You must authenticate with an installation access token in order to list \
                 repositories for an installation.",
            ));
        };
        let reach = self.token_reach(minted);
        let total = reach.len();
        let (ids, link) = page(request, reach.into_iter().collect());
        let objects = ids.iter().map(|id| &self.repositories[id]);
        let objects: Value = objects
            .map(|one| self.repository_object(&request.base, one))
            .collect();
        let chosen = match (&minted.repositories, self.installation(minted.installation)) {
            (None, Some((_, installation))) => selection(&installation.repositories),
            _ => "selected",
        };
        let answer = Answer::json(
            200,
            json!({
                "total_count": total, "repository_selection": chosen, "repositories": objects,
            }),
        );
        Ok(match link {
            Some(link) => answer.with("link", link),
            None => answer,
        })
    }

    fn own_app(&self, who: &Who) -> Result<&App, Answer> {
        match who {
            Who::App(app) => Ok(&self.apps[*app]),
            _ => Err(Answer::error(401, "A JSON web token could not be decoded")),
        }
    }

    fn own_installation(&self, who: &Who, id: &str) -> Result<(&App, &Installation), Answer> {
        let app = self.own_app(who)?;
        let mut installations = app.installations.iter();
        let found = installations.find(|installation| installation.id.to_string() == id);
        Ok((app, found.ok_or_else(Answer::not_found)?))
    }

    fn installation_answer(
        &self,
        request: &Request,
        app: &App,
        account: &str,
        also: impl Fn(&Installation) -> bool,
    ) -> Outcome {
        let mut installations = app.installations.iter();
        let found = installations
            .find(|one| one.account.eq_ignore_ascii_case(account) && also(one))
            .ok_or_else(Answer::not_found)?;
        let object = self.installation_object(&request.base, app, found);
        Ok(Answer::json(200, object))
    }

    /// The repositories that a token is to be cut down to, by name or by id.
    fn asked_repositories(
        &self,
        body: &Value,
        installation: &Installation,
    ) -> Result<Option<BTreeSet<u64>>, Answer> {
        let list = |name: &str| match &body[name] {
            Value::Null => Ok(None),
            Value::Array(list) => Ok(Some(list.clone())),
            _ => Err(Answer::invalid("InstallationToken", name, "invalid")),
        };
        let (names, ids) = (list("repositories")?, list("repository_ids")?);
        if names.is_none() && ids.is_none() {
            return Ok(None);
        }
        let reach = self.reach(installation);
        let by_name = names.iter().flatten().map(|name| {
            let mut within = reach.iter().map(|id| &self.repositories[id]);
            within
                .find(|one| name == one.name.as_str())
                .map(|one| one.id)
        });
        let by_id = ids
            .iter()
            .flatten()
            .map(|id| id.as_u64().filter(|id| reach.contains(id)));
        let chosen: Option<BTreeSet<u64>> = by_name.chain(by_id).collect();
        match chosen {
            // GitHub's words for too many are not recorded; that it refuses is.
            Some(chosen) if chosen.len() > MOST_REPOSITORIES => Err(Answer::error(
                422,
                "A maximum of 500 repositories can be requested for an installation access token.",
            )),
            // An empty list is as good as none.
            Some(chosen) if chosen.is_empty() => Ok(None),
            Some(chosen) => Ok(Some(chosen)),
            None => Err(Answer::error(
                422,
                "There is at least one repository that does not exist or is not accessible to the \
                 parent installation.",
            )),
        }
    }

    fn long_token(&self, request: &Request) -> bool {
        match request.header("x-github-stateless-s2s-token") {
            Some("enabled") => true,
            Some("disabled") => false,
            _ => self.settings.long_installation_tokens,
        }
    }
}

fn asked_permissions(body: &Value) -> Result<Option<Permissions>, Answer> {
    let invalid = || Answer::invalid("InstallationToken", "permissions", "invalid");
    match &body["permissions"] {
        Value::Null => Ok(None),
        Value::Object(asked) => asked
            .iter()
            .map(|(name, level)| {
                let level = level.as_str().and_then(Level::parse).ok_or_else(invalid)?;
                Ok((name.clone(), level))
            })
            .collect::<Result<Permissions, Answer>>()
            // An empty object is as good as none.
            .map(|asked| (!asked.is_empty()).then_some(asked)),
        _ => Err(invalid()),
    }
}

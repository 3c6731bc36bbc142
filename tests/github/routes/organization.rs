//! `GET /orgs/{org}`, and the list of its repositories.

use serde_json::Value;

use super::super::answer::Answer;
use super::super::identify::Who;
use super::super::request::Request;
use super::super::state::{Account, State};
use super::repository::METADATA;
use super::{Outcome, linked, page_at};

impl State {
    pub(super) fn get_organization(&self, request: &Request, login: &str) -> Outcome {
        let account = self.organization(login)?;
        let object = self.organization_object(&request.base, account);
        Ok(Answer::json(200, object))
    }

    /// Those that the caller may see: the newest first, or by name with `sort=full_name`. Links call the
    /// organisation by its number.
    pub(super) fn list_organization_repositories(
        &self,
        request: &Request,
        who: &Who,
        login: &str,
    ) -> Outcome {
        let account = self.organization(login)?;
        let owned = self.repositories.values().filter(|repository| {
            repository.owner.eq_ignore_ascii_case(&account.login)
                && self.may_work_on(who, repository, METADATA).is_ok()
        });
        let mut all: Vec<_> = owned.collect();
        match request.query_value("sort").as_deref() {
            Some("full_name") => all.sort_by_key(|repository| repository.full_name()),
            _ => all.reverse(),
        }
        let path = format!("/organizations/{}/repos", account.id);
        let (shown, link) = page_at(request, &path, all);
        let shown = shown.into_iter();
        let list: Value = shown
            .map(|repository| self.repository_object(&request.base, repository))
            .collect();
        Ok(linked(Answer::json(200, list), link))
    }

    /// The login of the organisation of this number.
    pub(super) fn organization_of(&self, id: &str) -> Result<String, Answer> {
        let id: u64 = id.parse().map_err(|_not_a_number| Answer::not_found())?;
        let mut all = self.accounts.values();
        let found = all.find(|account| account.id == id).map(|one| &one.login);
        found.cloned().ok_or_else(Answer::not_found)
    }

    fn organization(&self, login: &str) -> Result<&Account, Answer> {
        let account = self.account_named(login);
        let organization = account.filter(|account| account.members.is_some());
        organization.ok_or_else(Answer::not_found)
    }
}

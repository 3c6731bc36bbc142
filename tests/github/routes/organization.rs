//! `GET /orgs/{org}`.

use super::super::answer::Answer;
use super::super::request::Request;
use super::super::state::State;
use super::Outcome;

impl State {
    pub(super) fn get_organization(&self, request: &Request, login: &str) -> Outcome {
        match self.account_named(login) {
            Some(account) if account.members.is_some() => Ok(Answer::json(
                200,
                self.organization_object(&request.base, account),
            )),
            _ => Err(Answer::not_found()),
        }
    }
}

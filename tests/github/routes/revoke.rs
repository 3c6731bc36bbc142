//! `POST /credentials/revoke`: unauthenticated, asynchronous, silent about what it found.

use jiff::SignedDuration;

use super::super::answer::Answer;
use super::super::request::{Presented, Request};
use super::super::state::State;
use super::super::tokens::revocable;
use super::Outcome;

impl State {
    pub(super) fn revoke_credentials(&mut self, request: &Request) -> Outcome {
        if !matches!(request.presented(), Presented::Nothing) {
            return Err(Answer::error(
                403,
                "This endpoint must be called without authentication",
            ));
        }
        let body = request.json()?;
        let Some(credentials) = body["credentials"].as_array() else {
            return Err(Answer::unprocessable(&["credentials must be an array"]));
        };
        let texts: Option<Vec<&str>> = credentials.iter().map(|one| one.as_str()).collect();
        let Some(texts) = texts.filter(|texts| (1..=1000).contains(&texts.len())) else {
            return Err(Answer::unprocessable(&[
                "credentials must be between 1 and 1000 texts",
            ]));
        };
        // What GitHub says of an installation token here is not recorded; it does not take one.
        if !texts.iter().all(|text| revocable(text)) {
            return Err(Answer::unprocessable(&[
                "credentials has an unsupported type",
            ]));
        }
        let delay = SignedDuration::try_from(self.settings.revocation_delay).unwrap();
        let at = self.clock.now() + delay;
        self.doomed
            .extend(texts.iter().map(|text| (at, (*text).to_owned())));
        Ok(Answer::json(202, serde_json::json!({})))
    }
}

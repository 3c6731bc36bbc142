//! One answer: the note in the journal, faults, the route, and the headers around.

use serde_json::json;

use super::world::State;
use crate::github::Exchange;
use crate::github::answer::{Answer, Body};
use crate::github::faults::Effect;
use crate::github::hashed;
use crate::github::request::{Presented, Request};
use crate::github::respond::{alter, set};
use crate::github::server::Service;

impl Service for State {
    fn arrive(&mut self, request: &Request) -> (usize, Option<Effect>) {
        let effect = self.faults.strike(&request.method, &request.path);
        let token = match request.presented() {
            Presented::Token(token) => Some(token),
            Presented::Nothing | Presented::Unreadable => None,
        };
        let known = token
            .as_ref()
            .is_some_and(|it| self.world.tokens.contains_key(it));
        let number = self.journal.arrived(Exchange {
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            principal: if known { "token" } else { "anonymous" }.to_owned(),
            hashed_token: token.as_deref().map(hashed),
            status: None,
            processed: false,
            fault: effect.as_ref().map(Effect::name),
            user_agent: request.header("user-agent").map(str::to_owned),
            api_version: None,
            at: self.clock.now().as_microsecond(),
            graphql: None,
        });
        (number, effect)
    }

    fn respond(&mut self, request: &Request, number: usize, effect: Option<&Effect>) -> Answer {
        let refusal = effect.and_then(refusal);
        let processed = refusal.is_none();
        let mut answer = match refusal {
            Some(refusal) => refusal,
            None => self.route(request).unwrap_or_else(|refusal| refusal),
        };
        let kind = match &answer.body {
            Body::None => None,
            Body::Json(_) => Some("application/json"),
            Body::Text(_) => Some("text/plain"),
            Body::Bytes(_) => Some("application/octet-stream"),
        };
        if let Some(kind) = kind {
            let typed = ("content-type".to_owned(), kind.to_owned());
            answer.headers.push(typed);
        }
        match effect {
            Some(Effect::Replay { headers, .. }) => headers.clone_into(&mut answer.headers),
            Some(Effect::Headers(changes)) => {
                for (name, value) in changes {
                    set(&mut answer.headers, &name.to_lowercase(), value.clone());
                }
            }
            Some(effect) => alter(&mut answer, effect),
            None => {}
        }
        if let Some(call) = self.journal.at(number) {
            call.status = match effect {
                Some(Effect::LoseReply | Effect::HangAfter) => None,
                _ => Some(answer.status),
            };
            call.processed = processed;
        }
        answer
    }
}

/// `{status, message}`, as Connect refuses.
pub(super) fn error(status: u16, message: &str) -> Answer {
    Answer::json(status, json!({"status": status, "message": message}))
}

/// What a fault answers in place of Connect.
fn refusal(effect: &Effect) -> Option<Answer> {
    Some(match effect {
        Effect::Refuse { status, message } => error(*status, message),
        Effect::Redirect { status, location } => {
            Answer::text(*status, "").with("location", location.clone())
        }
        Effect::Replay { status, body, .. } => Answer::text(*status, body),
        Effect::SecondaryLimit { retry_after, .. } => {
            let answer = error(429, "Too many requests");
            match retry_after {
                Some(seconds) => answer.with("retry-after", seconds.to_string()),
                None => answer,
            }
        }
        _ => return None,
    })
}

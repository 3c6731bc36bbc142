//! One answer: who calls, what is left of the budget, what the route says, and the headers around.

use sha2::{Digest as _, Sha256};

use super::answer::{Answer, Body};
use super::clock::http_date;
use super::faults::{Effect, merge};
use super::identify::Who;
use super::journal::{Exchange, hashed};
use super::limits::{Draw, Resource, primary, secondary};
use super::permission::normalised;
use super::request::{Presented, Request};
use super::routes::hex;
use super::server::Service;
use super::state::State;
use super::world::{ExpiryHeader, Pat, PatKind};

/// Versions of the API that there are.
///
/// Source: GitHub documentation, “API Versions”.
const VERSIONS: &[&str] = &["2022-11-28", "2026-03-10"];

/// Where GraphQL is.
const GRAPHQL: &str = "/graphql";

impl Service for State {
    fn arrive(&mut self, request: &Request) -> (usize, Option<Effect>) {
        let effect = self.faults.strike(&request.method, &request.path);
        let number = self.journal.arrived(Exchange {
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            principal: "unknown".to_owned(),
            hashed_token: match request.presented() {
                Presented::Token(token) => Some(hashed(&token)),
                Presented::Nothing | Presented::Unreadable => None,
            },
            status: None,
            processed: false,
            fault: effect.as_ref().map(Effect::name),
            user_agent: request.header("user-agent").map(str::to_owned),
            api_version: request.header("x-github-api-version").map(str::to_owned),
            at: self.clock.now().as_microsecond(),
            graphql: None,
        });
        (number, effect)
    }

    fn respond(&mut self, request: &Request, number: usize, effect: Option<&Effect>) -> Answer {
        self.catch_up();
        let mut processed = false;
        let identified = self.identify(request);
        let who = identified.clone().unwrap_or(Who::Anonymous);
        let (principal, name) = self.principal(&who);
        let now = self.clock.now().as_second();
        let mut answer = match effect.and_then(|effect| refusal(effect, &name)) {
            Some(refusal) => refusal,
            None => plain_refusal(request)
                .map_or(Ok(()), Err)
                .and(identified)
                .and_then(|who| {
                    self.draw(request, &who)?;
                    processed = true;
                    self.route(request, &who)
                })
                .unwrap_or_else(|refusal| refusal),
        };
        if let Some(effect) = effect {
            alter(&mut answer, effect);
        }
        let limit = self.hourly_limit(&who);
        if not_modified(request, &mut answer) {
            self.limits.give_back(&principal);
        }
        let mut headers = self.usual_headers(request, &who);
        if self.settings.rate_limits {
            let resource = match request.path == GRAPHQL {
                true => Resource::Graphql,
                false => Resource::Core,
            };
            headers.extend(self.limits.headers(resource, &principal, limit, now));
        }
        if let Some(Effect::PrimaryLimit { reset_in, .. }) = effect {
            set(&mut headers, "x-ratelimit-remaining", Some("0".to_owned()));
            let reset = (now + reset_in).to_string();
            set(&mut headers, "x-ratelimit-reset", Some(reset));
        }
        for (name, value) in std::mem::take(&mut answer.headers) {
            set(&mut headers, &name, Some(value));
        }
        if !matches!(
            &who,
            Who::Installation(..)
                | Who::User(Pat {
                    kind: PatKind::FineGrained { .. },
                    ..
                })
        ) {
            set(&mut headers, "x-accepted-github-permissions", None);
        }
        if let Some(Effect::Headers(changes)) = effect {
            for (name, value) in changes {
                set(&mut headers, &name.to_lowercase(), value.clone());
            }
        }
        if let Some(Effect::Replay { headers: all, .. }) = effect {
            all.clone_into(&mut headers);
        }
        answer.headers = headers;
        let touched = self.touched.take();
        if let Some(call) = self.journal.at(number) {
            call.graphql = touched;
            call.principal = principal;
            call.processed = processed;
            call.status = match effect {
                Some(Effect::LoseReply | Effect::HangAfter) => None,
                _ => Some(answer.status),
            };
        }
        answer
    }
}

impl State {
    fn draw(&mut self, request: &Request, who: &Who) -> Result<(), Answer> {
        if !self.settings.rate_limits {
            return Ok(());
        }
        let (principal, name) = self.principal(who);
        let draw = Draw {
            principal: &principal,
            who: &name,
            limit: self.hourly_limit(who),
            cost: match request.method.as_str() {
                "GET" | "HEAD" | "OPTIONS" => 1,
                _ => 5,
            },
            points_a_minute: self.settings.points_a_minute,
            now: self.clock.now().as_second(),
        };
        match request.path.as_str() {
            "/rate_limit" => self.limits.under_secondary(&draw),
            // By what its document asks for, once that is read.
            GRAPHQL => Ok(()),
            _ => self.limits.draw(&draw),
        }
    }

    fn usual_headers(&self, request: &Request, who: &Who) -> Vec<(String, String)> {
        let skew = jiff::SignedDuration::from_secs(self.settings.date_skew);
        let version = request
            .header("x-github-api-version")
            .unwrap_or(VERSIONS[0]);
        let mut headers = vec![
            ("date", http_date(self.clock.now() + skew)),
            ("server", "github.com".to_owned()),
            ("x-github-media-type", "github.v3; format=json".to_owned()),
            (
                "x-github-request-id",
                super::tokens::random_text(20).to_uppercase(),
            ),
            ("x-github-api-version-selected", version.to_owned()),
        ];
        if let Who::User(pat) = who {
            if let PatKind::Classic { scopes } = &pat.kind {
                headers.push(("x-oauth-scopes", normalised(scopes)));
                headers.push(("x-accepted-oauth-scopes", accepted_scopes(&request.path)));
            }
            if let Some(value) = self.expiry_header(pat) {
                headers.push(("github-authentication-token-expiration", value));
            }
        }
        headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn expiry_header(&self, pat: &Pat) -> Option<String> {
        let ends = pat.expires_at?;
        Some(match pat.expiry_header {
            ExpiryHeader::Utc => ends.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            ExpiryHeader::Offset => {
                let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(2));
                ends.to_zoned(zone)
                    .strftime("%Y-%m-%d %H:%M:%S %z")
                    .to_string()
            }
            ExpiryHeader::Absent => return None,
            ExpiryHeader::TimeOfCall => self
                .clock
                .now()
                .strftime("%Y-%m-%d %H:%M:%S UTC")
                .to_string(),
            ExpiryHeader::Unreadable => "soon".to_owned(),
        })
    }
}

/// What GitHub refuses before it looks at who calls.
fn plain_refusal(request: &Request) -> Option<Answer> {
    if request.header("user-agent").is_none_or(str::is_empty) {
        return Some(Answer::text(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a \
             User-Agent header.\n",
        ));
    }
    let version = request.header("x-github-api-version");
    if version.is_some_and(|version| !VERSIONS.contains(&version)) {
        return Some(Answer::error(
            400,
            "The given X-GitHub-Api-Version is not supported.",
        ));
    }
    (request.path.ends_with('/') && request.path != "/").then(Answer::not_found)
}

/// What a fault answers in place of GitHub.
fn refusal(effect: &Effect, who: &str) -> Option<Answer> {
    Some(match effect {
        Effect::Refuse { status, message } => Answer::error(*status, message),
        Effect::Redirect { status, location } => {
            Answer::error(*status, "Found").with("location", location.clone())
        }
        Effect::Replay { status, body, .. } => Answer::text(*status, body),
        Effect::PrimaryLimit { status, .. } => primary(*status, who),
        Effect::SecondaryLimit {
            status,
            retry_after,
        } => secondary(*status, *retry_after),
        _ => return None,
    })
}

pub(crate) fn alter(answer: &mut Answer, effect: &Effect) {
    match (effect, &mut answer.body) {
        (Effect::ReplaceBody(text), body) => *body = Body::Text(text.clone()),
        (Effect::PatchBody(patch), Body::Json(json)) => merge(json, patch),
        _ => {}
    }
}

/// Adds type and `ETag`; a success that the caller has already becomes 304 without a body.
fn not_modified(request: &Request, answer: &mut Answer) -> bool {
    let kind = match &answer.body {
        Body::None => return false,
        Body::Json(_) => "application/json; charset=utf-8",
        Body::Text(text) if text.starts_with(['{', '[']) => "application/json; charset=utf-8",
        Body::Text(_) => "text/html; charset=utf-8",
        Body::Bytes(_) => "application/octet-stream",
    };
    let typed = ("content-type".to_owned(), kind.to_owned());
    let json = match &answer.body {
        Body::Json(json) if request.verb() == "GET" && answer.succeeded() => json,
        _ => {
            answer.headers.push(typed);
            return false;
        }
    };
    let tag = format!("\"{}\"", hex(&Sha256::digest(json.to_string())));
    let same = request
        .header("if-none-match")
        .is_some_and(|known| known.contains(&tag));
    answer.headers.push(("etag".to_owned(), tag));
    if same {
        answer.status = 304;
        answer.body = Body::None;
    } else {
        answer.headers.push(typed);
    }
    same
}

fn accepted_scopes(path: &str) -> String {
    let pieces: Vec<&str> = path.split('/').skip(1).collect();
    let scopes = match pieces[..] {
        ["repos", ..] | ["repositories", ..] | ["graphql"] => "repo",
        ["orgs", _, _, "secrets", ..] => "admin:org",
        ["orgs", _] => "admin:org, read:org, repo, user, write:org",
        _ => "",
    };
    scopes.to_owned()
}

/// Sets a header that is there once, or takes it away.
pub(crate) fn set(headers: &mut Vec<(String, String)>, name: &str, value: Option<String>) {
    headers.retain(|(known, _)| known != name);
    if let Some(value) = value {
        headers.push((name.to_owned(), value));
    }
}

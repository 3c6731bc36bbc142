//! Forwards what someone else asks of GitHub, with a credential of the broker's, and streams the answer back.
//!
//! What goes out is what was decided on: the same method, path and query, byte for byte, once. Headers are made from
//! a list, in both directions. The credential goes to the host in question and follows no redirect: those are
//! passed on. Limits and breaker are those of every call.
//!
//! Bodies stream in both directions in bounded memory and are not read, but for what would give away more than
//! was asked for (see `clone_token`), and a refusal, which may mean a limit.
//!
//! Not here: who may ask what, and what is on record of it. A caller that takes no bytes of the answer holds its
//! connection for as long as whoever serves it allows.

mod body;
mod clone_token;
mod headers;
mod link;
mod progress;
mod upload;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use broker_https::{NotReached, Unreachable};
use broker_policy::reach::GithubHost;
use broker_secret_memory::token::AccessToken;
use reqwest::header::{HeaderMap, LINK};
use reqwest::{Body, Method, Request, Response};

use super::call::resource_of;
use super::error::{BadAnswer, BodyFault};
use super::{GitHub, GitHubError, Principal, ReplyHeaders, refusal, wire};

use self::clone_token::CloneTokens;
use self::progress::{Progress, Upload};

pub use self::body::{AnswerBody, AnswerCut};
pub use self::upload::{Pieces, RequestBody};

/// A request of someone else, decided on.
pub struct Forward<'a> {
    /// The method, as it came.
    pub method: Method,
    /// Which host it is for: see [`super::BaseUrl::upstream`].
    pub host: GithubHost,
    /// The path on that host, as `upstream` gives it.
    pub path: &'a str,
    /// The query, as it came, without its question mark.
    pub query: Option<&'a str>,
    /// The headers, as they came: those on the list go on.
    pub headers: &'a HeaderMap,
    /// The body, if there is one.
    pub body: Option<RequestBody>,
    /// What it authenticates with; `None`: it goes on as everyone may ask.
    pub credential: Option<AccessToken>,
    /// Whose budget it draws on; `None` if that is not known yet.
    pub principal: Option<&'a Principal>,
    /// Whether the answer may hold `temp_clone_token`, whose value is then overwritten.
    pub clone_token: bool,
}

/// What GitHub answered, fit for whoever asked.
pub struct Forwarded {
    /// The HTTP status: 200 or higher, and not 401.
    pub status: u16,
    /// The headers, without those that are of this connection or tell of the credential. `Content-Length` is
    /// that of the body.
    pub headers: HeaderMap,
    /// The body, as it comes. Dropping it ends the exchange, also what is left of an upload.
    pub body: AnswerBody,
}

impl GitHub {
    /// Asks once what someone else wants to know or do, and returns the answer as soon as it begins.
    ///
    /// A principal that is limited and a host that is down are not asked. Whatever GitHub answers is an
    /// answer, errors included, and its headers are taken into [`Self::limits`]. But a 401 is not the caller's:
    /// it is about the credential.
    ///
    /// The exchange ends, before the answer or within it, if for five minutes not a byte goes in either
    /// direction; before the answer also if GitHub says nothing for a minute after the whole request, but for git,
    /// whose packs take GitHub time to make.
    ///
    /// # Errors
    ///
    /// [`GitHubError`]: `Limited`, `NotTried`, `UnsendablePath`, `Unsendable` and `CannotAsk` without having asked;
    /// `Unauthorized`; `Unreachable`; `CallerBody`; `BadAnswer` for one that must not be passed on.
    pub async fn forward(&self, asked: Forward<'_>) -> Result<Forwarded, GitHubError> {
        let (path, principal, clone_token) = (asked.path, asked.principal, asked.clone_token);
        let url = self
            .base
            .address(asked.host, path, asked.query)
            .ok_or(GitHubError::UnsendablePath)?;
        let is_git = asked.host == GithubHost::Web;
        // Of no resource's window: git has limits of its own.
        let resource = if is_git { None } else { resource_of(path) };
        self.refuse_limited(principal, resource)?;
        // Into the `Authorization` header, which is marked sensitive and wiped.
        let authorization = match &asked.credential {
            Some(credential) if is_git => Some(wire::authorization_for_git(credential.expose())?),
            Some(credential) => Some(wire::authorization(credential.expose())?),
            None => None,
        };
        let headers = headers::for_github(&asked, authorization);
        let waits = if is_git {
            self.waits.of_git()
        } else {
            self.waits
        };
        let progress = Arc::new(Progress::new(waits, asked.body.is_some()));
        let mut request = Request::new(asked.method, url);
        *request.headers_mut() = headers;
        *request.body_mut() = asked.body.map(|body| Body::wrap(body.watched(&progress)));

        let mut account = self.admit()?;
        let answered = self.send(request, &progress).await;
        let now = self.clock.now();
        let response = match answered {
            Ok(response) => response,
            Err(error) => {
                account.tell(Some(&error), now);
                tracing::debug!(path, "not forwarded: {}", error.for_operators());
                return Err(error);
            }
        };
        let status = response.status().as_u16();
        let fault = GitHubError::Fault {
            status,
            retry_after: None,
        };
        match status {
            503 if !progress.lacks_body() => account.tell(Some(&fault), now),
            // Of this request, perhaps: a caller who knows one that GitHub fails at could have it left alone by all.
            500.. => {}
            _ => account.tell(None, now),
        }
        // What follows may take its time, and says no more of the host.
        drop(account);
        self.pass_on(response, progress, principal, clone_token)
            .await
    }

    async fn send(&self, request: Request, progress: &Progress) -> Result<Response, GitHubError> {
        let client = self.streams.client().await;
        let client = client.map_err(|error| wire::no_client(&error))?;
        let answered = progress.until_answered(client.execute(request)).await;
        match (answered, progress.upload()) {
            (Some(Ok(response)), _) => Ok(response),
            (Some(Err(_)), Upload::Cut) => Err(GitHubError::CallerBody(BodyFault::Cut)),
            // Or a caller could have GitHub left alone by all.
            (Some(Err(_)), Upload::AwaitsCaller | Upload::Late) => {
                Err(GitHubError::CallerBody(BodyFault::Late))
            }
            (Some(Err(error)), _) => Err(wire::unreachable(error)),
            (None, Upload::AwaitsCaller) => {
                let waited = self.waits.byte;
                Err(GitHubError::CallerBody(BodyFault::Stalled(waited)))
            }
            (None, _) => Err(GitHubError::Unreachable(NotReached {
                why: Unreachable::TimedOut,
                may_have_happened: true,
                cause: "not a byte came in time".into(),
            })),
        }
    }

    async fn pass_on(
        &self,
        mut response: Response,
        progress: Arc<Progress>,
        principal: Option<&Principal>,
        clone_token: bool,
    ) -> Result<Forwarded, GitHubError> {
        let status = response.status().as_u16();
        let mut headers = std::mem::take(response.headers_mut());
        let links = link::with_path(&headers, response.url().path());
        let clone_tokens = clone_token.then(CloneTokens::default);
        let mut body = AnswerBody::new(Body::from(response), clone_tokens, progress);
        if matches!(status, 401 | 403 | 429) {
            let error = self.take_in(status, &headers, &mut body, principal).await;
            if matches!(error, GitHubError::Unauthorized { .. }) {
                return Err(error);
            }
        } else if let Some(principal) = principal {
            let limits = ReplyHeaders::limits(&headers);
            self.limits.learn(principal, &limits, self.clock.now());
        }
        // Where a value must be found in it, and nothing that changes protocols in mid-connection.
        if status < 200 || (clone_token && !headers::is_plain_and_whole(status, &headers)) {
            let what = BadAnswer::Unreadable;
            return Err(GitHubError::BadAnswer { status, what });
        }
        headers::for_caller(&mut headers);
        if let Some(links) = links {
            headers.insert(LINK, links);
        } else {
            headers.remove(LINK);
        }
        Ok(Forwarded {
            status,
            headers,
            body,
        })
    }

    /// What a refusal means for the principal's limits. Its body is still passed on whole. If the caller asked for it
    /// to be compressed, only its headers say anything.
    async fn take_in(
        &self,
        status: u16,
        headers: &HeaderMap,
        body: &mut AnswerBody,
        principal: Option<&Principal>,
    ) -> GitHubError {
        let words = body.read_ahead(MOST_WORDS).await;
        let headers = ReplyHeaders::read(headers, &self.base);
        let refusal = refusal::read(status, &headers, &words);
        self.refused(refusal, &headers, principal, self.clock.now())
    }
}

/// Ours. A refusal of GitHub's is a line or two of JSON; a gateway's is a page.
const MOST_WORDS: usize = 64 * 1024;

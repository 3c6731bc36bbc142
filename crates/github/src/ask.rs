//! How every call is made: attempts, and what an answer is.

use broker_clock::Now;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use zeroize::Zeroizing;

use super::base::Redirect;
use super::call::resource_of;
use super::refusal::{self, Refusal};
use super::wire::{self, Answer, Sent};
use super::{
    AppKey, Call, Credential, GitHub, GitHubError, Limits, Outcome, Principal, Reply, ReplyHeaders,
    retry,
};

impl GitHub {
    /// Asks, up to three times where that is right.
    ///
    /// A principal that is limited and a host that is down are not asked at all. The answer's headers
    /// have been taken into [`Self::limits`] if the call names its principal.
    ///
    /// # Errors
    ///
    /// [`GitHubError`] for everything but 2xx and 304.
    pub async fn call(&self, call: Call<'_>) -> Result<Reply, GitHubError> {
        let principal = call.principal.clone();
        let reply = self.ask(call).await?;
        if let Some(principal) = &principal {
            self.limits
                .learn(principal, &reply.headers, self.clock.now());
        }
        Ok(reply)
    }

    /// The same, where it turns out in the end whose budget was drawn on.
    pub(super) async fn ask(&self, call: Call<'_>) -> Result<Reply, GitHubError> {
        let Call {
            method,
            path,
            credential,
            principal,
            body,
            retry,
        } = call;
        let url = self.base.join(&path).ok_or_else(|| {
            GitHubError::CannotAsk("the request does not stay below the API's base URL".into())
        })?;
        let authorization = match credential {
            // Into the `Authorization` header, which is marked sensitive and wiped.
            Credential::Token(token) => Some(wire::authorization(token.expose())?),
            Credential::App(app) => Some(self.authorization(app).await?),
            Credential::None => None,
        };
        let mut headers = wire::headers(&self.base, authorization);
        let body = body
            .map(|value| wire::json_body(&mut headers, value))
            .transpose()?;
        let mut sent = Sent {
            method,
            url,
            headers,
            body,
        };
        let began = self.clock.now().boot;
        let mut made = 0;
        let mut doubt = None;
        let mut clock_was_set = false;
        loop {
            let tried = match self.refuse_limited(principal.as_ref(), resource_of(&path)) {
                Ok(()) => self.attempt(&sent, principal.as_ref()).await,
                Err(error) => Err(error),
            };
            made += 1;
            let error = match tried {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            if let Credential::App(app) = credential
                && !clock_was_set
                && self.skew.learn(&error, self.clock.now().wall)
            {
                clock_was_set = true;
                sent.headers
                    .insert(AUTHORIZATION, self.authorization(app).await?);
                continue;
            }
            let route = path.split('?').next().unwrap_or_default();
            let cause = error.for_operators();
            tracing::debug!(method = %sent.method, route, attempt = made, "{cause}");
            let since = self.clock.now().boot.saturating_sub(began);
            let wait = retry::pause(retry, &error, made, since, jitter());
            // An attempt that did not get through takes nothing back of one that may have.
            let error = match doubt.take() {
                Some(earlier) if error.never_got_through() => earlier,
                _ => error,
            };
            let Some(wait) = wait else {
                return Err(error);
            };
            if error.outcome() != Outcome::NotDone {
                doubt = Some(error);
            }
            (self.sleep)(wait).await;
        }
    }

    /// Signed for GitHub's clock.
    async fn authorization(&self, app: &AppKey) -> Result<HeaderValue, GitHubError> {
        let now = self.skew.at_github(self.clock.now().wall);
        let jwt = app.jwt(now).await;
        let jwt = jwt.map_err(|error| GitHubError::CannotAsk(error.to_string().into()))?;
        // Into the `Authorization` header, which is marked sensitive and wiped.
        wire::authorization(jwt.expose())
    }

    async fn attempt(
        &self,
        sent: &Sent,
        principal: Option<&Principal>,
    ) -> Result<Reply, GitHubError> {
        let mut account = self.admit()?;
        let answer = wire::exchange(&self.https, sent, &self.base).await;
        let now = self.clock.now();
        let evaluated = answer.and_then(|answer| self.evaluate(answer, principal, now));
        account.tell(evaluated.as_ref().err(), now);
        evaluated
    }

    fn evaluate(
        &self,
        answer: Answer,
        principal: Option<&Principal>,
        now: Now,
    ) -> Result<Reply, GitHubError> {
        let Answer {
            status,
            headers,
            location,
            body,
        } = answer;
        match status {
            200..=299 | 304 => Ok(Reply {
                status,
                headers,
                body: body.map_err(|what| GitHubError::BadAnswer {
                    status,
                    what: what.into(),
                })?,
            }),
            300..=399 => {
                let to = match location {
                    Some(Redirect::Elsewhere(host)) => {
                        let host = Some(host);
                        return Err(GitHubError::Intercepted { status, host });
                    }
                    Some(Redirect::Below(path)) => Some(path),
                    None => None,
                };
                if let Some(principal) = principal {
                    self.limits.learn(principal, &headers, now);
                }
                Err(GitHubError::Moved { status, to })
            }
            _ => {
                if let Some(request_id) = &headers.request_id {
                    tracing::debug!(
                        status,
                        request_id,
                        "GitHub refused a request; its support asks for this id"
                    );
                }
                // A refusal is one whether or not its words arrived.
                let body = body.unwrap_or_else(|_cut| Zeroizing::default());
                let refusal = refusal::read(status, &headers, &body);
                Err(self.refused(refusal, &headers, principal, now))
            }
        }
    }

    /// What a refusal means for the principal's limits, and as an error.
    pub(super) fn refused(
        &self,
        refusal: Refusal,
        headers: &ReplyHeaders,
        principal: Option<&Principal>,
        now: Now,
    ) -> GitHubError {
        match refusal {
            Refusal::Error(error) => {
                // A 401 counts against the address, not against whom the credential was of.
                if let Some(principal) = principal
                    && !matches!(error, GitHubError::Unauthorized { .. })
                {
                    self.limits.learn(principal, headers, now);
                }
                error
            }
            Refusal::Limited(kind) => {
                // Without a principal the wait is worked out all the same, and not remembered.
                let unremembered = Limits::default();
                let limits = if principal.is_some() {
                    &self.limits
                } else {
                    &unremembered
                };
                let whose = principal.unwrap_or(&Principal::Anonymous);
                GitHubError::Limited {
                    kind,
                    principal: principal.cloned(),
                    retry_after: limits.refused(whose, kind, headers, now),
                }
            }
        }
    }
}

/// Anything will do: see [`retry::pause`].
fn jitter() -> u8 {
    let mut byte = [0];
    match getrandom::fill(&mut byte) {
        Ok(()) => u8::from_ne_bytes(byte),
        Err(_none) => 0,
    }
}

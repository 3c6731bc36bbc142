//! One request to a Connect server, its answer, and what a refusal means. Nothing is tried twice here.

use std::time::Duration;

use broker_https::{self as https, BodyError, NoAnswer, NotReached, Unreachable};
use broker_secret_memory::redact;
use broker_secret_memory::token::AccessToken;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::Connect;
use crate::one_password::{OnePasswordError, Part};

/// A request.
pub(super) struct Ask<'a> {
    method: Method,
    path: &'a [&'a str],
    filter: Option<String>,
    body: Option<Value>,
}

/// A request without success.
pub(super) struct Failure {
    pub(super) error: OnePasswordError,
    /// Whether what was asked for may have been done all the same.
    pub(super) may_have_happened: bool,
}

impl<'a> Ask<'a> {
    pub(super) const fn get(path: &'a [&'a str]) -> Self {
        Self {
            method: Method::GET,
            path,
            filter: None,
            body: None,
        }
    }

    /// Text in the body is wiped once it is sent.
    pub(super) const fn send(method: Method, path: &'a [&'a str], body: Value) -> Self {
        Self {
            method,
            path,
            filter: None,
            body: Some(body),
        }
    }

    /// Only those whose attribute has this value.
    pub(super) fn only(mut self, attribute: &str, value: &str) -> Self {
        // A filter's values are written as in JSON (RFC 7644, section 3.4.2.2).
        self.filter = Some(format!("{attribute} eq {}", Value::from(value)));
        self
    }
}

impl Connect {
    /// Asks, and gives the body of a success.
    pub(super) async fn ask(
        &self,
        ask: Ask<'_>,
        token: Option<&AccessToken>,
    ) -> Result<Zeroizing<Vec<u8>>, Failure> {
        // First, so that whatever fails afterwards wipes it.
        let body = ask.body.map(https::json_body).transpose();
        let body = body.map_err(|_cause| cannot_be_made_up())?;
        // Into the `Authorization` header, which is marked sensitive and wiped.
        let bearer = token.map(|token| https::bearer(token.expose()));
        let bearer = bearer.transpose();
        let bearer = bearer.map_err(|_cause| OnePasswordError::MalformedToken)?;
        let mut url = self.address.join(ask.path);
        if let Some(filter) = &ask.filter {
            url.query_pairs_mut().append_pair("filter", filter);
        }
        let client = self.https.client().await.map_err(|error| {
            OnePasswordError::CannotAsk(error.in_words("[onepassword] ca").into())
        })?;
        let request = client.request(ask.method.clone(), url);
        let mut request = request.header(ACCEPT, "application/json");
        if let Some(bearer) = bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let sent = request.send().await;
        let response = sent.map_err(|error| self.no_answer(NoAnswer::of(error)))?;
        let status = response.status().as_u16();
        let wait = https::retry_after(response.headers());
        let body = https::whole_body(response, LARGEST_BODY).await;
        if !(200..=299).contains(&status) {
            // A refusal is one whether or not its words arrived.
            let failure = refused(status, wait, &body.unwrap_or_default());
            tracing::debug!(method = %ask.method, status, "Connect: {}", failure.error);
            return Err(failure);
        }
        body.map_err(|what| Failure {
            error: match what {
                BodyError::Truncated => unreachable(Unreachable::Lost),
                BodyError::TooLarge => OnePasswordError::Other(
                    "its answer is larger than any vault or item makes it".into(),
                ),
            },
            may_have_happened: true,
        })
    }

    fn no_answer(&self, why: NoAnswer) -> Failure {
        match why {
            NoAnswer::Unmakeable => cannot_be_made_up().into(),
            NoAnswer::NotReached(NotReached {
                why,
                may_have_happened,
                cause,
            }) => {
                tracing::debug!("Connect: {why} ({cause})");
                let error = match why {
                    Unreachable::TimedOut => OnePasswordError::Silent(self.limit),
                    _ => unreachable(why),
                };
                Failure {
                    error,
                    may_have_happened,
                }
            }
        }
    }
}

fn cannot_be_made_up() -> OnePasswordError {
    OnePasswordError::CannotAsk("the request to Connect cannot be made up".into())
}

fn unreachable(why: Unreachable) -> OnePasswordError {
    OnePasswordError::Unreachable(format!("the Connect server: {why}").into())
}

/// Reads the JSON of a success.
pub(super) fn json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, OnePasswordError> {
    serde_json::from_slice(body).map_err(|error| {
        // Line and column only: serde's own words may quote a value.
        let (line, column) = (error.line(), error.column());
        let what =
            format!("its answer is not what Connect describes (line {line}, column {column})");
        OnePasswordError::Other(what.into())
    })
}

/// As Connect refuses.
#[derive(Deserialize)]
struct Refusal {
    status: u16,
    message: String,
}

/// A refusal counts as Connect's only in Connect's words: a proxy before it that has lost its way must
/// not end what is known of a value.
///
/// Sources: the description's examples; “token does not have write access” with 401 is from
/// 1Password/terraform-provider-onepassword#24.
fn refused(status: u16, wait: Option<Duration>, body: &[u8]) -> Failure {
    let refusal = serde_json::from_slice::<Refusal>(body).ok();
    let refusal = refusal.filter(|refusal| refusal.status == status);
    let words = refusal.as_ref().map(|refusal| refusal.message.as_str());
    let shown = words.map(|words| format!(", “{}”", redact::words(words, LONGEST_SAID)));
    let shown = format!("{status}{}", shown.unwrap_or_default());
    let other = |text: String| OnePasswordError::Other(text.into());
    let error = match (status, words) {
        (429, _) => OnePasswordError::Limited(wait),
        (500.., _) => {
            let fault = format!("the Connect server has a fault of its own ({shown})");
            OnePasswordError::Unreachable(fault.into())
        }
        (300..=399, _) => other(format!(
            "the Connect server answers with a redirect ({status}), and the token follows none; \
             write the right address in `[onepassword] connect`"
        )),
        (401, Some(words)) if words.contains("does not have") => OnePasswordError::Forbidden,
        (401, Some(_)) => OnePasswordError::Unauthenticated,
        (403, Some(_)) => OnePasswordError::Forbidden,
        (404, Some(words)) if begins(words, "vault ") => OnePasswordError::NoSuch(Part::Vault),
        (404, Some(words)) if begins(words, "item ") => OnePasswordError::NoSuch(Part::Item),
        (_, Some(_)) => other(shown),
        (_, None) => other(format!(
            "{status}, and not in Connect's words; is it Connect that listens at \
             `[onepassword] connect`?"
        )),
    };
    Failure {
        error,
        // A gateway's 502 says nothing of the server behind it.
        may_have_happened: status >= 500,
    }
}

fn begins(text: &str, with: &str) -> bool {
    let start = text.get(..with.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(with))
}

/// Nothing was sent, or the answer tells that nothing was done.
impl From<OnePasswordError> for Failure {
    fn from(error: OnePasswordError) -> Self {
        Self {
            error,
            may_have_happened: false,
        }
    }
}

impl From<Failure> for OnePasswordError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// Ten thousand items of a vault, listed, are half of it; an item with its fields is far less.
const LARGEST_BODY: usize = 8 * 1024 * 1024;
const LONGEST_SAID: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str) -> OnePasswordError {
        refused(status, None, body.as_bytes()).error
    }

    fn says(status: u16, message: &str) -> OnePasswordError {
        let body = serde_json::json!({"status": status, "message": message});
        error(status, &body.to_string())
    }

    #[test]
    fn a_refusal_is_told_by_its_status_and_by_connects_words() {
        use OnePasswordError::{Forbidden, NoSuch, Unauthenticated};
        for (status, message, wanted) in [
            (401, "Invalid token signature", Unauthenticated),
            (
                401,
                "Authentication: (Invalid bearer token)",
                Unauthenticated,
            ),
            (
                401,
                "Unauthorized Request, token does not have write access to the Vault",
                Forbidden,
            ),
            (403, "vault abc is not in scope", Forbidden),
            (
                403,
                "Authorization: token does not have access to vault",
                Forbidden,
            ),
            (404, "vault abc not found", NoSuch(Part::Vault)),
            (404, "item abc not found", NoSuch(Part::Item)),
            (404, "Item abc not found", NoSuch(Part::Item)),
        ] {
            assert_eq!(says(status, message), wanted, "{status} {message}");
        }
    }

    #[test]
    fn what_is_not_in_connects_words_ends_nothing_that_is_known() {
        let odd = [
            error(401, "<html>Sign in</html>"),
            error(403, ""),
            error(404, r#"{"error":"no route"}"#),
            error(404, r#"{"status":200,"message":"vault x not found"}"#),
            says(404, "Page not found"),
            says(400, "Invalid Item UUID"),
            says(413, "Request Entity Too Large"),
            error(302, ""),
            error(418, ""),
            says(500, "sync is not there"),
            error(502, "<html>"),
        ];
        for error in odd {
            assert_eq!(error.kind(), crate::FailureKind::Unavailable, "{error}");
        }
    }

    #[test]
    fn only_a_fault_of_its_own_leaves_it_open_whether_a_thing_was_done() {
        for (status, open) in [
            (400, false),
            (401, false),
            (429, false),
            (500, true),
            (503, true),
        ] {
            assert_eq!(refused(status, None, b"{}").may_have_happened, open);
        }
    }

    #[test]
    fn its_words_are_masked_and_cut() {
        let token = format!("ghp_{}", "a".repeat(36));
        let text = says(400, &format!("bad value {token}\n{}", "x".repeat(900))).to_string();
        assert!(
            text.contains("[masked]") && !text.contains("aaaa"),
            "{text}"
        );
        assert!(text.len() < 300 && !text.contains('\n'), "{text}");
    }

    #[test]
    fn a_name_in_a_filter_stays_a_name() {
        let ask = Ask::get(&[]).only("name", r#"a" or name pr or name eq "b\"#);
        let wanted = r#"name eq "a\" or name pr or name eq \"b\\""#;
        assert_eq!(ask.filter.as_deref(), Some(wanted));
    }
}

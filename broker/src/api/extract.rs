//! Extractors: the caller, operators, and names and bodies that are parsed once.

use std::error::Error;
use std::str::FromStr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{self, FromRef, FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use broker_policy::Caller;
use broker_protocol::api::MAX_BODY;
use broker_protocol::error::{ErrorCode, Problem};
use broker_protocol::names::NameError;
use broker_protocol::strict;
use broker_secret_memory::redact;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::error::Refusal;
use crate::caller::Peer;
use crate::config::Config;

/// The caller, as the kernel describes it now.
pub(super) struct Asking(pub(super) Arc<Caller>);

impl<S: Sync> FromRequestParts<S> for Asking {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        // The server puts the peer of the connection into each of its requests.
        let peer = parts.extensions.get::<Arc<Peer>>();
        let caller = peer.and_then(|peer| peer.identify().ok());
        let gone = || {
            let detail = "the process that opened this connection has ended; what it left open \
                          cannot be used by another";
            Refusal::from(Problem::new(ErrorCode::Denied, detail))
        };
        caller.map(Self).ok_or_else(gone)
    }
}

/// The caller, who may change things.
pub(super) struct Operator(pub(super) Arc<Caller>);

impl<S: Send + Sync> FromRequestParts<S> for Operator
where
    Arc<Config>: FromRef<S>,
{
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Asking(caller) = Asking::from_request_parts(parts, state).await?;
        if Arc::<Config>::from_ref(state).is_operator(&caller) {
            return Ok(Self(caller));
        }
        Err(
            Problem::new(ErrorCode::Denied, "only operators may do this")
                .with_hint("`[operators]` in the broker's configuration names them")
                .into(),
        )
    }
}

/// The name in the path.
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: FromStr<Err = NameError>> FromRequestParts<S> for Named<T> {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| Refusal::bad_request(error.body_text()))?;
        if redact::looks_like_token(&text) {
            drop(Zeroizing::new(text));
            return Err(Refusal::bad_request(A_TOKEN));
        }
        text.parse()
            .map(Self)
            .map_err(|error: NameError| Refusal::bad_request(error.to_string()))
    }
}

/// The parameters behind the `?`.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = extract::Query::from_request_parts(parts, state).await;
        let extract::Query(query) =
            query.map_err(|error| Refusal::bad_request(error.body_text()))?;
        Ok(Self(query))
    }
}

/// A JSON body, whatever its declared type. An empty one counts as `{}`.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;
    async fn from_request(request: Request, _state: &S) -> Result<Self, Refusal> {
        let bytes = read(request).await?;
        if str::from_utf8(&bytes).is_ok_and(redact::looks_like_token) {
            return Err(Refusal::bad_request(A_TOKEN));
        }
        strict::from_slice(text(&bytes))
            .map(Self)
            .map_err(|error| Refusal::bad_request(format!("the body is refused: {error}")))
    }
}

/// A JSON body that holds a secret. An error names the position alone: the parser's own would quote
/// what it found there.
pub(super) struct SecretBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for SecretBody<T> {
    type Rejection = Refusal;
    async fn from_request(request: Request, _state: &S) -> Result<Self, Refusal> {
        let bytes = read(request).await?;
        strict::from_slice(text(&bytes))
            .map(Self)
            .map_err(|error| Refusal::bad_request(position_alone(&error)))
    }
}

/// Checked before anything is parsed: an error of a parser quotes what it found, and would stay in memory.
const A_TOKEN: &str = "this holds what looks like a token, where none belongs; the only place for one \
                       is the value of a secret";

async fn read(request: Request) -> Result<Bytes, Refusal> {
    let body = Limited::new(request.into_body(), MAX_BODY);
    let collected = body.collect().await.map_err(|error| unreadable(&*error))?;
    Ok(collected.to_bytes())
}

fn text(bytes: &Bytes) -> &[u8] {
    if bytes.is_empty() { b"{}" } else { bytes }
}

fn position_alone(error: &serde_json::Error) -> String {
    format!(
        "the body is refused at line {}, column {}: it does not match the schema of this path in \
         GET /v1/openapi.json, or names a key twice",
        error.line(),
        error.column()
    )
}

fn unreadable(error: &(dyn Error + 'static)) -> Refusal {
    if error.is::<LengthLimitError>() {
        let refusal = Refusal::bad_request(format!("a body is at most {MAX_BODY} bytes long"));
        return refusal.with_status(StatusCode::PAYLOAD_TOO_LARGE);
    }
    Refusal::bad_request("the body ended early; send all that its headers announce")
}

#[cfg(test)]
mod tests {
    use broker_protocol::api::{SetSecret, Unlock};

    use super::*;

    #[test]
    fn an_error_in_a_body_that_holds_a_secret_quotes_nothing() {
        let fault = |text: &str| match serde_json::from_str::<SetSecret>(text) {
            Ok(_) => panic!("{text} was taken"),
            Err(error) => error,
        };
        for text in [r#""correct horse""#, r#"{"correct horse":1}"#] {
            let error = fault(text);
            assert!(error.to_string().contains("correct horse"), "{error}");
            assert!(!position_alone(&error).contains("correct horse"));
        }
        let Err(error) = serde_json::from_str::<Unlock>(r#""correct horse""#) else {
            panic!("a string is not a body");
        };
        assert!(position_alone(&error).contains("line 1, column"));
    }
}

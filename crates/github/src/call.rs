//! One request, and what it authenticates with.

use broker_secret_memory::token::AccessToken;
use reqwest::Method;

use super::{AppKey, CORE, Principal, Retry, installation};

/// What a call authenticates with.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// A personal access token or an installation token.
    Token(&'a AccessToken),
    /// An App, for itself: with a JWT that is signed for this call.
    App(&'a AppKey),
    /// Nothing.
    None,
}

/// One request.
pub struct Call<'a> {
    /// The HTTP method.
    pub method: Method,
    /// Below the base URL, such as `/user`: encoded already, its query included.
    pub path: String,
    /// What it authenticates with.
    pub credential: Credential<'a>,
    /// Whose budget it draws on; `None` if that is not known yet.
    pub principal: Option<Principal>,
    /// A JSON body. Text in it is wiped once it is sent.
    pub body: Option<serde_json::Value>,
    /// Whether it may be sent twice.
    pub retry: Retry,
}

impl<'a> Call<'a> {
    /// A GET, which may always be repeated.
    #[must_use]
    pub fn get(path: impl Into<String>, credential: Credential<'a>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            credential,
            principal: None,
            body: None,
            retry: Retry::Repeatable,
        }
    }

    /// The same, with the principal it draws on.
    #[must_use]
    pub fn drawing_on(mut self, principal: Option<Principal>) -> Self {
        self.principal = principal;
        self
    }
}

/// Which resource's window a path draws on; `None` for `/rate_limit`, which is free, and for the end of
/// a token, which is worth the try when nothing is left.
///
/// Source: GitHub REST documentation, “Rate limit”.
#[must_use]
pub fn resource_of(path: &str) -> Option<&'static str> {
    let path = path.split('?').next().unwrap_or_default();
    match path {
        "/rate_limit" | installation::TOKEN => None,
        "/graphql" => Some("graphql"),
        "/search/code" => Some("code_search"),
        _ if path.starts_with("/search/") => Some("search"),
        _ => Some(CORE),
    }
}

//! One request, taken apart.

use axum::body::Bytes;
use hyper::HeaderMap;
use serde_json::Value;

use super::answer::Answer;

/// A request as it came.
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without the query and without the prefix of an Enterprise Server, `/api/v3`, and `/api` of GraphQL.
    pub(crate) path: String,
    pub(crate) query: String,
    /// Scheme, host and prefix, as the caller wrote them: links lead back the same way.
    pub(crate) base: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// How an `Authorization` header is to be read.
pub(crate) enum Presented {
    /// There is none.
    Nothing,
    /// A token, by whatever scheme.
    Token(String),
    /// Something else.
    Unreadable,
}

impl Request {
    pub(crate) fn new(
        parts: &hyper::http::request::Parts,
        body: Bytes,
        scheme: &str,
        port: u16,
    ) -> Self {
        let path = parts.uri.path();
        let (prefix, path) = match path.strip_prefix("/api/v3") {
            Some(rest) if rest.starts_with('/') => ("/api/v3", rest),
            _ if path == "/api/graphql" => ("/api", "/graphql"),
            _ => ("", path),
        };
        let host = parts
            .headers
            .get("host")
            .and_then(|host| host.to_str().ok());
        let host = host.map_or_else(|| format!("127.0.0.1:{port}"), str::to_owned);
        // At a name without a port there is TLS, be it of a server in front of this one.
        let scheme = match host.contains(':') {
            true => scheme,
            false => "https",
        };
        Self {
            method: parts.method.as_str().to_owned(),
            path: path.to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            base: format!("{scheme}://{host}{prefix}"),
            headers: parts.headers.clone(),
            body,
        }
    }

    /// What objects in answers name the API by: also where uploads have a host of their own.
    pub(crate) fn api(&self) -> String {
        self.base.replace("//uploads.", "//api.")
    }

    /// Whether it came to the host for uploads.
    pub(crate) fn is_upload(&self) -> bool {
        self.base.contains("//uploads.")
    }

    /// The method by which it is answered: `HEAD` is a `GET`, whose body the server leaves out.
    pub(crate) fn verb(&self) -> &str {
        match self.method.as_str() {
            "HEAD" => "GET",
            method => method,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn presented(&self) -> Presented {
        let Some(header) = self.header("authorization") else {
            return Presented::Nothing;
        };
        match header.split_once(' ') {
            Some((scheme, token))
                if ["bearer", "token"].contains(&scheme.to_lowercase().as_str()) =>
            {
                Presented::Token(token.trim().to_owned())
            }
            _ => Presented::Unreadable,
        }
    }

    /// The pieces of the path, percent-decoded.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.path.split('/').skip(1).map(decoded).collect()
    }

    pub(crate) fn query_value(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then(|| decoded(&value.replace('+', " ")))
        })
    }

    /// The body as JSON; an empty one is an empty object.
    pub(crate) fn json(&self) -> Result<Value, Answer> {
        if self.body.is_empty() {
            return Ok(serde_json::json!({}));
        }
        match serde_json::from_slice(&self.body) {
            Ok(value @ Value::Object(_)) => Ok(value),
            Ok(_) => Err(Answer::error(400, "Body should be a JSON object")),
            Err(_) => Err(Answer::error(400, "Problems parsing JSON")),
        }
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex: Option<u8> = (byte == b'%')
            .then(|| rest.clone().take(2).collect::<Vec<_>>())
            .and_then(|hex| u8::from_str_radix(str::from_utf8(&hex).ok()?, 16).ok());
        if let Some(value) = hex {
            rest.nth(1);
            bytes.push(value);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

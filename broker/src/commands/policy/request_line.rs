//! A request to GitHub as an author of policies writes it down: `GET /repos/acme/site/labels`.

use std::str::FromStr;

use broker_policy::reach::{self, Allowed, GithubHost, Need, Operation, Refusal, Refused, Scope};

/// A method and a path, without the query.
#[derive(Debug, Clone)]
pub struct RequestLine {
    host: GithubHost,
    method: String,
    path: String,
}

impl RequestLine {
    /// What it needs of a lease, under a purpose with these `paths`.
    ///
    /// # Errors
    ///
    /// A request that no lease allows.
    pub fn needs(&self, paths: &[Operation]) -> Result<Vec<Need>, Refusal> {
        reach::needs(self.host, &self.method, &self.path, paths)
    }

    /// Whether a lease allows it.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn allow(&self, scope: &Scope<'_>) -> Result<Allowed, Refused> {
        reach::allow(scope, self.host, &self.method, &self.path)
    }
}

/// Takes a URL for its path, and leaves a query out: that is what authors copy.
impl FromStr for RequestLine {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "write a method and a path: \"GET /repos/acme/site/labels\"";
        let (method, url) = text.split_once(' ').ok_or(FORM)?;
        if !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err("write the method in capitals: \"GET /repos/acme/site/labels\"");
        }
        let (host, path) = match url.strip_prefix("https://uploads.github.com") {
            Some(path) => (GithubHost::Uploads, path),
            None => (
                GithubHost::Api,
                url.strip_prefix("https://api.github.com").unwrap_or(url),
            ),
        };
        if !path.starts_with('/') {
            return Err(FORM);
        }
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        Ok(Self {
            host,
            method: method.to_owned(),
            path: path.to_owned(),
        })
    }
}

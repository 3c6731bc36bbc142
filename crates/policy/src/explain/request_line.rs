//! A request to GitHub as an author of policies writes it down: `GET /repos/acme/site/labels`.

use std::str::FromStr;

use crate::reach::git::{self, GitRequest, NotGit};
use crate::reach::{self, Allowed, GithubHost, Need, Operation, Refusal, Refused, Scope};

/// A method and a path; of the query only git's counts.
#[derive(Debug, Clone)]
pub struct RequestLine {
    host: GithubHost,
    method: String,
    path: String,
    query: Option<String>,
}

impl RequestLine {
    /// What it needs, where it is for the web host; `None`: it is for the API.
    #[must_use]
    pub fn git(&self) -> Option<Result<GitRequest, NotGit>> {
        let parse = || GitRequest::parse(&self.method, &self.path, self.query.as_deref());
        (self.host == GithubHost::Web).then(parse)
    }

    /// Whether a purpose that is `public` lets it go on without a credential.
    pub(super) fn is_public_read(&self, found: &Result<GitRequest, NotGit>) -> bool {
        match found {
            Ok(git) => git.is_read(),
            Err(no_git) => git::is_web_read(&self.method, *no_git),
        }
    }

    /// Whether its body says what it needs.
    pub(super) fn is_graphql(&self) -> bool {
        self.host == GithubHost::Api && self.method == "POST" && self.path == "/graphql"
    }

    /// What it needs of a lease, under a purpose with these `paths`.
    pub(super) fn needs(&self, paths: &[Operation]) -> Result<Vec<Need>, Refusal> {
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

/// Takes a whole URL too, with its query: that is what authors copy.
impl FromStr for RequestLine {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "write a method and a path: \"GET /repos/acme/site/labels\"";
        let (method, url) = text.split_once(' ').ok_or(FORM)?;
        if !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err("write the method in capitals: \"GET /repos/acme/site/labels\"");
        }
        let hosts = [
            ("https://uploads.github.com", GithubHost::Uploads),
            ("https://github.com", GithubHost::Web),
            ("https://api.github.com", GithubHost::Api),
        ];
        let known = hosts
            .iter()
            .find_map(|(prefix, host)| Some((*host, url.strip_prefix(prefix)?)));
        let (host, path) = known.unwrap_or((GithubHost::Api, url));
        if !path.starts_with('/') {
            return Err(FORM);
        }
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (path, None),
        };
        Ok(Self {
            host,
            method: method.to_owned(),
            path: path.to_owned(),
            query,
        })
    }
}

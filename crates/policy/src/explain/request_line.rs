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

/// The host of GitHub's that a URL names, in any of its spellings.
fn of_github(scheme: &str, host: &str) -> Option<GithubHost> {
    let host = host.strip_suffix(":443").unwrap_or(host);
    let hosts = [
        ("uploads.github.com", GithubHost::Uploads),
        ("github.com", GithubHost::Web),
        ("api.github.com", GithubHost::Api),
    ];
    let mut hosts = hosts.into_iter();
    let found = hosts.find(|(name, _)| name.eq_ignore_ascii_case(host));
    let found = found.filter(|_| scheme.eq_ignore_ascii_case("https"));
    found.map(|(_, host)| host)
}

// Not quoted: what is before an `@` may be a token.
const NO_HOST_OF_GITHUB: &str = "a URL is understood here under https://api.github.com, https://uploads.github.com and \
     https://github.com, and this one is not; write one of these, also for an Enterprise Server, or the API's path \
     alone: \"GET /repos/acme/site/labels\"";

/// Takes a whole URL too, with its query: that is what authors copy.
impl FromStr for RequestLine {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "write a method and a path: \"GET /repos/acme/site/labels\"";
        let (method, url) = text.split_once(' ').ok_or(FORM)?;
        if !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err("write the method in capitals: \"GET /repos/acme/site/labels\"");
        }
        let (host, path) = match url.split_once("://") {
            // A query may hold a URL.
            Some((scheme, rest)) if !scheme.contains(['/', '?']) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let (host, path) = rest.split_at(end);
                let host = of_github(scheme, host).ok_or(NO_HOST_OF_GITHUB)?;
                (host, if path.is_empty() { "/" } else { path })
            }
            _ => (GithubHost::Api, url),
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_github_is_known_in_all_its_spellings() {
        for (url, host, path) in [
            ("/user", GithubHost::Api, "/user"),
            ("/user?next=https://example.com/", GithubHost::Api, "/user"),
            ("https://API.github.com/user", GithubHost::Api, "/user"),
            ("HTTPS://api.github.com:443/user", GithubHost::Api, "/user"),
            (
                "https://github.com:443/acme/site.git/info/refs?service=git-upload-pack",
                GithubHost::Web,
                "/acme/site.git/info/refs",
            ),
            ("https://GitHub.com", GithubHost::Web, "/"),
            (
                "https://uploads.GitHub.com:443/user",
                GithubHost::Uploads,
                "/user",
            ),
        ] {
            let line: RequestLine = format!("GET {url}").parse().unwrap();
            assert_eq!((line.host, &*line.path), (host, path), "{url}");
        }
    }

    #[test]
    fn another_host_is_refused_as_such_and_with_what_to_write() {
        for url in [
            "https://example.com/user",
            "https://github.com.example.com/user",
            "https://example.com?https://github.com/user",
            "https://api.github.com:8443/user",
            "https://token@api.github.com/user",
            "http://api.github.com/user",
            "https://ghe.acme.example/api/v3/user",
            "https:///user",
        ] {
            let refused = format!("GET {url}").parse::<RequestLine>().unwrap_err();
            assert_eq!(refused, NO_HOST_OF_GITHUB, "{url}");
        }
    }
}

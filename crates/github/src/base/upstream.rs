//! Which of GitHub's hosts a request is for, by its `Host` and its path.

use broker_policy::reach::GithubHost;

use super::{BaseUrl, GRAPHQL, Kind};

/// Why a request is for no host that is served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotServed {
    /// Below `/api` of an Enterprise Server, and of neither of its APIs.
    #[error("below /api nothing else is served; {}", served(.0))]
    OtherApi(Box<str>),
    /// Not one of GitHub's hosts, as `[github] api` names them.
    #[error("its `Host` is none of GitHub's; {}", served(.0))]
    OtherHost(Box<str>),
}

impl BaseUrl {
    /// The host that a request is for, and the rest of its path, which begins with a slash: what
    /// [`broker_policy::reach::needs`] decides on.
    ///
    /// `host` is the request's `Host`, with or without a port; the case of its letters does not matter.
    /// `path` is the request's own, without its query. On github.com and for tenants each host is its own; on
    /// Enterprise Server the path tells.
    ///
    /// # Errors
    ///
    /// [`NotServed`], with the hosts that are.
    pub fn upstream<'p>(
        &self,
        host: &str,
        path: &'p str,
    ) -> Result<(GithubHost, &'p str), NotServed> {
        let other = || NotServed::OtherHost(self.served());
        let host = self.own_port(host).ok_or_else(other)?;
        let api = self.url.host_str().unwrap_or_default();
        let is_api = host.eq_ignore_ascii_case(api);
        if self.kind == Kind::Server {
            return match server_path(path) {
                _ if !is_api => Err(other()),
                Some(found) => Ok(found),
                None if is_of_apis(path) => Err(NotServed::OtherApi(self.served())),
                None => Ok((GithubHost::Web, path)),
            };
        }
        if is_api {
            return Ok((GithubHost::Api, path));
        }
        let Some(web) = api.strip_prefix("api.") else {
            return Err(other());
        };
        if host.eq_ignore_ascii_case(web) {
            return Ok((GithubHost::Web, path));
        }
        match host.split_once('.') {
            Some((first, rest))
                if first.eq_ignore_ascii_case("uploads") && rest.eq_ignore_ascii_case(web) =>
            {
                Ok((GithubHost::Uploads, path))
            }
            _ => Err(other()),
        }
    }

    /// The hosts that are served, as `CONNECT` names them: `HOST:PORT`.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        let api = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or(443);
        let at = |host: &str| format!("{host}:{port}");
        match (self.kind, api.strip_prefix("api.")) {
            (Kind::Cloud, Some(web)) => vec![at(api), at(&format!("uploads.{web}")), at(web)],
            (Kind::Cloud | Kind::Server, _) => vec![at(api)],
        }
    }

    /// A `Host` without its port, if the port is right. Where the base names none, it may be left out or be that of
    /// either scheme: plain HTTP is spoken here, and HTTPS is meant.
    fn own_port<'h>(&self, host: &'h str) -> Option<&'h str> {
        let split = host.rsplit_once(':');
        // In an IPv6 address without a port, the last colon is the address's own.
        let split = split.filter(|(_, port)| !port.ends_with(']'));
        let Some((name, port)) = split else {
            return self.url.port().is_none().then_some(host);
        };
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let port = port.parse::<u16>().ok()?;
        let own = match self.url.port() {
            Some(own) => port == own,
            None => matches!(port, 80 | 443),
        };
        own.then_some(name)
    }

    /// What is served, for messages.
    fn served(&self) -> Box<str> {
        let api = self.host();
        match (self.kind, api.strip_prefix("api.")) {
            (Kind::Server, _) => {
                format!("{api}, below /api/v3, below /api/uploads, and outside /api").into()
            }
            (Kind::Cloud, Some(web)) => format!("{api}, uploads.{web} and {web}").into(),
            (Kind::Cloud, None) => api.into(),
        }
    }
}

/// The parts of Enterprise Server's one host.
fn server_path(path: &str) -> Option<(GithubHost, &str)> {
    let below = |prefix: &str| {
        let rest = path.strip_prefix(prefix)?;
        match rest {
            "" => Some("/"),
            _ => rest.starts_with('/').then_some(rest),
        }
    };
    if path == "/api/graphql" {
        return Some((GithubHost::Api, GRAPHQL));
    }
    let api = below("/api/v3").map(|rest| (GithubHost::Api, rest));
    api.or_else(|| below("/api/uploads").map(|rest| (GithubHost::Uploads, rest)))
}

/// Whether a path is, to some server, below `/api`: that is not for git.
fn is_of_apis(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next();
    first.is_some_and(|first| first.contains('%') || first.eq_ignore_ascii_case("api"))
}

fn served(hosts: &str) -> String {
    format!("the hosts served are {hosts}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(
        base: &str,
        host: &str,
        path: &'static str,
    ) -> Result<(GithubHost, &'static str), NotServed> {
        BaseUrl::parse(base).unwrap().upstream(host, path)
    }

    const CLOUD: &str = "https://api.github.com";
    const TENANT: &str = "https://api.acme.ghe.com";
    const SERVER: &str = "https://git.acme.example/api/v3";
    const SERVER_PORT: &str = "https://git.acme.example:8443/api/v3";
    const STAND_IN: &str = "http://127.0.0.1:4010";
    const STAND_IN_SERVER: &str = "http://[::1]:4010/api/v3";

    #[test]
    fn what_is_no_host_of_githubs_is_not_served() {
        for (base, host) in [
            (CLOUD, ""),
            (CLOUD, "evil.example"),
            (CLOUD, "api.github.com.evil.example"),
            (CLOUD, "evil.example/api.github.com"),
            (CLOUD, "api.github.com."),
            (CLOUD, "api.github.com:"),
            (CLOUD, "api.github.com:8443"),
            (CLOUD, "api.github.com:+443"),
            (CLOUD, "api.github.com:443:443"),
            (CLOUD, "api.github.com@evil.example"),
            (CLOUD, "me@api.github.com"),
            (CLOUD, "uploads.uploads.github.com"),
            (CLOUD, "raw.githubusercontent.com"),
            (CLOUD, "gist.github.com"),
            (CLOUD, "api.acme.ghe.com"),
            (TENANT, "api.github.com"),
            (TENANT, "api.other.ghe.com"),
            (SERVER, "api.git.acme.example"),
            (SERVER, "uploads.git.acme.example"),
            (SERVER_PORT, "git.acme.example"),
            (SERVER_PORT, "git.acme.example:443"),
            (STAND_IN, "127.0.0.1"),
            (STAND_IN, "127.0.0.1:4011"),
            (STAND_IN, "uploads.127.0.0.1:4010"),
            (STAND_IN_SERVER, "[::1]"),
            (STAND_IN_SERVER, "[::1"),
            (STAND_IN_SERVER, "::1:4010"),
        ] {
            let error = upstream(base, host, "/api/v3/user");
            assert!(
                matches!(error, Err(NotServed::OtherHost(_))),
                "{host} of {base}: {error:?}"
            );
        }
        let error = upstream(CLOUD, "example.com", "/").unwrap_err().to_string();
        assert_eq!(
            error,
            "its `Host` is none of GitHub's; the hosts served are api.github.com, uploads.github.com and \
             github.com"
        );
    }

    #[test]
    fn the_hosts_served_are_named_with_their_ports() {
        for (base, hosts) in [
            (
                CLOUD,
                "api.github.com:443 uploads.github.com:443 github.com:443",
            ),
            (
                TENANT,
                "api.acme.ghe.com:443 uploads.acme.ghe.com:443 acme.ghe.com:443",
            ),
            (SERVER, "git.acme.example:443"),
            (SERVER_PORT, "git.acme.example:8443"),
            (STAND_IN, "127.0.0.1:4010"),
            (STAND_IN_SERVER, "[::1]:4010"),
        ] {
            assert_eq!(BaseUrl::parse(base).unwrap().hosts().join(" "), hosts);
        }
    }

    #[test]
    fn below_the_apis_of_an_enterprise_server_nothing_is_taken_for_git() {
        for path in [
            "/api/v35/user",
            "/api/v3%2Fuser",
            "/API/v3/user",
            "//api/v3/user",
            "/%61pi/v3/user",
            "/api/graphql/x",
            "/api/uploadsx",
            "/api",
        ] {
            let error = upstream(SERVER, "git.acme.example", path);
            assert!(
                matches!(error, Err(NotServed::OtherApi(_))),
                "{path}: {error:?}"
            );
        }
        let error = upstream(SERVER, "git.acme.example", "/api")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "below /api nothing else is served; the hosts served are git.acme.example, below /api/v3, \
             below /api/uploads, and outside /api"
        );
    }

    #[test]
    fn each_host_is_known_in_every_spelling() {
        use GithubHost::{Api, Uploads, Web};
        for (base, host, path, found) in [
            (
                CLOUD,
                "github.com",
                "/a/b.git/info/refs",
                (Web, "/a/b.git/info/refs"),
            ),
            (CLOUD, "GitHub.com:443", "/api/v3", (Web, "/api/v3")),
            (TENANT, "acme.ghe.com", "/acme/site", (Web, "/acme/site")),
            (
                SERVER,
                "git.acme.example",
                "/a/b/info/refs",
                (Web, "/a/b/info/refs"),
            ),
            (SERVER, "GIT.acme.example:443", "/", (Web, "/")),
            (
                SERVER_PORT,
                "git.acme.example:8443",
                "/apis/x",
                (Web, "/apis/x"),
            ),
            (STAND_IN_SERVER, "[::1]:4010", "/a/b", (Web, "/a/b")),
            (
                STAND_IN,
                "127.0.0.1:4010",
                "/a/b.git/info/refs",
                (Api, "/a/b.git/info/refs"),
            ),
            (CLOUD, "api.github.com", "/user", (Api, "/user")),
            (CLOUD, "API.GitHub.com:443", "/user", (Api, "/user")),
            (
                CLOUD,
                "api.github.com:80",
                "/api/v3/user",
                (Api, "/api/v3/user"),
            ),
            (
                CLOUD,
                "uploads.github.com",
                "/repos/a/b",
                (Uploads, "/repos/a/b"),
            ),
            (CLOUD, "Uploads.GITHUB.com:443", "/", (Uploads, "/")),
            (TENANT, "api.acme.ghe.com", "/user", (Api, "/user")),
            (TENANT, "uploads.acme.ghe.com:80", "/x", (Uploads, "/x")),
            (SERVER, "git.acme.example", "/api/v3/user", (Api, "/user")),
            (SERVER, "Git.Acme.Example:80", "/api/v3", (Api, "/")),
            (SERVER, "git.acme.example:443", "/api/v3//x", (Api, "//x")),
            (
                SERVER,
                "git.acme.example",
                "/api/uploads/repos/x",
                (Uploads, "/repos/x"),
            ),
            (
                SERVER,
                "git.acme.example",
                "/api/graphql",
                (Api, "/graphql"),
            ),
            (
                SERVER_PORT,
                "git.acme.example:8443",
                "/api/v3/x",
                (Api, "/x"),
            ),
            (STAND_IN, "127.0.0.1:4010", "/user", (Api, "/user")),
            (
                STAND_IN_SERVER,
                "[::1]:4010",
                "/api/v3/user",
                (Api, "/user"),
            ),
            (
                STAND_IN_SERVER,
                "[::1]:4010",
                "/api/uploads/x",
                (Uploads, "/x"),
            ),
        ] {
            assert_eq!(
                upstream(base, host, path),
                Ok(found),
                "{host} {path} of {base}"
            );
        }
    }
}

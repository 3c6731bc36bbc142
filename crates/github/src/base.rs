//! Where GitHub is: parsed once from configuration, so that nothing below doubts it.
//!
//! Three forms are known, because they have different paths, web hosts and API versions: github.com,
//! a data-residency tenant on `ghe.com`, and Enterprise Server. Plain HTTP is for a loopback address
//! only, where a stand-in may listen.

use std::fmt;

use reqwest::Url;
use reqwest::header::HeaderValue;

use broker_https::{BadAddress, is_loopback, parse_address, require_private};

/// The API's base URL, without a slash at its end, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    url: Url,
    /// As the operator wrote it, without a slash at its end.
    text: Box<str>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// github.com, or a tenant of `ghe.com`: the same software.
    Cloud,
    /// Enterprise Server.
    Server,
}

impl Default for BaseUrl {
    /// github.com.
    #[expect(clippy::expect_used, reason = "a constant, parsed in a test")]
    fn default() -> Self {
        Self::parse("https://api.github.com").expect("the default base URL parses")
    }
}

impl BaseUrl {
    /// Parses what stands in the configuration. A slash at the end is dropped.
    ///
    /// # Errors
    ///
    /// [`BadAddress`], with the fix.
    pub fn parse(given: &str) -> Result<Self, BadAddress> {
        let url = parse_address(given, FORMS, BARE)?;
        require_private(&url, given, FORMS)?;
        let refuse = |why| Err(BadAddress::new(given, why));
        let host = url.host_str().unwrap_or_default();
        let path = url.path().trim_end_matches('/');
        let kind = match path {
            "/api/v3" if cloud_host(host) => {
                return refuse("is not on Enterprise Server; leave `/api/v3` away");
            }
            "/api/v3" => Kind::Server,
            "" if host == "github.com" || host == "www.github.com" => {
                return refuse("is the web site; write https://api.github.com");
            }
            "" if host.ends_with(".ghe.com") && !is_tenant_api(host) => {
                return refuse("is not a tenant's API; write https://api.TENANT.ghe.com");
            }
            // A stand-in on this machine answers like github.com.
            "" if cloud_host(host) || is_loopback(host) => Kind::Cloud,
            "" => return refuse("has no path; for Enterprise Server write https://HOST/api/v3"),
            _ => return refuse(FORMS),
        };
        Ok(Self {
            text: given.trim_end_matches('/').into(),
            url,
            kind,
        })
    }

    /// The host, with its port where that is not the scheme's own: for messages and labels.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Where humans go in a browser, such as `https://github.com`: for links that create a token.
    #[must_use]
    pub fn web(&self) -> String {
        let host = self.host();
        let host = match self.kind {
            Kind::Cloud => host.strip_prefix("api.").unwrap_or(&host),
            Kind::Server => &host,
        };
        format!("{}://{host}", self.url.scheme())
    }

    /// Whether this is Enterprise Server, where some endpoints differ.
    #[must_use]
    pub fn is_enterprise_server(&self) -> bool {
        self.kind == Kind::Server
    }

    /// The REST API version every request names.
    ///
    /// github.com answers `2026-03-10`, on which this client is built. Enterprise Server learns a
    /// version with a release of its own and refuses one that it does not know with 400, so it is
    /// asked for the first, which every supported release knows. Of what differs between the two
    /// this client uses nothing: `resources` of `/rate_limit` is in both.
    ///
    /// Source: GitHub REST documentation, “API Versions”.
    pub(super) fn api_version(&self) -> HeaderValue {
        HeaderValue::from_static(match self.kind {
            Kind::Cloud => "2026-03-10",
            Kind::Server => "2022-11-28",
        })
    }

    /// The address of `path`, which begins with a slash and is encoded already. `None` if it would
    /// lead anywhere but below the base: a credential goes nowhere else.
    pub(super) fn join(&self, path: &str) -> Option<Url> {
        let url = Url::parse(&format!("{}{path}", self.text)).ok()?;
        let wanted = path.split('?').next().unwrap_or_default();
        let below = url
            .path()
            .strip_prefix(self.url.path().trim_end_matches('/'));
        let stays = path.starts_with('/')
            && url.origin() == self.url.origin()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
            && below == Some(wanted);
        stays.then_some(url)
    }

    /// What of an absolute URL is below the base, as a path for a further call: the next page, or
    /// where something has moved. Whatever host it names, the call goes to the base's own.
    pub(super) fn relative(&self, url: &str) -> Option<String> {
        let url = self.url.join(url).ok()?;
        let base = self.url.path().trim_end_matches('/');
        let path = url.path().strip_prefix(base)?;
        if !path.starts_with('/') {
            return None;
        }
        Some(match url.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn cloud_host(host: &str) -> bool {
    host == "api.github.com" || is_tenant_api(host)
}

/// `api.TENANT.ghe.com`.
fn is_tenant_api(host: &str) -> bool {
    let tenant = host
        .strip_prefix("api.")
        .and_then(|rest| rest.strip_suffix(".ghe.com"));
    tenant.is_some_and(|tenant| !tenant.is_empty() && !tenant.contains('.'))
}

const FORMS: &str = "is not a base URL of GitHub's API; write https://api.github.com, \
     https://HOST/api/v3 for Enterprise Server, or https://api.TENANT.ghe.com";
const BARE: &str = "has a `?` or `#`; write the base URL only";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_known_with_their_web_hosts_and_versions() {
        for (given, web, version) in [
            ("https://api.github.com", "https://github.com", "2026-03-10"),
            (
                "https://api.github.com/",
                "https://github.com",
                "2026-03-10",
            ),
            (
                "https://api.acme.ghe.com",
                "https://acme.ghe.com",
                "2026-03-10",
            ),
            (
                "https://git.acme.example/api/v3",
                "https://git.acme.example",
                "2022-11-28",
            ),
            (
                "https://git.acme.example:8443/api/v3/",
                "https://git.acme.example:8443",
                "2022-11-28",
            ),
            (
                "http://127.0.0.1:4010",
                "http://127.0.0.1:4010",
                "2026-03-10",
            ),
            ("http://[::1]:4010", "http://[::1]:4010", "2026-03-10"),
            (
                "https://localhost:4010",
                "https://localhost:4010",
                "2026-03-10",
            ),
        ] {
            let base = BaseUrl::parse(given).unwrap();
            assert_eq!(base.web(), web, "of {given}");
            assert_eq!(base.api_version(), version, "of {given}");
        }
        assert_eq!(BaseUrl::default().host(), "api.github.com");
    }

    #[test]
    fn anything_else_is_refused_with_what_to_do() {
        for (given, fix) in [
            ("http://api.github.com", "write https://"),
            ("http://git.acme.example/api/v3", "write https://"),
            ("https://github.com", "write https://api.github.com"),
            ("https://acme.ghe.com", "write https://api.TENANT.ghe.com"),
            (
                "https://a.b.acme.ghe.com",
                "write https://api.TENANT.ghe.com",
            ),
            ("https://api.github.com/api/v3", "leave `/api/v3` away"),
            ("https://git.acme.example", "https://HOST/api/v3"),
            ("https://git.acme.example/api", "https://HOST/api/v3"),
            ("ftp://api.github.com", "write https://api.github.com"),
            ("api.github.com", "write https://api.github.com"),
            ("https://api.github.com?x=1", "write the base URL only"),
            ("", "write https://api.github.com"),
        ] {
            let error = BaseUrl::parse(given).unwrap_err().to_string();
            assert!(error.contains(fix), "{given}: {error}");
        }
        let error = BaseUrl::parse("https://me:ghp_canary@api.github.com").unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
    }

    #[test]
    fn a_path_never_leads_away_from_the_base() {
        let base = BaseUrl::parse("https://git.acme.example/api/v3").unwrap();
        let url = base.join("/repos/acme/site?per_page=1").unwrap();
        assert_eq!(
            url.as_str(),
            "https://git.acme.example/api/v3/repos/acme/site?per_page=1"
        );
        for path in [
            "user",
            "@evil.example/user",
            ".evil.example/user",
            "/../admin",
            "/repos/acme/%2e%2e/x",
            "/a\\..\\..\\b",
            "/user#x",
            "",
        ] {
            assert_eq!(base.join(path), None, "{path}");
        }
        let root = BaseUrl::default();
        assert_eq!(
            root.join("//evil.example/user").unwrap().host_str(),
            Some("api.github.com")
        );
    }

    #[test]
    fn of_a_link_only_the_path_below_the_base_is_taken() {
        let base = BaseUrl::parse("https://git.acme.example/api/v3").unwrap();
        assert_eq!(
            base.relative("https://git.acme.example/api/v3/user/repos?page=2")
                .as_deref(),
            Some("/user/repos?page=2")
        );
        assert_eq!(
            base.relative("/api/v3/repositories/7").as_deref(),
            Some("/repositories/7")
        );
        assert_eq!(base.relative("https://git.acme.example/login"), None);
        assert_eq!(base.relative("https://git.acme.example/api/v35"), None);
    }
}

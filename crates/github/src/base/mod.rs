//! Where GitHub is: parsed once from configuration, so that nothing below doubts it.
//!
//! Three forms are known, because they have different paths, web hosts and API versions: github.com,
//! a data-residency tenant on `ghe.com`, and Enterprise Server. Plain HTTP is for a loopback address
//! only, where a stand-in may listen.

mod upstream;

use std::borrow::Cow;
use std::fmt;

use broker_https::{BadAddress, is_loopback, parse_address, require_private};
use broker_policy::reach::GithubHost;
use reqwest::Url;
use reqwest::header::HeaderValue;

pub use self::upstream::NotServed;

/// The API's base URL, without a slash at its end, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    url: Url,
    /// As the operator wrote it, without a slash at its end.
    text: Box<str>,
    kind: Kind,
    /// The base URL of uploads. A stand-in that answers like github.com has none.
    uploads: Option<Url>,
    /// The root of the web host. A stand-in that answers like github.com has none.
    web: Option<Url>,
    /// Why nothing is asked there, or anywhere, if so.
    absent: Option<&'static str>,
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
        let kind = kind_of(&url).map_err(|why| BadAddress::new(given, why))?;
        let host = url.host_str().unwrap_or_default();
        let uploads = match kind {
            Kind::Cloud => {
                let tenant = host.strip_prefix("api.");
                tenant.map(|tenant| format!("{}://uploads.{tenant}", url.scheme()))
            }
            Kind::Server => url
                .as_str()
                .strip_suffix("/v3")
                .map(|api| format!("{api}/uploads")),
        };
        let mut web = url.clone();
        web.set_path("");
        let web = match (kind, host.strip_prefix("api.")) {
            (Kind::Server, _) => Some(web),
            (Kind::Cloud, Some(tenant)) => web.set_host(Some(tenant)).is_ok().then_some(web),
            (Kind::Cloud, None) => None,
        };
        Ok(Self {
            url,
            text: given.trim_end_matches('/').into(),
            kind,
            // Of an address that parses, so it parses too.
            uploads: uploads.and_then(|uploads| Url::parse(&uploads).ok()),
            web,
            absent: None,
        })
    }

    /// github.com by its names alone: every call fails for this reason, before anything is sent.
    #[must_use]
    pub fn absent(why: &'static str) -> Self {
        Self {
            absent: Some(why),
            ..Self::default()
        }
    }

    /// Whether there is no GitHub.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        self.absent.is_some()
    }

    /// Why there is no GitHub, if there is none.
    pub(super) const fn why_absent(&self) -> Option<&'static str> {
        self.absent
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

    /// Where git reaches the repositories, such as `https://github.com`. A stand-in that answers like github.com
    /// has none.
    #[must_use]
    pub fn git(&self) -> Option<String> {
        self.web.is_some().then(|| self.web())
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

    /// The address of `path`, which begins with a slash and is encoded already, its query included. `None`
    /// if it would lead anywhere but below the base: a credential goes nowhere else.
    pub(super) fn join(&self, path: &str) -> Option<Url> {
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        self.api_address(path, query)
    }

    fn api_address(&self, path: &str, query: Option<&str>) -> Option<Url> {
        if self.kind == Kind::Server && path == GRAPHQL {
            let mut api = self.url.clone();
            api.set_path("/api");
            return below(&api, path, query);
        }
        below(&self.url, path, query)
    }

    /// The address of what someone else asked for. `None` also if it would not go out as it came: what was
    /// decided on is what is sent. In a query `'`, `"`, `<` and `>` are encoded, which means the same.
    pub(super) fn address(&self, host: GithubHost, path: &str, query: Option<&str>) -> Option<Url> {
        let url = match host {
            GithubHost::Api => self.api_address(path, query),
            GithubHost::Uploads => below(self.uploads.as_ref()?, path, query),
            GithubHost::Web => below(self.web.as_ref()?, path, query),
        }?;
        let same = match (query, url.query()) {
            (Some(came), Some(goes)) => came == goes || encoded(came) == goes,
            (came, goes) => came == goes,
        };
        same.then_some(url)
    }

    /// Where a redirect leads; `None` if that cannot be read, or to a page of this host's that is not below the
    /// base.
    pub(super) fn redirect(&self, location: &str) -> Option<Redirect> {
        let url = self.url.join(location).ok()?;
        let below = self.relative(location).map(|path| {
            let path = path.split('?').next().unwrap_or_default();
            Box::<str>::from(path)
        });
        // A server that goes by another name here answers with its own.
        let is_numbered = |path: &str| path.starts_with("/repositories/");
        let is_own = url.host_str() == self.url.host_str()
            && url.port_or_known_default() == self.url.port_or_known_default();
        match below {
            Some(path) if is_own || is_numbered(&path) => Some(Redirect::Below(path)),
            _ if is_own => None,
            _ => {
                let host = url.host_str()?.chars().take(LONGEST_HOST);
                Some(Redirect::Elsewhere(host.collect::<String>().into()))
            }
        }
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

/// Where a redirect leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Redirect {
    /// To this path below the base, without a query.
    Below(Box<str>),
    /// To another server, by its name.
    Elsewhere(Box<str>),
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The address of `path` below `base`, or `None` if it would be another one.
fn below(base: &Url, path: &str, query: Option<&str>) -> Option<Url> {
    let prefix = base.path().trim_end_matches('/');
    let mut url = base.clone();
    // Neither touches the host. What a path or a query does not hold as it is, they encode.
    match prefix {
        "" => url.set_path(path),
        prefix => url.set_path(&[prefix, path].concat()),
    }
    url.set_query(query);
    let stays = path.starts_with('/') && url.path().strip_prefix(prefix) == Some(path);
    stays.then_some(url)
}

/// A query with the characters encoded that a URL does not hold in it as they are.
///
/// Source: WHATWG URL, “special-query percent-encode set”; a request line holds none of its others.
fn encoded(query: &str) -> String {
    let mut text = String::with_capacity(query.len() + 8);
    for c in query.chars() {
        match c {
            '\'' => text.push_str("%27"),
            '"' => text.push_str("%22"),
            '<' => text.push_str("%3C"),
            '>' => text.push_str("%3E"),
            _ => text.push(c),
        }
    }
    text
}

/// Whose API this is the base URL of; or what to write in its place.
fn kind_of(url: &Url) -> Result<Kind, Cow<'static, str>> {
    let host = url.host_str().unwrap_or_default();
    let path = url.path().trim_end_matches('/');
    if let Some(api) = cloud_api(host) {
        return match path {
            "" if host == api => Ok(Kind::Cloud),
            _ => Err(format!("is not the base URL of GitHub's API; write https://{api}").into()),
        };
    }
    match path {
        "/api/v3" => Ok(Kind::Server),
        // A stand-in on this machine answers like github.com.
        "" if is_loopback(host) => Ok(Kind::Cloud),
        _ if is_loopback(host) => Err(FORMS.into()),
        _ => {
            let root = url.origin().ascii_serialization();
            Err(format!(
                "is not the base URL of GitHub's API; for Enterprise Server write {root}/api/v3"
            )
            .into())
        }
    }
}

/// The host of the API, where this is a host of github.com's or of a tenant's on `ghe.com`.
fn cloud_api(host: &str) -> Option<Cow<'static, str>> {
    let host = host.trim_end_matches('.');
    let is_of = |domain: &str| {
        host.strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if is_of("github.com") || is_of("githubusercontent.com") {
        return Some("api.github.com".into());
    }
    if !is_of("ghe.com") {
        return None;
    }
    let tenant = host.strip_suffix(".ghe.com").unwrap_or_default();
    Some(match tenant.rsplit('.').next().unwrap_or_default() {
        "" | "api" => "api.TENANT.ghe.com".into(),
        tenant => format!("api.{tenant}.ghe.com").into(),
    })
}

/// More of another server's name is not repeated.
const LONGEST_HOST: usize = 100;
/// Enterprise Server has it beside `/api/v3`.
const GRAPHQL: &str = "/graphql";
const FORMS: &str = "is not a base URL of GitHub's API; write https://api.github.com, \
     https://HOST/api/v3 for Enterprise Server, or https://api.TENANT.ghe.com";
const BARE: &str = "has a `?` or `#`; write the base URL only";

#[cfg(test)]
mod tests;

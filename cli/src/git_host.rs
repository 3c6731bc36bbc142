//! The hosts that git may be given a token for.
//!
//! git passes a host on as it stands in the URL, and a host has several spellings: `GitHub.com`, `github.com:443`,
//! `github.com.` and `www.github.com` are one. A token sent to any other host is lost, so this one place decides which
//! are the same. `ssh.github.com` is not among them: git asks for no credential there.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use crate::host_port::HostPort;

/// A host that is to get tokens besides github.com.
#[derive(Clone, Debug)]
pub(crate) struct NamedHost(String);

impl FromStr for NamedHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_host = |text: &str| HostPort::or_port(text, HTTPS).is_ok();
        if is_host(text) {
            return Ok(Self(text.to_owned()));
        }
        // A URL is not repeated: it may hold a login.
        let address = text.split_once("://").map_or(text, |(_, address)| address);
        let host = address.split('/').next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        Err(match is_host(host) {
            true => format!("not a host; write `{host}`"),
            false => "not a host (HOST or HOST:PORT)".to_owned(),
        })
    }
}

/// A host that git asks about, and that may get a token.
#[derive(Debug)]
pub(crate) struct Site {
    host: HostPort,
    usual_port: u16,
    is_named: bool,
}

impl Site {
    /// The host of git's question; `None` if it may not get a token. Plain http is for a named host on this machine.
    pub(crate) fn find(protocol: &str, host: &str, named: &[NamedHost]) -> Option<Self> {
        let is_https = protocol.eq_ignore_ascii_case("https");
        if !is_https && !protocol.eq_ignore_ascii_case("http") {
            return None;
        }
        let usual_port = if is_https { HTTPS } else { HTTP };
        let host = HostPort::or_port(host, usual_port).ok()?;
        let same = |named: &NamedHost| HostPort::or_port(&named.0, usual_port).ok();
        let is_named = named.iter().filter_map(same).any(|named| named == host);
        let may = match is_https {
            true => is_named || is_github(&host),
            false => is_named && is_this_machine(&host),
        };
        may.then_some(Self {
            host,
            usual_port,
            is_named,
        })
    }

    /// Whether a purpose whose repositories git reaches below this address, if that is known, is for this host. A
    /// host that was named stands for whatever the broker serves.
    pub(crate) fn is_below(&self, address: Option<&str>) -> bool {
        let Some(address) = address else {
            return true;
        };
        let is_same = || {
            let host = address.strip_prefix("https://")?;
            let host = HostPort::or_port(host, HTTPS).ok()?;
            Some(host == self.host || (is_github(&host) && is_github(&self.host)))
        };
        self.is_named || is_same() == Some(true)
    }

    /// As git's configuration names it: `https://github.com`.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.usual_port == HTTPS {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{self}")
    }
}

/// The host, and its port where that is not the usual one.
impl Display for Site {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.host.port() == self.usual_port {
            return f.write_str(&self.host.url_host());
        }
        write!(f, "{}", self.host)
    }
}

fn is_github(host: &HostPort) -> bool {
    host.port() == HTTPS && ["github.com", "www.github.com"].contains(&host.host())
}

/// By name or address alone.
fn is_this_machine(host: &HostPort) -> bool {
    host.host() == "localhost" || host.address().is_some_and(|address| address.is_loopback())
}

const HTTPS: u16 = 443;
const HTTP: u16 = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn named(hosts: &[&str]) -> Vec<NamedHost> {
        hosts.iter().map(|host| host.parse().unwrap()).collect()
    }

    #[test]
    fn a_token_goes_to_known_hosts_only_and_in_the_clear_only_to_this_machine() {
        let named = named(&["127.0.0.1:8080", "ghe.acme.test", "localhost"]);
        for (protocol, host, want) in [
            ("https", "github.com", true),
            ("https", "ghe.acme.test", true),
            ("http", "127.0.0.1:8080", true),
            ("http", "localhost", true),
            ("https", "github.com.evil.test", false),
            ("https", "evil-github.com", false),
            ("https", "github.com:8443", false),
            ("https", "github.com\rx", false),
            ("https", "gist.github.com", false),
            ("https", "ssh.github.com", false),
            ("https", "", false),
            ("http", "github.com", false),
            ("http", "github.com:443", false),
            ("http", "ghe.acme.test", false),
            ("http", "127.0.0.1:8081", false),
            ("http", "127.0.0.1", false),
            ("ssh", "github.com", false),
        ] {
            let found = Site::find(protocol, host, &named);
            assert_eq!(found.is_some(), want, "{protocol}://{host}");
        }
    }

    #[test]
    fn one_host_in_its_several_spellings_is_that_host_in_questions_and_in_what_is_named() {
        for host in [
            "github.com",
            "GitHub.com",
            "github.com:443",
            "github.com.",
            "www.github.com",
            "WWW.GITHUB.COM:443",
        ] {
            assert!(Site::find("https", host, &[]).is_some(), "{host}");
        }
        assert!(Site::find("HTTPS", "github.com", &[]).is_some());
        for (named_as, protocol, asked) in [
            ("GHE.test", "https", "ghe.test"),
            ("ghe.test:443", "https", "ghe.test"),
            ("ghe.test", "https", "GHE.test:443"),
            ("ghe.test.", "https", "ghe.test"),
            ("127.0.0.1", "http", "127.0.0.1:80"),
            ("[::1]:8080", "http", "[0:0:0:0:0:0:0:1]:8080"),
        ] {
            let found = Site::find(protocol, asked, &named(&[named_as]));
            assert!(found.is_some(), "{named_as}, {asked}");
        }
        let site = Site::find("https", "GitHub.com:443", &[]).unwrap();
        assert_eq!(site.url(), "https://github.com");
        let site = Site::find("http", "[::1]:8080", &named(&["[::1]:8080"])).unwrap();
        assert_eq!(site.url(), "http://[::1]:8080");
    }

    #[test]
    fn an_address_in_place_of_a_host_is_refused_with_the_host_to_write() {
        for (text, want) in [
            ("https://ghe.test/", "not a host; write `ghe.test`"),
            (
                "https://x:ghp_secret@ghe.test:8443/acme",
                "not a host; write `ghe.test:8443`",
            ),
            ("ghe.test/acme/site.git", "not a host; write `ghe.test`"),
            ("git@ghe.test", "not a host; write `ghe.test`"),
            ("ghe.test:http", "not a host (HOST or HOST:PORT)"),
            ("", "not a host (HOST or HOST:PORT)"),
        ] {
            assert_eq!(text.parse::<NamedHost>().unwrap_err(), want);
        }
    }

    #[test]
    fn a_token_for_another_host_of_githubs_software_does_not_go_to_github_com() {
        let site = Site::find("https", "www.github.com", &[]).unwrap();
        assert!(site.is_below(Some("https://github.com")));
        assert!(site.is_below(None), "an older broker");
        assert!(!site.is_below(Some("https://ghe.acme.test")));
        assert!(!site.is_below(Some("http://127.0.0.1:8080")));
        let alias = Site::find("https", "proxy.test", &named(&["proxy.test"])).unwrap();
        assert!(alias.is_below(Some("https://ghe.acme.test")));
    }
}

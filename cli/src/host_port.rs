//! A host and a port, as `CONNECT` and addresses of proxies name them.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A host and a port. Two that differ only in spelling are the same: the host is in lower case, without
/// a dot at its end, and without the brackets of an IPv6 address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HostPort {
    host: String,
    port: u16,
}

/// The text is not `HOST:PORT`.
#[derive(Debug, thiserror::Error)]
#[error("not HOST:PORT")]
pub(crate) struct NotHostPort;

impl HostPort {
    /// Reads a host that may stand without its port, which then is this one.
    pub(crate) fn or_port(text: &str, port: u16) -> Result<Self, NotHostPort> {
        // An IPv6 address in brackets has colons of its own.
        let named = text
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.ends_with(']'));
        match named {
            true => text.parse(),
            false => format!("{text}:{port}").parse(),
        }
    }

    /// The name, or the address.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// The host as an address, if it is one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The host as a URL has it.
    pub(crate) fn url_host(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }
}

impl FromStr for HostPort {
    type Err = NotHostPort;

    fn from_str(text: &str) -> Result<Self, NotHostPort> {
        let (host, port) = text.rsplit_once(':').ok_or(NotHostPort)?;
        let digits = (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port != 0);
        let port = port.ok_or(NotHostPort)?;
        if let Some(inside) = host.strip_prefix('[') {
            let address = inside.strip_suffix(']').map(str::parse::<Ipv6Addr>);
            let address = address.and_then(Result::ok).ok_or(NotHostPort)?;
            let host = address.to_string();
            return Ok(Self { host, port });
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        // The longest name of the domain name system: RFC 1035.
        if host.is_empty() || host.len() > 253 || !host.bytes().all(good) {
            return Err(NotHostPort);
        }
        let host = host.to_ascii_lowercase();
        Ok(Self { host, port })
    }
}

impl Display for HostPort {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.url_host(), self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_host_are_the_same() {
        for (text, same) in [
            ("api.github.com:443", "api.github.com:443"),
            ("API.GitHub.com:443", "api.github.com:443"),
            ("github.com.:443", "github.com:443"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:8443", "[::1]:8443"),
            ("[0:0::0:1]:8443", "[::1]:8443"),
            ("my_host:1", "my_host:1"),
            ("host:00443", "host:443"),
        ] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), same);
        }
        let v6: HostPort = "[::1]:8443".parse().unwrap();
        assert_eq!((v6.host(), v6.port()), ("::1", 8443));
        assert!(v6.address().is_some());
    }

    #[test]
    fn a_port_that_is_left_out_is_the_usual_one() {
        for (text, same) in [
            ("GitHub.com", "github.com:443"),
            ("github.com.", "github.com:443"),
            ("github.com:443", "github.com:443"),
            ("ghe.test:8443", "ghe.test:8443"),
            ("[::1]", "[::1]:443"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(HostPort::or_port(text, 443).unwrap().to_string(), same);
        }
        for bad in ["", "::1", "github.com:", "a/b", "github.com\r", "https://a"] {
            assert!(HostPort::or_port(bad, 443).is_err(), "{bad}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let long = format!("{}:443", "x".repeat(254));
        for bad in [
            "",
            ":",
            "host",
            "host:",
            ":443",
            ".:443",
            "host:0",
            "host:65536",
            "host:+1",
            "host: 1",
            "host:000443",
            "ho st:1",
            "a@host:1",
            "host/:1",
            "::1:443",
            "[::1]",
            "[::1:443",
            "[host]:443",
            "[]:443",
            "github.com%2e:443",
            "gith\u{fc}b.com:443",
            "host\r\n:1",
            &long,
        ] {
            assert!(bad.parse::<HostPort>().is_err(), "{bad}");
        }
    }
}

//! Where a Connect server is: parsed once from configuration, so that nothing below doubts it.

use std::fmt;

use reqwest::Url;

use broker_https::{BadAddress, parse_address, require_private};

/// A Connect server's address, without the `v1` of its API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectAddress(Url);

impl ConnectAddress {
    /// Parses what the configuration says. A slash at the end is dropped.
    ///
    /// # Errors
    ///
    /// [`BadAddress`], with the fix.
    pub fn parse(given: &str) -> Result<Self, BadAddress> {
        let url = parse_address(given, FORM, BARE)?;
        if url.path().ends_with("/v1") {
            let why = "names a version of the API; leave `/v1` away";
            return Err(BadAddress::new(given, why));
        }
        require_private(&url, given, FORM)?;
        Ok(Self(url))
    }

    /// The address of what these pieces name below it; each is encoded as one piece of a path.
    pub(super) fn join(&self, pieces: &[&str]) -> Url {
        let mut url = self.0.clone();
        // There is a host, so that there are pieces to add to.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(pieces);
        }
        url
    }
}

impl fmt::Display for ConnectAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

const FORM: &str = "is not the address of a Connect server; write https://HOST[:PORT]";
const BARE: &str = "has a `?` or `#`; write the address only";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_or_this_machine_and_may_have_a_path() {
        for (given, vaults) in [
            (
                "https://connect.acme.example",
                "https://connect.acme.example/v1/vaults",
            ),
            (
                "https://acme.example:8443/connect/",
                "https://acme.example:8443/connect/v1/vaults",
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/vaults"),
            ("http://[::1]:8080", "http://[::1]:8080/v1/vaults"),
        ] {
            let address = ConnectAddress::parse(given).unwrap();
            assert_eq!(address.join(&["v1", "vaults"]).as_str(), vaults);
            assert_eq!(address.to_string(), given.trim_end_matches('/'));
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_to_do() {
        for (given, fix) in [
            ("http://connect.acme.example:8080", "write https://"),
            ("https://connect.acme.example/v1", "leave `/v1` away"),
            ("https://connect.acme.example/v1/", "leave `/v1` away"),
            ("http://connect.acme.example/v1", "leave `/v1` away"),
            ("connect.acme.example", "write https://HOST"),
            ("ftp://connect.acme.example", "write https://HOST"),
            ("https://connect.acme.example?x=1", "write the address only"),
            ("", "write https://HOST"),
        ] {
            let error = ConnectAddress::parse(given).unwrap_err().to_string();
            assert!(error.contains(fix), "{given}: {error}");
        }
        let error = ConnectAddress::parse("https://me:canary@connect.acme.example").unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
    }

    #[test]
    fn a_piece_of_a_path_stays_one_piece() {
        let address = ConnectAddress::parse("https://acme.example").unwrap();
        assert_eq!(
            address.join(&["v1", "a/b?c#d", "é"]).as_str(),
            "https://acme.example/v1/a%2Fb%3Fc%23d/%C3%A9"
        );
    }
}

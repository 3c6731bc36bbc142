//! `[github]`: where GitHub is, whom to believe that, and how often it is asked without a caller.

use std::path::PathBuf;
use std::time::Duration;

use broker_github::BaseUrl;
use broker_protocol::duration;
use serde::{Deserialize, Deserializer};

use super::read::{authorities, parsed};

/// GitHub as the operator configured it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GitHubConfig {
    /// Its API.
    #[serde(deserialize_with = "base_url")]
    pub api: BaseUrl,
    /// A file of certificate authorities in PEM, trusted besides the machine's own.
    #[serde(deserialize_with = "authorities")]
    pub ca: Option<PathBuf>,
    /// How often each secret is checked; `None` for never by itself.
    #[serde(deserialize_with = "span_or_off")]
    pub check_every: Option<Duration>,
    /// How often a principal with live leases is asked what it has left; `None` for never.
    #[serde(deserialize_with = "span_or_off")]
    pub poll_every: Option<Duration>,
}

impl Default for GitHubConfig {
    fn default() -> Self {
        Self {
            api: BaseUrl::default(),
            ca: None,
            check_every: Some(DAILY),
            poll_every: Some(FIVE_MINUTES),
        }
    }
}

fn base_url<'de, D: Deserializer<'de>>(value: D) -> Result<BaseUrl, D::Error> {
    parsed(value, BaseUrl::parse)
}

fn span_or_off<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Duration>, D::Error> {
    parsed(value, |text| match text {
        "off" => Ok(None),
        text => duration::parse(text)
            .map(Some)
            .map_err(|error| format!("{error}; write \"off\" to turn it off")),
    })
}

const DAILY: Duration = Duration::from_secs(24 * 60 * 60);
const FIVE_MINUTES: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> Result<GitHubConfig, String> {
        Config::parse(text, Path::new("/etc/tokend/tokend.toml"), 1000)
            .map(|config| config.github)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_the_table_it_is_github_com_checked_daily() {
        let config = parse("").unwrap();
        assert_eq!(config.api.to_string(), "https://api.github.com");
        assert_eq!(config.ca, None);
        assert_eq!(config.check_every.unwrap().as_secs(), 86_400);
        assert_eq!(config.poll_every.unwrap().as_secs(), 300);
    }

    #[test]
    fn every_key_is_read() {
        let config = parse(
            "[github]\napi = \"https://git.acme.example/api/v3\"\nca = \"acme.pem\"\n\
             check_every = \"12h\"\npoll_every = \"off\"\n",
        )
        .unwrap();
        assert_eq!(config.api.web(), "https://git.acme.example");
        let ca = config.ca.unwrap();
        assert_eq!(ca, Path::new("/etc/tokend/acme.pem"));
        assert_eq!(config.check_every.unwrap().as_secs(), 12 * 60 * 60);
        assert_eq!(config.poll_every, None);
    }

    #[test]
    fn what_is_refused_names_its_line_and_the_fix() {
        for (line, hint) in [
            ("api = \"http://git.acme.example/api/v3\"", "write https://"),
            ("check_every = \"daily\"", "\"off\""),
            ("poll_every = \"0s\"", "\"off\""),
            ("proxy = \"x\"", "unknown field `proxy`"),
        ] {
            let error = parse(&format!("# a line\n[github]\n{line}\n")).unwrap_err();
            assert!(error.starts_with("/etc/tokend/tokend.toml:3: "), "{error}");
            assert!(error.contains(hint), "{error}");
        }
    }
}

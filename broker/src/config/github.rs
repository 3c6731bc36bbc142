//! `[github]`: where GitHub is, whom to believe that, and how often it is asked without a caller.

use std::path::{Path, PathBuf};
use std::time::Duration;

use broker_protocol::duration;
use serde::Deserialize;

use broker_github::{BaseUrl, Settings};

use super::read::Wrong;

/// GitHub as the operator configured it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHubConfig {
    /// Where it is.
    pub settings: Settings,
    /// How often each secret is checked; `None` for never by itself.
    pub check_every: Option<Duration>,
    /// How often a principal with live leases is asked what it has left; `None` for never.
    pub poll_every: Option<Duration>,
}

impl Default for GitHubConfig {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            check_every: Some(DAILY),
            poll_every: Some(FIVE_MINUTES),
        }
    }
}

/// The table as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct GitHubTable {
    api: Option<String>,
    ca: Option<PathBuf>,
    check_every: Option<String>,
    poll_every: Option<String>,
}

impl GitHubTable {
    /// Takes each value for what it means. `beside` is the configuration file: a CA file's relative
    /// path starts in its directory. An error comes with the key at fault.
    pub(super) fn read(self, beside: &Path) -> Result<GitHubConfig, Wrong> {
        let default = GitHubConfig::default();
        let api = match &self.api {
            Some(api) => BaseUrl::parse(api).map_err(|error| ("api", error.to_string()))?,
            None => default.settings.api,
        };
        let directory = beside.parent().unwrap_or(beside);
        let span = |key, text: Option<String>, default| match text.as_deref() {
            None => Ok(default),
            Some("off") => Ok(None),
            Some(text) => duration::parse(text).map(Some).map_err(|error| {
                let message = format!("{error}; write \"off\" to turn it off");
                (key, message)
            }),
        };
        Ok(GitHubConfig {
            settings: Settings {
                api,
                ca: super::read::authorities(self.ca, directory)?,
            },
            check_every: span("check_every", self.check_every, default.check_every)?,
            poll_every: span("poll_every", self.poll_every, default.poll_every)?,
        })
    }
}

const DAILY: Duration = Duration::from_secs(24 * 60 * 60);
const FIVE_MINUTES: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
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
        assert_eq!(config.settings.api.to_string(), "https://api.github.com");
        assert_eq!(config.settings.ca, None);
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
        assert_eq!(config.settings.api.web(), "https://git.acme.example");
        let ca = config.settings.ca.unwrap();
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

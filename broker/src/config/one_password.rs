//! `[onepassword]`: how values in 1Password are had, and `[sources]`: how long they are kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::source::SourceSpec;
use serde::Deserialize;

use broker_sources::CacheTimes;
use broker_sources::one_password::{ConnectAddress, Plan};

use super::read::Wrong;

/// How 1Password is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnePasswordConfig {
    /// By what.
    pub through: Through,
    /// Where the token of the service account or of Connect is stored: the vault or the keyring. `None`: `op`
    /// goes by the desktop app.
    pub token: Option<SourceSpec>,
    /// What limits its requests.
    pub plan: Plan,
    /// How long one answer is waited for.
    pub wait: Duration,
}

/// What 1Password is asked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Through {
    /// 1Password's program.
    Op {
        /// Its path, or its name to be found in `PATH`.
        program: PathBuf,
        /// The desktop app's account, where it has several.
        account: Option<String>,
    },
    /// A Connect server.
    Connect {
        /// Where it is.
        address: ConnectAddress,
        /// Whose certificates are believed besides the system's.
        ca: Option<PathBuf>,
    },
}

impl Default for OnePasswordConfig {
    fn default() -> Self {
        Self {
            through: Through::Op {
                program: PROGRAM.into(),
                account: None,
            },
            token: None,
            plan: Plan::default(),
            wait: WAIT,
        }
    }
}

/// The table as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OnePasswordTable {
    token: Option<String>,
    program: Option<PathBuf>,
    account: Option<String>,
    connect: Option<String>,
    ca: Option<PathBuf>,
    plan: Option<String>,
    wait: Option<String>,
}

impl OnePasswordTable {
    /// `beside` is the configuration file: relative paths start in its directory. An error comes with
    /// the key at fault.
    pub(super) fn read(self, beside: &Path) -> Result<OnePasswordConfig, Wrong> {
        let directory = beside.parent().unwrap_or(beside);
        let token = self.token.as_deref().map(token).transpose()?;
        if self.account.as_deref() == Some("") {
            return Err(("account", "`account = \"\"` names no account".to_owned()));
        }
        let through = match self.connect {
            Some(url) => {
                if token.is_none() {
                    return Err((
                        "connect",
                        "a Connect server needs a token: write `token = \"vault\"` and store it with \
                         `tokenctl secret set onepassword-token`"
                            .to_owned(),
                    ));
                }
                for (key, written) in [
                    ("program", self.program.is_some()),
                    ("account", self.account.is_some()),
                ] {
                    if written {
                        return Err((key, format!("`{key}` is for `op`, and `connect` is given")));
                    }
                }
                let ca = super::read::authorities(self.ca, directory)?;
                let address = ConnectAddress::parse(&url);
                let address = address.map_err(|error| ("connect", error.to_string()))?;
                Through::Connect { address, ca }
            }
            None if self.ca.is_some() => {
                return Err((
                    "ca",
                    "`ca` is for a Connect server: write `connect` too".to_owned(),
                ));
            }
            None => {
                let program = self.program.unwrap_or_else(|| PROGRAM.into());
                if super::read::names_no_file(&program) {
                    let what = program.display();
                    return Err(("program", format!("`{what}` names no program")));
                }
                // A name alone is looked for in PATH.
                let named = program.components().count() == 1;
                Through::Op {
                    program: if named {
                        program
                    } else {
                        directory.join(program)
                    },
                    account: self.account,
                }
            }
        };
        let plan = match self.plan.as_deref() {
            None => Plan::default(),
            Some("individual") => Plan::Individual,
            Some("teams") => Plan::Teams,
            Some("business") => Plan::Business,
            Some(other) => {
                return Err((
                    "plan",
                    format!(
                        "`{other}` is not a plan: write \"individual\", \"teams\" or \"business\""
                    ),
                ));
            }
        };
        Ok(OnePasswordConfig {
            through,
            token,
            plan,
            wait: span("wait", self.wait.as_deref(), WAIT)?,
        })
    }
}

fn token(text: &str) -> Result<SourceSpec, Wrong> {
    match text.parse() {
        Ok(source) if ["vault", "keyring"].contains(&SourceSpec::scheme(&source)) => Ok(source),
        // What was written is not repeated: it may be the token.
        _ => Err((
            "token",
            "1Password's token is stored in the vault or the keyring: write \"vault\" (and `tokenctl secret \
             set onepassword-token`) or \"keyring:NAME\""
                .to_owned(),
        )),
    }
}

/// `[sources]` as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SourcesTable {
    ttl: Option<String>,
    stale: Option<String>,
    keep: Option<String>,
}

impl SourcesTable {
    /// How long values are kept, and whether in the vault too.
    pub(super) fn read(self) -> Result<(CacheTimes, bool), Wrong> {
        let default = CacheTimes::default();
        let ttl = span("ttl", self.ttl.as_deref(), default.ttl)?;
        let stale = match self.stale.as_deref() {
            Some("off") => Duration::ZERO,
            text => span("stale", text, default.stale)?,
        };
        let in_vault = match self.keep.as_deref() {
            None | Some("memory") => false,
            Some("vault") => true,
            Some(other) => {
                let why = format!(
                    "`{other}` is not where values can be kept: write \"memory\" or \"vault\""
                );
                return Err(("keep", why));
            }
        };
        Ok((CacheTimes { ttl, stale }, in_vault))
    }
}

fn span(key: &'static str, text: Option<&str>, default: Duration) -> Result<Duration, Wrong> {
    let parse = |text| duration::parse(text).map_err(|error| (key, error.to_string()));
    text.map_or(Ok(default), parse)
}

const PROGRAM: &str = "op";
const WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("/etc/tokend/tokend.toml"), 1000)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_the_tables_it_is_op_and_the_desktop_app() {
        let config = parse("").unwrap();
        assert_eq!(config.one_password, OnePasswordConfig::default());
        assert_eq!(config.source_times.ttl.as_secs(), 600);
        assert_eq!(config.source_times.stale.as_secs(), 3600);
    }

    #[test]
    fn every_key_is_read() {
        let config = parse(
            "[onepassword]\ntoken = 'vault'\nprogram = 'bin/op'\naccount = 'acme'\n\
             plan = 'business'\nwait = '10s'\n[sources]\nttl = '1m'\nstale = 'off'\nkeep = 'vault'\n",
        );
        let config = config.unwrap();
        let expected = OnePasswordConfig {
            through: Through::Op {
                program: "/etc/tokend/bin/op".into(),
                account: Some("acme".to_owned()),
            },
            token: Some(SourceSpec::Vault),
            plan: Plan::Business,
            wait: Duration::from_secs(10),
        };
        assert_eq!(config.one_password, expected);
        assert_eq!(config.source_times.ttl.as_secs(), 60);
        assert_eq!(config.source_times.stale, Duration::ZERO);
        assert!(config.keep_source_values);
        let config = parse(
            "[onepassword]\nconnect = 'https://connect.acme.example'\nca = 'ca.pem'\n\
             token = 'keyring:connect'\n",
        );
        let expected = Through::Connect {
            address: ConnectAddress::parse("https://connect.acme.example").unwrap(),
            ca: Some("/etc/tokend/ca.pem".into()),
        };
        assert_eq!(config.unwrap().one_password.through, expected);
    }

    #[test]
    fn what_is_refused_names_its_line_and_the_fix_and_never_a_token() {
        for (line, hint) in [
            (
                "token = 'ops_made_up'",
                "stored in the vault or the keyring",
            ),
            ("token = 'env:OP_SERVICE_ACCOUNT_TOKEN'", "\"keyring:NAME\""),
            ("plan = 'free'", "\"teams\""),
            ("wait = '0s'", "`0s`"),
            (
                "connect = 'https://connect.acme.example'",
                "token = \"vault\"",
            ),
            ("ca = 'ca.pem'", "write `connect` too"),
            ("tokn = 'vault'", "unknown field"),
        ] {
            let error = parse(&format!("[onepassword]\n{line}\n")).unwrap_err();
            assert!(error.starts_with("/etc/tokend/tokend.toml:2: "), "{error}");
            assert!(error.contains(hint), "{error}");
            assert!(!error.contains("ops_made_up"), "{error}");
        }
    }
}

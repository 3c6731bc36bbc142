//! `[onepassword]`: how values in 1Password are had, and `[sources]`: how long they are kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::source::SourceSpec;
use serde::{Deserialize, Deserializer};

use broker_sources::CacheTimes;
use broker_sources::one_password::{ConnectAddress, Plan};

use super::read::{Wrong, authorities, names_no_file, parsed};

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
    #[serde(deserialize_with = "token")]
    token: Option<SourceSpec>,
    program: Option<PathBuf>,
    account: Option<String>,
    connect: Option<String>,
    #[serde(deserialize_with = "authorities")]
    ca: Option<PathBuf>,
    #[serde(deserialize_with = "plan")]
    plan: Plan,
    #[serde(deserialize_with = "span")]
    wait: Option<Duration>,
}

impl OnePasswordTable {
    /// Relative paths start in `directory`. An error comes with the key at fault.
    pub(super) fn read(self, directory: &Path) -> Result<OnePasswordConfig, Wrong> {
        let wrong = |key, why: &str| Err((key, why.to_owned()));
        if self.account.as_deref() == Some("") {
            return wrong("account", "`account = \"\"` names no account");
        }
        let through = match self.connect {
            Some(_) if self.token.is_none() => {
                return wrong(
                    "connect",
                    "a Connect server needs a token: write `token = \"vault\"` and store it with \
                     `tokenctl secret set onepassword-token`",
                );
            }
            Some(_) if self.program.is_some() => {
                return wrong("program", "`program` is for `op`, and `connect` is given");
            }
            Some(_) if self.account.is_some() => {
                return wrong("account", "`account` is for `op`, and `connect` is given");
            }
            Some(url) => Through::Connect {
                address: ConnectAddress::parse(&url)
                    .map_err(|error| ("connect", error.to_string()))?,
                ca: self.ca.map(|path| directory.join(path)),
            },
            None if self.ca.is_some() => {
                return wrong("ca", "`ca` is for a Connect server: write `connect` too");
            }
            None => {
                let program = self.program.unwrap_or_else(|| PROGRAM.into());
                if names_no_file(&program) {
                    return wrong(
                        "program",
                        &format!("`{}` names no program", program.display()),
                    );
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
        Ok(OnePasswordConfig {
            through,
            token: self.token,
            plan: self.plan,
            wait: self.wait.unwrap_or(WAIT),
        })
    }
}

fn token<'de, D: Deserializer<'de>>(value: D) -> Result<Option<SourceSpec>, D::Error> {
    parsed(value, |text| match text.parse() {
        Ok(source) if ["vault", "keyring"].contains(&SourceSpec::scheme(&source)) => {
            Ok(Some(source))
        }
        // What was written is not repeated: it may be the token.
        _ => Err(
            "1Password's token is stored in the vault or the keyring: write \"vault\" (and `tokenctl secret \
             set onepassword-token`) or \"keyring:NAME\"",
        ),
    })
}

fn plan<'de, D: Deserializer<'de>>(value: D) -> Result<Plan, D::Error> {
    parsed(value, |text| match text {
        "individual" => Ok(Plan::Individual),
        "teams" => Ok(Plan::Teams),
        "business" => Ok(Plan::Business),
        other => Err(format!(
            "`{other}` is not a plan: write \"individual\", \"teams\" or \"business\""
        )),
    })
}

fn span<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Duration>, D::Error> {
    parsed(value, |text| duration::parse(text).map(Some))
}

/// `[sources]` as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SourcesTable {
    #[serde(deserialize_with = "span")]
    ttl: Option<Duration>,
    #[serde(deserialize_with = "stale")]
    stale: Option<Duration>,
    #[serde(deserialize_with = "keep")]
    pub(super) keep: bool,
}

impl SourcesTable {
    /// How long values are kept.
    pub(super) fn times(&self) -> CacheTimes {
        let default = CacheTimes::default();
        CacheTimes {
            ttl: self.ttl.unwrap_or(default.ttl),
            stale: self.stale.unwrap_or(default.stale),
        }
    }
}

fn stale<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Duration>, D::Error> {
    parsed(value, |text| match text {
        "off" => Ok(Some(Duration::ZERO)),
        text => duration::parse(text).map(Some),
    })
}

/// Whether values are kept in the vault too.
fn keep<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    parsed(value, |text| match text {
        "memory" => Ok(false),
        "vault" => Ok(true),
        other => Err(format!(
            "`{other}` is not where values can be kept: write \"memory\" or \"vault\""
        )),
    })
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

//! `tokend.toml`: every key optional, every unknown key an error with its place.
//!
//! Names of accounts and groups are resolved here, once, so that nothing below compares text with
//! numbers. Not here: where the file lies (`broker_protocol::places`), and policies.

mod error;
mod files;
mod github;
mod one_password;
mod operators;
mod root_key;
mod warnings;

use std::fs;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use broker_policy::{Caller, Host};
use broker_protocol::places::{Places, SYSTEM_CONFIG};
use broker_sources::Times;
use nix::unistd::{Group, User};
use serde::Deserialize;
use toml::de::DeTable;

use self::github::GitHubTable;
use self::one_password::{OnePasswordTable, SourcesTable};
use self::root_key::RootKeyTable;
use self::warnings::WarningsTable;

pub use self::error::ConfigError;
pub use self::files::{AuthorityFile, NamedFiles};
pub use self::github::GitHubConfig;
pub use self::one_password::{OnePasswordConfig, Through};
pub use self::operators::Operators;
pub use self::warnings::WarningsConfig;

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The account the broker runs as.
    pub own_uid: u32,
    /// The socket.
    pub socket: SocketConfig,
    /// Who may change things.
    pub operators: Operators,
    /// Group that may read the audit log's files, besides the broker's own account.
    pub audit_read_group: Option<u32>,
    /// Where `/metrics` is also served over TCP, without authentication. Off unless set.
    pub metrics_listen: Option<SocketAddr>,
    /// Where GitHub is, and how often it is asked.
    pub github: GitHubConfig,
    /// Who hears of warnings.
    pub warnings: WarningsConfig,
    /// How often the root key is changed by itself; `None` for only when told to.
    pub rekey_every: Option<Duration>,
    /// How 1Password is asked.
    pub one_password: OnePasswordConfig,
    /// How long values of 1Password and the keyring are kept.
    pub source_times: Times,
    /// Whether they are kept in the vault too, beyond a restart.
    pub keep_source_values: bool,
    /// Limits that keep one account from starving the others.
    pub limits: Limits,
    /// The files of certificate authorities that it names.
    pub authority_files: Vec<AuthorityFile>,
}

/// The socket's mode and group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketConfig {
    /// Permission bits, `0600` by default.
    pub mode: u32,
    /// Group; the broker's own by default.
    pub group: Option<u32>,
}

/// Limits that keep one account from starving the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open connections, all accounts together.
    pub connections: usize,
    /// Open connections of one account.
    pub connections_per_account: usize,
    /// Live leases of one account.
    pub leases_per_account: usize,
    /// Refusals of one account that are recorded one by one in a minute; the rest are counted.
    pub denials_per_minute: u32,
    /// Leases of one account granted or renewed in a minute.
    pub leases_per_minute: u32,
    /// What the records of one account's live leases may take, in MiB, and what it may have written to the
    /// audit log in a minute. A start reads the former back, and the latter is how fast an account fills
    /// the disk.
    pub audit_mib_per_account: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_account: 256,
            leases_per_account: 1000,
            denials_per_minute: 60,
            leases_per_minute: 1200,
            audit_mib_per_account: 8,
        }
    }
}

impl Limits {
    /// [`Self::audit_mib_per_account`] in bytes.
    #[must_use]
    pub fn audit_bytes(&self) -> u32 {
        u32::from(self.audit_mib_per_account).saturating_mul(1 << 20)
    }

    /// Refuses limits that would lock every caller out. An error comes with the key at fault.
    fn check(&self) -> Result<(), (&'static str, String)> {
        // `denials_per_minute` may be 0: then all refusals are counted and none has a record of its own. So
        // may those of leases: a broker that hands nothing out still rotates and keeps sinks.
        let needed = [
            ("connections", self.connections == 0),
            ("connections_per_account", self.connections_per_account == 0),
            ("audit_mib_per_account", self.audit_mib_per_account == 0),
        ];
        match needed.into_iter().find(|(_, is_zero)| *is_zero) {
            Some((key, _)) => Err((
                key,
                format!("`{key} = 0` lets no one in; write 1 or more, or take the line out"),
            )),
            None => Ok(()),
        }
    }
}

impl Config {
    /// What policies may assume of a broker with this configuration.
    ///
    /// A socket that other accounts may use, or the places of the system service, whose socket
    /// systemd may have made, mean that callers have accounts of their own: their programs cannot be
    /// seen.
    #[must_use]
    pub fn host(&self, places: &Places) -> Host {
        let system_service =
            self.socket.mode != 0o600 || places.config.as_path() == Path::new(SYSTEM_CONFIG);
        Host {
            uid: Some(self.own_uid),
            system_service,
        }
    }
}

impl Config {
    /// Whether this caller may change things.
    #[must_use]
    pub fn is_operator(&self, caller: &Caller) -> bool {
        let Caller {
            uid, gid, groups, ..
        } = caller;
        self.operators.include(*uid, *gid, groups)
    }

    /// Reads the file; without one, everything has its default.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the file cannot be read, may be written by others, or is not a
    /// configuration. Directories above it are evaluated where the policies beside it are read.
    pub fn read(path: &Path, own_uid: u32) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let mut file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self::parse("", path, own_uid);
            }
            Err(error) => return Err(unreadable(error)),
        };
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.mode() & 0o022 != 0 {
            return Err(ConfigError::Exposed(path.to_owned()));
        }
        if ![0, own_uid].contains(&metadata.uid()) {
            return Err(ConfigError::Foreign {
                path: path.to_owned(),
                owner: metadata.uid(),
                own: own_uid,
            });
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(unreadable)?;
        Self::parse(&text, path, own_uid)
    }

    /// Evaluates the text of a configuration that is to lie at `path`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Refused`] with its line.
    pub fn parse(text: &str, path: &Path, own_uid: u32) -> Result<Self, ConfigError> {
        let refuse = |line: usize, message: String| ConfigError::Refused {
            path: path.to_owned(),
            line,
            message,
        };
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_at(text, span.start));
            refuse(line, error.message().trim_end().to_owned())
        })?;
        // Of a value that is refused only here.
        let refuse_key = |table: &str, (key, message): (&str, String)| {
            refuse(line_of(text, table, key), message)
        };
        file.limits
            .check()
            .map_err(|wrong| refuse_key("limits", wrong))?;

        let mode = parse_mode(&file.socket.mode).ok_or_else(|| {
            let message = format!(
                "`{}` is not a socket mode; write \"0600\" (own account only), \"0660\" (with \
                 `group`) or \"0666\" (every account)",
                file.socket.mode
            );
            refuse_key("socket", ("mode", message))
        })?;
        let uid = |name: &String| {
            let found = User::from_name(name)
                .ok()
                .flatten()
                .map(|user| user.uid.as_raw());
            found.ok_or_else(|| {
                refuse_key(
                    "operators",
                    ("users", format!("there is no account `{name}`")),
                )
            })
        };
        let gid = |table: &str, key: &str, name: &String| {
            let found = Group::from_name(name)
                .ok()
                .flatten()
                .map(|group| group.gid.as_raw());
            found.ok_or_else(|| refuse_key(table, (key, format!("there is no group `{name}`"))))
        };
        let operators = if file.operators.users.is_empty() && file.operators.groups.is_empty() {
            Operators::only(own_uid)
        } else {
            Operators {
                uids: file
                    .operators
                    .users
                    .iter()
                    .map(uid)
                    .collect::<Result<_, _>>()?,
                gids: file
                    .operators
                    .groups
                    .iter()
                    .map(|name| gid("operators", "groups", name))
                    .collect::<Result<_, _>>()?,
            }
        };
        let (source_times, keep_source_values) = file
            .sources
            .read()
            .map_err(|wrong| refuse_key("sources", wrong))?;
        Ok(Self {
            own_uid,
            socket: SocketConfig {
                mode,
                group: file
                    .socket
                    .group
                    .as_ref()
                    .map(|name| gid("socket", "group", name))
                    .transpose()?,
            },
            operators,
            audit_read_group: file
                .audit
                .read_group
                .as_ref()
                .map(|name| gid("audit", "read_group", name))
                .transpose()?,
            metrics_listen: file.metrics.listen,
            github: file
                .github
                .read(path)
                .map_err(|wrong| refuse_key("github", wrong))?,
            warnings: file
                .warnings
                .read()
                .map_err(|wrong| refuse_key("warnings", wrong))?,
            rekey_every: file
                .root_key
                .read()
                .map_err(|wrong| refuse_key("root_key", wrong))?,
            one_password: file
                .onepassword
                .read(path)
                .map_err(|wrong| refuse_key("onepassword", wrong))?,
            source_times,
            keep_source_values,
            limits: file.limits,
            authority_files: AuthorityFile::named_in(text, path),
        })
    }
}

/// Whether a path cannot be that of a file, whatever there is.
fn names_no_file(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    path.file_name().is_none() || bytes.ends_with(b"/") || bytes.contains(&0)
}

/// The file of certificate authorities that `ca` names; a relative path starts in `directory`.
fn authorities(
    ca: Option<PathBuf>,
    directory: &Path,
) -> Result<Option<PathBuf>, (&'static str, String)> {
    match ca {
        Some(path) if names_no_file(&path) => Err((
            "ca",
            format!("`{}` names no file of certificates in PEM", path.display()),
        )),
        ca => Ok(ca.map(|path| directory.join(path))),
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or_default();
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// The line of a key in its table, or else of the table, or the first.
fn line_of(text: &str, table: &str, key: &str) -> usize {
    let Ok(root) = DeTable::parse(text) else {
        return 1;
    };
    let Some((_, entries)) = root.get_ref().get_key_value(table) else {
        return 1;
    };
    let keys = entries.get_ref().as_table();
    let place = keys.and_then(|keys| Some(keys.get_key_value(key)?.0.span().start));
    line_at(text, place.unwrap_or_else(|| entries.span().start))
}

/// `0600`, `0660` and the like: read and write only go together on a socket.
fn parse_mode(text: &str) -> Option<u32> {
    let mode = u32::from_str_radix(text, 8)
        .ok()
        .filter(|_| text.len() <= 4)?;
    [0o600, 0o660, 0o666].contains(&mode).then_some(mode)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    socket: SocketTable,
    operators: OperatorsTable,
    audit: AuditTable,
    metrics: MetricsTable,
    github: GitHubTable,
    warnings: WarningsTable,
    root_key: RootKeyTable,
    onepassword: OnePasswordTable,
    sources: SourcesTable,
    limits: Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SocketTable {
    mode: String,
    group: Option<String>,
}

impl Default for SocketTable {
    fn default() -> Self {
        Self {
            mode: "0600".to_owned(),
            group: None,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OperatorsTable {
    users: Vec<String>,
    groups: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AuditTable {
    read_group: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MetricsTable {
    listen: Option<SocketAddr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("tokend.toml"), 1000).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_is_the_default() {
        let config = parse("").unwrap();
        assert_eq!(
            config.socket,
            SocketConfig {
                mode: 0o600,
                group: None
            }
        );
        assert!(config.operators.include(1000, 1000, &[]) && config.operators.include(0, 0, &[]));
        assert!(!config.operators.include(1001, 1001, &[]));
        assert_eq!(config.metrics_listen, None);
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let error = parse("[socket]\nmode = \"0600\"\nmod = 1\n").unwrap_err();
        assert!(
            error.starts_with("tokend.toml:3: unknown field `mod`"),
            "{error}"
        );
        assert!(
            parse("[gitlab]\napi = \"x\"\n")
                .unwrap_err()
                .starts_with("tokend.toml:1:")
        );
    }

    #[test]
    fn a_mode_that_nobody_means_and_accounts_that_do_not_exist_are_refused_by_line() {
        let error = parse("\n[socket]\nmode = \"0777\"\n").unwrap_err();
        assert!(
            error.starts_with("tokend.toml:3: `0777` is not a socket mode"),
            "{error}"
        );
        let error = parse("[operators]\nusers = [\"no-such-account\"]\n").unwrap_err();
        assert_eq!(
            error,
            "tokend.toml:2: there is no account `no-such-account`"
        );
    }

    #[test]
    fn what_can_never_work_is_refused_by_its_own_line() {
        for (table, line, says) in [
            ("limits", "connections = 0", "lets no one in"),
            ("limits", "connections_per_account = 0", "lets no one in"),
            ("limits", "audit_mib_per_account = 0", "lets no one in"),
            ("github", "ca = \"\"", "names no file"),
            ("github", "ca = \"certificates/\"", "names no file"),
            ("onepassword", "program = \"\"", "names no program"),
            ("onepassword", "program = \"bin/\"", "names no program"),
            ("onepassword", "account = \"\"", "names no account"),
            ("warnings", "hook = []", "hook"),
            ("warnings", "hook = [\"\"]", "hook"),
            ("warnings", "hook = [\"page\"]", "hook"),
            ("metrics", "listen = \"localhost\"", "socket address"),
        ] {
            // A key of the same beginning stands in another table before.
            let text = format!("[x]\n[sources]\nttl = \"1m\"\n\n[{table}]\n{line}\n");
            let text = text.replace("[x]", "# connections, ca, program, hook, account");
            let error = parse(&text).unwrap_err();
            assert!(error.starts_with("tokend.toml:6: "), "{line}: {error}");
            assert!(error.contains(says), "{line}: {error}");
        }
        let text = "[onepassword]\ntoken = 'vault'\nconnect = 'https://a.example'\nca = ''\n";
        let error = parse(text).unwrap_err();
        assert!(error.starts_with("tokend.toml:4: "), "{error}");
        assert!(parse("[limits]\ndenials_per_minute = 0\n").is_ok());
    }

    #[test]
    fn a_file_that_others_may_write_is_refused_with_the_chmod_that_mends_it() {
        use std::os::unix::fs::PermissionsExt as _;

        let own = nix::unistd::geteuid().as_raw();
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("tokend.toml");
        assert!(Config::read(&path, own).is_ok(), "none is as good as empty");
        fs::write(&path, "[operators]\nusers = [\"root\"]\n").unwrap();
        for (mode, good) in [(0o600, true), (0o644, true), (0o664, false), (0o646, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match Config::read(&path, own) {
                Ok(_) => assert!(good, "{mode:o}"),
                Err(error) => {
                    let mend = format!("run `chmod go-w {}`", path.display());
                    assert!(!good && error.to_string().ends_with(&mend), "{error}");
                }
            }
        }
    }

    #[test]
    fn named_operators_replace_the_own_account() {
        let config = parse("[operators]\ngroups = [\"daemon\"]\n").unwrap();
        let daemon = Group::from_name("daemon").unwrap().unwrap().gid.as_raw();
        assert!(config.operators.include(7, 7, &[daemon]));
        assert!(!config.operators.include(1000, 1000, &[]));
    }
}

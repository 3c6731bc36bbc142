//! Reads `tokend.toml`: the file, its tables, and the line of what is wrong.

use std::fmt::Display;
use std::fs;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use toml::de::DeTable;

use super::one_password::{OnePasswordTable, SourcesTable};
use super::operators::group;
use super::root_key::RootKeyTable;
use super::{
    AuthorityFile, Config, ConfigError, GitHubConfig, Limits, Operators, SocketConfig,
    WarningsConfig,
};

/// A key that does not go with another, and why.
pub(super) type Wrong = (&'static str, String);

impl Config {
    /// Reads the file; without one, everything has its default.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the file cannot be read, may be written by others, or is not a
    /// configuration. Directories above it are checked where the policies beside it are read.
    pub fn read(path: &Path, own_uid: u32) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        };
        // Opening a pipe must not wait for a writer.
        let nonblocking = OFlag::O_NONBLOCK.bits();
        let opened = fs::OpenOptions::new()
            .read(true)
            .custom_flags(nonblocking)
            .open(path);
        let mut file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self::parse("", path, own_uid);
            }
            Err(error) => return Err(unreadable(error)),
        };
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(unreadable(io::Error::other("it is not a regular file")));
        }
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

    /// Parses the text of a configuration that is to be stored at `path`.
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
        let mut file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_at(text, span.start));
            refuse(line, error.message().trim_end().to_owned())
        })?;
        let directory = path.parent().unwrap_or(path);
        file.github.ca = file.github.ca.map(|ca| directory.join(ca));
        let one_password = file.onepassword.read(directory);
        Ok(Self {
            own_uid,
            limits: file.limits,
            audit_ahead: file.audit.ahead == Ahead::On,
            record_reads_first: file.proxy.record_reads == RecordReads::Before,
            socket: file.socket,
            operators: file.operators.or_only(own_uid),
            audit_read_group: file.audit.read_group,
            metrics_listen: file.metrics.listen,
            github: file.github,
            warnings: file.warnings,
            rekey_every: file.root_key.rekey_every,
            one_password: one_password
                .map_err(|(key, why)| refuse(line_of(text, "onepassword", key), why))?,
            source_times: file.sources.times(),
            keep_source_values: file.sources.keep,
            authority_files: AuthorityFile::named_in(text, path),
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    socket: SocketConfig,
    operators: Operators,
    audit: AuditTable,
    metrics: MetricsTable,
    github: GitHubConfig,
    warnings: WarningsConfig,
    root_key: RootKeyTable,
    onepassword: OnePasswordTable,
    sources: SourcesTable,
    limits: Limits,
    proxy: ProxyTable,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ProxyTable {
    record_reads: RecordReads,
}

/// When a read through the proxy is recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RecordReads {
    /// Once it is over, and no one waits for that.
    #[default]
    After,
    /// As a write: durable before it is passed on.
    Before,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AuditTable {
    #[serde(deserialize_with = "group")]
    read_group: Option<u32>,
    ahead: Ahead,
}

/// Whether the log's last segment is extended with zeros before records need the room.
#[derive(Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ahead {
    On,
    #[default]
    Off,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MetricsTable {
    listen: Option<SocketAddr>,
}

/// The text of a value, for what it means.
pub(super) fn parsed<'de, D: Deserializer<'de>, T, E: Display>(
    value: D,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error> {
    parse(&String::deserialize(value)?).map_err(D::Error::custom)
}

/// The file of certificate authorities that `ca` names; a relative path starts beside the configuration.
pub(super) fn authorities<'de, D: Deserializer<'de>>(
    value: D,
) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(value)?;
    if names_no_file(&path) {
        let path = path.display();
        return Err(D::Error::custom(format!(
            "`{path}` names no file of certificates in PEM"
        )));
    }
    Ok(Some(path))
}

/// Whether a path cannot be that of a file, whether or not it exists.
pub(super) fn names_no_file(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    path.file_name().is_none() || bytes.ends_with(b"/") || bytes.contains(&0)
}

pub(super) fn line_at(text: &str, offset: usize) -> usize {
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

//! Reads `tokend.toml`: the file, its tables, and the line of what is wrong.

use std::fs;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::DeTable;

use super::github::GitHubTable;
use super::one_password::{OnePasswordTable, SourcesTable};
use super::operators::{AuditTable, OperatorsTable};
use super::root_key::RootKeyTable;
use super::socket::SocketTable;
use super::warnings::WarningsTable;
use super::{AuthorityFile, Config, ConfigError, Limits};

/// A key, and what is wrong with its value.
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
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_at(text, span.start));
            refuse(line, error.message().trim_end().to_owned())
        })?;
        let within = |table: &'static str| {
            move |(key, message): Wrong| refuse(line_of(text, table, key), message)
        };
        let sources = file.sources.read().map_err(within("sources"))?;
        let (source_times, keep_source_values) = sources;
        Ok(Self {
            own_uid,
            limits: file.limits.checked().map_err(within("limits"))?,
            socket: file.socket.read().map_err(within("socket"))?,
            operators: file.operators.read(own_uid).map_err(within("operators"))?,
            audit_read_group: file.audit.read().map_err(within("audit"))?,
            metrics_listen: file.metrics.listen,
            github: file.github.read(path).map_err(within("github"))?,
            warnings: file.warnings.read().map_err(within("warnings"))?,
            rekey_every: file.root_key.read().map_err(within("root_key"))?,
            one_password: file.onepassword.read(path).map_err(within("onepassword"))?,
            source_times,
            keep_source_values,
            authority_files: AuthorityFile::named_in(text, path),
        })
    }
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

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MetricsTable {
    listen: Option<SocketAddr>,
}

/// The file of certificate authorities that `ca` names; a relative path starts in `directory`.
pub(super) fn authorities(ca: Option<PathBuf>, directory: &Path) -> Result<Option<PathBuf>, Wrong> {
    match ca {
        Some(path) if names_no_file(&path) => Err((
            "ca",
            format!("`{}` names no file of certificates in PEM", path.display()),
        )),
        ca => Ok(ca.map(|path| directory.join(path))),
    }
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

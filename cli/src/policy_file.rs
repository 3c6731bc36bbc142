//! Writes new policy files, and takes them back if the broker refuses them.
//!
//! A policy file is text that someone reviews, so this makes a new file or none;
//! `policy_edit` edits an old one. Names come in as parsed types; free text is quoted by `toml_edit`.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use broker_protocol::api::Reloaded;
use broker_protocol::client::Response;
use broker_protocol::duration;
use broker_protocol::names::{OrgName, Permissions, RepoPattern, SecretName};
use broker_protocol::paths::Paths;
use broker_protocol::whole_file;
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use toml_edit::{Array, InlineTable, Value};

use crate::args::{Declaration, Kind, word};
use crate::broker::Broker;
use crate::error::Failure;
use crate::shell;

/// The table of a secret as a policy file has it. Empty lists and `None` are left out.
pub(crate) fn secret_table(name: &SecretName, kind: Kind, declared: &Declaration) -> String {
    let list = |items: Vec<&str>| (!items.is_empty()).then(|| Array::from_iter(items).into());
    let owner = declared.owner.as_ref().map(OrgName::as_str);
    let scopes = declared.scopes.iter().map(String::as_str);
    let repositories = declared.repositories.iter().map(RepoPattern::as_str);
    // In the order of their names.
    let permissions: Permissions = declared.permissions.iter().cloned().collect();
    let pairs = permissions.iter();
    let pairs = pairs.map(|(name, level)| (name.as_str(), level.as_str()));
    let permissions = Some(InlineTable::from_iter(pairs)).filter(|it| !it.is_empty());
    let rotate_every = declared.rotate_every.map(duration::format);
    let keys: [(&str, Option<Value>); 8] = [
        ("kind", Some(word(&kind).into())),
        ("source", Some(Value::from(&declared.source))),
        ("owner", owner.map(Value::from)),
        ("scopes", list(scopes.collect())),
        ("repositories", list(repositories.collect())),
        ("permissions", permissions.map(Value::from)),
        ("client_id", declared.client_id.as_ref().map(Value::from)),
        ("rotate_every", rotate_every.map(Value::from)),
    ];
    let mut text = format!("[secret.{name}]\n");
    for (key, value) in keys {
        if let Some(value) = value {
            text.push_str(&format!("{key:<12} = {value}\n"));
        }
    }
    if let Some(floor) = declared.rate_floor {
        text.push_str(&format!("rate_floor   = {floor}\n"));
    }
    text
}

/// Fails unless this account may add a file to the directory of policies: before a value is asked for.
pub(crate) fn require_writable(places: &Paths) -> Result<(), Failure> {
    let dir = &places.policies;
    match access(dir, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => Ok(()),
        Err(Errno::ENOENT) => Err(no_directory(dir)),
        Err(why) => Err(Failure::with_hint(
            format!(
                "this account may not add a policy to {}: {}",
                dir.display(),
                why.desc()
            ),
            format!(
                "run it as the owner of that directory: sudo tokenctl --config {} …",
                shell::quoted(&places.config.to_string_lossy())
            ),
        )),
    }
}

/// Fails if there is something at the path of a new file.
pub(crate) fn require_absent(path: &Path) -> Result<(), Failure> {
    match path.symlink_metadata() {
        Ok(_) => Err(is_there(path)),
        Err(_) => Ok(()),
    }
}

fn is_there(path: &Path) -> Failure {
    Failure::with_hint(
        format!("{} exists already", path.display()),
        "edit it by hand, or move it away; `tokenctl policy reload` loads what it declares",
    )
}

pub(crate) fn no_directory(dir: &Path) -> Failure {
    Failure::with_hint(
        format!("there is no directory {}", dir.display()),
        "`tokenctl init` creates it; --config names another configuration",
    )
}

/// New policy files that are not in force yet. Dropped before `NewFiles::load` has succeeded, it
/// removes what it wrote.
pub(crate) struct NewFiles {
    written: Vec<PathBuf>,
    in_force: bool,
}

impl NewFiles {
    /// None yet.
    pub(crate) const fn new() -> Self {
        Self {
            written: Vec::new(),
            in_force: false,
        }
    }

    /// Writes one file that must not exist.
    pub(crate) fn write(&mut self, path: &Path, text: &str) -> Result<(), Failure> {
        let mut file = match whole_file::create(path, 0o644) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(is_there(path));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(no_directory(whole_file::directory_of(path)));
            }
            Err(error) => return Err(Failure::file("write", path)(error)),
        };
        self.written.push(path.to_owned());
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(Failure::file("write", path))
    }

    /// Has the broker load its policies again, these among them.
    ///
    /// The broker may refuse them, or may not look where they were written (it belongs to another
    /// configuration); either way they are removed again.
    pub(crate) fn load(self, broker: &Broker) -> Result<Reloaded, Failure> {
        self.keep_if_loaded(broker, broker.reload())
    }

    /// The same, after the broker was asked to load them.
    pub(crate) fn keep_if_loaded(
        mut self,
        broker: &Broker,
        answer: Result<Response, Failure>,
    ) -> Result<Reloaded, Failure> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(refused) => {
                drop(self);
                broker.reload_without_it();
                return Err(refused);
            }
        };
        // From here on the broker may hold them in force, whatever its answer looks like.
        self.in_force = true;
        let loaded: Reloaded = answer.json()?;
        let read = |path: &PathBuf| {
            let name = path.file_name();
            loaded
                .files
                .keys()
                .any(|file| Path::new(file).file_name() == name)
        };
        if let Some(path) = self.written.iter().find(|path| !read(path)) {
            self.in_force = false;
            return Err(not_read(path));
        }
        Ok(loaded)
    }

    /// The same, where no broker runs: keeps the files for its next start, if this check finds them good.
    pub(crate) fn keep_if<T>(
        mut self,
        check: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let checked = check()?;
        self.in_force = true;
        Ok(checked)
    }
}

/// The broker on the socket belongs to another configuration than the file.
pub(crate) fn not_read(path: &Path) -> Failure {
    Failure::with_hint(
        format!("the broker does not read {}", path.display()),
        "--config must name the configuration of the broker on that socket",
    )
}

impl Drop for NewFiles {
    fn drop(&mut self) {
        if !self.in_force {
            for path in &self.written {
                // Nothing better to do than to leave it; the next reload names it.
                drop(fs::remove_file(path));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_secret_table_says_what_is_known_and_no_more() {
        let declared = Declaration {
            source: "vault".to_owned(),
            repositories: vec!["acme/one".parse().unwrap(), "acme/two".parse().unwrap()],
            rotate_every: Some(Duration::from_secs(90 * 86400)),
            ..Declaration::default()
        };
        assert_eq!(
            secret_table(&"source-pat".parse().unwrap(), Kind::FineGrained, &declared),
            "[secret.source-pat]\n\
             kind         = \"fine-grained\"\n\
             source       = \"vault\"\n\
             repositories = [\"acme/one\", \"acme/two\"]\n\
             rotate_every = \"90d\"\n"
        );
    }

    #[test]
    fn text_cannot_leave_its_quotes() {
        let source = "a\"'b\\c\n[secret.x]";
        let declared = Declaration {
            source: source.to_owned(),
            ..Declaration::default()
        };
        let table = secret_table(&"ci".parse().unwrap(), Kind::Classic, &declared);
        let read: toml_edit::DocumentMut = table.parse().unwrap();
        assert_eq!(read["secret"]["ci"]["source"].as_str(), Some(source));
    }

    #[test]
    fn files_that_were_not_loaded_are_removed_and_old_ones_never_touched() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old.toml"), dir.path().join("new.toml"));
        fs::write(&old, "old").unwrap();
        let mut files = NewFiles::new();
        files.write(&new, "new").unwrap();
        assert_eq!(fs::read_to_string(&new).unwrap(), "new");
        assert!(files.write(&old, "new").is_err());
        drop(files);
        assert!(!new.exists());
        assert_eq!(fs::read_to_string(&old).unwrap(), "old");
    }
}

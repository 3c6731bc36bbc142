//! git's own configuration: read and changed by `git config`, so that git decides which file that is and how it is
//! locked.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use broker_protocol::whole_file::{self, WholeFile};

use super::included;
use crate::error::Failure;
use crate::shell::quoted;

/// The configuration of an account, or of one repository.
pub(super) struct Git {
    scope: &'static str,
    /// The file that is to be included.
    place: PathBuf,
    /// As the configuration names it.
    value: String,
}

/// One setting, in the order in which git reads them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it stands, as a path where it is a file.
    pub(super) origin: String,
    pub(super) key: String,
    pub(super) value: String,
}

impl Git {
    /// Finds the configuration.
    pub(super) fn find(local: bool) -> Result<Self, Failure> {
        if local {
            let outside = |failure: Failure| {
                let said = failure.to_string();
                // A broken configuration fails this too.
                let hint = match said.contains("not a git repository") {
                    true => "run it in a repository, or without `--local`",
                    false => "nothing was changed: fix that, and run this again",
                };
                Failure::with_hint(said, hint)
            };
            let common = run(&["rev-parse", "--git-common-dir"]).map_err(outside)?;
            let common = line(common)?;
            let place = std::path::absolute(Path::new(&common).join(NAME));
            return Ok(Self {
                scope: "--local",
                place: place.map_err(Failure::file("find", Path::new(&common)))?,
                // Beside `config`, which includes it.
                value: NAME.to_owned(),
            });
        }
        let absolute = |name| {
            let path = std::env::var_os(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let home = || absolute("HOME").map(|home| home.join(".config"));
        let directory = absolute("XDG_CONFIG_HOME").or_else(home);
        let place = directory
            .map(|directory| directory.join("git").join(NAME))
            .ok_or_else(|| Failure::new("HOME is not set"))?;
        let value = place.to_str().map(str::to_owned);
        let value =
            value.ok_or_else(|| Failure::new(format!("{} is not UTF-8 text", place.display())))?;
        Ok(Self {
            scope: "--global",
            place,
            value,
        })
    }

    /// The file that is to be included.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// What stands in it; `None` if there is none.
    pub(super) fn included(&self) -> Result<Option<String>, Failure> {
        let text = whole_file::open_to_read(&self.place).and_then(io::read_to_string);
        match text {
            Ok(text) if included::is_ours(&text) => Ok(Some(text)),
            Ok(_) => Err(Failure::with_hint(
                format!(
                    "{} was not written by `tokenctl setup-git`",
                    self.place.display()
                ),
                "nothing was changed: move that file away, and run this again",
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::file("read", &self.place)(error)),
        }
    }

    /// Writes it, whole or not at all.
    pub(super) fn write(&self, text: &str) -> Result<(), Failure> {
        let put = || {
            self.place.parent().map_or(Ok(()), fs::create_dir_all)?;
            let mut file = WholeFile::beside(&self.place, 0o644)?;
            file.write_all(text.as_bytes())?;
            file.put()
        };
        put().map_err(Failure::file("write", &self.place))
    }

    /// Whether git says that it cannot read this very file.
    pub(super) fn names_file(&self, failure: &Failure) -> bool {
        let file = self.place.display().to_string();
        failure.to_string().contains(&file)
    }

    /// Deletes it.
    pub(super) fn delete(&self) -> Result<(), Failure> {
        fs::remove_file(&self.place).map_err(Failure::file("remove", &self.place))
    }

    /// Whether git includes it.
    pub(super) fn includes(&self) -> Result<bool, Failure> {
        let found = git(&["config", self.scope, "-z", "--get-all", INCLUDE])?;
        // Exit code 1: it is not set.
        if found.status.code() == Some(1) {
            return Ok(false);
        }
        let found = text(succeeded(found)?)?;
        Ok(found.split('\0').any(|value| value == self.value))
    }

    /// The command that makes git include it.
    pub(super) fn include_command(&self) -> String {
        shown(&self.include_arguments())
    }

    /// Makes git include it. Returns the command.
    pub(super) fn include(&self) -> Result<String, Failure> {
        changed(&self.include_arguments())
    }

    fn include_arguments(&self) -> [&str; 5] {
        ["config", self.scope, "--add", INCLUDE, &self.value]
    }

    /// Makes git include it no more. Returns the command.
    pub(super) fn exclude(&self) -> Result<String, Failure> {
        let way = ["--fixed-value", "--unset-all"];
        changed(&["config", self.scope, way[0], way[1], INCLUDE, &self.value])
    }

    /// All that git reads for every repository of the account, or for this one.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, Failure> {
        let list = run(&[
            "config",
            "--list",
            "-z",
            "--show-scope",
            "--show-origin",
            "--includes",
        ])?;
        let list = text(list)?;
        let mut fields = list.split('\0');
        let mut entries = Vec::new();
        while let (Some(scope), Some(origin), Some(entry)) =
            (fields.next(), fields.next(), fields.next())
        {
            let counts = match scope {
                "system" | "global" => true,
                "local" | "worktree" => self.scope == "--local",
                _ => false,
            };
            if counts {
                let (key, value) = entry.split_once('\n').unwrap_or((entry, ""));
                let origin = origin.strip_prefix("file:").unwrap_or(origin);
                entries.push(Entry {
                    origin: origin.to_owned(),
                    key: key.to_owned(),
                    value: value.to_owned(),
                });
            }
        }
        Ok(entries)
    }
}

const NAME: &str = "tokend.gitconfig";
const INCLUDE: &str = "include.path";

fn git(arguments: &[&str]) -> Result<Output, Failure> {
    let mut git = Command::new("git");
    // In English: what it says is looked at.
    let ran = git.env("LC_ALL", "C").args(arguments).output();
    ran.map_err(|error| Failure::new(format!("cannot run git: {error}")))
}

fn run(arguments: &[&str]) -> Result<Output, Failure> {
    succeeded(git(arguments)?)
}

/// Changes the configuration. Returns the command.
fn changed(arguments: &[&str]) -> Result<String, Failure> {
    let command = shown(arguments);
    match run(arguments) {
        Ok(_) => Ok(command),
        Err(failure) => Err(Failure::with_hint(
            format!("`{command}` failed: {failure}"),
            "run this again once git can change that file; until then git does as before",
        )),
    }
}

/// The command as a shell reads it.
fn shown(arguments: &[&str]) -> String {
    let words: Vec<_> = arguments.iter().map(|word| quoted(word)).collect();
    format!("git {}", words.join(" "))
}

fn succeeded(ran: Output) -> Result<Output, Failure> {
    if ran.status.success() {
        return Ok(ran);
    }
    // What git says of its own configuration.
    let said = String::from_utf8(ran.stderr).unwrap_or_default();
    let said = said.trim_end();
    let kinds = ["fatal: ", "error: "];
    let kind = kinds.into_iter().find(|kind| said.starts_with(kind));
    let said = said.strip_prefix(kind.unwrap_or_default()).unwrap_or(said);
    Err(Failure::new(match said {
        "" => format!("git failed: {}", ran.status),
        said => format!("git: {said}"),
    }))
}

fn text(ran: Output) -> Result<String, Failure> {
    let text = String::from_utf8(ran.stdout);
    text.map_err(|error| Failure::new(format!("git's configuration is not UTF-8 text: {error}")))
}

fn line(ran: Output) -> Result<String, Failure> {
    Ok(text(ran)?.trim_end_matches('\n').to_owned())
}

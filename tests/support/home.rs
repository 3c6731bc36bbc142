//! A scratch home of one broker: its files, its configuration, its policies, and commands that use it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use broker_protocol::paths::Paths;
use tempfile::TempDir;

use crate::TestBroker;
use crate::binaries;
use crate::broker::{LABEL_SYNC, Ran, SECRETS, own};
use crate::github::StandIn;
use crate::scenes::log::content;

/// A directory that holds everything of one broker; gone when dropped.
pub struct Home {
    directory: TempDir,
    /// Its paths.
    pub places: Paths,
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Home {
    /// An empty home.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("tokend-")
            .tempdir()
            .unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let places = Paths::below(directory.path());
        Self { directory, places }
    }

    /// A home after `tokenctl init`, with the policies for `label-sync`.
    pub fn ready() -> Self {
        Self::ready_after(|home| {
            home.ctl(&["init", "--root-key", "file"]).success();
        })
    }

    /// A home after this way to make its vault, with the policies for `label-sync`.
    pub fn ready_after(init: impl FnOnce(&Self)) -> Self {
        let home = Self::new();
        init(&home);
        home.policy("secrets.toml", SECRETS);
        home.policy("label-sync.toml", &own(LABEL_SYNC));
        home
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes one policy file.
    pub fn policy(&self, name: &str, text: &str) {
        write_private(&self.places.policies.join(name), text);
    }

    /// Writes the configuration.
    pub fn config(&self, text: &str) {
        write_private(&self.places.config, text);
    }

    /// Writes a configuration that leads to this stand-in, and no further.
    pub fn github(&self, github: &StandIn, more: &str) {
        self.github_at(&github.api(), github.ca(), more);
    }

    /// Writes a configuration that leads to what answers at this URL, its certificate from this authority.
    pub fn github_at(&self, api: &str, ca: &Path, more: &str) {
        let ca = ca.display();
        self.config(&format!(
            "[github]\napi = \"{api}\"\nca = \"{ca}\"\n{more}\n"
        ));
    }

    /// Unless a test says where GitHub is, it is where no one listens: what a test makes up must not
    /// reach anyone.
    pub fn stay_away_from_github(&self) {
        let text = match fs::read_to_string(&self.places.config) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                write_private(&self.places.config, "");
                String::new()
            }
            Err(_) => return,
        };
        if text
            .lines()
            .any(|line| line.trim_start().starts_with("api"))
        {
            return;
        }
        const NOWHERE: &str =
            "[github]\napi = \"http://127.0.0.1:1\"\ncheck_every = \"off\"\npoll_every = \"off\"\n";
        let text = if text.lines().any(|line| line == "[github]") {
            text.replace("[github]\n", NOWHERE)
        } else {
            format!("{text}\n{NOWHERE}")
        };
        // Its mode and owner stay as the test made them.
        fs::write(&self.places.config, text).unwrap();
    }

    /// `tokenctl` with this home, not yet run.
    pub fn tokenctl(&self) -> Command {
        self.command(&binaries::tokenctl())
    }

    /// Any program with this home in its environment, and nothing of the tests' own.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path())
            .env("TOKEND_HOME", self.path())
            .env("TOKEND_SOCKET", &self.places.socket)
            .stdin(Stdio::null());
        command
    }

    /// Runs `tokenctl` to its end.
    pub fn ctl(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.tokenctl().args(arguments))
    }

    /// Runs `tokenctl` with this on its standard input.
    pub fn ctl_with(&self, arguments: &[&str], input: &str) -> Ran {
        Ran::with_input(self.tokenctl().args(arguments), input)
    }

    /// Starts the broker and waits until it says it is ready.
    pub fn start(self) -> TestBroker {
        TestBroker::start(self, |_| {})
    }
}

impl Home {
    /// Where brokers in this home write their standard error.
    pub fn trace_path(&self) -> PathBuf {
        self.path().join("trace")
    }

    /// All that brokers in this home have written to standard error.
    pub fn trace(&self) -> String {
        fs::read_to_string(self.trace_path()).unwrap_or_default()
    }

    /// Every line of the audit log, in order.
    pub fn records(&self) -> Vec<String> {
        let mut segments: Vec<_> = fs::read_dir(&self.places.audit)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "jsonl")
            })
            .collect();
        segments.sort();
        let bytes: Vec<u8> = segments.iter().flat_map(|path| content(path)).collect();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Every record of one kind, parsed.
    pub fn records_of(&self, kind: &str) -> Vec<serde_json::Value> {
        let parse = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap();
        self.records()
            .iter()
            .map(parse)
            .filter(|record| record["kind"] == kind)
            .collect()
    }
}

/// Writes a file for the broker's account alone.
pub fn write_private(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

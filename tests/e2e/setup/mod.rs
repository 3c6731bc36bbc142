//! `tokenctl setup`: from an empty home to a command that has a token, by plain commands.

mod at_terminal;
mod from_options;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::accounts::own_name;
use support::broker::Ran;
use support::github::{StandIn, World};
use support::home::write_private;
use support::terminal::Terminal;
use support::{binaries, canary, needs, wait};
use tempfile::TempDir;

const PASSPHRASE: &str = "correct horse battery";
/// What GitHub says of the repository.
const SITE: &str = "\"full_name\":\"acme/site\"";

/// An account that has nothing of ours but the two programs, and GitHub where a stand-in is.
struct Account {
    home: TempDir,
    env: BTreeMap<&'static str, String>,
    _github: StandIn,
}

impl Account {
    fn new() -> Self {
        let world = World::new()
            .organization("acme", &["acme-bot"])
            .repository("acme/site")
            .classic(canary::CLASSIC, "acme-bot", &["repo"])
            .classic(canary::CLASSIC_TWO, "acme-bot", &["repo"]);
        let github = StandIn::start(world);
        let home = tempfile::Builder::new()
            .prefix("tokend-")
            .tempdir()
            .unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let config = home.path().join(".config/tokend");
        fs::create_dir_all(&config).unwrap();
        let (api, ca) = (github.api(), github.ca().display());
        let text = format!("[github]\napi = \"{api}\"\nca = \"{ca}\"\npoll_every = \"off\"\n");
        write_private(&config.join("tokend.toml"), text);
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", binaries::directory().display());
        let env = [("PATH", path), ("HOME", home.path().display().to_string())];
        Self {
            home,
            env: env.into(),
            _github: github,
        }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    fn shell(&self, line: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).env_clear().envs(&self.env);
        shell.stdin(Stdio::null());
        shell
    }

    fn run(&self, line: &str) -> Ran {
        Ran::of(&mut self.shell(line))
    }

    /// `setup` at a terminal.
    fn at_terminal(&self) -> Terminal {
        let mut setup = Command::new(binaries::tokenctl());
        setup.arg("setup").env_clear().envs(&self.env);
        Terminal::start(&setup)
    }

    /// Everything below the directory of the configuration.
    fn configuration(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut directories = vec![self.path(".config")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => directories.push(path),
                    false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
                }
            }
        }
        found
    }

    fn broker(&self) -> Option<Pid> {
        let status = self.run("tokenctl --json status");
        let status: Value = serde_json::from_str(&status.stdout).ok()?;
        let pid = status["broker"]["pid"].as_i64()?;
        Some(Pid::from_raw(i32::try_from(pid).unwrap()))
    }

    /// Runs the command that `setup` printed last, which must have a token that works: GitHub's answer has this.
    fn try_it(&self, printed: &str, wanted: &str) {
        let (_, printed) = printed.split_once("try it\n").unwrap();
        let (line, _) = printed.split_once("\nIt asks GitHub").unwrap();
        assert!(line.trim_start().starts_with("tokenctl exec "), "{line}");
        let answer = self.run(line).success();
        assert!(answer.contains(wanted), "{answer}");
    }

    fn assert_shows_no_value(&self, printed: &str) {
        for secret in [canary::CLASSIC, canary::CLASSIC_TWO, PASSPHRASE] {
            assert!(!printed.contains(secret), "{printed}");
            let files = canary::files_with(self.home.path(), secret);
            let files = files.into_iter().filter(|file| !file.ends_with("given"));
            assert_eq!(files.count(), 0, "a value is in a file");
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(broker) = self.broker() {
            kill(broker, Signal::SIGTERM).ok();
            wait::gone(&broker.to_string());
        }
    }
}

/// A file with these lines, which the test removes before it looks for values.
fn given(account: &Account, text: &str) -> PathBuf {
    let file = account.path("given");
    write_private(&file, text);
    file
}

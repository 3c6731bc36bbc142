//! `tokend --dev` as a newcomer meets it: one command, the lines it prints, and nothing left of it.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::broker::Ran;
use support::{binaries, needs};
use tempfile::TempDir;

/// A machine with an installation that must not be touched.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        for directory in ["home/.config/tokend", "real/policies", "run"] {
            fs::create_dir_all(machine.at(directory)).unwrap();
        }
        fs::set_permissions(machine.at("run"), Permissions::from_mode(0o700)).unwrap();
        for file in ["home/.config/tokend/tokend.toml", "real/tokend.toml"] {
            fs::write(machine.at(file), "not = 'read'\n").unwrap();
        }
        machine
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A program with an environment that names the installation in every way.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.at("home"))
            .env("XDG_RUNTIME_DIR", self.at("run"))
            .env("TOKEND_HOME", self.at("real"))
            .env("TOKEND_CONFIG", self.at("real/tokend.toml"))
            .env("TOKEND_SOCKET", self.at("real/tokend.sock"))
            .env(
                "DBUS_SESSION_BUS_ADDRESS",
                format!("unix:path={}", self.at("real/bus").display()),
            )
            .env("CREDENTIALS_DIRECTORY", self.at("real"))
            .stdin(Stdio::null());
        command
    }

    fn start(&self) -> Dev {
        let mut command = self.command(&binaries::tokend());
        Dev::of(command.arg("--dev"))
    }

    /// The scratch places.
    fn places(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.at("run")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.to_str().unwrap().contains("/tokend-dev-"))
            .collect()
    }

    fn assert_untouched(&self) {
        let config = fs::read_to_string(self.at("real/tokend.toml")).unwrap();
        assert_eq!(config, "not = 'read'\n");
        assert_eq!(fs::read_dir(self.at("real")).unwrap().count(), 2);
        assert_eq!(fs::read_dir(self.at("home")).unwrap().count(), 1);
    }
}

/// One that runs, and what it printed.
struct Dev {
    child: Child,
    lines: Vec<String>,
    _out: BufReader<ChildStdout>,
}

impl Dev {
    fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut lines = Vec::new();
        while !lines
            .last()
            .is_some_and(|line: &String| line.starts_with("Ctrl-C"))
        {
            let mut line = String::new();
            assert!(
                out.read_line(&mut line).unwrap() > 0,
                "it did not start: {lines:?}"
            );
            lines.push(line);
        }
        Self {
            child,
            lines,
            _out: out,
        }
    }

    /// The lines that are to be pasted: those that prepare a terminal, and the others.
    fn to_paste(&self) -> (String, Vec<String>) {
        let pasted = self
            .lines
            .iter()
            .filter_map(|line| line.strip_prefix("    "));
        let (others, first): (Vec<_>, Vec<_>) = pasted
            .map(str::to_owned)
            .partition(|line| line.starts_with("tokenctl "));
        (first.concat(), others)
    }

    fn signal(&self, signal: Signal) {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            signal,
        )
        .unwrap();
    }

    fn end(mut self, signal: Signal) {
        self.signal(signal);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{signal}: {status}");
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

const NOTE: &str = "tokenctl: note: this is `tokend --dev`";

#[test]
fn every_line_that_dev_prints_does_what_it_says_when_it_is_pasted() {
    let machine = Machine::new();
    let dev = machine.start();
    let (first, others) = dev.to_paste();
    for line in &dev.lines {
        let is_short = line.trim_end().chars().count() <= 80;
        assert!(is_short || first.contains(line.trim()), "{line}");
    }
    let paste = |line: &str| {
        let mut shell = machine.command("sh".as_ref());
        Ran::of(shell.args(["-c", &format!("{first}{line}")]))
    };
    // One after the other, as they stand there.
    let codes: Vec<_> = others
        .iter()
        .map(|line| {
            let ran = paste(line);
            let is_of_the_log = line.contains("audit verify");
            assert!(
                ran.stderr.contains(NOTE) || is_of_the_log,
                "{line}{}",
                ran.stderr
            );
            let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
            let last = |text: &str| text.lines().last().unwrap_or_default().to_owned();
            match ran.code().unwrap() {
                0 => (line.trim().to_owned(), 0, first(&ran.stdout)),
                code => (line.trim().to_owned(), code, last(&ran.stderr)),
            }
        })
        .collect();
    let ended = |command: &str, code: i32, said: &str| {
        let found = codes.iter().any(|(line, ended, text)| {
            line.starts_with(command) && *ended == code && text.contains(said)
        });
        assert!(found, "{command} {code} {said}: {codes:#?}");
    };
    ended("tokenctl get labels --repo", 0, "tkp_");
    ended("tokenctl exec labels", 0, "tkp_");
    ended(
        "tokenctl get releases",
        0,
        "ghp_MadeUpByTokendDevNotARealToken",
    );
    ended("tokenctl get labels --permission contents=write", 3, "");
    ended("tokenctl get admin", 3, "");
    ended("tokenctl secret check labels-token", 7, "");
    ended("tokenctl audit tail", 0, "");
    ended("tokenctl audit verify", 0, "records, head ");
    ended("tokenctl status", 0, "not for use");
    assert_eq!(codes.len(), 9, "{codes:#?}");

    let set = paste("printf ghp_x | tokenctl secret set labels-token\n");
    assert_eq!(set.code(), Some(3), "{}", set.stderr);
    assert!(
        set.stderr.contains("which takes no value"),
        "{}",
        set.stderr
    );
    dev.end(Signal::SIGTERM);
    machine.assert_untouched();
}

#[test]
fn whatever_ends_it_leaves_nothing_and_what_a_kill_leaves_the_next_one_removes() {
    let machine = Machine::new();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let dev = machine.start();
        assert_eq!(machine.places().len(), 1);
        let mode = fs::metadata(&machine.places()[0])
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        dev.end(signal);
        assert_eq!(machine.places(), [""; 0].map(PathBuf::from), "{signal}");
    }
    let mut killed = machine.start();
    killed.signal(Signal::SIGKILL);
    killed.child.wait().unwrap();
    let left = machine.places();
    assert_eq!(left.len(), 1);
    let other = machine.start();
    let next = machine.start();
    assert_eq!(machine.places().len(), 2, "one place for each that runs");
    assert!(!left[0].exists());
    other.end(Signal::SIGTERM);
    next.end(Signal::SIGTERM);
    assert_eq!(machine.places().len(), 0);
    // The shell that it was tried in still has its TOKEND_HOME.
    let init = machine
        .command(&binaries::tokend())
        .arg("init")
        .env("TOKEND_HOME", &left[0])
        .output()
        .unwrap();
    let said = String::from_utf8(init.stderr).unwrap();
    assert_eq!(init.status.code(), Some(1), "{said}");
    assert!(
        said.contains("where nothing is kept; unset TOKEND_HOME"),
        "{said}"
    );
    assert_eq!(machine.places().len(), 0);
    machine.assert_untouched();
}

#[test]
fn nothing_of_an_installation_is_opened_and_nothing_outside_the_place_is_written() {
    if !needs::program("strace") {
        return;
    }
    let machine = Machine::new();
    let seen = machine.at("seen");
    let mut strace = machine.command("strace".as_ref());
    strace.args(["-f", "-qq", "-y", "-e", "trace=%file,connect,bind", "-o"]);
    strace.arg(&seen).arg(binaries::tokend()).arg("--dev");
    let mut dev = Dev::of(&mut strace);
    let place = machine.places().remove(0);
    let (first, _) = dev.to_paste();
    let mut shell = machine.command("sh".as_ref());
    let tried = "tokenctl get labels && tokenctl exec labels -- true && tokenctl status --json";
    let ran = Ran::of(shell.args(["-c", &format!("{first}{tried}")])).success();
    let status = ran.lines().last().unwrap();
    let status: serde_json::Value = serde_json::from_str(status).unwrap();
    let pid = i32::try_from(status["broker"]["pid"].as_i64().unwrap()).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    assert!(dev.child.wait().unwrap().success());
    assert_eq!(machine.places().len(), 0);

    let mut text = String::new();
    fs::File::open(&seen)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    let place = place.to_str().unwrap();
    for name in ["home", "real"] {
        let path = machine.at(name);
        let touched = text
            .lines()
            .find(|line| line.contains(path.to_str().unwrap()));
        // The program itself is started with the environment as it is.
        let touched = touched.filter(|line| !line.contains("execve("));
        assert_eq!(touched, None);
    }
    let writes = [
        "O_WRONLY", "O_RDWR", "O_CREAT", "mkdir", "unlink", "rename", "rmdir", "bind(", "connect(",
    ];
    let written = text
        .lines()
        .filter(|line| writes.iter().any(|call| line.contains(call)));
    let outside: Vec<_> = written
        .filter(|line| !line.contains(place) && !ALLOWED.iter().any(|path| line.contains(path)))
        .collect();
    assert_eq!(outside, [""; 0]);
    machine.assert_untouched();
}

/// What a process writes about itself, and what keeps nothing.
const ALLOWED: [&str; 2] = ["/proc/self/coredump_filter", "/dev/null"];

#[test]
fn with_a_place_of_ones_own_or_a_command_it_is_refused() {
    let machine = Machine::new();
    for arguments in [
        &["--dev", "--config", "x"][..],
        &["--dev", "--socket", "x"],
        &["--dev", "init"],
        &["--dev", "policy", "check"],
    ] {
        let mut command = machine.command(&binaries::tokend());
        let ran = Ran::of(command.args(arguments));
        assert_eq!(ran.code(), Some(2), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("cannot be used with"), "{}", ran.stderr);
    }
    assert_eq!(machine.places().len(), 0);
    machine.assert_untouched();
}

//! A broker as a real process.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::http::{self, Answer};
pub use crate::ran::Ran;
use crate::{Home, binaries, canary};

/// A purpose `label-sync` for the account that runs the tests, and its secret.
pub const LABEL_SYNC: &str = r#"
purpose      = "label-sync"
secret       = "org-label-sync-token"
repositories = ["acme/*"]
permissions  = { issues = "write", metadata = "read" }
deliver      = "raw"
ttl          = { default = "15m", max = "1h" }

[[allow]]
caller = { uid = UID }
"#;

/// The secret behind [`LABEL_SYNC`].
pub const SECRETS: &str = r#"
[secret.org-label-sync-token]
kind   = "classic"
owner  = "acme-bot"
scopes = ["repo", "workflow"]
source = "vault"
"#;

/// Configuration with room for as many leases as a test takes while it waits for something.
pub const MANY_LEASES: &str =
    "[limits]\nleases_per_account = 1000000\nleases_per_minute = 1000000\n";

/// The account that runs the tests.
pub fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// A policy text, its `UID` that of the account that runs the tests.
pub fn own(policy: &str) -> String {
    policy.replace("UID", &own_uid().to_string())
}

/// [`LABEL_SYNC`] by another name and on another secret, for the account that runs the tests.
pub fn like_label_sync(purpose: &str, secret: &str) -> String {
    let renamed = LABEL_SYNC.replace("\"label-sync\"", &format!("\"{purpose}\""));
    own(&renamed.replace("org-label-sync-token", secret))
}

/// A broker that a test asks, in a process of its own or in the test's.
pub trait AnyBroker {
    /// Its home.
    fn home(&self) -> &Home;

    /// One request.
    fn http(&self, method: &str, path: &str, body: &str) -> Answer;
}

impl AnyBroker for TestBroker {
    fn home(&self) -> &Home {
        &self.home
    }

    fn http(&self, method: &str, path: &str, body: &str) -> Answer {
        self.http(method, path, body)
    }
}

/// A running broker. Killed when dropped.
pub struct TestBroker {
    /// Its home.
    pub home: Home,
    child: Child,
}

/// How often a start looks whether the broker is ready, and how many times at most: a minute.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const LOOKS: u32 = 3000;

impl TestBroker {
    /// A broker that holds [`canary::CLASSIC`] for `label-sync`.
    pub fn with_label_sync() -> Self {
        let broker = Home::ready().start();
        broker
            .home
            .ctl_with(&["secret", "set", "org-label-sync-token"], canary::CLASSIC)
            .success();
        broker
    }

    /// Starts `tokend` in this home, its command changed by `change`.
    ///
    /// # Panics
    ///
    /// If it ends instead of getting ready; the message holds what it wrote.
    pub fn start(home: Home, change: impl FnOnce(&mut Command)) -> Self {
        match Self::try_start(home, change) {
            Ok(broker) => broker,
            Err((_, ran)) => panic!("the broker did not start: {ran:?}"),
        }
    }

    /// Starts `tokend`, or says how it ended instead.
    ///
    /// # Errors
    ///
    /// The home, and what the broker wrote before it ended.
    pub fn try_start(home: Home, change: impl FnOnce(&mut Command)) -> Result<Self, (Home, Ran)> {
        Self::launch(home, &binaries::tokend(), change)
    }

    /// Starts `tokend` as another account, which is given the home first. Needs root.
    ///
    /// The program is copied into the home: the account may not be able to reach the build.
    pub fn start_as(home: Home, uid: u32, change: impl FnOnce(&mut Command)) -> Self {
        let program = home.path().join("tokend");
        binaries::install(&binaries::tokend(), &program);
        let owner = format!("{uid}:{uid}");
        let directory = home.path().to_owned();
        let started = Self::launch(home, &program, |command| {
            let mut chown = Command::new("chown");
            let given = chown.args(["-R", &owner]).arg(directory).status();
            assert!(given.unwrap().success());
            run_as(command, uid, uid);
            change(command);
        });
        started.unwrap_or_else(|(_, ran)| panic!("the broker did not start: {ran:?}"))
    }

    /// Starts `tokend` by a program that becomes it. `change` gets that program's command, and where
    /// `tokend` is.
    pub fn start_by(home: Home, program: &str, change: impl FnOnce(&mut Command, &Path)) -> Self {
        let started = Self::launch(home, Path::new(program), |command| {
            change(command, &binaries::tokend());
        });
        started.unwrap_or_else(|(_, ran)| panic!("the broker did not start: {ran:?}"))
    }

    fn launch(
        home: Home,
        program: &Path,
        change: impl FnOnce(&mut Command),
    ) -> Result<Self, (Home, Ran)> {
        home.stay_away_from_github();
        let notify = home.path().join("notify");
        fs::remove_file(&notify).ok();
        let ready = UnixDatagram::bind(&notify).unwrap();
        ready.set_read_timeout(Some(LOOK_AGAIN)).unwrap();
        let trace = home.trace_path();
        let trace = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(trace)
            .unwrap();
        let before = home.trace().len();
        let mut command = home.command(program);
        command
            .env("NOTIFY_SOCKET", &notify)
            .stdout(Stdio::null())
            .stderr(trace);
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let mut message = [0; 256];
        for _ in 0..LOOKS {
            if let Ok(length) = ready.recv(&mut message)
                && message[..length]
                    .windows(7)
                    .any(|window| window == b"READY=1")
            {
                return Ok(Self { home, child });
            }
            if let Some(status) = child.try_wait().unwrap() {
                let stderr = home.trace()[before..].to_owned();
                return Err((
                    home,
                    Ran {
                        status,
                        stdout: String::new(),
                        stderr,
                    },
                ));
            }
        }
        drop(child.kill());
        panic!("the broker is not ready: {}", home.trace());
    }

    /// The broker's process.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Whether its process has ended.
    pub fn is_dead(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()));
        stat.map_or(true, |stat| stat.contains(") Z "))
    }

    /// The socket.
    pub fn socket(&self) -> PathBuf {
        self.home.places.socket.clone()
    }

    /// The proxy's socket.
    pub fn proxy_socket(&self) -> PathBuf {
        self.home.places.proxy_socket.clone()
    }

    /// One request.
    pub fn http(&self, method: &str, path: &str, body: &str) -> Answer {
        http::request(&self.socket(), method, path, body)
    }

    /// Asks for a lease with this body.
    pub fn lease(&self, body: &str) -> Answer {
        self.http("POST", "/v1/leases", body)
    }

    /// Policies are read again, and sources that failed are asked again: after an operator has fixed them.
    pub fn reload(&self) {
        self.home.ctl(&["policy", "reload"]).success();
    }

    /// Stops it in good order and hands its home back.
    pub fn stop(self) -> Home {
        self.end(Signal::SIGTERM)
    }

    /// Kills it at once and hands its home back.
    pub fn kill(self) -> Home {
        self.end(Signal::SIGKILL)
    }

    fn end(mut self, signal: Signal) -> Home {
        kill(self.pid(), signal).unwrap();
        self.child.wait().unwrap();
        std::mem::take(&mut self.home)
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// From now on none of its files may grow past so many bytes; `unlimited` lifts that. Needs `prlimit`.
    pub fn limit_files(&self, bytes: &str) {
        let pid = self.pid().to_string();
        let limit = format!("--fsize={bytes}:unlimited");
        Ran::of(Command::new("prlimit").args(["--pid", &pid, &limit])).success();
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.child.kill().ok();
            self.child.wait().ok();
        }
        if std::thread::panicking() {
            eprintln!("the broker's trace:\n{}", self.home.trace());
        }
    }
}

/// Makes this command run as another account, without its supplementary groups. Needs root.
pub fn run_as(command: &mut Command, uid: u32, gid: u32) {
    command.uid(uid).gid(gid);
}

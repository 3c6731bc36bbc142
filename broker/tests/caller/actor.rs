//! A process that connects to a socket and follows commands, and a stage for it.

use std::env;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use broker::caller::{Peer, PeerError, ProcEnv, Programs};

/// A directory that every account can reach, with a socket that every account may use.
pub(crate) struct Stage {
    home: tempfile::TempDir,
    listener: UnixListener,
    proc_env: ProcEnv,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        allow_all(home.path());
        let socket = home.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        fs::set_permissions(&socket, Permissions::from_mode(0o777)).unwrap();
        let proc_env = ProcEnv::read().unwrap();
        Self {
            home,
            listener,
            proc_env,
        }
    }

    /// A program that plays a part, here under this name, beyond the reach of others.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        let path = self.home.path().canonicalize().unwrap().join(name);
        // In another process: if a test beside this one forks while we write, the file stays busy and
        // cannot be run.
        let copied = Command::new("cp")
            .arg(env::current_exe().unwrap())
            .arg(&path)
            .status();
        assert!(copied.unwrap().success());
        allow_all(&path);
        path
    }

    /// Starts a program that connects, behind words such as `unshare --mount`.
    pub(crate) fn start(&self, before: &[&str], program: &Path) -> Actor {
        let mut words = before
            .iter()
            .map(AsRef::as_ref)
            .chain([program.as_os_str()]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .args(["--exact", "actor::plays_its_part", "--nocapture"]);
        let mut child = command
            .env(SOCKET, self.home.path().join("socket"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut actor = Actor {
            child,
            orders,
            answers,
        };
        actor.hear("connected");
        actor
    }

    /// Accepts the next connection and reads who made it.
    pub(crate) fn accept(&self) -> Result<Accepted, PeerError> {
        self.accept_reading(Programs::Path)
    }

    pub(crate) fn accept_reading(&self, programs: Programs) -> Result<Accepted, PeerError> {
        let (stream, _) = self.listener.accept().unwrap();
        let peer = Peer::of(&stream, &self.proc_env, programs)?;
        Ok(Accepted { stream, peer })
    }
}

/// A connection, and who made it.
pub(crate) struct Accepted {
    pub(crate) stream: UnixStream,
    peer: Peer,
}

impl Deref for Accepted {
    type Target = Peer;
    fn deref(&self) -> &Peer {
        &self.peer
    }
}

fn allow_all(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// A process that has connected and waits for orders. It ends with its test.
pub(crate) struct Actor {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Actor {
    /// The number of the process that was started: the caller itself, unless a word before it forks.
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Runs another program in the place of this one, the socket being its standard input.
    pub(crate) fn becomes(&mut self, program: &Path) {
        self.order(&format!("become {}", program.display()));
        let link = format!("/proc/{}/exe", self.pid());
        // While the kernel swaps the programs there is none.
        while fs::read_link(&link).ok().as_deref() != Some(program) {
            std::thread::yield_now();
        }
    }

    /// Leaves the open socket to a child, as its standard input and output, and ends.
    pub(crate) fn leaves_a_child(&mut self, program: &str) {
        self.order(&format!("leave {program}"));
        self.ends();
    }

    /// Ends, and is gone from the table of processes.
    pub(crate) fn ends(&mut self) {
        drop(self.orders.take());
        self.child.wait().unwrap();
    }

    fn order(&mut self, line: &str) {
        writeln!(self.orders.as_mut().unwrap(), "{line}").unwrap();
    }

    fn hear(&mut self, want: &str) {
        let mut line = String::new();
        while line.trim() != want {
            line.clear();
            let length = self.answers.read_line(&mut line).unwrap();
            assert!(length > 0, "the actor ended without saying `{want}`");
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // Fails only if the process has ended, which is what we want.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The actor's side: a test only in name. Started without a socket it has no part to play.
#[test]
#[expect(
    clippy::zombie_processes,
    reason = "the child is to outlive this process"
)]
fn plays_its_part() {
    let Ok(socket) = env::var(SOCKET) else { return };
    let socket = OwnedFd::from(UnixStream::connect(socket).unwrap());
    println!("\nconnected");
    let Some(order) = std::io::stdin().lines().next() else {
        return;
    };
    match order.unwrap().split_once(' ').unwrap() {
        ("become", program) => {
            let error = Command::new(program).stdin(Stdio::from(socket)).exec();
            panic!("{program} did not start: {error}");
        }
        ("leave", program) => {
            let stdin = Stdio::from(socket.try_clone().unwrap());
            Command::new(program)
                .stdin(stdin)
                .stdout(Stdio::from(socket))
                .spawn()
                .unwrap();
        }
        (order, _) => panic!("no actor knows how to {order}"),
    }
}

/// Runs the named test again, behind words such as `unshare --pid`. `true` outside, after it
/// has passed inside; `false` inside, where the test itself is to go on.
pub(crate) fn passes_within(before: &[&str], test: &str) -> bool {
    if is_within() {
        return false;
    }
    let (first, rest) = before.split_first().unwrap();
    let output = Command::new(first)
        .args(rest)
        .arg(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(WITHIN, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{errors}"
    );
    true
}

pub(crate) fn is_within() -> bool {
    env::var_os(WITHIN).is_some()
}

/// Whether these words can stand before a program on this machine. If not, the test is skipped.
pub(crate) fn can_run(before: &[&str]) -> bool {
    let (first, rest) = before.split_first().unwrap();
    let works = Command::new(first)
        .args(rest)
        .arg("true")
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    works || skipped(&format!("`{}` does not work here", before.join(" ")))
}

/// Says so, and returns `false`.
pub(crate) fn skipped(why: &str) -> bool {
    assert!(
        env::var_os("TOKEND_TEST_STRICT").is_none_or(|set| set != "1"),
        "{why}"
    );
    eprintln!("SKIPPED: {why}");
    false
}

/// The true path of a program of the system, without symbolic links.
pub(crate) fn of_the_system(name: &str) -> PathBuf {
    let places = ["/usr/bin", "/bin", "/run/current-system/sw/bin"];
    let mut paths = places.iter().map(|place| Path::new(place).join(name));
    paths.find_map(|path| path.canonicalize().ok()).unwrap()
}

const SOCKET: &str = "TOKEND_TEST_SOCKET";
const WITHIN: &str = "TOKEND_TEST_WITHIN";

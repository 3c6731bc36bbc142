//! What hardening is worth, seen from outside: real processes of one account.
//!
//! The processes are this very binary, started again. Run as root, they become another account
//! first, because nothing is hidden from root.

#![expect(
    clippy::unwrap_used,
    reason = "a test kit stops where something is amiss"
)]
#![expect(
    clippy::print_stdout,
    reason = "the process under test talks to its test"
)]

use std::env;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use broker::caller::{Peer, ProcEnv, Programs};

const PART: &str = "TOKEND_TEST_HARDENING";

/// A process that has hardened itself, or one that has not, waiting for the end of its input.
struct Subject {
    child: Child,
    home: tempfile::TempDir,
}

impl Subject {
    fn start(part: &str) -> Self {
        Self::start_behind(&[], part)
    }

    fn start_behind(before: &[&str], part: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("subject");
        // In another process: if a test beside this one forks while we write, the file stays busy and
        // cannot be run.
        let copied = Command::new("cp")
            .arg(env::current_exe().unwrap())
            .arg(&program)
            .status();
        assert!(copied.unwrap().success());
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        // The subject makes files here, also as another account.
        fs::set_permissions(home.path(), Permissions::from_mode(0o777)).unwrap();
        let mut words = before.iter().chain(ordinary());
        let mut command = Command::new(words.next().unwrap());
        let mut child = command
            .args(words)
            .arg(&program)
            .args(["--exact", "plays_its_part", "--nocapture"])
            .env(PART, part)
            .current_dir(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.as_mut().unwrap());
        assert!(
            answers.lines().any(|line| line.unwrap() == "ready"),
            "the subject ended early"
        );
        Self { child, home }
    }

    fn proc(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.child.id())
    }

    fn limits(&self) -> String {
        fs::read_to_string(self.proc("limits")).unwrap()
    }

    /// Whether a process of the same account may open this file of it in `/proc`.
    fn can_be_opened(&self, name: &str) -> bool {
        let (first, rest) = ordinary().split_first().unwrap();
        let status = Command::new(first)
            .args(rest)
            .args(["sh", "-c", r#"exec <"$0""#, &self.proc(name)])
            .stderr(Stdio::null())
            .status();
        status.unwrap().success()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Words that make what follows run as an ordinary account: our own, or `nobody` for root.
fn ordinary() -> &'static [&'static str] {
    if nix::unistd::geteuid().is_root() {
        &[
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ]
    } else {
        &["env"]
    }
}

#[test]
fn nobody_of_the_same_account_reads_the_memory_or_environment_of_a_hardened_process() {
    let hardened = Subject::start("harden");
    assert!(!hardened.can_be_opened("environ"));
    assert!(!hardened.can_be_opened("maps"));
    assert!(
        !hardened.can_be_opened("mem"),
        "which asks for the right to trace"
    );
    // The control: without hardening they do.
    let plain = Subject::start("nothing");
    assert!(plain.can_be_opened("environ"));
    assert!(plain.can_be_opened("maps"));
}

#[test]
fn a_hardened_process_leaves_no_core_dump() {
    let mut hardened = Subject::start_behind(
        &["sh", "-c", r#"ulimit -c unlimited; exec "$0" "$@""#],
        "harden",
    );
    // 0 would not stop a `core_pattern` that is a pipe.
    assert!(limit(&hardened.limits(), "Max core file size").starts_with("1 1 "));
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(hardened.child.id()).unwrap()),
        nix::sys::signal::SIGABRT,
    )
    .unwrap();
    let status = hardened.child.wait().unwrap();
    assert_eq!(status.signal(), Some(libc::SIGABRT));
    assert!(!status.core_dumped());
}

#[test]
fn soft_limits_are_raised_as_far_as_they_may_be() {
    let before = [
        "sh",
        "-c",
        r#"ulimit -S -l 16; ulimit -S -n 100; ulimit -H -n 4000; exec "$0" "$@""#,
    ];
    let hardened = Subject::start_behind(&before, "harden");
    assert!(limit(&hardened.limits(), "Max open files").starts_with("4000 4000 "));
    let locked = limit(&hardened.limits(), "Max locked memory");
    let mut words = locked.split(' ');
    assert_eq!(words.next(), words.next(), "soft and hard: {locked}");
}

#[test]
fn files_are_made_for_the_owner_only() {
    let hardened = Subject::start("harden");
    let mode = |name: &str| {
        fs::metadata(hardened.home.path().join(name))
            .unwrap()
            .permissions()
    };
    assert_eq!(mode("file").mode() & 0o777, 0o600);
}

#[test]
fn a_child_gains_no_privileges() {
    let hardened = Subject::start("harden");
    let child = fs::read_to_string(hardened.home.path().join("child")).unwrap();
    assert!(child.contains("NoNewPrivs:\t1\n"), "{child}");
}

#[test]
fn a_write_beyond_the_limit_on_files_is_an_error_and_no_signal() {
    let hardened = Subject::start_behind(&["sh", "-c", r#"ulimit -f 8; exec "$0" "$@""#], "harden");
    let errno = fs::read_to_string(hardened.home.path().join("errno"));
    assert_eq!(errno.unwrap(), libc::EFBIG.to_string());
}

#[test]
fn inherited_files_are_closed_and_passed_sockets_kept() {
    // `sh` knows its own number, which `exec` keeps. 7 is no socket of the service manager's.
    let script = r#"exec 3</dev/null 4</dev/null 7</dev/null;
        LISTEN_PID=$$ LISTEN_FDS=2 exec "$0" "$@""#;
    let hardened = Subject::start_behind(&["sh", "-c", script], "harden");
    let open = fs::read_to_string(hardened.home.path().join("open")).unwrap();
    assert_eq!(open, "3 4 ");
}

#[test]
fn sockets_passed_to_another_process_are_closed() {
    let script = r#"exec 3</dev/null; LISTEN_PID=1 LISTEN_FDS=1 exec "$0" "$@""#;
    let hardened = Subject::start_behind(&["sh", "-c", script], "harden");
    assert_eq!(
        fs::read_to_string(hardened.home.path().join("open")).unwrap(),
        ""
    );
}

/// A hardened daemon reads much of itself and of its callers in `/proc`, which is root's by then.
#[test]
fn a_hardened_process_still_knows_its_callers() {
    let hardened = Subject::start("harden");
    let told = fs::read_to_string(hardened.home.path().join("caller")).unwrap();
    assert_eq!(
        Path::new(&told),
        hardened.home.path().canonicalize().unwrap().join("subject")
    );
}

fn limit(limits: &str, name: &str) -> String {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ") + " "
}

/// The side of the process under test: a test only in name.
#[test]
fn plays_its_part() {
    let Ok(part) = env::var(PART) else { return };
    if part == "harden" {
        let _hardened = broker::harden::before_any_secret().unwrap();
        write_down_what_changed();
    }
    let _connection = (part == "connect").then(|| UnixStream::connect("socket").unwrap());
    println!("\nready");
    std::io::stdin().lines().for_each(drop);
}

fn write_down_what_changed() {
    let open = [3, 4, 5, 6, 7, 8].map(|fd| {
        let link = fs::read_link(format!("/proc/self/fd/{fd}")).ok();
        if link.as_deref() == Some(Path::new("/dev/null")) {
            format!("{fd} ")
        } else {
            String::new()
        }
    });
    fs::write("open", open.concat()).unwrap();
    fs::write("file", "").unwrap();
    let child = Command::new("cat")
        .arg("/proc/self/status")
        .output()
        .unwrap();
    fs::write("child", child.stdout).unwrap();
    if let Err(error) = fs::write("large", [0; 65536]) {
        fs::write("errno", error.raw_os_error().unwrap().to_string()).unwrap();
    }
    fs::write("caller", who_a_child_is()).unwrap();
}

/// Lets a child connect, and says what could be told of it.
fn who_a_child_is() -> String {
    let listener = UnixListener::bind("socket").unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "plays_its_part", "--nocapture"])
        .env(PART, "connect")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (stream, _) = listener.accept().unwrap();
    let peer = Peer::of(&stream, &ProcEnv::read().unwrap(), Programs::Path).unwrap();
    let caller = peer.identify().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(caller.pid.map(i32::cast_unsigned), Some(child.id()));
    caller.exe.clone().unwrap()
}

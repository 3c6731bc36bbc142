//! `tokenctl` while it holds a secret: no core of it, and no look into it by its own account.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Child;

use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use support::binaries;

use super::process::{NOBODY, nobody_can};
use super::*;

/// Every command that a value or a passphrase goes through, up to the moment when it has read one and
/// waits for more.
const READING: &[&[&str]] = &[
    &["secret", "set", "org-label-sync-token"],
    &["secret", "add", "another", "--kind", "classic"],
    &["rotate", "org-label-sync-token", "--value-file", "-"],
    &["import", "/dev/stdin"],
    &["backup", "backup", "--passphrase-file", "-"],
    &["unlock", "--passphrase"],
    &["rekey", "--recovery"],
];

/// A pipe that holds one write: it takes the next one only when that was read.
struct Pipe {
    read: OwnedFd,
    write: File,
}

impl Pipe {
    fn new() -> Self {
        let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
        fcntl(&write, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
        Self {
            read,
            write: File::from(write),
        }
    }

    fn has_room(&self) -> bool {
        let mut ends = [PollFd::new(self.write.as_fd(), PollFlags::POLLOUT)];
        poll(&mut ends, PollTimeout::ZERO).unwrap() == 1
    }
}

/// `tokenctl` of this account with this as what it has read, and more to come.
fn having_read(tokenctl: &mut Command, uid: u32, secret: &str) -> (Child, Pipe) {
    let mut pipe = Pipe::new();
    // What is opened by name, `/dev/stdin`, must be the account's own.
    nix::unistd::fchown(&pipe.read, Some(uid.into()), None).unwrap();
    pipe.write.write_all(secret.as_bytes()).unwrap();
    assert!(!pipe.has_room());
    tokenctl
        .stdin(pipe.read.try_clone().unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = tokenctl.spawn().unwrap();
    until(|| pipe.has_room());
    (child, pipe)
}

/// `tokenctl` with a token that it cannot print: its standard output is full.
fn having_taken(tokenctl: &mut Command, leases: impl Fn() -> usize) -> (Child, Pipe) {
    let mut pipe = Pipe::new();
    pipe.write.write_all(&[b'x'; 4096]).unwrap();
    tokenctl
        .stdout(pipe.write.try_clone().unwrap())
        .stderr(Stdio::null());
    let before = leases();
    let child = tokenctl.spawn().unwrap();
    until(|| leases() > before);
    (child, pipe)
}

fn pid(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap()
}

/// Of the running process: its soft limit for cores, and which memory one would hold.
fn cores_of(child: &Child) -> (String, u32) {
    let limits = fs::read_to_string(format!("/proc/{}/limits", pid(child))).unwrap();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"));
    let soft = line.unwrap().split_whitespace().next().unwrap().to_owned();
    let filter = fs::read_to_string(format!("/proc/{}/coredump_filter", pid(child))).unwrap();
    (soft, u32::from_str_radix(filter.trim(), 16).unwrap())
}

/// Crashes it; whatever it held, nothing is left.
fn leaves_no_core(mut child: Child, directory: &Path, what: &str) {
    // 1 is the one limit that a piped `core_pattern` heeds: core(5).
    assert_eq!(cores_of(&child), ("1".to_owned(), 0), "{what}");
    kill(Pid::from_raw(pid(&child)), Signal::SIGABRT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(
        status.signal(),
        Some(Signal::SIGABRT as i32),
        "{what}: {status:?}"
    );
    assert!(!status.core_dumped(), "{what}: {status:?}");
    assert_eq!(process::remove_cores(directory), 0, "{what}");
    assert_eq!(canary::files_with(directory, canary::CLASSIC_TWO), [""; 0]);
}

#[test]
fn p10_tokenctl_leaves_no_core_dump_whatever_secret_it_holds() {
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE).unwrap();
    if !needs::met("a limit above 0 for core dumps", hard > 0) {
        return;
    }
    setrlimit(Resource::RLIMIT_CORE, hard, hard).unwrap();
    let broker = TestBroker::with_label_sync();
    let scratch = tempfile::tempdir().unwrap();
    let tokenctl = |arguments: &[&str]| {
        let mut tokenctl = broker.home.tokenctl();
        tokenctl.args(arguments).current_dir(scratch.path());
        tokenctl
    };
    let uid = support::broker::own_uid();
    // The control: `cat` in the same place leaves one, with the secret in it where it is a file.
    let mut cat = Command::new("cat");
    let (mut cat, _pipe) = having_read(cat.current_dir(scratch.path()), uid, canary::CLASSIC_TWO);
    kill(Pid::from_raw(pid(&cat)), Signal::SIGABRT).unwrap();
    if !needs::met(
        "a kernel that dumps core",
        cat.wait().unwrap().core_dumped(),
    ) {
        return;
    }
    let cores = fs::read_dir(scratch.path()).unwrap().count();
    let found = canary::files_with(scratch.path(), canary::CLASSIC_TWO);
    assert_eq!(found.len(), cores, "the search finds what it is for");
    process::remove_cores(scratch.path());

    for arguments in READING {
        let (child, _pipe) = having_read(&mut tokenctl(arguments), uid, canary::CLASSIC_TWO);
        leaves_no_core(child, scratch.path(), &arguments.join(" "));
    }
    let leases = || {
        let list = broker.http("GET", "/v1/leases", "").json();
        list["leases"].as_array().unwrap().len()
    };
    let (child, _pipe) = having_taken(&mut tokenctl(&["get", "label-sync"]), leases);
    leaves_no_core(child, scratch.path(), "get");
}

#[test]
fn exec_gives_its_command_the_core_limits_that_tokenctl_was_started_with() {
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE).unwrap();
    let broker = TestBroker::with_label_sync();
    let report = "grep 'core file' /proc/self/limits; cat /proc/self/coredump_filter";
    for soft in [0, 1, hard.min(1024 * 1024)] {
        setrlimit(Resource::RLIMIT_CORE, soft, hard).unwrap();
        let alone = Ran::of(Command::new("sh").args(["-c", report])).success();
        let exec = ["exec", "label-sync", "--", "sh", "-c", report];
        assert_eq!(broker.home.ctl(&exec).success(), alone, "{soft}");
    }
}

/// What the kernel shows to the own account it shows to the broker too, which reads there what a rule
/// may name. So both halves are here.
#[test]
fn p10_only_commands_that_take_a_lease_are_readable_by_their_own_account() {
    if !needs::root() {
        return;
    }
    let home = Home::ready();
    let program = home.path().join("tokenctl");
    binaries::install(&binaries::tokenctl(), &program);
    let exe = program.canonicalize().unwrap();
    let caller = format!("{{ uid = {NOBODY}, exe = \"{}\" }}", exe.display());
    let policy = support::broker::LABEL_SYNC.replace("{ uid = UID }", &caller);
    home.policy("label-sync.toml", &policy);
    let broker = TestBroker::start_as(home, NOBODY, |_| {});
    let tokenctl = |arguments: &[&str]| {
        let mut tokenctl = broker.home.command(&program);
        run_as(&mut tokenctl, NOBODY, NOBODY);
        tokenctl.args(arguments).current_dir(broker.home.path());
        tokenctl
    };
    let set = ["secret", "set", "org-label-sync-token"];
    Ran::with_input(&mut tokenctl(&set), canary::CLASSIC).success();
    let reads = |child: &Child| {
        let open = format!("exec </proc/{}/mem", pid(child));
        nobody_can(Command::new("sh").args(["-c", &open]))
    };
    for arguments in READING {
        let (mut child, _pipe) = having_read(&mut tokenctl(arguments), NOBODY, canary::CLASSIC_TWO);
        assert!(!reads(&child), "{arguments:?}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // The rule names the program, and the broker runs as the same account: it can see it.
    let leases = || broker.home.records_of("lease.granted").len();
    let (mut child, _pipe) = having_taken(&mut tokenctl(&["get", "label-sync"]), leases);
    assert!(reads(&child));
    child.kill().unwrap();
    child.wait().unwrap();
}

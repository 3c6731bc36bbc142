//! `strace`, which kills a program at the system call that a test names.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::broker::Ran;
use crate::{Home, TestBroker, wait};

/// Attached to a running broker, which it kills at the `nth` such call of one of its threads.
pub struct Killer(Child);

impl Killer {
    /// Attaches. `calls` are names, with commas between them.
    #[must_use]
    pub fn at(broker: &TestBroker, calls: &str, nth: usize) -> Self {
        let mut strace = Command::new("strace");
        Self(attach(strace.args(killing(calls, nth)), broker))
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().unwrap();
    }
}

/// How many such calls a running broker makes while this is done.
pub fn count(broker: &TestBroker, calls: &str, meanwhile: impl FnOnce()) -> usize {
    let seen = tempfile::NamedTempFile::new().unwrap();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", &format!("trace={calls}"), "-o"]);
    let mut tracer = attach(strace.arg(seen.path()), broker);
    meanwhile();
    // Told to end, it writes what it has seen and leaves the broker running.
    let pid = Pid::from_raw(i32::try_from(tracer.id()).unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
    tracer.wait().unwrap();
    let seen = fs::read_to_string(seen.path()).unwrap();
    seen.lines().filter(|line| line.contains('(')).count()
}

fn attach(strace: &mut Command, broker: &TestBroker) -> Child {
    let pid = broker.pid();
    let strace = strace.args(["-p", &pid.to_string()]);
    let tracer = strace.stderr(Stdio::null()).spawn().unwrap();
    wait::until(|| is_traced(pid));
    tracer
}

/// A program of this home that is killed at the `nth` such call of its own.
#[must_use]
pub fn killed_at(
    home: &Home,
    program: &Path,
    arguments: &[&str],
    calls: &str,
    nth: usize,
) -> Command {
    let mut command = home.command("strace".as_ref());
    command
        .args(killing(calls, nth))
        .arg(program)
        .args(arguments);
    command
}

/// Runs a program of this home to its good end. Returns how often it made each of these calls, in the thread that
/// made it most often.
#[must_use]
pub fn counts(
    home: &Home,
    program: &Path,
    arguments: &[&str],
    calls: &[&str],
    input: &str,
) -> Vec<usize> {
    let seen = tempfile::NamedTempFile::new().unwrap();
    let mut command = home.command("strace".as_ref());
    command.args([
        "-f",
        "-qq",
        "-e",
        &format!("trace={}", calls.join(",")),
        "-o",
    ]);
    command.arg(seen.path()).arg(program).args(arguments);
    Ran::with_input(&mut command, input).success();
    let seen = fs::read_to_string(seen.path()).unwrap();
    let most = |call: &&str| {
        let name = format!(" {call}(");
        let mut threads = BTreeMap::<&str, usize>::new();
        for line in seen.lines().filter(|line| line.contains(&name)) {
            *threads.entry(line.split(' ').next().unwrap()).or_default() += 1;
        }
        threads.into_values().max().unwrap_or(0)
    };
    calls.iter().map(most).collect()
}

fn killing(calls: &str, nth: usize) -> [String; 8] {
    [
        "-f".to_owned(),
        "-qq".to_owned(),
        "-o".to_owned(),
        "/dev/null".to_owned(),
        "-e".to_owned(),
        format!("trace={calls}"),
        "-e".to_owned(),
        format!("inject={calls}:signal=KILL:when={nth}"),
    ]
}

/// Whether a tracer is attached to all threads of a process, or the process is gone.
#[must_use]
pub fn is_traced(pid: Pid) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return true;
    };
    tasks.flatten().all(|task| {
        let status = fs::read_to_string(task.path().join("status"));
        // Killed already, by a call that it made by itself, it is a zombie of this test's.
        status
            .is_ok_and(|status| status.contains("State:\tZ") || !status.contains("TracerPid:\t0\n"))
    })
}

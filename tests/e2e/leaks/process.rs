//! The process itself: its memory, and what is left of it after a crash.

use support::processes::copies_in_memory;

use super::*;

#[test]
fn p10_a_crash_leaves_no_core_dump_even_where_dumps_are_wanted() {
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE).unwrap();
    if !needs::met("a limit above 0 for core dumps", hard > 0) {
        return;
    }
    setrlimit(Resource::RLIMIT_CORE, hard, hard).unwrap();
    // Not SIGSEGV: the runtime's own handler takes one that was sent for a fault that will come again.
    for signal in [Signal::SIGABRT, Signal::SIGILL] {
        let home = Home::ready();
        // The control: another process in the same place does leave one, or says it would.
        let mut sleep = Command::new("sleep")
            .arg("600")
            .current_dir(home.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        kill(Pid::from_raw(i32::try_from(sleep.id()).unwrap()), signal).unwrap();
        let dumped = sleep.wait().unwrap().core_dumped();
        if !needs::met("a kernel that dumps core", dumped) {
            return;
        }
        remove_cores(home.path());
        let directory = home.path().to_owned();
        let mut broker = TestBroker::start(home, |command| {
            command.current_dir(directory);
        });
        let set = ["secret", "set", "org-label-sync-token"];
        broker.home.ctl_with(&set, canary::CLASSIC).success();
        broker.signal(signal);
        let status = broker.wait();
        assert_eq!(status.signal(), Some(signal as i32));
        assert!(!status.core_dumped(), "{status:?}");
        assert_eq!(remove_cores(broker.home.path()), 0);
    }
}

/// How many there were.
pub(super) fn remove_cores(directory: &Path) -> usize {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let cores = files.filter(|file| file.file_name().to_str().unwrap().starts_with("core"));
    cores
        .map(|core| fs::remove_file(core.path()).unwrap())
        .count()
}

/// An account that no one uses.
pub(super) const NOBODY: u32 = 65_534;

/// A broker that runs as `nobody`.
fn of_nobody() -> TestBroker {
    TestBroker::start_as(Home::ready(), NOBODY, |_| {})
}

/// Whether `nobody` succeeds with this.
pub(super) fn nobody_can(command: &mut Command) -> bool {
    run_as(command, NOBODY, NOBODY);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
}

#[test]
fn p10_the_brokers_own_account_can_neither_read_its_memory_nor_trace_it() {
    if !needs::root() || !needs::program("strace") {
        return;
    }
    let broker = of_nobody();
    let mut sleep = Command::new("sleep");
    run_as(&mut sleep, NOBODY, NOBODY);
    let mut sleep = sleep.arg("600").spawn().unwrap();
    let other = i32::try_from(sleep.id()).unwrap();
    until(|| fs::read(format!("/proc/{other}/comm")).unwrap() == b"sleep\n");
    let opens = |pid: i32, name: &str| {
        let open = format!("exec </proc/{pid}/{name}");
        nobody_can(Command::new("sh").args(["-c", &open]))
    };
    for name in ["environ", "maps", "mem"] {
        assert!(opens(other, name), "the control: {name}");
        assert!(!opens(broker.pid().as_raw(), name), "{name}");
    }
    // `strace` ends by itself where it may attach: nothing is left to see after one system call.
    let attach = |pid: i32| {
        let mut strace = Command::new("timeout");
        strace.args([
            "--preserve-status",
            "1",
            "strace",
            "-qq",
            "-o",
            "/dev/null",
            "-p",
        ]);
        let out = run_to_end(strace.arg(pid.to_string()));
        !out.stderr.contains("Operation not permitted")
    };
    let control = attach(other);
    assert!(!attach(broker.pid().as_raw()));
    sleep.kill().unwrap();
    sleep.wait().unwrap();
    let _met = needs::met("an account that may trace itself", control);
}

fn run_to_end(command: &mut Command) -> Ran {
    run_as(command, NOBODY, NOBODY);
    Ran::of(command)
}

#[test]
fn p10_after_a_lock_the_memory_holds_no_value() {
    if !needs::root() {
        return;
    }
    let broker = TestBroker::with_label_sync();
    for _ in 0..20 {
        broker.home.ctl(&["get", "label-sync"]).success();
    }
    broker.home.ctl(&["lock"]).success();
    let found = copies_in_memory(broker.pid(), &[canary::CLASSIC]);
    assert!(found.is_empty(), "{found:#?}");
}

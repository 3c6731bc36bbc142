//! `tokenctl exec`: the command runs as if alone, and the lease ends with it.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::broker::Ran;
use support::terminal::Terminal;
use support::wait::until;
use support::{TestBroker, binaries, canary, needs};

/// `tokenctl exec label-sync -- COMMAND…`, not yet run.
fn exec(broker: &TestBroker, command: &[&str]) -> Command {
    let mut tokenctl = broker.home.tokenctl();
    tokenctl.args(["exec", "label-sync", "--"]).args(command);
    tokenctl
}

fn live_leases(broker: &TestBroker) -> usize {
    let list = broker.http("GET", "/v1/leases", "").json();
    list["leases"].as_array().unwrap().len()
}

/// Waits until nothing is live, and returns the reasons why leases ended.
fn reasons_of_the_ends(broker: &TestBroker) -> Vec<String> {
    // An end takes effect before its record.
    let count = |kind| broker.home.records_of(kind).len();
    until(|| live_leases(broker) == 0 && count("lease.expired") == count("lease.granted"));
    let why = |record: &Value| record["why"].as_str().unwrap().to_owned();
    broker
        .home
        .records_of("lease.expired")
        .iter()
        .map(why)
        .collect()
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

/// A line of `/proc/PID/status`, such as `State`.
fn status_of(pid: Pid, name: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    line.trim_start_matches(':').trim().to_owned()
}

#[test]
fn every_exit_code_is_the_commands_own_and_without_a_lease_or_a_command_says_so() {
    let broker = TestBroker::with_label_sync();
    let mark = broker.home.path().join("mark");
    let mut denied = broker.home.tokenctl();
    denied
        .args(["exec", "no-such-purpose", "--", "touch"])
        .arg(&mark);
    let ran = Ran::of(&mut denied);
    assert_eq!(ran.code(), Some(125), "{ran:?}");
    assert!(
        ran.stderr
            .starts_with("tokenctl: error: purpose `no-such-purpose` is not allowed")
    );
    let mut no_broker = exec(&broker, &["touch", mark.to_str().unwrap()]);
    let ran = Ran::of(no_broker.env("TOKEND_SOCKET", "/nonexistent/socket"));
    assert_eq!(ran.code(), Some(125), "{ran:?}");
    assert!(!mark.exists());
    assert_eq!(broker.home.records_of("lease.granted").len(), 0);

    for code in 0..=255 {
        let ran = Ran::of(&mut exec(&broker, &["sh", "-c", &format!("exit {code}")]));
        assert_eq!(ran.code(), Some(code), "{ran:?}");
        assert_eq!(ran.stderr, "");
    }
    assert_eq!(reasons_of_the_ends(&broker), ["caller_exit"; 256]);
    let granted = broker.home.records_of("lease.granted");
    assert!(granted.iter().all(|lease| lease["until"] == "caller_exit"));

    for missing in ["no-such-command-here", "/no/such/program"] {
        let missing = Ran::of(&mut exec(&broker, &[missing]));
        assert_eq!(missing.code(), Some(127), "{missing:?}");
    }
    let directory = broker.home.path().to_str().unwrap().to_owned();
    let not_runnable = Ran::of(&mut exec(&broker, &[&directory]));
    assert_eq!(not_runnable.code(), Some(126), "{not_runnable:?}");
    assert_eq!(reasons_of_the_ends(&broker), ["caller_exit"; 259]);
}

#[test]
fn the_lease_ends_with_the_command_however_that_ends_and_lasts_while_it_is_stopped() {
    let broker = TestBroker::with_label_sync();
    // By a signal, which is seen as such.
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGPIPE,
        Signal::SIGUSR1,
    ] {
        let mut child = exec(&broker, &["sh", "-c", "echo; exec sleep 600"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for_a_line(&mut child);
        kill(pid(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(signal as i32));
    }
    assert_eq!(reasons_of_the_ends(&broker), ["caller_exit"; 5]);

    // Killed, after it was stopped for a while.
    let mut child = exec(&broker, &["sh", "-c", "echo; exec sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_a_line(&mut child);
    kill(pid(&child), Signal::SIGSTOP).unwrap();
    until(|| status_of(pid(&child), "State").starts_with('T'));
    assert_eq!(live_leases(&broker), 1);
    kill(pid(&child), Signal::SIGCONT).unwrap();
    until(|| status_of(pid(&child), "State").starts_with('S'));
    assert_eq!(live_leases(&broker), 1);
    kill(pid(&child), Signal::SIGKILL).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert_eq!(reasons_of_the_ends(&broker), ["caller_exit"; 6]);

    // Although it leaves a child behind.
    let script = "sleep 600 >/dev/null 2>&1 & echo $!";
    let left = Ran::of(&mut exec(&broker, &["sh", "-c", script])).success();
    assert_eq!(reasons_of_the_ends(&broker), ["caller_exit"; 7]);
    let left = Pid::from_raw(left.trim().parse().unwrap());
    kill(left, Signal::SIGKILL).unwrap();
}

/// Until the command itself runs.
fn wait_for_a_line(child: &mut Child) {
    use std::io::{BufRead as _, BufReader};
    let stdout = child.stdout.as_mut().unwrap();
    BufReader::new(stdout)
        .read_line(&mut String::new())
        .unwrap();
}

#[test]
fn the_token_is_in_three_variables_where_gh_finds_it_and_all_else_is_inherited_unchanged() {
    let broker = TestBroker::with_label_sync();
    let lines = |command: &mut Command| {
        let ran = Ran::of(command.env("GH_TOKEN", "an older one"));
        let mut lines: Vec<_> = ran.success().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let mut want = lines(&mut broker.home.command(Path::new("env")));
    want.retain(|line| !line.starts_with("GH_TOKEN="));
    for name in ["GH_TOKEN", "GITHUB_TOKEN", "MINE"] {
        want.push(format!("{name}={}", canary::CLASSIC));
    }
    want.sort();
    let mut tokenctl = broker.home.tokenctl();
    tokenctl.args(["exec", "label-sync", "--env", "MINE", "--", "env"]);
    assert_eq!(lines(&mut tokenctl), want);

    if needs::program("gh") {
        let ran = Ran::of(&mut exec(&broker, &["gh", "auth", "token"]));
        assert_eq!(ran.success().trim(), canary::CLASSIC);
    }

    // What a process inherits and can look at: the same with us in front and without.
    // Not the shell's own status: it blocks signals while it waits. No pipeline: the shell holds its
    // pipe for a moment, and `ls` would see it now and then.
    let look = r#"umask; pwd; ulimit -a; nice; cat
        for fd in /proc/$$/fd/*; do to=$(readlink "$fd"); echo "${to%%[*}"; done
        exec grep -E '^(Sig(Blk|Ign|Cgt)|NoNewPrivs|Seccomp|Groups|Uid)' /proc/self/status"#;
    let before =
        r#"umask 026; ulimit -n 99; trap '' HUP; exec 7>/dev/null; cd /; exec nice -n 3 "$@""#;
    let run = |front: &[&str]| {
        let mut command = broker.home.command(Path::new("sh"));
        command
            .args(["-c", before, "sh"])
            .args(front)
            .args(["sh", "-c", look]);
        Ran::with_input(&mut command, "typed\n").success()
    };
    let tokenctl = binaries::tokenctl();
    let under = run(&[tokenctl.to_str().unwrap(), "exec", "label-sync", "--"]);
    assert_eq!(under, run(&[]));
    assert!(
        under.contains("typed\n") && under.starts_with("0026\n/\n"),
        "{under}"
    );
}

#[test]
fn the_terminal_is_the_commands_and_ctrl_c_ends_it_or_is_caught_by_it() {
    if !needs::program("setsid") {
        return;
    }
    let broker = TestBroker::with_label_sync();
    let script = "test -t 0 && test -t 1 && test -t 2 && echo at-a-terminal; exec cat";
    let mut terminal = Terminal::start(&exec(&broker, &["sh", "-c", script]));
    terminal.expect("at-a-terminal");
    terminal.type_in("hello\n");
    terminal.expect("hello\r\nhello\r\n");
    terminal.type_in("\x03");
    let (_, status) = terminal.end();
    assert_eq!(status.signal(), Some(Signal::SIGINT as i32));
    assert_eq!(reasons_of_the_ends(&broker), ["caller_exit"]);

    let script = "trap 'echo caught; exit 42' INT; echo ready; read line";
    let mut terminal = Terminal::start(&exec(&broker, &["sh", "-c", script]));
    terminal.expect("ready\r\n");
    terminal.type_in("\x03");
    let (shown, status) = terminal.end();
    assert!(shown.contains("caught"), "{shown}");
    assert_eq!(status.code(), Some(42));
}

#[test]
fn a_shell_stops_it_with_ctrl_z_and_takes_it_up_again() {
    if !needs::program("setsid") || !needs::program("bash") {
        return;
    }
    let broker = TestBroker::with_label_sync();
    let mut shell = broker.home.command(Path::new("bash"));
    shell
        .args(["--norc", "--noprofile", "-i"])
        .env("PS1", "> ")
        .env("TERM", "dumb");
    let mut terminal = Terminal::start(&shell);
    terminal.expect("> ");
    let tokenctl = binaries::tokenctl();
    terminal.type_in(&format!(
        "{} exec label-sync -- sh -c 'echo run''ning; exec cat; '\n",
        tokenctl.display()
    ));
    terminal.expect("running\r\n");
    terminal.type_in("\x1a");
    terminal.expect("Stopped");
    terminal.expect("> ");
    assert_eq!(live_leases(&broker), 1);
    terminal.type_in("fg\n");
    let caller = &broker.home.records_of("lease.granted")[0]["caller"];
    let command = Pid::from_raw(i32::try_from(caller["pid"].as_i64().unwrap()).unwrap());
    until(|| is_in_the_foreground(command));
    terminal.type_in("hello\n");
    terminal.expect("hello\r\nhello\r\n");
    terminal.type_in("\x04");
    terminal.expect("> ");
    terminal.type_in("echo code $?; exit\n");
    terminal.expect("code 0");
    terminal.end();
    assert_eq!(reasons_of_the_ends(&broker), ["caller_exit"]);
}

/// Whether it has its terminal, and waits for what is typed.
fn is_in_the_foreground(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<_> = after_name.split_whitespace().collect();
    let (state, group, foreground) = (fields[0], fields[2], fields[5]);
    state == "S" && group == foreground
}

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use broker_protocol::value_form::BadValue;
use broker_scratch::gone;
use broker_secret_memory::token::AccessToken;

use crate::one_password::OnePasswordError;
use crate::one_password::op::run::{Ended, Program, Run};

/// A stand-in of a few lines in a directory of its own.
struct Script {
    directory: tempfile::TempDir,
}

impl Script {
    fn new(body: &str) -> Self {
        let script = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        let draft = script.path("draft");
        let here = script.path(".");
        fs::write(
            &draft,
            format!("#!/bin/sh\ncd {}\n{body}\n", here.display()),
        )
        .unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o700)).unwrap();
        // A file that was open for writing a moment ago may be busy in a process forked meanwhile.
        let copied = Command::new("cp")
            .arg(&draft)
            .arg(script.path("op"))
            .status();
        assert!(copied.unwrap().success());
        script
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn wrote(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    async fn run(&self, run: Run<'_>) -> Result<Ended, OnePasswordError> {
        Program::new(self.path("op"), LONG, lookup).run(run).await
    }
}

/// What the broker's own environment might be.
fn lookup(name: &str) -> Option<OsString> {
    match name {
        "PATH" => Some("/usr/bin:/bin".into()),
        "OP_BIOMETRIC_UNLOCK_ENABLED" => None,
        // Whatever else is asked for is there, so what is passed on is what was asked for.
        name => Some(format!("its {name}").into()),
    }
}

fn asking<'a>(arguments: &'a [&'a str]) -> Run<'a> {
    Run {
        arguments,
        token: None,
        account: None,
        most: 100,
        too_much: OnePasswordError::NotAValue(BadValue::TooLong),
    }
}

fn printed(ended: Result<Ended, OnePasswordError>) -> String {
    match ended {
        Ok(Ended::Well(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
        Ok(Ended::Badly(status, _)) => panic!("{status}"),
        Err(error) => panic!("{error}"),
    }
}

/// Names and values but for its own shell's.
fn environment(script: &Script) -> Vec<String> {
    let all = script.wrote("environment");
    let own = ["PWD=", "OLDPWD=", "SHLVL=", "_="];
    let mut lines: Vec<String> = all
        .lines()
        .filter(|line| !own.iter().any(|name| line.starts_with(name)))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn it_sees_what_it_was_asked_and_an_environment_that_holds_what_it_needs() {
    let script = Script::new(
        "printf '%s\\n' \"$@\" > arguments; env > environment; cat > stdin; printf value",
    );
    let mut run = asking(&["read", "-n", "op://two words/$HOME/x"]);
    run.account = Some("acme");
    assert_eq!(printed(script.run(run).await), "value");
    assert_eq!(
        script.wrote("arguments"),
        "read\n-n\nop://two words/$HOME/x\n"
    );
    assert_eq!(script.wrote("stdin"), "");
    let for_the_desktop = [
        "HOME=its HOME",
        "OP_ACCOUNT=acme",
        "OP_CACHE=false",
        "OP_CONFIG_DIR=its OP_CONFIG_DIR",
        "PATH=/usr/bin:/bin",
        "XDG_CONFIG_HOME=its XDG_CONFIG_HOME",
        "XDG_RUNTIME_DIR=its XDG_RUNTIME_DIR",
    ];
    assert_eq!(environment(&script), for_the_desktop);

    let token = AccessToken::new("ops_made_up".to_owned());
    let mut run = asking(&["whoami"]);
    (run.token, run.account) = (Some(&token), Some("acme"));
    assert_eq!(printed(script.run(run).await), "value");
    assert_eq!(
        script.wrote("arguments"),
        "whoami\n",
        "the token is nowhere in them"
    );
    let with_a_token = [
        "HOME=its HOME",
        "OP_CACHE=false",
        "OP_CONFIG_DIR=its OP_CONFIG_DIR",
        "OP_SERVICE_ACCOUNT_TOKEN=ops_made_up",
        "PATH=/usr/bin:/bin",
        "XDG_CONFIG_HOME=its XDG_CONFIG_HOME",
    ];
    assert_eq!(environment(&script), with_a_token);
}

#[tokio::test]
async fn as_much_as_was_allowed_is_taken_and_no_byte_more() {
    let script = Script::new("head -c \"$1\" /dev/zero | tr '\\0' x");
    assert_eq!(printed(script.run(asking(&["0"])).await), "");
    assert_eq!(printed(script.run(asking(&["100"])).await), "x".repeat(100));
    for more in ["101", "10000000"] {
        let error = script.run(asking(&[more])).await.err();
        assert_eq!(error, Some(OnePasswordError::NotAValue(BadValue::TooLong)));
    }
    let script = Script::new("yes | head -c 1000000 >&2; exit 1");
    let error = script.run(asking(&[])).await.err().unwrap().to_string();
    let want = "1Password did not do what it was asked: its error text is longer than 16 KiB";
    assert_eq!(error, want);
}

#[tokio::test]
async fn one_that_does_not_end_is_ended_with_all_it_started() {
    let script = Script::new("sleep 600 & echo $! > child; sleep 600");
    let program = Program::new(script.path("op"), SHORT, lookup);
    let error = program.run(asking(&[])).await.err();
    assert_eq!(error, Some(OnePasswordError::Silent(SHORT)));
    gone(&script.wrote("child")).await;
}

#[tokio::test]
async fn nothing_runs_on_for_one_who_stopped_waiting_or_after_too_much_was_said() {
    let script = Script::new("echo $$ > child.new; mv child.new child; exec sleep 600");
    {
        let run = script.run(asking(&[]));
        tokio::pin!(run);
        while !script.path("child").exists() {
            let moment = tokio::time::timeout(Duration::from_millis(10), &mut run).await;
            assert!(moment.is_err(), "it ended");
        }
    }
    gone(&script.wrote("child")).await;

    let script = Script::new("echo $$ > child; yes; sleep 600");
    assert!(script.run(asking(&[])).await.is_err());
    gone(&script.wrote("child")).await;
}

#[tokio::test]
async fn what_it_leaves_running_neither_holds_it_up_nor_stays() {
    let script = Script::new("sleep 600 & echo $! > child; printf value");
    assert_eq!(printed(script.run(asking(&[])).await), "value");
    gone(&script.wrote("child")).await;
}

#[tokio::test]
async fn no_more_than_a_few_run_at_once_and_the_others_wait_their_turn() {
    // None ends before four have come, or they are ended for taking too long; and each stays a moment for
    // a fifth to be seen.
    let script = Script::new(
        "touch running.$$ came.$$\n\
         until set -- came.*; [ $# -ge 4 ]; do sleep 0.05; done\n\
         sleep 0.3; set -- running.*; echo $# >> counts; rm running.$$; printf x",
    );
    let program = Program::new(script.path("op"), LONG, lookup);
    let run = || async { printed(program.run(asking(&[])).await) };
    let ended = tokio::join!(run(), run(), run(), run(), run(), run(), run(), run());
    assert_eq!(<[_; 8]>::from(ended), ["x"; 8]);
    let counts = script.wrote("counts");
    let counts: Vec<u32> = counts.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!((counts.len(), counts.iter().max()), (8, Some(&4)));
}

#[tokio::test]
async fn how_it_ended_comes_with_what_it_said() {
    let script = Script::new("echo value; echo '[ERROR] no' >&2; exit 1");
    let Ok(Ended::Badly(status, said)) = script.run(asking(&[])).await else {
        panic!("it ended otherwise");
    };
    assert_eq!((status.code(), &said[..]), (Some(1), &b"[ERROR] no\n"[..]));
}

#[tokio::test]
async fn a_name_is_looked_for_in_the_path_and_a_program_that_cannot_run_is_named() {
    async fn error(name: &str) -> String {
        let program = Program::new(name.into(), LONG, lookup);
        program.run(asking(&["0"])).await.err().unwrap().to_string()
    }
    let echo = Program::new("echo".into(), LONG, lookup);
    assert_eq!(printed(echo.run(asking(&["found"])).await), "found\n");
    let missing = error("op-that-is-not-there").await;
    let want = "`op-that-is-not-there` cannot be run: it is in no directory of tokend's PATH; install \
                1Password's program `op`, or say where it is in `[onepassword] program`";
    assert_eq!(missing, want);
    for (name, why) in [
        ("/nonexistent/op", "No such file or directory"),
        ("/etc/passwd", "Permission denied"),
        ("bin/op", "neither a name nor an absolute path"),
        ("./op", "neither a name nor an absolute path"),
    ] {
        let error = error(name).await;
        assert!(error.contains(why), "{error}");
    }
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_secs(2);

//! A program that gets warnings: run without a shell, with the message on stdin.
//!
//! It gets an environment of its own: nothing of the broker's, which may hold secrets (`env:`), goes
//! there. It runs in its own process group, so that one that hangs ends with all it started.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use broker_process_group::ProcessGroup;
use broker_protocol::printable::is_hidden;

/// The program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    program: Box<str>,
    arguments: Box<[Box<str>]>,
}

/// Why a hook did not take a message.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It could not be started.
    #[error("the hook cannot be started: {0}")]
    Start(#[source] io::Error),
    /// It did not end in time, and was killed.
    #[error("the hook did not end within {} seconds and was killed", .0.as_secs())]
    TimedOut(Duration),
    /// It ended, and not with 0.
    #[error("the hook ended with {}", how(.status, .said))]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// The beginning of what it wrote to stderr, on one line.
        said: String,
    },
    /// It cannot be said how it ended.
    #[error("the hook cannot be waited for: {0}")]
    Wait(#[source] io::Error),
}

fn how(status: &ExitStatus, said: &str) -> String {
    let ended = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "neither exit code nor signal".to_owned(),
    };
    if said.is_empty() {
        return ended;
    }
    format!("{ended}: {said}")
}

impl Hook {
    /// The hook with this command. `None` unless the program is named by an absolute path: a relative
    /// one would be looked for where the broker happens to be.
    #[must_use]
    pub fn new(command: Vec<String>) -> Option<Self> {
        let mut command = command.into_iter().map(String::into_boxed_str);
        let program = command.next()?;
        let arguments: Box<[_]> = command.collect();
        let nul = arguments.iter().any(|argument| argument.contains('\0'));
        let good = Path::new(&*program).is_absolute() && !program.contains('\0') && !nul;
        good.then_some(Self { program, arguments })
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        Path::new(&*self.program)
    }

    /// Runs it once. Returns when it has ended, or been killed.
    ///
    /// # Errors
    ///
    /// [`HookError`], also where it did its work and then failed: it may get the message twice.
    pub async fn run(&self, message: &[u8]) -> Result<(), HookError> {
        self.run_for(message, LONGEST).await
    }

    async fn run_for(&self, message: &[u8], longest: Duration) -> Result<(), HookError> {
        let mut child = self.start().await?;
        let mut group = ProcessGroup::of(&child);
        let ran = timeout(longest, talk(&mut child, message)).await;
        let Ok(ran) = ran else {
            group.end();
            // A matter of moments now, and leaves no zombie.
            drop(timeout(REAP, child.wait()).await);
            group.dismiss();
            return Err(HookError::TimedOut(longest));
        };
        // What it left running on purpose goes on.
        group.dismiss();
        let (status, said) = ran.map_err(HookError::Wait)?;
        if status.success() {
            return Ok(());
        }
        Err(HookError::Failed { status, said })
    }

    /// Starting reads the program from a disk that may be slow, so not on the thread that serves.
    async fn start(&self) -> Result<Child, HookError> {
        let mut command = Command::new(&*self.program);
        command
            .args(self.arguments.iter().map(|argument| &**argument))
            .env_clear()
            .envs(ENVIRONMENT)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let started = spawn_blocking(move || command.spawn()).await;
        started
            .map_err(|panic| HookError::Start(io::Error::other(panic)))?
            .map_err(HookError::Start)
    }
}

/// Hands over the message and waits for the end, reading what is written to stderr meanwhile: a full
/// pipe would make both wait.
async fn talk(child: &mut Child, message: &[u8]) -> io::Result<(ExitStatus, String)> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let tell = async {
        if let Some(mut stdin) = stdin {
            // A hook that reads nothing is none the worse for it.
            drop(stdin.write_all(message).await);
        }
    };
    let mut said = Vec::new();
    let listen = async {
        if let Some(stderr) = stderr {
            beginning(stderr, &mut said).await;
        }
    };
    let talking = async {
        tokio::join!(listen, tell);
        std::future::pending().await
    };
    // What it left in the background may hold stderr open: its own end is what counts.
    let status = tokio::select! {
        biased;
        never = talking => never,
        status = child.wait() => status,
    };
    Ok((status?, one_line(&said)))
}

/// Reads to the end, and keeps the beginning.
async fn beginning(mut from: impl AsyncRead + Unpin, kept: &mut Vec<u8>) {
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let room = KEPT.saturating_sub(kept.len()).min(read);
        kept.extend(buffer.iter().take(room));
    }
}

fn one_line(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
    }
    let printable = text
        .trim()
        .chars()
        .map(|c| if is_hidden(c) { ' ' } else { c });
    printable.collect()
}

/// All the hook knows of where it runs.
const ENVIRONMENT: [(&str, &str); 2] = [
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("LANG", "C.UTF-8"),
];
const LONGEST: Duration = Duration::from_secs(30);
const REAP: Duration = Duration::from_secs(5);
/// How much of what it writes to stderr is traced, in bytes.
const KEPT: usize = 512;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use super::*;
    use broker_scratch::gone;

    /// A script in a directory of its own.
    struct Script {
        dir: tempfile::TempDir,
    }

    impl Script {
        fn new(body: &str) -> Self {
            let script = Self {
                dir: tempfile::tempdir().unwrap(),
            };
            // A file that was open for writing a moment ago may be busy in a process forked meanwhile.
            let draft = script.dir.path().join("draft");
            fs::write(
                &draft,
                format!("#!/bin/sh\ncd {}\n{body}\n", script.path(".").display()),
            )
            .unwrap();
            fs::set_permissions(&draft, fs::Permissions::from_mode(0o700)).unwrap();
            let copied = std::process::Command::new("cp")
                .arg(&draft)
                .arg(script.path("hook"))
                .status();
            assert!(copied.unwrap().success());
            script
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn wrote(&self, name: &str) -> String {
            fs::read_to_string(self.path(name)).unwrap()
        }

        fn hook(&self, arguments: &[&str]) -> Hook {
            let program = self.path("hook").to_str().unwrap().to_owned();
            let arguments = arguments.iter().map(|text| (*text).to_owned());
            Hook::new([program].into_iter().chain(arguments).collect()).unwrap()
        }
    }

    #[tokio::test]
    async fn it_gets_the_message_and_its_arguments_as_they_are_and_nothing_of_our_environment() {
        let script = Script::new(
            "cat > message; printf '%s\\n' \"$@\" > arguments; env > environment; pwd > place",
        );
        let message = "{\"a\":\"b\"}".repeat(20_000);
        let hook = script.hook(&["$HOME; exit 1", "two words"]);
        hook.run(message.as_bytes()).await.unwrap();
        assert_eq!(script.wrote("message"), message);
        assert_eq!(script.wrote("arguments"), "$HOME; exit 1\ntwo words\n");
        let environment = script.wrote("environment");
        let names: Vec<&str> = environment
            .lines()
            .filter_map(|line| Some(line.split_once('=')?.0))
            // Its own shell's.
            .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
            .collect();
        assert_eq!(names.len(), 2, "{environment}");
        assert!(names.contains(&"PATH") && names.contains(&"LANG"));
    }

    #[tokio::test]
    async fn one_that_fails_is_said_to_with_its_code_and_the_beginning_of_what_it_wrote() {
        let script =
            Script::new("echo 'no \u{7}pager'>&2; yes 'and so on' | head -c 300000 >&2; exit 3");
        let error = script.hook(&[]).run(b"{}").await.unwrap_err().to_string();
        assert!(
            error.starts_with("the hook ended with exit code 3: no  pager and so on"),
            "{error}"
        );
        assert!(error.len() < 600, "{}", error.len());

        let script = Script::new("kill -9 $$");
        let error = script.hook(&[]).run(b"{}").await.unwrap_err();
        assert_eq!(error.to_string(), "the hook ended with signal 9");
    }

    #[tokio::test]
    async fn one_that_did_its_work_and_then_failed_counts_as_failed() {
        let script = Script::new("cat > message; exit 1");
        let error = script.hook(&[]).run(b"{}").await.unwrap_err();
        assert!(matches!(error, HookError::Failed { .. }));
        assert_eq!(script.wrote("message"), "{}");
    }

    #[tokio::test]
    async fn one_that_reads_nothing_or_floods_its_output_takes_the_message_all_the_same() {
        let message = vec![b'x'; 1_000_000];
        for body in ["exit 0", "yes | head -c 1000000; exit 0"] {
            let script = Script::new(body);
            script.hook(&[]).run(&message).await.unwrap();
        }
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed_with_all_it_started() {
        let script = Script::new("sleep 600 & echo $! > child; sleep 600");
        let hook = script.hook(&[]);
        let longest = Duration::from_millis(700);
        let error = hook.run_for(b"{}", longest).await.unwrap_err();
        assert!(matches!(error, HookError::TimedOut(_)), "{error}");
        gone(&script.wrote("child")).await;
    }

    #[tokio::test]
    async fn what_it_leaves_running_holds_nothing_up_and_goes_on() {
        let script = Script::new("sleep 20 & echo $! > child; exit 0");
        script.hook(&[]).run(b"{}").await.unwrap();
        let child = script.wrote("child");
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap();
        assert!(!stat.contains(") Z "), "{stat}");
    }

    #[tokio::test]
    async fn one_that_is_not_there_cannot_be_started() {
        let hook = Hook::new(vec!["/nonexistent/hook".to_owned()]).unwrap();
        let error = hook.run(b"{}").await.unwrap_err();
        assert!(matches!(error, HookError::Start(_)), "{error}");
    }

    #[test]
    fn a_program_is_named_by_an_absolute_path() {
        for bad in [&[][..], &["page"], &["./page"], &["/x\0y"], &["/x", "a\0b"]] {
            let command = bad.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(Hook::new(command), None, "{bad:?}");
        }
    }
}

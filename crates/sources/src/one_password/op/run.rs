//! One run of `op`: what it may see, what it may say, and how long it may take.
//!
//! It has no way to be told not to ask, and can wait for a human forever. So its stdin is at its end,
//! its time is limited, and it has a process group of its own, with which all it started ends too. Of
//! the broker's environment it gets what it needs and no more: a token for Connect that happens to be
//! there (`OP_CONNECT_TOKEN`) would be used instead of the one it was given.
//!
//! Not here: what it is asked, and what its words mean.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use broker_process_group::ProcessGroup;
use broker_secret_memory::token::AccessToken;
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::one_password::OnePasswordError;

/// The program `op`, and what all its runs share.
pub(super) struct Program {
    /// An absolute path, or a name to look for in `PATH`.
    name: PathBuf,
    /// Of a whole run, waiting for others included.
    limit: Duration,
    /// [`std::env::var_os`] but in tests.
    lookup: fn(&str) -> Option<OsString>,
    at_once: Semaphore,
}

/// What it is run for.
pub(super) struct Run<'a> {
    pub(super) arguments: &'a [&'a str],
    /// The service account's. Without one, the desktop app is asked.
    pub(super) token: Option<&'a AccessToken>,
    /// Which of the desktop app's accounts; `None` for its own choice.
    pub(super) account: Option<&'a str>,
    /// How much it may print, in bytes.
    pub(super) most: usize,
    /// What more than that means.
    pub(super) too_much: OnePasswordError,
}

/// How it ended, and what it left.
pub(super) enum Ended {
    /// With 0, having printed this.
    Well(Zeroizing<Vec<u8>>),
    /// With something else, having said this on stderr.
    Badly(ExitStatus, Zeroizing<Vec<u8>>),
}

impl Program {
    pub(super) const fn new(
        name: PathBuf,
        limit: Duration,
        lookup: fn(&str) -> Option<OsString>,
    ) -> Self {
        Self {
            name,
            limit,
            lookup,
            at_once: Semaphore::const_new(AT_ONCE),
        }
    }

    /// Runs it to its end, or ends it: also where the future is dropped.
    pub(super) async fn run(&self, run: Run<'_>) -> Result<Ended, OnePasswordError> {
        let ran = timeout(self.limit, async {
            // Never closed; and a run without a permit would only be one too many.
            let _permit = self.at_once.acquire().await.ok();
            let running = self.start(&run).await?;
            talk(running, run).await
        });
        ran.await
            .unwrap_or(Err(OnePasswordError::Silent(self.limit)))
    }

    /// Starting reads the program from a disk that may be slow, so not on the thread that serves.
    async fn start(&self, run: &Run<'_>) -> Result<Running, OnePasswordError> {
        let name = self.name.clone();
        let environment = self.environment(run);
        let arguments: Vec<OsString> = run.arguments.iter().map(OsString::from).collect();
        let started = spawn_blocking(move || {
            let path = environment
                .iter()
                .find(|(name, _)| *name == "PATH")
                .map(|(_, value)| value.as_os_str())
                .unwrap_or_default();
            let program = find(&name, path)?;
            // The standard library's copies of the token in here are freed without being wiped.
            let mut command = Command::new(program);
            command
                .args(arguments)
                .env_clear()
                .envs(environment)
                .current_dir("/")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .process_group(0)
                .kill_on_drop(true);
            let child = command.spawn().map_err(|error| error.to_string())?;
            // Ended also where no one waits for it any more.
            Ok(Running {
                group: ProcessGroup::of(&child),
                child,
            })
        });
        let started = started.await.unwrap_or_else(|panic| Err(panic.to_string()));
        started.map_err(|why| {
            OnePasswordError::NoProgram(self.name.display().to_string().into(), why.into())
        })
    }

    fn environment(&self, run: &Run<'_>) -> Vec<(&'static str, OsString)> {
        let here = |name: &'static str| Some((name, (self.lookup)(name)?));
        let path = (self.lookup)("PATH").unwrap_or_else(|| PATH.into());
        // What a cache of its own holds, this one does not know the age of.
        let mut environment = vec![("PATH", path), ("OP_CACHE", "false".into())];
        environment.extend(ALWAYS.into_iter().filter_map(here));
        if let Some(token) = run.token {
            // Into the environment of the child, the one place where `op` takes it from.
            environment.push(("OP_SERVICE_ACCOUNT_TOKEN", token.expose().into()));
        } else {
            environment.extend(FOR_THE_DESKTOP.into_iter().filter_map(here));
            environment.extend(run.account.map(|account| ("OP_ACCOUNT", account.into())));
        }
        environment
    }
}

/// The program of this name in `PATH`. Parts of `PATH` that are relative are passed over: they would
/// mean another place for each directory the broker may be started in.
fn find(name: &Path, path: &OsStr) -> Result<PathBuf, String> {
    if name.is_absolute() {
        return Ok(name.to_owned());
    }
    let mut components = name.components();
    let (Some(Component::Normal(_)), None) = (components.next(), components.next()) else {
        return Err("it is neither a name nor an absolute path".to_owned());
    };
    let runs = |path: &PathBuf| {
        std::fs::metadata(path)
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(runs)
        .ok_or_else(|| "it is in no directory of tokend's PATH".to_owned())
}

/// Reads both pipes to their ends while it runs.
async fn talk(running: Running, run: Run<'_>) -> Result<Ended, OnePasswordError> {
    // The group is dropped first, as in `Running`.
    let mut child = running.child;
    let mut group = running.group;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let printed = read(stdout, run.most, run.too_much);
    let said = read(
        stderr,
        MOST_SAID,
        OnePasswordError::Other("its error text is longer than 16 KiB".into()),
    );
    let end = async {
        if let Some(pid) = group.leader() {
            drop(spawn_blocking(move || wait_for_end(pid)).await);
        }
        // Whatever it left behind may hold the pipes open for ever. Its own end is what counts.
        group.end();
        Ok(())
    };
    let (printed, said, ()) = tokio::try_join!(printed, said, end)?;
    group.dismiss();
    let status = child.wait().await.map_err(cannot_be_read)?;
    if status.success() {
        return Ok(Ended::Well(printed));
    }
    Ok(Ended::Badly(status, said))
}

/// Waits until the process has ended and leaves its number taken, so that its group can be ended
/// without hitting another. Blocks.
fn wait_for_end(pid: Pid) {
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
}

/// A run that has begun. The group is dropped first.
struct Running {
    group: ProcessGroup,
    child: Child,
}

/// Reads to the end, into one piece of memory that never moves, so that it can be wiped.
async fn read(
    from: Option<impl AsyncRead + Unpin>,
    most: usize,
    too_much: OnePasswordError,
) -> Result<Zeroizing<Vec<u8>>, OnePasswordError> {
    let mut room = Zeroizing::new(vec![0; most + 1]);
    let mut filled = 0;
    if let Some(mut from) = from {
        while let Some(free) = room.get_mut(filled..).filter(|free| !free.is_empty()) {
            match from.read(free).await.map_err(cannot_be_read)? {
                0 => break,
                read => filled += read,
            }
        }
    }
    if filled > most {
        return Err(too_much);
    }
    // Not the whole room: what comes of it is kept.
    Ok(Zeroizing::new(
        room.get(..filled).unwrap_or_default().to_vec(),
    ))
}

fn cannot_be_read(error: std::io::Error) -> OnePasswordError {
    OnePasswordError::Other(format!("its answer cannot be read: {error}").into())
}

/// Where `op` finds its configuration. Source: 1Password documentation, “Environment variables”.
const ALWAYS: [&str; 3] = ["HOME", "XDG_CONFIG_HOME", "OP_CONFIG_DIR"];
/// How it finds the desktop app, and whether it may.
const FOR_THE_DESKTOP: [&str; 2] = ["XDG_RUNTIME_DIR", "OP_BIOMETRIC_UNLOCK_ENABLED"];
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Processes. Each takes tens of megabytes; a start with a hundred secrets must not start a hundred.
const AT_ONCE: usize = 4;
/// Bytes. Real words are a line, and a list where several items are called so.
const MOST_SAID: usize = 16 * 1024;

//! Starts a broker that stays: as a unit of the account's service manager where there is one, else in the
//! background, in a session of its own, so that neither Ctrl-C nor the end of the terminal reaches it.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use broker_protocol::api::Status;
use broker_protocol::paths::{Overrides, Paths};
use broker_protocol::whole_file;

use super::plain_command::{PlainCommand, typed};
use super::{Steps, found};
use crate::account;
use crate::clock::{self, Deadline};
use crate::commands::daemon;
use crate::error::Failure;
use crate::shell::quoted;
use crate::ui;

/// Starts it, and waits until it answers.
pub(super) fn start(steps: &Steps<'_>) -> Result<Status, Failure> {
    if has_manager(&steps.broker.places) {
        by_unit()?;
        let hint = "`journalctl --user -u tokend` says why";
        return wait(steps, None, hint.to_owned());
    }
    let (child, trace) = in_background(steps)?;
    let hint = format!("{} says why", trace.display());
    let status = wait(steps, Some(child), hint)?;
    ui::line(format_args!(
        "It runs until this machine stops; then `tokenctl setup` starts it again. Its\n\
         trace is in {}",
        trace.display()
    ))?;
    Ok(status)
}

/// Whether the account's service manager runs, and would find the same configuration.
fn has_manager(places: &Paths) -> bool {
    // What the manager gives its units.
    let env = |name: &str| match name {
        "HOME" | "XDG_RUNTIME_DIR" => env::var_os(name),
        _ => None,
    };
    let its_own = Paths::find(&Overrides::default(), env);
    let runs = env::var_os("XDG_RUNTIME_DIR")
        .is_some_and(|dir| Path::new(&dir).join("systemd/private").exists());
    runs && its_own.is_ok_and(|its_own| its_own == *places)
        && asks_systemctl(&["--user", "show-environment"])
}

fn asks_systemctl(args: &[&str]) -> bool {
    let mut command = Command::new("systemctl");
    command.args(args).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The units of `packaging/`.
const SERVICE: &str = include_str!("../../../../packaging/systemd/user/tokend.service");
const SOCKET: &str = include_str!("../../../../packaging/systemd/user/tokend.socket");

fn by_unit() -> Result<(), Failure> {
    if asks_systemctl(&["--user", "cat", "tokend.service"]) {
        found("the unit tokend.service")?;
    } else {
        let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let dir = home.join(".config/systemd/user");
        fs::create_dir_all(&dir).map_err(Failure::file("create", &dir))?;
        let service = service(&daemon::program()?);
        // The service last: where it is, both are.
        for (name, text) in [("tokend.socket", SOCKET), ("tokend.service", &*service)] {
            let path = dir.join(name);
            if path.exists() {
                found(path.display())?;
                continue;
            }
            let mut file =
                whole_file::create(&path, 0o644).map_err(Failure::file("create", &path))?;
            file.write_all(text.as_bytes())
                .map_err(Failure::file("write", &path))?;
            ui::line(format_args!("wrote {}", path.display()))?;
        }
    }
    let systemctl = |args: &[&str]| {
        let args = args.iter().map(Into::into).collect();
        PlainCommand::new(PathBuf::from("systemctl"), args).run()
    };
    systemctl(&["--user", "daemon-reload"])?;
    let units = ["tokend.socket", "tokend.service"];
    systemctl(&[&["--user", "enable", "--now"], &units[..]].concat())?;
    ui::line(if lingers() {
        "It keeps running when you log out."
    } else {
        "It runs while you are logged in. `loginctl enable-linger` keeps it running."
    })
}

/// Whether this account's services go on without a session, as `loginctl enable-linger` notes it.
fn lingers() -> bool {
    let own = account::own_name().ok().flatten();
    own.is_some_and(|name| Path::new("/var/lib/systemd/linger").join(name).exists())
}

/// The unit, with this program in it.
fn service(tokend: &Path) -> String {
    let path = tokend.to_string_lossy();
    let path = path.replace('\\', "\\\\").replace('"', "\\\"");
    let path = path.replace('%', "%%").replace('$', "$$");
    let quoted = match path.contains([' ', '\'', '"', ';']) {
        true => format!("\"{path}\""),
        false => path,
    };
    SERVICE.replace("=/usr/bin/tokend\n", &format!("={quoted}\n"))
}

/// Starts it detached. It is a child of this process only until that ends.
fn in_background(steps: &Steps<'_>) -> Result<(Child, PathBuf), Failure> {
    let tokend = daemon::program()?;
    let trace = steps.broker.places.data.join("trace.log");
    let mut words = vec!["setsid".to_owned(), typed(&tokend)];
    words.extend(
        steps
            .global
            .iter()
            .map(|word| quoted(&word.to_string_lossy())),
    );
    let file = quoted(&trace.to_string_lossy());
    ui::line(format_args!(
        "$ {} \\\n    >>{file} 2>&1 </dev/null &",
        words.join(" ")
    ))?;
    let open = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&trace);
    let out = open.map_err(Failure::file("write", &trace))?;
    let err = out.try_clone().map_err(Failure::file("write", &trace))?;
    // Not the leader of a group, it stays the same process.
    let mut setsid = Command::new("setsid");
    setsid.arg(&tokend).args(&steps.global);
    setsid.stdin(Stdio::null()).stdout(out).stderr(err);
    let child = setsid.spawn().map_err(|error| {
        Failure::with_hint(
            format!("cannot run setsid: {error}"),
            "run `tokend` in another terminal, then `tokenctl setup` again",
        )
    })?;
    Ok((child, trace))
}

/// Waits until the broker answers.
fn wait(steps: &Steps<'_>, mut child: Option<Child>, hint: String) -> Result<Status, Failure> {
    let deadline = Deadline::after(LONGEST_START);
    loop {
        if let Some(status) = steps.status()? {
            return Ok(status);
        }
        let ended = match &mut child {
            Some(child) => child.try_wait().is_ok_and(|ended| ended.is_some()),
            None => false,
        };
        if ended {
            return Err(Failure::with_hint("the broker ended at once", hint));
        }
        if deadline.left().is_none() {
            return Err(Failure::with_hint("the broker does not answer", hint));
        }
        clock::pause(Duration::from_millis(50));
    }
}

/// A start reads the policies, asks for the root key, and recovers the audit log.
const LONGEST_START: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_runs_the_program_beside_this_one() {
        for (path, line) in [
            ("/usr/bin/tokend", "ExecStart=/usr/bin/tokend\n"),
            (
                "/home/a/.cargo/bin/tokend",
                "ExecStart=/home/a/.cargo/bin/tokend\n",
            ),
            ("/a b/50%/tokend", "ExecStart=\"/a b/50%%/tokend\"\n"),
        ] {
            let unit = service(Path::new(path));
            assert!(unit.contains(line), "{unit}");
        }
    }
}

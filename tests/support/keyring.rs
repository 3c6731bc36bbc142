//! A real gnome-keyring under a private D-Bus, as a desktop session has one.
//!
//! No user sits at it: unless [`SessionKeyring::let_prompts_hang`] was called, whatever it would ask a
//! user fails at once.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::{needs, wait};

const PASSWORD: &str = "the login password";
const NAME: &str = "org.freedesktop.secrets";
const SERVICE: &str = "/org/freedesktop/secrets";
const LOGIN: &str = "/org/freedesktop/secrets/collection/login";

/// Whether this machine has what it takes; said loudly if not.
#[must_use]
pub fn is_here() -> bool {
    [
        "dbus-daemon",
        "dbus-send",
        "gnome-keyring-daemon",
        "secret-tool",
    ]
    .into_iter()
    .all(needs::program)
}

/// The session: bus and keyring, ended when dropped.
pub struct SessionKeyring {
    session: Session,
    bus: Child,
    keyring: Option<Child>,
    _scratch: TempDir,
}

impl SessionKeyring {
    /// A session with an unlocked keyring that holds nothing.
    pub fn start() -> Self {
        let scratch = tempfile::Builder::new().prefix("k-").tempdir().unwrap();
        let session = Session(scratch.path().to_owned());
        for part in ["home", "data", "run", "services"] {
            fs::create_dir(session.0.join(part)).unwrap();
            let closed = fs::Permissions::from_mode(0o700);
            fs::set_permissions(session.0.join(part), closed).unwrap();
        }
        let bus = session.start_bus();
        let keyring = session.start_keyring(true);
        Self {
            session,
            bus,
            keyring: Some(keyring),
            _scratch: scratch,
        }
    }

    /// The session as a process in it sees it.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Ends the keyring; the bus stays.
    pub fn end_keyring(&mut self) {
        end(self.keyring.take());
        wait::until(|| !self.session.has_keyring());
    }

    /// Starts the keyring again, locked, as before a login.
    pub fn restart_locked(&mut self) {
        self.end_keyring();
        self.keyring = Some(self.session.start_keyring(false));
    }

    /// Ends the bus, and the keyring with it.
    pub fn end_bus(&mut self) {
        end(self.keyring.take());
        self.bus.kill().ok();
        self.bus.wait().unwrap();
        fs::remove_file(self.session.bus()).ok();
    }

    /// Starts the bus again, with the keyring unlocked.
    pub fn restart_bus(&mut self) {
        self.end_bus();
        self.bus = self.session.start_bus();
        self.keyring = Some(self.session.start_keyring(true));
    }

    /// Whatever the keyring asks a user is never answered from now on, as with a dialog that no one
    /// looks at: the program that would show it starts and stays silent, as long as the session does.
    pub fn let_prompts_hang(&self) {
        let prompter = self.session.0.join("prompter");
        let bus = self.session.bus();
        let text = format!(
            "#!/bin/sh\nwhile [ -e {} ]; do sleep 0.2; done\n",
            bus.display()
        );
        fs::write(&prompter, text).unwrap();
        fs::set_permissions(&prompter, fs::Permissions::from_mode(0o700)).unwrap();
        let service = format!(
            "[D-BUS Service]\nName=org.gnome.keyring.SystemPrompter\nExec={}\n",
            prompter.display()
        );
        fs::write(self.session.0.join("services/prompter.service"), service).unwrap();
        self.session.call(
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            &["org.freedesktop.DBus.ReloadConfig"],
        );
    }

    /// Stops the keyring where it stands: it accepts, and says nothing.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let id = self.keyring.as_ref().unwrap().id();
        kill(Pid::from_raw(i32::try_from(id).unwrap()), signal).unwrap();
    }
}

impl Drop for SessionKeyring {
    fn drop(&mut self) {
        end(self.keyring.take());
        self.bus.kill().ok();
        self.bus.wait().ok();
    }
}

/// A session by its directory, and what can be done from within it.
pub struct Session(PathBuf);

impl Session {
    /// The session in this directory.
    #[must_use]
    pub fn at(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.0
    }

    /// Puts a program into the session.
    pub fn enter<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let address = format!("unix:path={}", self.bus().display());
        command.env("DBUS_SESSION_BUS_ADDRESS", address)
    }

    /// Locks what holds the entries.
    pub fn lock(&self) {
        let argument = format!("array:objpath:{LOGIN}");
        self.call(
            NAME,
            SERVICE,
            &["org.freedesktop.Secret.Service.Lock", &argument],
        );
        assert!(self.is_locked());
    }

    /// Unlocks it, as the login does.
    ///
    /// The login speaks to the keyring's control socket: gnome-keyring, `daemon/control/gkd-control-codes.h`
    /// and `pam/gkr-pam-client.c`.
    pub fn unlock(&self) {
        const UNLOCK: u32 = 1;
        let password = PASSWORD.as_bytes();
        let length = u32::try_from(password.len()).unwrap();
        let mut message = vec![0];
        for number in [length + 12, UNLOCK, length] {
            message.extend_from_slice(&number.to_be_bytes());
        }
        message.extend_from_slice(password);
        let mut control = UnixStream::connect(self.0.join("run/keyring/control")).unwrap();
        control.write_all(&message).unwrap();
        let mut answer = [0; 8];
        control.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0, 0, 0, 8, 0, 0, 0, 0], "length 8, result OK");
        assert!(!self.is_locked());
    }

    /// Whether it is locked.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.says_it_is_locked().unwrap()
    }

    fn says_it_is_locked(&self) -> Option<bool> {
        let said = self.call(
            NAME,
            LOGIN,
            &[
                "org.freedesktop.DBus.Properties.Get",
                "string:org.freedesktop.Secret.Collection",
                "string:Locked",
            ],
        );
        let (_, locked) = said.split_once("boolean ")?;
        locked.trim().parse().ok()
    }

    /// `secret-tool`, not yet run.
    #[must_use]
    pub fn secret_tool(&self) -> Command {
        self.command("secret-tool")
    }

    /// Puts a value there as the manual says.
    pub fn put(&self, name: &str, value: &str) {
        self.put_with(name, value, &[]);
    }

    /// The same, with more attributes.
    pub fn put_with(&self, name: &str, value: &str, more: &[&str]) {
        let mut command = self.secret_tool();
        command.args(["store", &format!("--label={name}")]);
        command.args(["service", "tokend-secrets", "username", name]);
        let mut child = command.args(more).stdin(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(value.as_bytes()).unwrap();
        drop(input);
        assert!(child.wait().unwrap().success());
    }

    /// What is there under this service and name.
    #[must_use]
    pub fn look_up(&self, service: &str, name: &str) -> Option<String> {
        let mut command = self.secret_tool();
        command.args(["lookup", "service", service, "username", name]);
        let out = command.output().unwrap();
        out.status
            .success()
            .then(|| String::from_utf8(out.stdout).unwrap())
    }

    /// Removes what is there under this service.
    pub fn clear(&self, service: &str) {
        let status = self
            .secret_tool()
            .args(["clear", "service", service])
            .status();
        assert!(status.unwrap().success());
    }

    fn bus(&self) -> PathBuf {
        self.0.join("bus")
    }

    fn start_bus(&self) -> Child {
        let config = format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n \
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n\
             <busconfig>\n<type>session</type>\n<listen>unix:path={}</listen>\n<auth>EXTERNAL</auth>\n\
             <servicedir>{}</servicedir>\n<policy context=\"default\">\n\
             <allow send_destination=\"*\" eavesdrop=\"true\"/>\n<allow eavesdrop=\"true\"/>\n\
             <allow own=\"*\"/>\n</policy>\n</busconfig>\n",
            self.bus().display(),
            self.0.join("services").display()
        );
        let path = self.0.join("bus.conf");
        fs::write(&path, config).unwrap();
        let mut command = self.command("dbus-daemon");
        command.arg("--nofork").arg("--config-file").arg(path);
        // It complains of limits that it cannot raise.
        let bus = command.stderr(Stdio::null()).spawn().unwrap();
        wait::until(|| UnixStream::connect(self.bus()).is_ok());
        bus
    }

    fn start_keyring(&self, unlocked: bool) -> Child {
        let mut command = self.command("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]);
        if unlocked {
            command.arg("--unlock");
        }
        command.stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut keyring = command.spawn().unwrap();
        let mut input = keyring.stdin.take().unwrap();
        if unlocked {
            input.write_all(PASSWORD.as_bytes()).unwrap();
        }
        drop(input);
        wait::until(|| self.has_keyring());
        wait::until(|| self.says_it_is_locked() == Some(!unlocked));
        keyring
    }

    fn has_keyring(&self) -> bool {
        let argument = format!("string:{NAME}");
        let said = self.call(
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            &["org.freedesktop.DBus.NameHasOwner", &argument],
        );
        said.contains("boolean true")
    }

    fn call(&self, destination: &str, object: &str, method: &[&str]) -> String {
        let mut command = self.command("dbus-send");
        command
            .args(["--session", "--print-reply"])
            .arg(format!("--dest={destination}"))
            .arg(object)
            .args(method);
        let out = command.output().unwrap();
        String::from_utf8([out.stdout, out.stderr].concat()).unwrap()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.0.join("home"))
            .env("XDG_DATA_HOME", self.0.join("data"))
            .env("XDG_RUNTIME_DIR", self.0.join("run"))
            .stdin(Stdio::null());
        self.enter(&mut command);
        command
    }
}

fn end(keyring: Option<Child>) {
    if let Some(mut keyring) = keyring {
        // Even one that is frozen.
        keyring.kill().ok();
        keyring.wait().ok();
    }
}

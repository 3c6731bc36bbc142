//! A user at a terminal: a program with a controlling terminal of its own, typed at and read.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use nix::sys::termios::{LocalFlags, tcgetattr};

use crate::wait::until;

/// A program and its terminal. Killed when dropped.
pub struct Terminal {
    screen: File,
    shown: String,
    /// The beginning of a character.
    unread: Vec<u8>,
    /// The program.
    pub child: Child,
}

/// What a user types at a prompt.
pub struct Answer<'a> {
    /// What is shown, or how that begins.
    pub prompt: &'a str,
    /// What is typed.
    pub text: &'a str,
    /// Whether the terminal shows what is typed.
    pub seen: bool,
}

impl Terminal {
    /// Starts what `command` says (program, arguments, environment) in a session of its own, on a new
    /// terminal.
    pub fn start(command: &Command) -> Self {
        let pty = openpty(None, None).unwrap();
        // Another test may start a program just now, which would hold this terminal open.
        for end in [&pty.master, &pty.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        let own = || Stdio::from(pty.slave.try_clone().unwrap());
        // `setsid` becomes the program: pid and exit status are the program's own.
        let mut session = Command::new("setsid");
        session
            .args(["--ctty", "--"])
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(own())
            .stdout(own())
            .stderr(own());
        if let Some(directory) = command.get_current_dir() {
            session.current_dir(directory);
        }
        let child = session.spawn().unwrap();
        Self {
            screen: File::from(pty.master),
            shown: String::new(),
            unread: Vec::new(),
            child,
        }
    }

    /// Waits until `text` is shown, and forgets everything up to it.
    ///
    /// # Panics
    ///
    /// If the program ends first, or shows nothing for a minute.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.shown.find(text) {
                let rest = self.shown.split_off(at + text.len());
                return std::mem::replace(&mut self.shown, rest);
            }
            assert!(
                self.read_more(),
                "it ended without `{text}`: {}",
                self.shown
            );
        }
    }

    /// Types this; `\x03` is Ctrl-C.
    pub fn type_in(&mut self, text: &str) {
        self.screen.write_all(text.as_bytes()).unwrap();
    }

    /// Types this once the terminal has stopped showing what is typed, as a user who reads the
    /// prompt first does.
    pub fn type_unseen(&mut self, text: &str) {
        until(|| !self.echoes());
        self.type_in(text);
    }

    /// Waits for the end; what was shown since the last `expect`, and how it ended.
    pub fn end(mut self) -> (String, ExitStatus) {
        self.wait()
    }

    /// The same, and goes on holding the terminal.
    pub fn wait(&mut self) -> (String, ExitStatus) {
        while self.read_more() {}
        let status = self.child.wait().unwrap();
        (std::mem::take(&mut self.shown), status)
    }

    /// Whether what is typed is shown.
    pub fn echoes(&self) -> bool {
        let settings = tcgetattr(&self.screen).unwrap();
        settings.local_flags.contains(LocalFlags::ECHO)
    }

    /// Waits for the end, and answers what is asked; all that was shown, and how it ended.
    pub fn answer(mut self, answers: &[Answer<'_>]) -> (String, ExitStatus) {
        let mut answered = 0;
        while self.read_more() {
            let asked = answers.iter().filter_map(|answer| {
                let at = self.shown[answered..].find(answer.prompt)?;
                Some((answered + at + answer.prompt.len(), answer))
            });
            if let Some((end, answer)) = asked.min_by_key(|(end, _)| *end) {
                answered = end;
                let line = format!("{}\n", answer.text);
                match answer.seen {
                    true => self.type_in(&line),
                    false => self.type_unseen(&line),
                }
            }
        }
        let status = self.child.wait().unwrap();
        (std::mem::take(&mut self.shown), status)
    }

    /// `false` when the last process has left the terminal.
    #[track_caller]
    fn read_more(&mut self) -> bool {
        let mut fds = [PollFd::new(self.screen.as_fd(), PollFlags::POLLIN)];
        let ready = poll(&mut fds, PollTimeout::from(60_000_u16)).unwrap();
        assert_ne!(ready, 0, "nothing more was shown after: {}", self.shown);
        let mut bytes = [0; 4096];
        match self.screen.read(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Ok(0) | Err(_) => false,
            Ok(length) => {
                self.unread.extend_from_slice(&bytes[..length]);
                // What was read may end within a character.
                let whole = match str::from_utf8(&self.unread) {
                    Ok(text) => text.len(),
                    Err(error) => error.valid_up_to(),
                };
                let text: Vec<u8> = self.unread.drain(..whole).collect();
                self.shown.push_str(str::from_utf8(&text).unwrap());
                true
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

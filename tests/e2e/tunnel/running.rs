//! A command under `tokenctl exec` that is still running, while its lease and its broker change.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use nix::unistd::Pid;

use super::exec::ask;
use super::*;

/// A command under `exec` that says what its environment holds, and waits for a line before each further step.
pub(crate) struct Waiting {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Waiting {
    pub(crate) fn start(scene: &Scene, purpose: &[&str], script: &str) -> Self {
        let mut exec = scene.exec(purpose, &["sh", "-c", script]);
        let mut child = exec
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// The next line that it writes.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(crate) fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    #[track_caller]
    pub(crate) fn end(mut self) {
        self.go_on();
        assert!(self.child.wait().unwrap().success());
    }
}

/// The port in a proxy's address.
#[track_caller]
pub(crate) fn port_of(proxy: &str) -> u16 {
    let (_, port) = proxy.trim_end_matches('/').rsplit_once(':').unwrap();
    port.parse()
        .unwrap_or_else(|error| panic!("{proxy}: {error}"))
}

#[test]
fn a_revoked_lease_is_over_amid_a_command_and_the_relay_goes_with_the_command() {
    if !can_run() {
        return;
    }
    let scene = Scene::new();
    let files = || walk(scene.user());
    let before = files();
    let call = ask("GITHUB_TOKEN", &format!("-o /dev/null {API}{LABELS}"));
    let script = format!("echo \"$HTTPS_PROXY\"; {call}; echo; read line; {call}; echo; read line");
    let mut waiting = Waiting::start(&scene, &[LABEL_SYNC], &script);
    let port = port_of(&waiting.line());
    let status = |waiting: &mut Waiting| (waiting.line(), waiting.line());
    assert_eq!(status(&mut waiting), (String::new(), "200".to_owned()));
    assert_eq!(files().len(), before.len() + 1, "the certificates");
    scene
        .broker
        .home
        .ctl(&["lease", "revoke", &scene.last_lease()])
        .success();
    scene.forget();
    waiting.go_on();
    let over = status(&mut waiting).1;
    // Whether curl hears it of the tunnel or in it.
    assert!(["403", "000"].contains(&over.as_str()), "{over}");
    assert_eq!(scene.reached(), [""; 0]);
    let last = scene.refused().pop().unwrap();
    assert_eq!(last["code"], "unknown_lease", "{last}");
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    waiting.end();
    wait::until(|| TcpStream::connect(("127.0.0.1", port)).is_err());
    wait::until(|| files() == before);
}

#[test]
fn one_token_of_a_command_works_on_when_the_lease_of_another_is_over() {
    if !can_run() {
        return;
    }
    let scene = Scene::new();
    let runs = format!("-o /dev/null {API}/repos/acme/site/actions/runs");
    let call = ask("RELEASE_TOKEN", &runs);
    let script = format!("{call}; echo; read line; {call}; echo; read line");
    let with = format!("RELEASE_TOKEN={SITE}");
    let mut waiting = Waiting::start(&scene, &[LABEL_SYNC, "--env", &with], &script);
    let status = |waiting: &mut Waiting| (waiting.line(), waiting.line()).1;
    assert_eq!(status(&mut waiting), "200");
    let granted = &scene.broker.home.records_of("lease.granted")[0];
    assert_eq!(granted["purpose"], LABEL_SYNC);
    let first = granted["lease"].as_str().unwrap();
    scene.broker.home.ctl(&["lease", "revoke", first]).success();
    waiting.go_on();
    assert_eq!(status(&mut waiting), "200");
    waiting.end();
}

#[test]
fn a_command_goes_on_over_a_restart_of_the_broker() {
    if !can_run() {
        return;
    }
    let scene = Scene::new();
    let call = ask("GITHUB_TOKEN", &format!("-o /dev/null {API}{LABELS}"));
    let script = format!("{call}; echo; read line; {call}; echo; read line");
    let mut waiting = Waiting::start(&scene, &[LABEL_SYNC], &script);
    let status = |waiting: &mut Waiting| (waiting.line(), waiting.line()).1;
    assert_eq!(status(&mut waiting), "200");
    let scene = scene.restarted();
    waiting.go_on();
    assert_eq!(
        status(&mut waiting),
        "200",
        "by the same relay, certificate and token"
    );
    scene.assert_within(&[LABELS]);
    waiting.end();
    wait::until(|| !scene.broker.home.records_of("lease.expired").is_empty());
}

/// Every file of the user's.
fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            open.extend(entries.map(|entry| entry.path()));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

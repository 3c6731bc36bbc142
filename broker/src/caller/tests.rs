//! What needs the inside: a kernel without `SO_PEERPIDFD`. The rest is in `tests/caller_*.rs`,
//! against real processes.

use std::os::unix::net::{UnixListener, UnixStream};

use super::*;

impl Peer {
    /// A caller that no process is behind.
    pub(crate) fn pretended(caller: Caller) -> Self {
        Self {
            witness: Witness::None,
            seen: None,
            caller: Mutex::new(Arc::new(caller)),
        }
    }
}

/// A socket whose peer is this very process.
fn connection() -> (UnixStream, UnixStream, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let client = UnixStream::connect(&path).unwrap();
    let (server, _) = listener.accept().unwrap();
    (server, client, home)
}

#[test]
fn without_a_pidfd_the_account_remains_and_nothing_of_the_process() {
    let (server, _client, _home) = connection();
    let proc_env = ProcEnv::read().unwrap();
    let programs = Programs::PathAndDigest;
    let peer = Peer::with_pidfd(server.as_fd(), None, &proc_env, programs).unwrap();

    let caller = peer.identify().unwrap();
    assert_eq!(caller.uid, nix::unistd::geteuid().as_raw());
    assert_eq!(caller.gid, nix::unistd::getegid().as_raw());
    let rest = (
        caller.pid,
        &caller.unit,
        &caller.user_unit,
        &caller.exe,
        caller.sha256,
    );
    assert_eq!(rest, (None, &None, &None, &None, None));
    let watch = peer.exit_watch();
    assert_eq!(watch.unwrap_err().kind(), io::ErrorKind::Unsupported);
}

#[test]
fn without_a_pidfd_the_openers_end_is_seen_all_the_same() {
    let mut child = std::process::Command::new("cat")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let process = Process::open(i32::try_from(child.id()).unwrap()).unwrap();
    let peer = Peer {
        witness: Witness::Directory(process),
        seen: None,
        caller: Mutex::new(Arc::new(Caller::default())),
    };
    assert!(peer.identify().is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(peer.identify(), Err(Gone));
}

#[test]
fn all_supplementary_groups_are_read_however_many() {
    let (server, _client, _home) = connection();
    let got = kernel::peer_groups(server.as_fd()).unwrap();
    let mut want: Vec<u32> = nix::unistd::getgroups()
        .unwrap()
        .into_iter()
        .map(nix::unistd::Gid::as_raw)
        .collect();
    want.sort_unstable();
    let mut got = got;
    got.sort_unstable();
    assert_eq!(got, want);
}

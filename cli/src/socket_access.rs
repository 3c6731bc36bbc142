//! Who may use a socket, by what its file and the directories above it say: `[socket]` in `tokend.toml` has no effect
//! where systemd makes the socket, and a container may show another one altogether.
//!
//! Not here: who may do what there. The broker decides that.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{Gid, Group};

use crate::account;

/// What keeps this account from the socket, and what to do.
pub(crate) fn describe(socket: &Path) -> String {
    match fs::metadata(socket) {
        Ok(meta) => rule("it", &meta, 0o020),
        Err(_) => match closed_directory(socket) {
            Some((directory, meta)) => {
                let directory = format!("the directory {}", directory.display());
                rule(&directory, &meta, 0o010)
            }
            None => "ask the account that runs the broker to let this one in".to_owned(),
        },
    }
}

/// The lowest directory above that can be seen: what is in it cannot.
fn closed_directory(socket: &Path) -> Option<(&Path, Metadata)> {
    let mut above = socket.ancestors().skip(1);
    above.find_map(|path| Some((path, fs::metadata(path).ok()?)))
}

/// `needed` is what the group has to have.
fn rule(what: &str, meta: &Metadata, needed: u32) -> String {
    let mode = meta.mode() & 0o777;
    let owner = account::name(meta.uid());
    let has = format!("{what} has mode {mode:04o} and belongs to {owner}");
    match mode & needed {
        0 => format!("{has}: only that account may use it"),
        _ => {
            let group = group(meta.gid());
            format!(
                "{has} and group {group}: have this account added to that group, and log in again"
            )
        }
    }
}

/// A group's name, or `gid N` where it has none here.
fn group(gid: u32) -> String {
    let found = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    found.map_or_else(|| format!("gid {gid}"), |group| group.name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use nix::unistd::{getegid, geteuid};

    use super::*;

    #[test]
    fn the_sockets_own_mode_and_group_say_who_may_connect() {
        let scratch = tempfile::tempdir().unwrap();
        let socket = scratch.path().join("tokend.sock");
        fs::write(&socket, "").unwrap();
        let owner = account::name(geteuid().as_raw());
        let says = |mode| {
            fs::set_permissions(&socket, fs::Permissions::from_mode(mode)).unwrap();
            describe(&socket)
        };
        let mine = group(getegid().as_raw());
        chown(&socket, None, Some(getegid().as_raw())).unwrap();
        assert_eq!(
            says(0o660),
            format!(
                "it has mode 0660 and belongs to {owner} and group {mine}: have this account added \
                 to that group, and log in again"
            )
        );
        assert_eq!(
            says(0o600),
            format!("it has mode 0600 and belongs to {owner}: only that account may use it")
        );
        // Only root can give it to a group that has no name.
        if geteuid().is_root() {
            chown(&socket, None, Some(471_147)).unwrap();
            assert!(says(0o660).contains("and group gid 471147:"));
        }
    }

    #[test]
    fn a_closed_directory_above_the_socket_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let closed = scratch.path().join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        // For root nothing is closed; what is not there cannot be seen either.
        let says = describe(&closed.join("tokend.sock"));
        let directory = closed.display();
        assert!(
            says.starts_with(&format!("the directory {directory} has mode 0700 and")),
            "{says}"
        );
        assert!(says.ends_with(": only that account may use it"), "{says}");
    }
}

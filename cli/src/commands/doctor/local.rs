//! What this machine shows by itself: files and modes.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use broker_protocol::api::BrokerStatus;
use broker_protocol::paths::Paths;

use super::Findings;

/// Modes that the broker would refuse, or that keep it from its work. Returns whether something else than a socket is
/// in the socket's place.
pub(super) fn files(found: &mut Findings, places: &Paths) -> bool {
    // `None`: not there, or not to be seen by this account, as with a service's own directories. A link's own mode
    // means nothing: what counts is where it leads.
    let look = |path: &Path| fs::metadata(path).ok();
    let writable = |meta: &Metadata| meta.mode() & 0o022 != 0;
    for path in [&places.config, &places.policies] {
        if look(path).is_some_and(|meta| writable(&meta)) {
            let path = path.display();
            found.wrong(
                format!("group or others may write {path}, so the broker refuses it"),
                format!("chmod go-w {path}"),
            );
        }
    }
    for (path, open, mode) in [
        (&places.root_key, 0o077, "600"),
        (&places.vault, 0o077, "600"),
        // A group of auditors may read the log where the configuration says so.
        (&places.audit, 0o027, "g-w,o="),
    ] {
        if look(path).is_some_and(|meta| meta.mode() & open != 0) {
            let path = path.display();
            found.wrong(
                format!("other accounts can read {path}"),
                format!("chmod {mode} {path}"),
            );
        }
    }
    let Ok(meta) = fs::symlink_metadata(&places.socket) else {
        return false;
    };
    let path = places.socket.display();
    if !meta.file_type().is_socket() {
        found.wrong(
            format!("{path} is not a socket"),
            format!("remove it and restart `tokend`: rm {path}"),
        );
        return true;
    }
    if meta.permissions().mode() & 0o007 != 0 {
        found.look(
            format!("every account may ask the broker on {path}"),
            "`[socket] mode` in tokend.toml: \"0660\" with a group is narrower",
        );
    }
    proxy_socket(found, &places.proxy_socket, meta.uid());
    false
}

/// The socket that honours proxy tokens, beside the one of this owner.
fn proxy_socket(found: &mut Findings, path: &Path, owner: u32) {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Ok(meta) if !meta.file_type().is_socket() => found.wrong(
            format!("{shown} is not a socket"),
            format!("remove it and restart `tokend`: rm {shown}"),
        ),
        Ok(meta) if meta.uid() != owner => found.wrong(
            format!(
                "{shown} belongs to uid {}, and the socket beside it to uid {owner}",
                meta.uid()
            ),
            format!("find out which program made it; then: rm {shown}, and restart `tokend`"),
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => found.wrong(
            format!("{shown} is not there, so proxy tokens work nowhere"),
            "restart `tokend`; where systemd makes the sockets, install the newer tokend.socket first",
        ),
        // As it should be, or not to be seen by this account.
        Ok(_) | Err(_) => {}
    }
}

/// Differences between the disk and the running broker.
pub(super) fn next_start(found: &mut Findings, places: &Paths, all: &BrokerStatus) {
    let key = &places.root_key;
    let gone = |error: io::Error| error.kind() == io::ErrorKind::NotFound;
    if all.root_key == "file" && fs::symlink_metadata(key).is_err_and(gone) {
        found.wrong(
            format!("{} is gone: the next start leaves the store locked", key.display()),
            "put it back from its backup; until then, `tokenctl unlock --passphrase` after each start",
        );
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;
    use std::os::unix::net::UnixListener;

    use nix::unistd::geteuid;

    use super::*;

    #[test]
    fn the_socket_for_proxy_tokens_is_beside_the_other_and_of_the_same_owner() {
        let home = tempfile::tempdir().unwrap();
        let places = Paths::below(home.path());
        fs::create_dir(home.path().join("run")).unwrap();
        let findings = || {
            let mut found = Findings::default();
            files(&mut found, &places);
            let texts = found.0.into_iter().filter(|found| found.state == "wrong");
            texts.map(|found| found.what).collect::<Vec<_>>()
        };
        let path = &places.proxy_socket;
        let shown = path.display();
        assert!(findings().is_empty(), "no broker, and so no second socket");
        let _first = UnixListener::bind(&places.socket).unwrap();
        assert_eq!(
            findings(),
            [format!(
                "{shown} is not there, so proxy tokens work nowhere"
            )]
        );
        fs::write(path, "").unwrap();
        assert_eq!(findings(), [format!("{shown} is not a socket")]);
        fs::remove_file(path).unwrap();
        let _second = UnixListener::bind(path).unwrap();
        assert!(findings().is_empty());
        // Only root can give the socket to another account.
        if geteuid().is_root() {
            chown(path, Some(4711), None).unwrap();
            assert_eq!(
                findings(),
                [format!(
                    "{shown} belongs to uid 4711, and the socket beside it to uid 0"
                )]
            );
        }
    }

    #[test]
    fn modes_that_let_others_in_are_wrong_and_come_with_their_chmod() {
        let home = tempfile::tempdir().unwrap();
        let places = Paths::below(home.path());
        fs::create_dir(&places.policies).unwrap();
        fs::set_permissions(&places.policies, fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(&places.root_key, "").unwrap();
        fs::set_permissions(&places.root_key, fs::Permissions::from_mode(0o640)).unwrap();
        let mut found = Findings::default();
        files(&mut found, &places);
        let hints: Vec<String> = found.0.iter().map(|f| f.hint.clone()).collect();
        assert_eq!(
            hints,
            [
                format!("chmod go-w {}", places.policies.display()),
                format!("chmod 600 {}", places.root_key.display()),
            ]
        );
    }

    #[test]
    fn of_a_link_the_mode_counts_where_it_leads_and_auditors_keep_their_access() {
        let home = tempfile::tempdir().unwrap();
        let places = Paths::below(home.path());
        let log = home.path().join("log");
        fs::create_dir(&log).unwrap();
        for (to, link) in [
            (&log, &places.audit),
            (&home.path().join("k"), &places.root_key),
        ] {
            std::os::unix::fs::symlink(to, link).unwrap();
        }
        fs::write(&places.root_key, "").unwrap();
        fs::set_permissions(&places.root_key, fs::Permissions::from_mode(0o600)).unwrap();
        let hints = |mode| {
            fs::set_permissions(&log, fs::Permissions::from_mode(mode)).unwrap();
            let mut found = Findings::default();
            files(&mut found, &places);
            let hints = found.0.into_iter().map(|found| found.hint);
            hints.collect::<Vec<_>>()
        };
        let audit = places.audit.display();
        assert_eq!(hints(0o2750), [""; 0]);
        for mode in [0o2755, 0o2770] {
            assert_eq!(hints(mode), [format!("chmod g-w,o= {audit}")]);
        }
    }
}

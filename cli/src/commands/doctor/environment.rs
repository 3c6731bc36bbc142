//! What this account's environment shows: tokens that the broker should have replaced, and variables that do not
//! do what they seem to. Of a token only the place is named.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use broker_protocol::api::SecretView;
use broker_protocol::paths::Paths;
use broker_protocol::token_shape::{self, Shape};

use super::Findings;
use crate::commands::import;
use crate::env_file;
use crate::secret_text;

/// Tokens in this environment.
pub(super) fn variables(found: &mut Findings) {
    for (name, value) in env::vars_os() {
        let shape = value.to_str().map_or(Shape::Unknown, token_shape::of);
        let name = name.display();
        if matches!(shape, Shape::Classic | Shape::FineGrained) {
            found.look(
                format!("${name} holds a token, for every program started from here"),
                format!("unset {name}; `tokenctl exec` gives it to one program, for a while"),
            );
        }
    }
}

/// A proxy for HTTPS, unless it is the one that `tokenctl exec` sets for its command.
pub(super) fn proxy(found: &mut Findings, env: impl Fn(&str) -> Option<OsString>) {
    let set = |name: &&str| env(name).is_some_and(|value| !value.is_empty());
    let name = ["HTTPS_PROXY", "https_proxy"].into_iter().find(set);
    let inside_exec = set(&"TOKEND_EXEC_PROXY");
    if let Some(name) = name.filter(|_| !inside_exec) {
        found.look(
            format!("${name} is set, and tokend asks GitHub without it"),
            "tokend uses no proxy: let its machine reach GitHub directly",
        );
    }
}

/// A directory of sockets that is another account's, as a root shell can inherit it. Returns whether it is.
pub(super) fn runtime_dir(
    found: &mut Findings,
    places: &Paths,
    dir: Option<OsString>,
    own: u32,
) -> bool {
    let dir = dir.map(PathBuf::from);
    let Some(dir) = dir.filter(|dir| dir.is_absolute() && places.socket.starts_with(dir)) else {
        return false;
    };
    let Some(owner) = fs::metadata(&dir).ok().map(|meta| meta.uid()) else {
        return false;
    };
    if owner == own {
        return false;
    }
    found.wrong(
        format!(
            "XDG_RUNTIME_DIR is {}, which belongs to uid {owner}, and this is uid {own}",
            dir.display()
        ),
        "unset XDG_RUNTIME_DIR where `tokend` and `tokenctl` run, or log in as this account",
    );
    true
}

/// Files of tokens: the usual one, and those that were imported. `stored` is what the vault holds, for an operator.
pub(super) fn files(
    found: &mut Findings,
    places: &Paths,
    home: Option<OsString>,
    stored: &[SecretView],
) {
    let usual = home.map(|home| Path::new(&home).join(".github-tokens"));
    let files: BTreeSet<PathBuf> = usual
        .into_iter()
        .chain(import::imported_from(&places.policies))
        .collect();
    for file in files {
        // Not there, or not this account's to read.
        let Ok(text) = env_file::read(&file) else {
            continue;
        };
        let variables = env_file::parse(&text).variables;
        let tokens = variables
            .iter()
            .filter(|variable| token_shape::holds_one(&variable.value));
        let is_stored = |value: &str| {
            let own = Some(secret_text::hashed(value));
            stored.iter().any(|view| view.hashed_credential == own)
        };
        let tokens: Vec<bool> = tokens.map(|token| is_stored(&token.value)).collect();
        let (all, held) = (tokens.len(), tokens.iter().filter(|held| **held).count());
        let file = file.display();
        if all > 0 {
            found.look(
                format!("{file} still holds tokens: {all}, and {held} of them are stored"),
                match held == all {
                    true => {
                        format!("when nothing reads it any more: shred -u {file}; then rotate them")
                    }
                    false => format!(
                        "tokenctl import {file}; when nothing reads it any more, shred -u {file}"
                    ),
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use nix::unistd::geteuid;

    use super::*;

    fn texts(found: Findings) -> Vec<String> {
        found.0.into_iter().map(|found| found.what).collect()
    }

    #[test]
    fn a_proxy_in_the_environment_is_named_unless_it_is_the_one_of_exec() {
        let proxy_of = |set: &[&str]| {
            let mut found = Findings::default();
            proxy(&mut found, |name| {
                set.contains(&name)
                    .then(|| OsString::from("http://user:secret@proxy"))
            });
            texts(found)
        };
        assert_eq!(
            proxy_of(&["https_proxy"]),
            ["$https_proxy is set, and tokend asks GitHub without it"]
        );
        assert!(proxy_of(&["HTTPS_PROXY", "TOKEND_EXEC_PROXY"]).is_empty());
        assert!(proxy_of(&["HTTP_PROXY"]).is_empty());
    }

    #[test]
    fn a_runtime_directory_of_another_account_is_named_where_the_socket_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let own = geteuid().as_raw();
        let of = |places: &Paths, own: u32| {
            let mut found = Findings::default();
            runtime_dir(&mut found, places, Some(dir.path().into()), own);
            texts(found)
        };
        let places = Paths::below(dir.path());
        assert!(of(&places, own).is_empty());
        let text = of(&places, own + 1).remove(0);
        let want = format!("belongs to uid {own}, and this is uid {}", own + 1);
        assert!(text.contains(&want), "{text}");
        assert!(of(&Paths::system(), own + 1).is_empty());
        if geteuid().is_root() {
            chown(dir.path(), Some(4711), None).unwrap();
            assert!(of(&places, own)[0].contains("belongs to uid 4711"));
        }
    }

    #[test]
    fn a_file_that_still_holds_tokens_after_an_import_is_named_with_how_many_are_stored() {
        let dir = tempfile::tempdir().unwrap();
        let places = Paths::below(&dir.path().join("tokend"));
        fs::create_dir_all(&places.policies).unwrap();
        let (usual, other) = (dir.path().join(".github-tokens"), dir.path().join("more"));
        fs::write(&usual, "A=ghp_one\nB=ghp_two\nEDITOR=vi\n").unwrap();
        fs::write(&other, "EDITOR=vi\n").unwrap();
        let policy = format!("# Imported from {}\n", other.display());
        fs::write(places.policies.join("imported-secrets.toml"), policy).unwrap();
        let findings = || {
            let mut found = Findings::default();
            files(&mut found, &places, Some(dir.path().into()), &[]);
            texts(found)
        };
        let of_usual = format!(
            "{} still holds tokens: 2, and 0 of them are stored",
            usual.display()
        );
        assert_eq!(findings(), std::slice::from_ref(&of_usual));
        fs::write(&other, "C=github_pat_three\n").unwrap();
        let of_other = format!(
            "{} still holds tokens: 1, and 0 of them are stored",
            other.display()
        );
        assert_eq!(findings(), [of_usual, of_other]);
    }
}

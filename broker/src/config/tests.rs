//! `tokend.toml` as a whole; what a table says is tested beside it.

use std::fs;
use std::path::Path;

use nix::unistd::Group;

use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("tokend.toml"), 1000).map_err(|error| error.to_string())
}

#[test]
fn an_empty_file_is_the_default() {
    let config = parse("").unwrap();
    assert_eq!(
        config.socket,
        SocketConfig {
            mode: 0o600,
            group: None
        }
    );
    assert!(config.operators.include(1000, 1000, &[]) && config.operators.include(0, 0, &[]));
    assert!(!config.operators.include(1001, 1001, &[]));
    assert_eq!(config.metrics_listen, None);
}

#[test]
fn an_unknown_key_is_an_error_with_its_line() {
    let error = parse("[socket]\nmode = \"0600\"\nmod = 1\n").unwrap_err();
    assert!(
        error.starts_with("tokend.toml:3: unknown field `mod`"),
        "{error}"
    );
    assert!(
        parse("[gitlab]\napi = \"x\"\n")
            .unwrap_err()
            .starts_with("tokend.toml:1:")
    );
}

#[test]
fn a_mode_that_makes_no_sense_and_accounts_that_do_not_exist_are_refused_by_line() {
    let error = parse("\n[socket]\nmode = \"0777\"\n").unwrap_err();
    assert!(
        error.starts_with("tokend.toml:3: `0777` is not a socket mode"),
        "{error}"
    );
    let error = parse("[operators]\nusers = [\"no-such-account\"]\n").unwrap_err();
    assert_eq!(
        error,
        "tokend.toml:2: there is no account `no-such-account`"
    );
}

#[test]
fn what_can_never_work_is_refused_by_its_own_line() {
    for (table, line, says) in [
        ("limits", "connections = 0", "lets no one in"),
        ("limits", "connections_per_account = 0", "lets no one in"),
        ("limits", "audit_mib_per_account = 0", "lets no one in"),
        ("github", "ca = \"\"", "names no file"),
        ("github", "ca = \"certificates/\"", "names no file"),
        ("onepassword", "program = \"\"", "names no program"),
        ("onepassword", "program = \"bin/\"", "names no program"),
        ("onepassword", "account = \"\"", "names no account"),
        ("warnings", "hook = []", "hook"),
        ("warnings", "hook = [\"\"]", "hook"),
        ("warnings", "hook = [\"page\"]", "hook"),
        ("metrics", "listen = \"localhost\"", "socket address"),
    ] {
        // A key that begins the same is in an earlier table.
        let text = format!("[x]\n[sources]\nttl = \"1m\"\n\n[{table}]\n{line}\n");
        let text = text.replace("[x]", "# connections, ca, program, hook, account");
        let error = parse(&text).unwrap_err();
        assert!(error.starts_with("tokend.toml:6: "), "{line}: {error}");
        assert!(error.contains(says), "{line}: {error}");
    }
    let text = "[onepassword]\ntoken = 'vault'\nconnect = 'https://a.example'\nca = ''\n";
    let error = parse(text).unwrap_err();
    assert!(error.starts_with("tokend.toml:4: "), "{error}");
    assert!(parse("[limits]\ndenials_per_minute = 0\n").is_ok());
}

#[test]
fn a_file_that_others_may_write_is_refused_with_the_chmod_that_fixes_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let own = nix::unistd::geteuid().as_raw();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("tokend.toml");
    assert!(Config::read(&path, own).is_ok(), "none is as good as empty");
    fs::write(&path, "[operators]\nusers = [\"root\"]\n").unwrap();
    for (mode, good) in [(0o600, true), (0o644, true), (0o664, false), (0o646, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        match Config::read(&path, own) {
            Ok(_) => assert!(good, "{mode:o}"),
            Err(error) => {
                let hint = format!("run `chmod go-w {}`", path.display());
                assert!(!good && error.to_string().ends_with(&hint), "{error}");
            }
        }
    }
}

#[test]
fn named_operators_replace_the_own_account() {
    let config = parse("[operators]\ngroups = [\"daemon\"]\n").unwrap();
    let daemon = Group::from_name("daemon").unwrap().unwrap().gid.as_raw();
    assert!(config.operators.include(7, 7, &[daemon]));
    assert!(!config.operators.include(1000, 1000, &[]));
}

#[test]
fn a_fifo_or_a_directory_for_a_configuration_is_refused_and_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("tokend.toml");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let own_uid = nix::unistd::geteuid().as_raw();
    for path in [&*fifo, directory.path()] {
        let error = Config::read(path, own_uid).unwrap_err();
        let error = broker_protocol::causes::describe(&error);
        assert!(
            error.contains("cannot be read: it is not a regular file"),
            "{error}"
        );
    }
}

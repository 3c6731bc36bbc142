//! A script runs it: its options answer the questions, and a service manager may run the broker.

use super::*;

#[test]
fn without_a_terminal_every_missing_answer_is_named_before_anything_is_done() {
    let account = Account::new();
    let before = account.configuration();
    let ran = account.run("tokenctl setup");
    assert_eq!(ran.code(), Some(2), "{ran:?}");
    for option in [
        "--passphrase-file FILE or --no-recovery",
        "--import FILE or --secret NAME",
        "--repo OWNER/NAME",
        "--permission NAME=LEVEL or --yes",
    ] {
        assert!(ran.stderr.contains(option), "{option}: {ran:?}");
    }
    assert_eq!(account.configuration(), before);
    assert!(!account.path(".local").exists());
    let json = account.run("tokenctl --json setup");
    assert_eq!(json.code(), Some(2), "{json:?}");
}

#[test]
fn options_answer_every_question_and_what_fails_stops_it_with_its_exit_code() {
    if !needs::program("curl") {
        return;
    }
    let account = Account::new();
    let setup = "tokenctl setup --yes --no-recovery --secret site-token --repo acme/site";
    let empty = account.run(setup);
    assert_eq!(empty.code(), Some(2), "{empty:?}");
    assert!(
        empty
            .stderr
            .contains("setup stopped, because `tokenctl secret add site-token` failed"),
        "{empty:?}"
    );
    assert!(empty.stderr.contains("`tokenctl setup` continues"));
    // A value that GitHub does not take leads nowhere, and the next run takes another.
    let wrong = given(&account, "ghp_CANARYcanaryCANARYcanaryCANARYcan0009");
    let line = format!("{setup} < {}", wrong.display());
    let ran = account.run(&line);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    assert!(
        ran.stderr
            .contains("no secret has a value that GitHub takes"),
        "{ran:?}"
    );
    let value = given(&account, canary::CLASSIC);
    let printed = account.run(&line).success();
    fs::remove_file(value).unwrap();
    assert!(printed.contains("found the vault"), "{printed}");
    assert!(
        printed.contains("$ tokenctl secret set site-token\n"),
        "{printed}"
    );
    account.assert_shows_no_value(&printed);
    let policy = fs::read_to_string(account.path(".config/tokend/policies/site.toml")).unwrap();
    let rule = format!("[[allow]]\ncaller = {{ user = \"{}\" }}\n", own_name());
    assert!(policy.ends_with(&rule), "{policy}");
    account.try_it(&printed, SITE);
    let again = account.run(setup).success();
    assert!(again.contains("found the purpose site"), "{again}");

    // The vault of another home is not this broker's.
    let socket = account.path(".local/share/tokend/run/tokend.sock");
    let other = account.path("other");
    let elsewhere = format!(
        "XDG_DATA_HOME={} TOKEND_SOCKET={} {setup}",
        other.display(),
        socket.display()
    );
    let refused = account.run(&elsewhere);
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("has its vault elsewhere"),
        "{refused:?}"
    );
    assert!(!other.exists());
}

/// The service manager of an account, as far as `setup` asks for it.
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "$*" >> "$HOME/asked"
case "$*" in
"--user cat tokend.service") exit 1 ;;
"--user enable --now tokend.socket tokend.service")
    program=$(sed -n 's/^ExecStart=//p' "$HOME/.config/systemd/user/tokend.service")
    setsid "$program" >>"$HOME/trace" 2>&1 </dev/null & ;;
esac
"#;

#[test]
fn where_a_service_manager_runs_the_broker_is_its_unit() {
    let mut account = Account::new();
    let bin = account.path("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("systemctl"), SYSTEMCTL).unwrap();
    fs::set_permissions(bin.join("systemctl"), fs::Permissions::from_mode(0o755)).unwrap();
    let run = account.path("run");
    fs::create_dir_all(run.join("systemd/private")).unwrap();
    fs::set_permissions(&run, fs::Permissions::from_mode(0o700)).unwrap();
    let path = format!("{}:{}", bin.display(), account.env["PATH"]);
    account.env.insert("PATH", path);
    account
        .env
        .insert("XDG_RUNTIME_DIR", run.display().to_string());
    let value = given(&account, canary::CLASSIC);
    let passphrase = account.path("passphrase");
    write_private(&passphrase, format!("{PASSPHRASE}\n"));
    let line = format!(
        "tokenctl setup --yes --passphrase-file {} --secret site-token --repo acme/site < {}",
        passphrase.display(),
        value.display()
    );
    let printed = account.run(&line).success();
    let status = account.run("tokenctl --json status").success();
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["broker"]["root_key_in_force"]["recovery"], true);
    for line in [
        "$ tokenctl init --recovery < ",
        "$ systemctl --user daemon-reload\n",
        "$ systemctl --user enable --now tokend.socket tokend.service\n",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
    let units = account.path(".config/systemd/user");
    let service = fs::read_to_string(units.join("tokend.service")).unwrap();
    let program = format!("ExecStart={}\n", binaries::tokend().display());
    assert!(service.contains(&program), "{service}");
    assert!(units.join("tokend.socket").exists());
    // Another place than the manager's is not for its unit.
    let asked = fs::read_to_string(account.path("asked")).unwrap();
    account
        .env
        .insert("TOKEND_HOME", account.path("other").display().to_string());
    let other = account.run("tokenctl setup --yes --no-recovery --secret x --repo acme/site");
    assert!(other.stdout.contains("$ setsid tokend"), "{other:?}");
    let asked_again = fs::read_to_string(account.path("asked")).unwrap();
    assert_eq!(asked_again, asked);
    let second = account.broker().unwrap();
    kill(second, Signal::SIGTERM).unwrap();
    wait::gone(&second.to_string());
    account.env.remove("TOKEND_HOME");
    assert!(
        Path::new(&account.env["XDG_RUNTIME_DIR"])
            .join("tokend/tokend.sock")
            .exists()
    );
}

//! `tokenctl setup`: from an empty home to a command that has a token, by plain commands.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::accounts::own_name;
use support::broker::Ran;
use support::github::{StandIn, World};
use support::home::write_private;
use support::terminal::Terminal;
use support::{binaries, canary, needs, wait};
use tempfile::TempDir;

const PASSPHRASE: &str = "correct horse battery";
/// What GitHub says of the repository.
const SITE: &str = "\"full_name\":\"acme/site\"";

/// An account that has nothing of ours but the two programs, and GitHub where a stand-in is.
struct Account {
    home: TempDir,
    env: BTreeMap<&'static str, String>,
    _github: StandIn,
}

impl Account {
    fn new() -> Self {
        let world = World::new()
            .organization("acme", &["acme-bot"])
            .repository("acme/site")
            .classic(canary::CLASSIC, "acme-bot", &["repo"])
            .classic(canary::CLASSIC_TWO, "acme-bot", &["repo"]);
        let github = StandIn::start(world);
        let home = tempfile::Builder::new()
            .prefix("tokend-")
            .tempdir()
            .unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let config = home.path().join(".config/tokend");
        fs::create_dir_all(&config).unwrap();
        let (api, ca) = (github.api(), github.ca().display());
        let text = format!("[github]\napi = \"{api}\"\nca = \"{ca}\"\npoll_every = \"off\"\n");
        write_private(&config.join("tokend.toml"), text);
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", binaries::directory().display());
        let env = [("PATH", path), ("HOME", home.path().display().to_string())];
        Self {
            home,
            env: env.into(),
            _github: github,
        }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    fn shell(&self, line: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).env_clear().envs(&self.env);
        shell.stdin(Stdio::null());
        shell
    }

    fn run(&self, line: &str) -> Ran {
        Ran::of(&mut self.shell(line))
    }

    /// `setup` at a terminal.
    fn at_terminal(&self) -> Terminal {
        let mut setup = Command::new(binaries::tokenctl());
        setup.arg("setup").env_clear().envs(&self.env);
        Terminal::start(&setup)
    }

    /// Everything below the directory of the configuration.
    fn configuration(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut directories = vec![self.path(".config")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => directories.push(path),
                    false => drop(found.insert(path.clone(), fs::read(&path).unwrap())),
                }
            }
        }
        found
    }

    fn broker(&self) -> Option<Pid> {
        let status = self.run("tokenctl --json status");
        let status: Value = serde_json::from_str(&status.stdout).ok()?;
        let pid = status["broker"]["pid"].as_i64()?;
        Some(Pid::from_raw(i32::try_from(pid).unwrap()))
    }

    /// Runs the command that `setup` printed last, which must have a token that works: GitHub's answer has this.
    fn try_it(&self, printed: &str, wanted: &str) {
        let (_, printed) = printed.split_once("try it\n").unwrap();
        let (line, _) = printed.split_once("\nIt asks GitHub").unwrap();
        assert!(line.trim_start().starts_with("tokenctl exec "), "{line}");
        let answer = self.run(line).success();
        assert!(answer.contains(wanted), "{answer}");
    }

    fn assert_shows_no_value(&self, printed: &str) {
        for secret in [canary::CLASSIC, canary::CLASSIC_TWO, PASSPHRASE] {
            assert!(!printed.contains(secret), "{printed}");
            let files = canary::files_with(self.home.path(), secret);
            let files = files.into_iter().filter(|file| !file.ends_with("given"));
            assert_eq!(files.count(), 0, "a value is in a file");
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(broker) = self.broker() {
            kill(broker, Signal::SIGTERM).ok();
            wait::gone(&broker.to_string());
        }
    }
}

/// A file with these lines, which the test removes before it looks for values.
fn given(account: &Account, text: &str) -> PathBuf {
    let file = account.path("given");
    write_private(&file, text);
    file
}

#[test]
fn interrupted_at_each_question_the_next_run_goes_on_and_the_last_line_works() {
    if !needs::program("curl") {
        return;
    }
    const QUESTIONS: [(&str, &str); 6] = [
        ("Recovery passphrase: ", PASSPHRASE),
        ("Recovery passphrase again: ", PASSPHRASE),
        ("A name for your token [github-token]: ", ""),
        ("Value of github-token: ", canary::CLASSIC),
        ("(OWNER/NAME or OWNER/*) [acme-bot/*]: ", "acme/site"),
        ("Permissions it gives [contents=read issues=read]: ", ""),
    ];
    // The question that begins each one's step: a run repeats the step that the one before did not finish.
    const STEPS: [usize; 6] = [0, 0, 2, 2, 4, 4];
    let account = Account::new();
    let mut printed = String::new();
    let is_secret = |question: &str| {
        ["Recovery", "Value"]
            .iter()
            .any(|begin| question.starts_with(begin))
    };
    let answer = |terminal: &mut Terminal, (question, answer): (&str, &str)| {
        let before = terminal.expect(question);
        match is_secret(question) {
            true => terminal.type_unseen(&format!("{answer}\n")),
            false => terminal.type_in(&format!("{answer}\n")),
        }
        before
    };
    for (index, (question, _)) in QUESTIONS.iter().enumerate() {
        let mut terminal = account.at_terminal();
        for known in &QUESTIONS[STEPS[index.saturating_sub(1)]..index] {
            printed.push_str(&answer(&mut terminal, *known));
        }
        printed.push_str(&terminal.expect(question));
        if is_secret(question) {
            terminal.type_unseen("\x03");
        } else {
            terminal.type_in("\x03");
        }
        let (rest, status) = terminal.wait();
        assert!(!status.success() && terminal.echoes(), "{rest}");
        printed.push_str(&rest);
    }
    let mut terminal = account.at_terminal();
    for known in &QUESTIONS[STEPS[5]..] {
        printed.push_str(&answer(&mut terminal, *known));
    }
    let (last, status) = terminal.end();
    assert!(status.success(), "{last}");
    printed.push_str(&last);
    let printed = printed.replace('\r', "");
    for line in printed.lines().filter(|line| line.starts_with("$ ")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for command in [
        "$ tokenctl init --recovery\n",
        "$ setsid tokend ",
        "$ tokenctl secret add github-token\n",
        "$ tokenctl policy new github --secret github-token --repo acme/site",
    ] {
        assert!(printed.contains(command), "`{command}`: {printed}");
    }
    account.assert_shows_no_value(&printed);
    account.try_it(&last.replace('\r', ""), SITE);

    let before = (account.configuration(), account.broker());
    let again = account.run("tokenctl setup").success();
    assert_eq!(again.matches("\nfound ").count(), 4, "{again}");
    assert!(!again.contains("$ "), "{again}");
    assert_eq!((account.configuration(), account.broker()), before);
    account.try_it(&again, SITE);
}

#[test]
fn the_usual_file_is_offered_for_import_and_the_broker_outlives_the_terminal() {
    if !needs::program("curl") {
        return;
    }
    let account = Account::new();
    let text = format!(
        "export ORG_SYNC_TOKEN={}\nexport OTHER_TOKEN={}\n",
        canary::CLASSIC,
        canary::CLASSIC_TWO
    );
    write_private(&account.path(".github-tokens"), text);
    let mut terminal = account.at_terminal();
    for (question, typed) in [
        ("Recovery passphrase: ", "too short"),
        ("at least 12 characters; once more", PASSPHRASE),
        ("again: ", "correct horse batteries"),
        ("the two do not match; once more", PASSPHRASE),
        ("again: ", PASSPHRASE),
    ] {
        terminal.expect(question);
        terminal.type_unseen(&format!("{typed}\n"));
    }
    terminal.expect("`none` to type one token [~/.github-tokens]: ");
    terminal.type_in("~/no-such-file\n");
    terminal.expect("there is no file");
    terminal.expect("[~/.github-tokens]: ");
    terminal.type_in("\n");
    terminal.expect("`tokenctl setup --secret NAME`) [org-sync-token]: ");
    terminal.type_in("\n");
    terminal.expect("[acme-bot/*]: ");
    terminal.type_in("not a repository\n");
    terminal.expect("is not a repository");
    terminal.expect("[acme-bot/*]: ");
    terminal.type_in("acme/*\n");
    terminal.expect("[contents=read issues=read]: ");
    terminal.type_in("metdata=read\n");
    terminal.expect("did you mean `metadata`?");
    terminal.expect("[contents=read issues=read]: ");
    terminal.type_in("metadata=read\n");
    let (last, status) = terminal.end();
    assert!(status.success(), "{last}");
    fs::remove_file(account.path(".github-tokens")).unwrap();
    account.assert_shows_no_value(&last);
    // The terminal is gone, and with it all that belonged to it.
    account.try_it(&last.replace('\r', ""), "\"remaining\"");
}

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

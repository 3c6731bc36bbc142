//! P3 and P10: a stored secret is found nowhere in what is written or exposed.
//!
//! A day of use with everything traced, every value a canary; then every file, every output and what
//! the kernel shows of the processes is searched. That the search would find one is tested with it.

mod cores;
mod exec;
mod process;
mod proxy;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::broker::{Ran, run_as};
use support::processes::copies_in_memory;
use support::terminal::Terminal;
use support::wait::until;
use support::{Home, TestBroker, canary, needs};

const IMPORTED: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcan0003";
const IN_A_BAD_BODY: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcan0004";
const IN_A_REASON: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcan0005";
const PASSPHRASE: &str = "canary-passphrase-CANARY-of-the-vault";
const WRONG_PASSPHRASE: &str = "canary-passphrase-CANARY-not-of-the-vault";

const BACKUP_PASSPHRASE: &str = "canary-passphrase-CANARY-of-the-backup";

/// A secret from the broker's environment.
const FROM_ENV: &str = r#"
[secret.env-token]
kind   = "fine-grained"
source = "env:CANARY_TOKEN"
"#;

const READING: &str = r#"
purpose      = "reading"
secret       = "env-token"
repositories = ["acme/*"]
permissions  = { contents = "read" }
deliver      = "raw"

[[allow]]
caller = { uid = UID }
"#;

fn all() -> [&'static str; 9] {
    [
        canary::CLASSIC,
        canary::CLASSIC_TWO,
        canary::FINE_GRAINED,
        IMPORTED,
        IN_A_BAD_BODY,
        IN_A_REASON,
        PASSPHRASE,
        WRONG_PASSPHRASE,
        BACKUP_PASSPHRASE,
    ]
}

/// A broker with a passphrase, and everything that was printed.
struct Day {
    broker: TestBroker,
    printed: Vec<String>,
}

impl Day {
    fn begin(format: &str) -> Self {
        let home = Home::new();
        let mut init = home.tokenctl();
        init.args(["init", "--root-key", "passphrase"]);
        let mut terminal = Terminal::start(&init);
        terminal.expect("Passphrase: ");
        terminal.type_unseen(&format!("{PASSPHRASE}\n"));
        terminal.expect("Passphrase again: ");
        terminal.type_unseen(&format!("{PASSPHRASE}\n"));
        let (shown, status) = terminal.end();
        assert!(status.success(), "{shown}");

        let uid = nix::unistd::geteuid().as_raw().to_string();
        home.policy(
            "secrets.toml",
            &[support::broker::SECRETS, FROM_ENV].concat(),
        );
        let label_sync = support::broker::LABEL_SYNC.replace("UID", &uid);
        home.policy("label-sync.toml", &label_sync);
        home.policy("reading.toml", &READING.replace("UID", &uid));
        let broker = TestBroker::start(home, |command| {
            command
                .args(["--trace", "trace", "--trace-format", format])
                .env("CANARY_TOKEN", canary::FINE_GRAINED);
        });
        Self {
            broker,
            printed: vec![shown],
        }
    }

    fn ran(&mut self, ran: Ran) -> Option<i32> {
        let code = ran.code();
        self.printed.extend([ran.stdout, ran.stderr]);
        code
    }

    fn ctl(&mut self, arguments: &[&str]) -> Option<i32> {
        let ran = self.broker.home.ctl(arguments);
        self.ran(ran)
    }

    fn ctl_with(&mut self, arguments: &[&str], input: &str) -> Option<i32> {
        let ran = self.broker.home.ctl_with(arguments, input);
        self.ran(ran)
    }

    /// A raw request, whose answer is printed.
    fn http(&mut self, method: &str, path: &str, body: &str) -> u16 {
        let answer = self.broker.http(method, path, body);
        self.printed.push(String::from_utf8(answer.body).unwrap());
        answer.status
    }

    /// A request answered with the token: the one place where it belongs.
    fn get(&mut self, purpose: &str, want: &str) {
        let ran = self.broker.home.ctl(&["get", purpose]);
        assert_eq!(ran.stdout.trim(), want, "{ran:?}");
        self.printed.push(ran.stderr);
    }

    fn is_used(&mut self) {
        assert_eq!(self.ctl(&["get", "label-sync"]), Some(5), "locked");
        assert_eq!(self.ctl_with(&["unlock"], WRONG_PASSPHRASE), Some(5));
        assert_eq!(self.ctl_with(&["unlock"], PASSPHRASE), Some(0));

        // Values come in by every way there is.
        let set = ["secret", "set", "org-label-sync-token"];
        assert_eq!(self.ctl_with(&set, canary::CLASSIC), Some(0));
        let file = self.broker.home.path().join("tokens.env");
        fs::write(&file, format!("export IMPORTED_TOKEN=\"{IMPORTED}\"\n")).unwrap();
        let import = ["import", file.to_str().unwrap(), "--org", "acme"];
        assert_eq!(self.ctl(&import), Some(0));
        assert_eq!(self.ctl(&import), Some(0), "a second time");
        fs::remove_file(&file).unwrap();

        // They go out where they may, and only there.
        self.get("label-sync", canary::CLASSIC);
        self.get("reading", canary::FINE_GRAINED);
        let exec = ["exec", "label-sync", "--", "true"];
        assert_eq!(self.ctl(&exec), Some(0));
        assert_eq!(self.ctl(&["get", "imported-token"]), Some(3), "no rule");
        assert_eq!(
            self.ctl(&["get", "label-sync", "--repo", "other/one"]),
            Some(3)
        );

        // Words that hold a secret are refused without being quoted.
        let reason = ["get", "label-sync", "--reason", IN_A_REASON];
        assert_eq!(self.ctl(&reason), Some(2));
        assert_eq!(self.ctl(&["get", "label-sync", IN_A_REASON]), Some(2));
        let as_an_argument = [&set[..], &[canary::CLASSIC_TWO]].concat();
        assert_eq!(self.ctl(&as_an_argument), Some(2));
        let path = "/v1/secrets/org-label-sync-token";
        for body in [
            format!("{{\"value\":\"{IN_A_BAD_BODY}\",\"{IN_A_BAD_BODY}\":1}}"),
            format!("{{\"value\":\"{IN_A_BAD_BODY}\",\"expires_at\":\"{IN_A_BAD_BODY}\"}}"),
            format!("{{\"value\":\"{IN_A_BAD_BODY}\""),
            format!("{{\"value\":[\"{IN_A_BAD_BODY}\"]}}"),
            format!("{{\"value\":\"{IN_A_BAD_BODY}\\u0000\"}}"),
            format!("\"{IN_A_BAD_BODY}\""),
            IN_A_BAD_BODY.to_owned(),
        ] {
            assert_eq!(self.http("PUT", path, &body), 400, "{body}");
        }
        let bad = format!("{{\"purpose\":\"{IN_A_BAD_BODY}\"}}");
        assert_eq!(self.http("POST", "/v1/leases", &bad), 400);
        let bad = format!("{{\"passphrase\":\"{IN_A_BAD_BODY}\",\"{IN_A_BAD_BODY}\":1}}");
        assert_eq!(self.http("POST", "/v1/unlock", &bad), 400);
        self.http("GET", &format!("/v1/secrets/{IN_A_BAD_BODY}"), "");
        self.http(
            "GET",
            &format!("/{IN_A_BAD_BODY}?{IN_A_BAD_BODY}={IN_A_BAD_BODY}"),
            "",
        );
        self.http(IN_A_BAD_BODY, "/v1/leases", "");
        let mut pasted = canary::CLASSIC_TWO.to_owned();
        pasted.push_str(" and more");
        assert_eq!(self.ctl_with(&set, &pasted), Some(2));

        // All there is to read.
        for path in [
            "/v1/secrets",
            "/v1/leases",
            "/v1/status",
            "/v1/purposes",
            "/metrics",
        ] {
            assert_eq!(self.http("GET", path, ""), 200, "{path}");
        }
        for arguments in [
            &["status"][..],
            &["status", "--json"],
            &["doctor"],
            &["secret", "list"],
            &["secret", "show", "org-label-sync-token"],
            &["lease", "list"],
            &["audit", "tail", "-n", "1000"],
            &["audit", "verify"],
            &["audit", "export"],
        ] {
            self.ctl(arguments);
        }

        // All of it goes into a file, and stays there to be searched.
        let backup = self.broker.home.path().join("tokend.backup");
        let backup = backup.to_str().unwrap();
        let from = ["--passphrase-file", "-"];
        let make = [&["backup", backup][..], &from].concat();
        assert_eq!(self.ctl_with(&make, BACKUP_PASSPHRASE), Some(0));
        let verify = [&["backup", "--verify", backup][..], &from].concat();
        assert_eq!(self.ctl_with(&verify, BACKUP_PASSPHRASE), Some(0));
        assert_eq!(self.ctl_with(&verify, WRONG_PASSPHRASE), Some(8));
        let short = format!("{{\"passphrase\":[\"{IN_A_BAD_BODY}\"]}}");
        assert_eq!(self.http("POST", "/v1/backup", &short), 400);

        // Reloads, another value, a lock, an end.
        self.broker
            .home
            .policy("broken.toml", &format!("purpose = \"{IN_A_BAD_BODY}\"\n"));
        assert_eq!(self.ctl(&["policy", "reload"]), Some(1));
        fs::remove_file(self.broker.home.places.policies.join("broken.toml")).unwrap();
        assert_eq!(self.ctl(&["policy", "reload"]), Some(0));
        assert_eq!(self.ctl_with(&set, canary::CLASSIC_TWO), Some(0));
        self.get("label-sync", canary::CLASSIC_TWO);
        assert_eq!(self.ctl(&["lock"]), Some(0));
        assert_eq!(self.ctl_with(&set, canary::CLASSIC), Some(5));
        assert_eq!(self.ctl_with(&["unlock"], PASSPHRASE), Some(0));
        assert_eq!(self.ctl(&["lease", "revoke", "--all"]), Some(0));
        assert_eq!(
            self.ctl(&["secret", "remove", "imported-token", "--yes"]),
            Some(0)
        );
    }

    /// Fails if a canary is in a file of the home, or in what was printed.
    #[track_caller]
    fn nothing_is_found(home: &Home, printed: &[String]) {
        for secret in all() {
            // Its own words in a policy file that was refused and removed do not count.
            assert_eq!(canary::files_with(home.path(), secret), [""; 0], "{secret}");
            let told = printed
                .iter()
                .find(|text| canary::is_in(text.as_bytes(), secret));
            assert_eq!(told, None, "{secret}");
        }
    }
}

fn a_day_of_use_leaves_no_secret_behind(format: &str) {
    if !needs::program("setsid") {
        return;
    }
    let mut day = Day::begin(format);
    day.is_used();
    // While it runs: the database, its write-ahead log, the audit log, the trace.
    Day::nothing_is_found(&day.broker.home, &day.printed);
    assert!(day.broker.home.path().join("vault.db-wal").exists());
    assert!(!day.broker.home.trace().is_empty(), "something was traced");

    let seen = exposed_by(day.broker.pid().as_raw());
    for secret in all() {
        // The exception said out loud in SECURITY.md: what came by the environment stays there.
        let in_environ = secret == canary::FINE_GRAINED;
        assert_eq!(canary::is_in(&seen.environ, secret), in_environ, "{secret}");
        assert!(!canary::is_in(&seen.command_line, secret), "{secret}");
    }
    let doctor = day.broker.home.ctl(&["doctor"]);
    assert!(
        doctor.stdout.contains("environment"),
        "and doctor says so: {doctor:?}"
    );

    memory_holds_no_secret_after_a_lock(&mut day);
    let Day { broker, printed } = day;
    let home = broker.stop();
    Day::nothing_is_found(&home, &printed);
}

/// Neither what was stored and handed out, nor what was typed, refused or written into a wrong place.
fn memory_holds_no_secret_after_a_lock(day: &mut Day) {
    assert_eq!(day.ctl(&["lock"]), Some(0));
    if !needs::root() {
        return;
    }
    let (environment, secrets): (Vec<_>, Vec<_>) = all()
        .into_iter()
        .partition(|secret| *secret == canary::FINE_GRAINED);
    let pid = day.broker.pid();
    // What came by the environment stays there, which also shows that the search would find one.
    assert!(!copies_in_memory(pid, &environment).is_empty());
    let found = copies_in_memory(pid, &secrets);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn p10_a_day_of_use_leaves_no_secret_in_what_is_written_as_text() {
    a_day_of_use_leaves_no_secret_behind("text");
}

#[test]
fn p10_a_day_of_use_leaves_no_secret_in_what_is_written_as_json() {
    a_day_of_use_leaves_no_secret_behind("json");
}

/// What the kernel shows of a process to its own account, or to root.
struct Exposed {
    environ: Vec<u8>,
    command_line: Vec<u8>,
}

fn exposed_by(pid: i32) -> Exposed {
    Exposed {
        environ: fs::read(format!("/proc/{pid}/environ")).unwrap(),
        command_line: fs::read(format!("/proc/{pid}/cmdline")).unwrap(),
    }
}

#[test]
fn p3_a_value_typed_at_a_prompt_is_neither_echoed_nor_shown_by_the_kernel() {
    if !needs::program("setsid") {
        return;
    }
    let broker = Home::ready().start();
    let mut set = broker.home.tokenctl();
    set.args(["secret", "set", "org-label-sync-token"]);
    let mut terminal = Terminal::start(&set);
    terminal.expect("Value of org-label-sync-token: ");
    terminal.type_unseen(canary::CLASSIC);
    let seen = exposed_by(i32::try_from(terminal.child.id()).unwrap());
    assert!(!seen.command_line.is_empty());
    assert!(!canary::is_in(&seen.environ, canary::CLASSIC));
    assert!(!canary::is_in(&seen.command_line, canary::CLASSIC));
    terminal.type_in("\n");
    let (shown, status) = terminal.end();
    assert!(status.success(), "{shown}");
    assert!(!canary::is_in(shown.as_bytes(), canary::CLASSIC), "{shown}");
    let got = broker.home.ctl(&["get", "label-sync"]).success();
    assert_eq!(got.trim(), canary::CLASSIC);
}

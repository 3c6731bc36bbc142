//! `gh`, unchanged, over a Unix socket: it is content with the answers, and REST and the state say the same.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use tempfile::TempDir;

use super::super::super::StandIn;
use super::TOKEN;
use crate::needs;

/// A stand-in, and a socket that leads to it.
struct Setting {
    github: StandIn,
    home: TempDir,
}

fn setting() -> Option<Setting> {
    if !needs::program("gh") {
        return None;
    }
    let github = super::github()?;
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("socket");
    let config = format!("http_unix_socket: {}\n", socket.display());
    std::fs::write(home.path().join("config.yml"), config).unwrap();
    let address = github.plain().replace("http://", "");
    let listener = UnixListener::bind(&socket).unwrap();
    // Its thread ends with the process of the test.
    thread::spawn(move || {
        for client in listener.incoming() {
            let server = TcpStream::connect(&address).unwrap();
            relay(client.unwrap(), server);
        }
    });
    Some(Setting { github, home })
}

fn relay(client: UnixStream, server: TcpStream) {
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        // Who hangs up first does not matter.
        io::copy(&mut from, &mut to).ok();
        to.shutdown(Shutdown::Write).ok();
    });
    let (mut from, mut to) = (server, client);
    thread::spawn(move || {
        io::copy(&mut from, &mut to).ok();
        to.shutdown(Shutdown::Both).ok();
    });
}

impl Setting {
    /// What gh prints.
    #[track_caller]
    fn gh(&self, arguments: &[&str]) -> String {
        let (code, out, error) = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {error}");
        out
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let home: &Path = self.home.path();
        let ran = Command::new("gh")
            .args(arguments)
            .current_dir(home)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", home)
            .env("GH_CONFIG_DIR", home)
            .env("GH_TOKEN", TOKEN)
            .env("GH_NO_UPDATE_NOTIFIER", "1")
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (ran.status.code(), text(ran.stdout), text(ran.stderr))
    }
}

#[test]
fn it_reads() {
    let Some(setting) = setting() else { return };
    let site = ["-R", "acme/site"];
    let with = |arguments: &[&'static str]| [arguments, &site[..]].concat();
    for (arguments, want) in [
        (with(&["issue", "list"]), "It is broken\tbug"),
        (
            with(&["issue", "list", "--label", "bug", "--state", "all"]),
            "It is broken",
        ),
        (
            with(&["issue", "list", "--search", "is:open broken"]),
            "It is broken",
        ),
        (with(&["issue", "view", "1"]), "title:\tIt is broken"),
        (with(&["issue", "view", "1", "--comments"]), "I see it too"),
        (with(&["issue", "status"]), "It is broken"),
        (with(&["pr", "list"]), "A fix\tfix\tOPEN"),
        (with(&["pr", "view", "2"]), "title:\tA fix"),
        (
            with(&[
                "pr",
                "view",
                "3",
                "--json",
                "headRepositoryOwner,files,commits",
            ]),
            "globex",
        ),
        (with(&["pr", "status"]), "A fix"),
        (with(&["pr", "diff", "2"]), "diff --git"),
        (with(&["label", "list"]), "bug\t\t#ededed"),
        (with(&["release", "list"]), ""),
        (vec!["repo", "view", "acme/site"], "# acme/site"),
        (
            vec!["repo", "view", "globex/site", "--json", "parent,isFork"],
            "acme",
        ),
        (vec!["repo", "list", "acme"], "acme/docs\t\tprivate"),
        (vec!["auth", "status"], ""),
    ] {
        let out = setting.gh(&arguments);
        assert!(out.contains(want), "{arguments:?}: {out}");
    }
    let (code, _, error) = setting.run(&["repo", "view", "acme/none"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("Could not resolve to a Repository with the name 'acme/none'."));
    let wrong = setting
        .github
        .touched()
        .into_iter()
        .flat_map(|call| call.errors);
    let wrong: Vec<String> = wrong.filter(|error| !error.contains("acme/none")).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn it_changes() {
    let Some(setting) = setting() else { return };
    let github = &setting.github;
    let gh = |arguments: &[&str]| setting.gh(&[arguments, &["-R", "acme/site"]].concat());
    let made = gh(&[
        "issue",
        "create",
        "--title",
        "New",
        "--body",
        "b",
        "--label",
        "bug",
        "--assignee",
        "@me",
    ]);
    assert_eq!(made.trim(), "https://github.com/acme/site/issues/4");
    gh(&["issue", "comment", "4", "--body", "said"]);
    gh(&[
        "issue",
        "edit",
        "4",
        "--title",
        "Newer",
        "--remove-label",
        "bug",
    ]);
    gh(&["issue", "close", "4", "--comment", "done"]);
    let (issue, comments) = github.change(|state| {
        (
            state.issue("acme/site#4").clone(),
            state.comments("acme/site#4"),
        )
    });
    assert_eq!((issue.title.as_str(), issue.state()), ("Newer", "CLOSED"));
    let said: Vec<&str> = comments.iter().map(|one| one.body.as_str()).collect();
    assert_eq!(said, ["said", "done"]);
    gh(&["issue", "reopen", "4"]);

    let made = gh(&[
        "pr",
        "create",
        "--title",
        "Better",
        "--body",
        "b",
        "--head",
        "better",
        "--base",
        "main",
        "--reviewer",
        "carol",
    ]);
    assert_eq!(made.trim(), "https://github.com/acme/site/pull/5");
    gh(&["pr", "review", "5", "--comment", "--body", "fine"]);
    gh(&["pr", "edit", "5", "--title", "Best"]);
    gh(&["pr", "comment", "5", "--body", "said"]);
    gh(&["pr", "close", "5"]);
    gh(&["pr", "reopen", "5"]);
    gh(&["pr", "merge", "5", "--merge"]);
    let pull = github.change(|state| state.issue("acme/site#5").clone());
    assert_eq!((pull.title.as_str(), pull.state()), ("Best", "MERGED"));
    gh(&["label", "create", "urgent", "--color", "ff0000"]);
    assert!(gh(&["label", "list"]).contains("urgent"));
    gh(&["issue", "transfer", "4", "acme/docs"]);
    assert_eq!(
        github.change(|state| state.issues("acme/docs")),
        ["Say more", "Newer"]
    );
}

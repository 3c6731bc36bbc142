//! A command under `exec` that reaches GitHub through the broker: the stored token is not where it could find it.

use std::collections::BTreeMap;

use support::github_com::{API, can_be_played};
use support::processes::listening_on;
use support::scenes::exec::{LABEL_SYNC, Scene};

use super::*;
use crate::tunnel::running::{Waiting, port_of};

/// What it does with its token; then it waits.
const SCRIPT: &str = r#"
    cd "$OUT"
    env >environment
    curl --silent --show-error --verbose -H "Authorization: Bearer $GITHUB_TOKEN" \
        "API/repos/acme/site/labels" --output read --dump-header head 2>said
    curl --silent -H "Authorization: Bearer $GITHUB_TOKEN" "API/repos/other/site" --output refused
    curl --silent -H "Authorization: Bearer $GITHUB_TOKEN" -d '{"name":"bug"}' \
        "API/repos/acme/site/labels" --output made
    echo done
    read line
"#;

#[test]
fn p3_a_command_that_asks_github_through_the_broker_cannot_find_the_stored_token() {
    if !can_be_played() || !needs::program("curl") {
        return;
    }
    let scene = Scene::new();
    let mut waiting = Waiting::start(&scene, &[LABEL_SYNC], &SCRIPT.replace("API", API));
    assert_eq!(waiting.line(), "done");
    assert_eq!(scene.com.github.calls("POST /repos/acme/site/labels"), 1);

    let command = waiting.pid();
    let environment = fs::read(format!("/proc/{command}/environ")).unwrap();
    let variables = variables(&environment);
    let token = &variables["GITHUB_TOKEN"];
    let relay = listening_on(port_of(&variables["HTTPS_PROXY"])).expect("a relay");
    assert_ne!(relay, command);
    // The control: what it was handed out is found.
    assert!(canary::is_in(&environment, token));
    assert!(!copies_in_memory(command, &[token]).is_empty());
    for pid in [command, relay] {
        let seen = exposed_by(pid.as_raw());
        for exposed in [&seen.environ, &seen.command_line] {
            assert!(!canary::is_in(exposed, canary::CLASSIC));
        }
        let found = copies_in_memory(pid, &[canary::CLASSIC]);
        assert!(found.is_empty(), "{found:#?}");
    }
    // The relay has no token at all, nor anything else of the command's.
    let seen = exposed_by(relay.as_raw());
    assert!(!canary::is_in(&seen.environ, token) && !canary::is_in(&seen.command_line, token));
    let found = copies_in_memory(relay, &[token]);
    assert!(found.is_empty(), "{found:#?}");
    let files = fs::read_dir(format!("/proc/{relay}/fd")).unwrap().flatten();
    let links: Vec<_> = files
        .filter_map(|file| fs::read_link(file.path()).ok())
        .collect();
    assert!(
        links
            .iter()
            .all(|link| !link.to_str().unwrap().starts_with("pipe:")),
        "{links:?}"
    );

    let home = scene.broker.home.path();
    for directory in [scene.user(), home] {
        assert_eq!(canary::files_with(directory, canary::CLASSIC), [""; 0]);
    }
    // In the user's own directory it is where the command put it, and in no file of `tokenctl`'s.
    let out = scene.path("out");
    let with_token = canary::files_with(scene.user(), token);
    assert!(
        with_token
            .iter()
            .all(|file| file.starts_with(out.to_str().unwrap())),
        "{with_token:?}"
    );
    assert_eq!(canary::files_with(home, token), [""; 0]);
    for text in [home, scene.user()] {
        assert_eq!(canary::files_with(text, "BEGIN PRIVATE KEY"), [""; 0]);
    }
    waiting.end();
}

fn variables(environment: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8(environment.to_vec()).unwrap();
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

//! A day of use of a proxy lease: neither the stored token nor the caller's own is where it does not belong.

use std::path::PathBuf;

use support::{github, wait};

use super::*;
use crate::proxy::{LABELS, OTHER_LABELS, Scene};

/// What the caller runs with its token, which fails at whatever it likes. All it prints, and all files it writes,
/// are searched.
const SCRIPT: &str = r#"
    env
    cd "$OUT"
    ask() { curl --silent --show-error --verbose --max-time 20 --unix-socket "$SOCK" "$@"; }
    ask -H "Authorization: Bearer $TOKEN" "$URL$LABELS" --output read --dump-header read-head
    ask -H "Authorization: token $TOKEN" -d '{"name":"bug"}' "$URL$LABELS" --output made
    ask -u "x:$TOKEN" -I "$URL$LABELS"
    ask -H "Authorization: Bearer $TOKEN" "$URL$OTHER"
    ask -H "Authorization: Bearer $TOKEN" "$URL/user"
    ask -H "Authorization: Bearer $TOKEN" -H 'Cookie: a=b' -X TRACE "$URL$LABELS"
    ask -H "Authorization: Bearer $TOKEN" -H "Authorization: Bearer $TOKEN" "$URL$LABELS"
    ask -H "Authorization: Bearer ${TOKEN}x" "$URL$LABELS"
    ask -H "X: $TOKEN" "$URL$LABELS"
    # Where it does not belong, but where people put it.
    ask -H "Authorization: Bearer $TOKEN" "$URL$LABELS/$TOKEN"
    ask -H "Authorization: Bearer $TOKEN" "$URL$LABELS?access_token=$TOKEN"
    ask -H "Authorization: Bearer $TOKEN" "$URL$OTHER/$TOKEN"
    ask -H "Authorization: Bearer $TOKEN" "$URL/$TOKEN"
    ask -H "Authorization: Bearer $TOKEN" "$URL/repos/acme/$TOKEN/labels"
    ask -H "Authorization: Bearer $TOKEN" -H "Host: $TOKEN" "$URL$LABELS"
    ask -H "Authorization: Bearer $TOKEN" -X "$TOKEN" "$URL$LABELS"
    ask -H "$TOKEN" "$URL$LABELS"
    exit 0
"#;

struct Caller {
    directory: tempfile::TempDir,
    printed: String,
}

impl Caller {
    /// Runs the script with this token, in an environment and a directory of its own.
    fn run(scene: &Scene, token: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut sh = Command::new("sh");
        sh.args(["-c", SCRIPT])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", directory.path())
            .env("OUT", directory.path())
            .env("SOCK", scene.broker.proxy_socket())
            .env("URL", scene.url(""))
            .env("LABELS", LABELS)
            .env("OTHER", OTHER_LABELS)
            .env("TOKEN", token);
        let ran = Ran::of(&mut sh);
        let printed = format!("{}{}", ran.stdout, ran.stderr);
        assert!(ran.status.success(), "{printed}");
        Self { directory, printed }
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// Everything that an operator or the caller can have the broker say of it.
fn all_that_is_told(scene: &Scene, lease: &str) -> String {
    let broker = &scene.broker;
    let lease = format!("/v1/leases/{lease}");
    let paths = [
        "/v1/secrets",
        "/v1/leases",
        "/v1/status",
        "/v1/purposes",
        "/metrics",
        &lease,
    ];
    let answers = paths.map(|path| String::from_utf8(broker.http("GET", path, "").body).unwrap());
    let commands: [&[&str]; 6] = [
        &["status", "--json"],
        &["doctor"],
        &["lease", "list"],
        &["secret", "show", "org-label-sync-token"],
        &["audit", "tail", "-n", "1000"],
        &["audit", "export"],
    ];
    let printed = commands.map(|command| {
        let ran = broker.home.ctl(command);
        format!("{}{}", ran.stdout, ran.stderr)
    });
    format!("{}{}", answers.concat(), printed.concat())
}

fn a_proxy_lease_leaves_no_token_behind(format: &str) {
    if !needs::program("curl") {
        return;
    }
    let trace = ["--trace", "trace", "--trace-format", format];
    let start = |home| {
        TestBroker::start(home, |command| {
            command.args(trace);
        })
    };
    let scene = Scene::with("", |policy| policy, start);
    let get = scene.broker.home.ctl(&["get", "label-sync"]);
    let printed_by_get = get.stderr.clone();
    let token = get.success().trim().to_owned();
    let granted = scene.broker.home.records_of("lease.granted");
    let lease = granted[0]["lease"].as_str().unwrap();

    let caller = Caller::run(&scene, &token);
    assert!(caller.files().len() >= 3, "{:?}", caller.files());
    assert_eq!(
        scene.github.calls(&format!("POST {LABELS}")),
        1,
        "{}",
        caller.printed
    );
    // Whoever sends it to GitHub is told that it is none; it is in no answer.
    let asked = github::ask::ask(&scene.github, "GET /user", &token);
    assert_eq!(asked.status, 401);
    // GitHub refuses the stored token, which is told to the caller and to operators.
    scene.github.change(|state| state.revoke(canary::CLASSIC));
    let refused = scene.ask(&format!("GET {LABELS}"), &token, "");
    assert_eq!(refused.header("tokend-error"), Some("upstream_refused"));
    until(|| !scene.broker.home.records_of("secret.checked").is_empty());
    let told = all_that_is_told(&scene, lease);

    // The stored token: nowhere at all.
    let texts = [
        &caller.printed,
        &printed_by_get,
        &told,
        &format!("{refused:?}"),
    ];
    assert!(
        texts
            .iter()
            .all(|text| !canary::is_in(text.as_bytes(), canary::CLASSIC))
    );
    let searched = [caller.directory.path(), scene.broker.home.path()];
    for directory in searched {
        assert_eq!(canary::files_with(directory, canary::CLASSIC), [""; 0]);
    }
    // The caller's own: in nothing that the broker writes or tells. The control: the caller has it.
    assert!(canary::is_in(caller.printed.as_bytes(), &token));
    assert_eq!(
        canary::files_with(scene.broker.home.path(), &token),
        [""; 0]
    );
    for text in [&printed_by_get, &told, &format!("{refused:?}")] {
        assert!(!canary::is_in(text.as_bytes(), &token), "{text}");
    }
    assert!(
        !scene.broker.home.trace().is_empty(),
        "something was traced"
    );

    let pid = scene.broker.pid();
    let seen = exposed_by(pid.as_raw());
    for secret in [canary::CLASSIC, &token] {
        assert!(
            !canary::is_in(&seen.environ, secret) && !canary::is_in(&seen.command_line, secret)
        );
    }
    scene.broker.home.ctl(&["lock"]).success();
    if needs::root() {
        nothing_in_memory(&scene, &[canary::CLASSIC, &token]);
    }
}

#[test]
fn p10_neither_the_stored_token_nor_a_proxy_token_is_in_what_is_written_as_text() {
    a_proxy_lease_leaves_no_token_behind("text");
}

#[test]
fn p10_neither_the_stored_token_nor_a_proxy_token_is_in_what_is_written_as_json() {
    a_proxy_lease_leaves_no_token_behind("json");
}

#[test]
fn p10_after_a_lock_the_memory_holds_no_value_that_requests_were_made_with() {
    if !needs::root() {
        return;
    }
    let scene = Scene::new();
    let lease = scene.lease();
    for _ in 0..20 {
        let answer = scene.ask(&format!("GET {LABELS}"), &lease.token, "");
        assert_eq!(answer.status, 200);
    }
    scene.broker.home.ctl(&["lock"]).success();
    nothing_in_memory(&scene, &[canary::CLASSIC]);
}

/// Connections to GitHub are closed by a lock, which takes a moment.
fn nothing_in_memory(scene: &Scene, secrets: &[&str]) {
    let mut found = Vec::new();
    let is_wiped = wait::is_soon(|| {
        found = copies_in_memory(scene.broker.pid(), secrets);
        found.is_empty()
    });
    assert!(is_wiped, "{found:#?}");
}

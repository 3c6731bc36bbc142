//! git itself, with nothing configured but `credential.helper = "!tokenctl git-credential"`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::broker::Ran;
use support::git_server::{GitServer, git};
use support::{TestBroker, binaries, canary, needs};

/// The one purpose that gives contents.
const SYNC: &str = r#"
purpose      = "auto-sync"
secret       = "org-label-sync-token"
repositories = ["acme/*"]
permissions  = { contents = "write", metadata = "read" }
deliver      = "raw"

[[allow]]
caller = { uid = UID }
"#;

struct Scene {
    broker: TestBroker,
    server: GitServer,
}

impl Scene {
    /// A broker that gives contents to this account, and a server that knows the broker's token.
    fn allowed() -> Self {
        Self::with(
            canary::CLASSIC,
            &nix::unistd::geteuid().as_raw().to_string(),
        )
    }

    fn with(servers_token: &str, uid: &str) -> Self {
        let broker = TestBroker::with_label_sync();
        broker
            .home
            .policy("auto-sync.toml", &SYNC.replace("UID", uid));
        broker.reload();
        let scene = Self {
            broker,
            server: GitServer::start(servers_token),
        };
        scene.config("credential.helper", "!tokenctl git-credential");
        scene
    }

    fn config(&self, name: &str, value: &str) {
        self.git(&["config", "--global", "--add", name, value])
            .success();
    }

    fn git(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command().args(arguments))
    }

    /// git as a user has it: our programs on the `PATH`, the scratch home, and an askpass program
    /// that tells if it was ever run.
    fn command(&self) -> Command {
        let askpass = self.path("askpass");
        if !askpass.exists() {
            binaries::install_script(&askpass, "touch \"$0.was-run\"; echo prompted");
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let ours = std::iter::once(binaries::directory().to_owned());
        let path = std::env::join_paths(ours.chain(std::env::split_paths(&path))).unwrap();
        let mut command = self.broker.home.command(Path::new("git"));
        command
            .current_dir(self.broker.home.path())
            .env("PATH", path)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_ASKPASS", &askpass)
            .env("TOKEND_GIT_HOSTS", self.server.host());
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.broker.home.path().join(name)
    }

    fn prompted(&self) -> bool {
        self.path("askpass.was-run").exists()
    }

    fn clone(&self) -> PathBuf {
        let clone = self.path("clone");
        self.git(&["clone", &self.server.url(), clone.to_str().unwrap()])
            .success();
        clone
    }

    fn push_from(&self, clone: &Path) -> Ran {
        Ran::of(
            self.command()
                .current_dir(clone)
                .args(["push", "origin", "main"]),
        )
    }
}

fn commit(clone: &Path, name: &str, content: &[u8]) {
    fs::write(clone.join(name), content).unwrap();
    git(clone, &["add", name]);
    git(clone, &["commit", "--quiet", "--message=Another"]);
}

#[test]
fn a_private_repository_is_cloned_and_pushed_to_and_the_token_is_in_no_trace_and_no_file_of_it() {
    if !needs::program("git") {
        return;
    }
    let scene = Scene::allowed();
    let clone = scene.path("clone");
    let ran = Ran::of(
        scene
            .command()
            .env("GIT_TRACE", "1")
            .env("GIT_TRACE_CURL", "1")
            .env("GIT_TRACE_SETUP", "1")
            .args(["clone", &scene.server.url(), clone.to_str().unwrap()]),
    );
    assert!(
        ran.stderr.contains("Authorization: Basic <redacted>"),
        "{ran:?}"
    );
    assert!(!canary::is_in(ran.stderr.as_bytes(), canary::CLASSIC));
    ran.success();
    assert_eq!(
        fs::read_to_string(clone.join("README")).unwrap(),
        "private\n"
    );
    commit(&clone, "more", b"more\n");
    scene.push_from(&clone).success();
    assert_eq!(
        scene.server.revision("main"),
        git(&clone, &["rev-parse", "HEAD"])
    );

    assert!(!scene.prompted());
    let grants = scene.broker.home.records_of("lease.granted");
    assert_eq!(grants.len(), 2, "one for the clone, one for the push");
    assert!(grants.iter().all(|grant| grant["purpose"] == "auto-sync"));
    assert!(
        scene.server.seen().iter().any(|request| !request.allowed),
        "it is private"
    );

    // git sends what is larger than its buffer of 1 MiB in chunks, after a probe.
    // Bytes that do not compress.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    })
    .take(5 << 20)
    .collect();
    commit(&clone, "noise", &noise);
    scene.push_from(&clone).success();
    assert_eq!(
        scene.server.revision("main"),
        git(&clone, &["rev-parse", "HEAD"])
    );
    let seen = scene.server.seen();
    assert!(
        seen.iter()
            .any(|request| request.chunked && request.length > 5 << 20),
        "{seen:?}"
    );
    assert_eq!(
        canary::files_with(scene.broker.home.path(), canary::CLASSIC),
        [""; 0]
    );
}

#[test]
fn a_host_that_was_named_gets_a_token_for_the_repository_git_names_and_no_other_host_any() {
    if !needs::program("git") {
        return;
    }
    let scene = Scene::allowed();
    let ran = Ran::of(scene.command().env_remove("TOKEND_GIT_HOSTS").args([
        "clone",
        &scene.server.url(),
        "clone",
    ]));
    assert_eq!(ran.code(), Some(128), "{ran:?}");
    assert!(scene.prompted(), "it is left to git's other ways");
    assert_eq!(scene.broker.home.records_of("lease.granted").len(), 0);
    assert!(scene.server.seen().iter().all(|request| !request.allowed));

    fs::remove_file(scene.path("askpass.was-run")).unwrap();
    assert!(!scene.path("clone").exists());
    scene.config("credential.useHttpPath", "true");
    scene.clone();
    let grants = scene.broker.home.records_of("lease.granted");
    assert_eq!(grants[0]["repositories"], serde_json::json!(["acme/site"]));

    // Without a broker git stops and does not prompt.
    fs::remove_dir_all(scene.path("clone")).unwrap();
    scene.broker.signal(nix::sys::signal::Signal::SIGTERM);
    support::wait::until(|| !scene.broker.socket().exists() || is_deserted(&scene.broker));
    let ran = scene.git(&["clone", &scene.server.url(), "clone"]);
    assert_eq!(ran.code(), Some(128), "{ran:?}");
    assert!(ran.stderr.contains("tokenctl: hint: start it"), "{ran:?}");
    assert!(!scene.prompted());
}

#[test]
fn a_denied_caller_is_told_why_at_once_and_neither_prompted_nor_helped_by_another() {
    if !needs::program("git") {
        return;
    }
    let scene = Scene::with(canary::CLASSIC, "4000000000");
    // An older helper that would know a token: git is not to go on to it.
    let other = scene.path("other");
    let script = format!(
        "touch {0}.was-run; echo username=x; echo password=y",
        other.display()
    );
    binaries::install_script(&other, &script);
    scene.config("credential.helper", other.to_str().unwrap());

    let ran = scene.git(&["clone", &scene.server.url(), "clone"]);
    assert_eq!(ran.code(), Some(128), "{ran:?}");
    assert!(
        ran.stderr
            .contains("tokenctl: error: no purpose gives you the contents"),
        "{ran:?}"
    );
    assert!(!scene.prompted());
    assert!(!scene.path("other.was-run").exists());

    let named = Ran::of(scene.command().env("TOKEND_PURPOSE", "auto-sync").args([
        "clone",
        &scene.server.url(),
        "clone",
    ]));
    assert_eq!(named.code(), Some(128), "{named:?}");
    assert!(
        named.stderr.contains("`auto-sync` is not allowed"),
        "{named:?}"
    );
    assert!(!scene.prompted());
    assert_eq!(scene.broker.home.records_of("lease.denied").len(), 1);
}

fn is_deserted(broker: &TestBroker) -> bool {
    std::os::unix::net::UnixStream::connect(broker.socket()).is_err()
}

/// A token that GitHub refuses is a hint for an operator; git must not talk the broker out of it.
#[test]
fn a_token_the_server_refuses_stays_where_it_is() {
    if !needs::program("git") {
        return;
    }
    let uid = nix::unistd::geteuid().as_raw().to_string();
    let scene = Scene::with(canary::CLASSIC_TWO, &uid);
    let ran = scene.git(&["clone", &scene.server.url(), "clone"]);
    assert_eq!(ran.code(), Some(128), "{ran:?}");
    let told = format!("{} rejected the token", scene.server.host());
    assert!(ran.stderr.contains(&told), "{ran:?}");
    assert!(!scene.prompted());
    let still = scene.broker.home.ctl(&["get", "auto-sync"]).success();
    assert_eq!(still.trim(), canary::CLASSIC);
}

#[test]
fn clones_past_the_limit_of_leases_go_on_and_each_is_recorded() {
    let home = TestBroker::with_label_sync().stop();
    home.config("[limits]\nleases_per_account = 3\n");
    let uid = nix::unistd::geteuid().to_string();
    home.policy("auto-sync.toml", &SYNC.replace("UID", &uid));
    let broker = home.start();
    let clone = |broker: &TestBroker| {
        let asked = "protocol=https\nhost=github.com\n\n";
        let get = ["git-credential", "get"];
        let answer = broker.home.ctl_with(&get, asked).success();
        assert!(answer.contains(canary::CLASSIC), "{answer}");
    };
    for _ in 0..8 {
        clone(&broker);
    }
    let granted = broker.home.records_of("lease.granted");
    let pids: BTreeSet<_> = granted
        .iter()
        .map(|record| record["caller"]["pid"].as_u64().unwrap())
        .collect();
    assert_eq!((granted.len(), pids.len()), (8, 8), "no lease is shared");
    let ended = broker.home.records_of("lease.expired");
    let ids = |records: &[Value]| -> Vec<Value> {
        records
            .iter()
            .map(|record| record["lease"].clone())
            .collect()
    };
    assert_eq!(ids(&ended), ids(&granted[..5]), "the oldest first");
    assert!(ended.iter().all(|record| record["why"] == "superseded"));

    let broker = broker.kill().start();
    let live = broker.http("GET", "/v1/leases", "").json();
    let live = live["leases"].as_array().unwrap();
    assert_eq!(ids(live), ids(&granted[5..]), "also after a start");
    clone(&broker);
    // By another rule it is not the same lease.
    let other = broker.lease(r#"{"purpose":"label-sync"}"#);
    assert_eq!(other.status, 429, "{other:?}");
    assert!(other.header("retry-after").is_some());
}

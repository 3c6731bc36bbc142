//! git itself over the proxy: every git on this machine, through a relay, since none speaks to a Unix socket, to
//! `git http-backend` behind TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use support::broker::{Ran, own};
use support::git_server::{GitServer, Pack, git};
use support::relay::Relay;
use support::tls_front::TlsFront;
use support::{Home, TestBroker, canary, needs, wait};

const SITE: &str = "https://github.com/acme/site.git";

/// A purpose on `acme/site` over the proxy.
fn purpose(name: &str, level: &str, more: &str) -> String {
    own(&format!(
        "purpose = \"{name}\"\nsecret = \"org-label-sync-token\"\nrepositories = [\"acme/site\"]\n\
         permissions = {{ contents = \"{level}\", workflows = \"write\" }}\ndeliver = \"proxy\"\n{more}\n\
         [[allow]]\ncaller = {{ uid = UID }}\n"
    ))
}

struct Scene {
    broker: TestBroker,
    server: GitServer,
    relay: Relay,
    _front: TlsFront,
    program: PathBuf,
}

impl Scene {
    fn new(program: &Path) -> Self {
        let server = GitServer::start(canary::CLASSIC);
        let front = TlsFront::before(&server.host());
        let home = Home::ready();
        home.policy("push.toml", &purpose("push", "write", ""));
        home.policy("fetch.toml", &purpose("fetch", "read", ""));
        home.policy("public.toml", &purpose("public", "read", "public = true"));
        let api = format!("https://{}/api/v3", front.host());
        let quiet = "check_every = \"off\"\npoll_every = \"off\"";
        home.github_at(&api, &front.ca(), quiet);
        let broker = home.start();
        broker
            .home
            .ctl_with(&["secret", "set", "org-label-sync-token"], canary::CLASSIC)
            .success();
        Self {
            relay: Relay::start(&broker.proxy_socket(), &front.host()),
            _front: front,
            broker,
            server,
            program: program.to_owned(),
        }
    }

    /// A new lease: its id and its token.
    fn lease(&self, purpose: &str) -> (String, String) {
        let answer = self.broker.lease(&format!("{{\"purpose\":\"{purpose}\"}}"));
        assert_eq!(answer.status, 201, "{answer:?}");
        let text = |field: &str| answer.json()[field].as_str().unwrap().to_owned();
        (text("lease"), text("token"))
    }

    /// git as a user has it, sent to the relay with this token, or none.
    fn git(&self, token: &str) -> Command {
        let url = self.relay.url();
        let mut command = self.broker.home.command(&self.program);
        command
            .current_dir(self.broker.home.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.org"])
            .args(["-c", &format!("url.{url}/.insteadOf=https://github.com/")]);
        if !token.is_empty() {
            let basic = STANDARD.encode(format!("x-access-token:{token}"));
            let header = format!("http.{url}/.extraHeader=Authorization: Basic {basic}");
            command.args(["-c", &header]);
        }
        command
    }

    fn clone(&self, token: &str, url: &str, to: &str) -> Ran {
        Ran::of(self.git(token).args(["clone", url, to]))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.broker.home.path().join(name)
    }

    fn push(&self, token: &str, clone: &Path) -> Ran {
        let mut command = self.git(token);
        Ran::of(command.current_dir(clone).args(["push", "origin", "main"]))
    }

    /// How the last clone ended, on record.
    fn outcome(&self) -> serde_json::Value {
        let transfer = || {
            let all = self.broker.home.records_of("proxy.response");
            let path = "/acme/site.git/git-upload-pack";
            all.into_iter()
                .rfind(|one| one["path"] == path && one.get("why").is_some())
        };
        wait::until(|| transfer().is_some());
        transfer().unwrap()
    }
}

/// Debian's and a newer one.
fn gits() -> Vec<PathBuf> {
    if !needs::program("git") {
        return Vec::new();
    }
    let all = ["/usr/bin/git", "/usr/local/bin/git"].map(PathBuf::from);
    let found: Vec<_> = all.into_iter().filter(|one| one.exists()).collect();
    match found.is_empty() {
        true => vec!["git".into()],
        false => found,
    }
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let bytes = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    });
    bytes.take(length).collect()
}

fn commit(clone: &Path, name: &str, content: &[u8]) {
    fs::write(clone.join(name), content).unwrap();
    git(clone, &["add", name]);
    git(clone, &["commit", "--quiet", "--message=Another"]);
}

#[test]
fn git_clones_fetches_and_pushes_with_a_token_that_github_never_sees() {
    for program in gits() {
        let scene = Scene::new(&program);
        let (_, token) = scene.lease("push");
        let (one, two) = (scene.path("one"), scene.path("two"));
        scene.clone(&token, SITE, "one").success();
        // Also without the suffix, as a user may type it.
        let typed = SITE.trim_end_matches(".git");
        scene.clone(&token, typed, "two").success();
        commit(&one, "small", b"small\n");
        scene.push(&token, &one).success();
        // git sends what is larger than its buffer of 1 MiB in chunks, after a probe.
        commit(&one, "noise", &noise(5 << 20));
        scene.push(&token, &one).success();
        let head = git(&one, &["rev-parse", "HEAD"]);
        assert_eq!(scene.server.revision("main"), head);
        let fetched = Ran::of(
            scene
                .git(&token)
                .current_dir(&two)
                .args(["pull", "--ff-only"]),
        );
        fetched.success();
        assert_eq!(git(&two, &["rev-parse", "HEAD"]), head);

        let seen = scene.server.seen();
        assert!(seen.iter().all(|one| one.allowed), "{seen:?}");
        let push = "POST /acme/site.git/git-receive-pack HTTP/1.1";
        let pushes: Vec<_> = seen.iter().filter(|one| one.line == push).collect();
        let probes = pushes.iter().filter(|one| !one.chunked && one.length == 4);
        assert_eq!(probes.count(), 1, "{pushes:?}");
        let large = pushes
            .iter()
            .find(|one| one.chunked && one.length > 5 << 20);
        assert!(large.is_some(), "{pushes:?}");
        let fetch = "POST /acme/site.git/git-upload-pack HTTP/1.1";
        let fetch = seen.iter().find(|one| one.line == fetch).unwrap();
        assert_eq!(fetch.header("git-protocol"), Some("version=2"));
        assert!(fetch.header("user-agent").unwrap().starts_with("git/"));

        let requests = scene.broker.home.records_of("proxy.request");
        let posts = seen
            .iter()
            .filter(|one| one.line.starts_with("POST "))
            .count();
        assert_eq!(requests.len(), posts, "each transfer, before it went on");
        let responses = || scene.broker.home.records_of("proxy.response");
        wait::until(|| responses().len() == seen.len());
        let sent = responses()
            .iter()
            .filter_map(|one| one["sent"].as_u64())
            .max();
        assert_eq!(sent, large.map(|one| one.length as u64));
        scene.broker.home.ctl(&["audit", "verify"]).success();
        for clone in [&one, &two] {
            assert_eq!(canary::files_with(clone, canary::CLASSIC), [""; 0]);
        }
    }
}

#[test]
fn p8_git_prints_why_it_is_refused_and_nothing_reaches_github() {
    for program in gits() {
        let scene = Scene::new(&program);
        let (id, token) = scene.lease("fetch");
        let clone = scene.path("clone");
        scene.clone(&token, SITE, "clone").success();
        scene.server.forget();
        commit(&clone, "more", b"more\n");
        let refused = [
            (
                scene.push(&token, &clone),
                "remote: tokend: refused: permission `contents: write`; the lease allows `read`; \
                 to allow it, add `contents = \"write\"` to `permissions` of the purpose (and to `--permission`, where given)",
            ),
            (
                scene.clone(&token, "https://github.com/other/site.git", "other"),
                "remote: tokend: refused: repository `other/site`; the lease allows `acme/site`",
            ),
            (
                scene.clone(&token, "https://github.com/acme/site.wiki.git", "wiki"),
                "remote: tokend: refused: a wiki is a repository of its own",
            ),
            (scene.clone("", SITE, "none"), "could not read Username"),
            (
                scene.clone(canary::CLASSIC, SITE, "stored"),
                "could not read Username",
            ),
        ];
        for (ran, words) in refused {
            assert_eq!(ran.code(), Some(128), "{ran:?}");
            assert!(ran.stderr.contains(words), "{words}: {ran:?}");
        }
        scene.broker.home.ctl(&["lease", "revoke", &id]).success();
        let ended = scene.clone(&token, SITE, "ended");
        let words = "remote: tokend: the lease of this token has ended";
        assert!(ended.stderr.contains(words), "{ended:?}");
        assert!(scene.server.seen().is_empty(), "{:?}", scene.server.seen());
        // Not of the one that sent no token.
        assert_eq!(scene.broker.home.records_of("proxy.refused").len(), 5);
    }
}

#[test]
fn a_public_repository_is_cloned_without_a_credential_where_the_purpose_says_so() {
    for program in gits() {
        let scene = Scene::new(&program);
        let open = "https://github.com/open/site.git";
        let (_, token) = scene.lease("fetch");
        let refused = scene.clone(&token, open, "refused");
        assert_eq!(refused.code(), Some(128), "{refused:?}");
        assert!(scene.server.seen().is_empty());

        let (_, token) = scene.lease("public");
        scene.clone(&token, open, "open").success();
        let seen = scene.server.seen();
        let credential = seen
            .iter()
            .find(|one| one.header("authorization").is_some());
        assert!(credential.is_none(), "{seen:?}");
        scene.clone(&token, SITE, "site").success();

        scene.server.forget();
        let clone = scene.path("open");
        commit(&clone, "more", b"more\n");
        let push = scene.push(&token, &clone);
        let words = "remote: tokend: refused: repository `open/site`";
        assert!(push.stderr.contains(words), "{push:?}");
        assert!(scene.server.seen().is_empty());
        let private = scene.clone(&token, "https://github.com/other/site.git", "other");
        let words = "GitHub shows it to no one without a credential";
        assert!(private.stderr.contains(words), "{private:?}");
    }
}

/// A repository with something to transfer.
fn large(program: &Path) -> (Scene, String, String) {
    let scene = Scene::new(program);
    let (id, token) = scene.lease("push");
    scene.clone(&token, SITE, "first").success();
    let first = scene.path("first");
    commit(&first, "noise", &noise(2 << 20));
    scene.push(&token, &first).success();
    (scene, id, token)
}

#[test]
fn a_clone_that_github_resets_fails_and_the_record_says_why() {
    for program in gits() {
        let (scene, _, token) = large(&program);
        scene.server.packs(Pack::Reset(512 << 10));
        let ran = scene.clone(&token, SITE, "cut");
        assert_eq!(ran.code(), Some(128), "{ran:?}");
        let said = ran.stderr.contains("early EOF") || ran.stderr.contains("RPC failed");
        assert!(said, "{ran:?}");
        assert!(!scene.path("cut").exists());
        let outcome = scene.outcome();
        let why = "the connection to GitHub ended before the answer did";
        assert_eq!(outcome["why"], why, "{outcome}");
        scene.server.packs(Pack::Whole);
        scene.clone(&token, SITE, "again").success();
    }
}

#[test]
fn a_revocation_cuts_a_clone_in_the_middle() {
    for program in gits() {
        let (scene, id, token) = large(&program);
        scene.server.packs(Pack::Held(512 << 10));
        let mut command = scene.git(&token);
        let cloning = command.args(["clone", SITE, "cut"]);
        let cloning: Child = cloning.stderr(Stdio::piped()).spawn().unwrap();
        wait::until(|| scene.server.is_holding());
        scene.broker.home.ctl(&["lease", "revoke", &id]).success();
        let out = cloning.wait_with_output().unwrap();
        assert_eq!(out.status.code(), Some(128), "{out:?}");
        assert_eq!(scene.outcome()["why"], "the lease ended");
        assert!(!scene.path("cut").exists());
    }
}

/// The most memory that the broker has had, in KiB.
fn peak(broker: &TestBroker) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", broker.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

#[test]
fn what_git_transfers_is_not_held_in_memory() {
    let Some(program) = gits().into_iter().next() else {
        return;
    };
    let (scene, _, token) = large(&program);
    scene.clone(&token, SITE, "before").success();
    let before = peak(&scene.broker);
    let first = scene.path("first");
    commit(&first, "more", &noise(64 << 20));
    scene.push(&token, &first).success();
    scene.clone(&token, SITE, "after").success();
    let grown = peak(&scene.broker) - before;
    assert!(grown < 16 << 10, "{grown} KiB for twice 64 MiB");
}

//! git and Git LFS over the proxy: an Enterprise Server, whose one host has the API and the web site.

use std::time::Duration;

use support::git_server::GitServer;
use support::{canary, wait};

use super::*;

const REFS: &str = "/acme/site.git/info/refs?service=git-upload-pack";
const PUSH: &str = "/acme/site.git/info/refs?service=git-receive-pack";
const BATCH: &str = "/acme/site.git/info/lfs/objects/batch";
const DOWNLOAD: &str = r#"{ "operation":"download", "objects":[{"oid":"ab","size":1}]}"#;
const UPLOAD: &str = r#"{"objects":[{"oid":"ab","size":1}],"operation":"upload"}"#;

struct Scene {
    broker: InProcess,
    server: GitServer,
    token: String,
    lease: String,
}

impl Scene {
    /// A lease of `acme/site` with contents at this level; `more` in the purpose.
    fn new(level: &str, more: &str) -> Self {
        let server = GitServer::start(canary::CLASSIC);
        let home = ready();
        let contents = format!("contents = \"{level}\", workflows = \"write\"");
        let policy = purpose(more).replace("issues = \"write\"", &contents);
        home.policy("label-sync.toml", &policy);
        home.config(&format!(
            "[github]\napi = \"http://{}/api/v3\"\ncheck_every = \"off\"\npoll_every = \"off\"\n",
            server.host()
        ));
        let broker = InProcess::start(home);
        broker.set(SECRET, canary::CLASSIC);
        let Lease { id, token } = lease(&broker);
        Self {
            broker,
            server,
            token,
            lease: id,
        }
    }

    fn ask(&self, method: &str, target: &str, body: &str) -> Answer {
        self.ask_with(method, target, body, &[])
    }

    fn ask_with(
        &self,
        method: &str,
        target: &str,
        body: &str,
        headers: &[(&'static str, &str)],
    ) -> Answer {
        let basic = STANDARD.encode(format!("x-access-token:{}", self.token));
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", self.server.host())
            .header("authorization", format!("Basic {basic}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_empty() {
            let path = target.rsplit('/').next().unwrap_or_default();
            request = request
                .header("content-length", body.len())
                .header("content-type", format!("application/x-{path}-request"));
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        self.broker.proxied(request)
    }
}

#[track_caller]
fn assert_says(answer: &Answer, (status, code): (u16, &str), words: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("tokend-error"), Some(code), "{answer:?}");
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("text/plain; charset=utf-8"), "{answer:?}");
    let text = String::from_utf8(answer.body.clone()).unwrap();
    assert_eq!(text, format!("tokend: {words}\n"));
}

#[test]
fn p8_git_beyond_the_lease_never_reaches_github_and_is_told_why_in_text() {
    let scene = Scene::new("read", "");
    scene.server.forget();
    let too_wide = (403, "too_wide");
    for (method, target, refusal, words) in [
        (
            "GET",
            PUSH,
            too_wide,
            "refused: permission `contents: write`; the lease allows `read`; \
             to allow it, add `contents = \"write\"` to `permissions` of the purpose (and to `--permission`, where given)",
        ),
        (
            "POST",
            "/acme/site.git/git-receive-pack",
            too_wide,
            "refused: permission `contents: write`; the lease allows `read`; \
             to allow it, add `contents = \"write\"` to `permissions` of the purpose (and to `--permission`, where given)",
        ),
        (
            "POST",
            "/other/site.git/git-upload-pack",
            too_wide,
            "refused: repository `other/site`; the lease allows `acme/site`",
        ),
        (
            "GET",
            "/acme/site.wiki.git/info/refs?service=git-upload-pack",
            too_wide,
            "refused: a wiki is a repository of its own, which no lease names",
        ),
        (
            "GET",
            "/acme/site.git/HEAD",
            too_wide,
            "refused: git's dumb protocol is not served; GitHub itself does not serve it either",
        ),
        (
            "GET",
            "/acme/site/releases/download/v1/site.zip",
            too_wide,
            "refused: it is neither git nor Git LFS, and nothing else on this host is covered by a permission",
        ),
        (
            "GET",
            "/acme/sit%65.git/info/refs?service=git-upload-pack",
            (403, "bad_request"),
            "refused: a path of git holds no `%`: owner and repository stand in plain letters",
        ),
        (
            "GET",
            "/other/../acme/site.git/info/refs?service=git-upload-pack",
            (403, "bad_request"),
            "refused: a path has no segment `.` or `..`",
        ),
    ] {
        assert_says(&scene.ask(method, target, ""), refusal, words);
    }
    assert!(scene.server.seen().is_empty(), "{:?}", scene.server.seen());
    let refused = scene.broker.home.records_of("proxy.refused");
    assert_eq!(refused.len(), 8);
    assert_eq!(refused[0]["path"], "/acme/site.git/info/refs");
}

#[test]
fn without_a_token_git_is_asked_for_one_and_with_an_old_one_it_is_told() {
    let mut scene = Scene::new("read", "");
    let token = std::mem::replace(&mut scene.token, "ghp_of_the_caller".to_owned());
    let answer = scene.ask("GET", REFS, "");
    assert_eq!(answer.status, 401);
    let asks = answer.header("www-authenticate");
    assert_eq!(asks, Some("Basic realm=\"GitHub\""));
    assert!(answer.body.starts_with(b"tokend: "), "{answer:?}");
    scene.token = token;
    let lease = format!("/v1/leases/{}", scene.lease);
    scene.broker.done("DELETE", &lease, "");
    let answer = scene.ask("GET", REFS, "");
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (403, None)
    );
    assert!(scene.server.seen().is_empty(), "{:?}", scene.server.seen());
}

#[test]
fn a_transfer_is_on_record_before_it_goes_on_and_an_advertisement_with_its_outcome() {
    let scene = Scene::new("read", "");
    let refs = scene.ask("GET", REFS, "");
    assert_eq!(refs.status, 200, "{refs:?}");
    assert!(scene.broker.home.records_of("proxy.request").is_empty());
    let fetch = scene.ask("POST", "/acme/site.git/git-upload-pack", "0000");
    assert_eq!(fetch.status, 200, "{fetch:?}");
    let before = scene.broker.home.records_of("proxy.request");
    assert_eq!(before.len(), 1);
    assert_eq!(before[0]["path"], "/acme/site.git/git-upload-pack");
    wait::until(|| scene.broker.home.records_of("proxy.response").len() == 2);
    let seen = scene.server.seen();
    assert!(seen.iter().all(|one| one.allowed), "{seen:?}");
    scene.broker.assert_log_verifies();
}

#[test]
fn a_batch_of_git_lfs_is_held_to_what_its_body_says_and_goes_on_as_it_came() {
    let scene = Scene::new("read", "");
    scene.server.forget();
    let down = scene.ask("POST", BATCH, DOWNLOAD);
    assert_eq!(down.status, 200, "{down:?}");
    assert_eq!(down.body, DOWNLOAD.as_bytes(), "the server sends it back");
    let twice = DOWNLOAD.replace("{ ", "{\"Operation\":\"upload\",");
    let long = format!("{DOWNLOAD}{}", " ".repeat(1024 * 1024));
    let gzip: &[_] = &[("content-encoding", "gzip")];
    for (answer, status, code, words) in [
        (
            scene.ask("POST", BATCH, UPLOAD),
            403,
            "too_wide",
            "refused: permission `contents: write`; the lease allows `read`; \
             to allow it, add `contents = \"write\"` to `permissions` of the purpose (and to `--permission`, where given)",
        ),
        (
            scene.ask("POST", BATCH, &twice),
            403,
            "bad_request",
            "refused: a Git LFS batch is JSON",
        ),
        (
            scene.ask("POST", BATCH, ""),
            403,
            "bad_request",
            "refused: a Git LFS batch is JSON",
        ),
        (
            scene.ask_with("POST", BATCH, DOWNLOAD, gzip),
            403,
            "bad_request",
            "refused: a Git LFS batch is JSON",
        ),
        (
            scene.ask("POST", BATCH, &long),
            400,
            "bad_request",
            "refused: the body of a Git LFS batch has at most",
        ),
        (
            scene.ask("POST", &BATCH.replace("acme", "other"), DOWNLOAD),
            403,
            "too_wide",
            "refused: repository `other/site`",
        ),
        (
            scene.ask("POST", "/acme/site.git/info/lfs/locks", "{}"),
            403,
            "too_wide",
            "refused: permission `contents: write`",
        ),
    ] {
        // Its clients read JSON.
        assert_refused(&answer, status, code);
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(words), "{message}");
    }
    assert_eq!(scene.server.seen().len(), 1, "{:?}", scene.server.seen());
    let locks = scene.ask("GET", "/acme/site.git/info/lfs/locks?path=a%2Fb", "");
    assert_eq!(locks.status, 200, "{locks:?}");

    let scene = Scene::new("write", "");
    let up = scene.ask("POST", BATCH, UPLOAD);
    assert_eq!((up.status, &*up.body), (200, UPLOAD.as_bytes()), "{up:?}");
}

#[test]
fn what_everyone_may_read_goes_on_without_a_credential_where_the_purpose_says_so() {
    let scene = Scene::new("read", "public = true");
    scene.server.forget();
    let refs = "/open/site.git/info/refs?service=git-upload-pack";
    assert_eq!(scene.ask("GET", refs, "").status, 200);
    let fetch = scene.ask("POST", "/open/site.git/git-upload-pack", "0000");
    assert_eq!(fetch.status, 200, "{fetch:?}");
    let batch = BATCH.replace("acme", "open");
    assert_eq!(scene.ask("POST", &batch, DOWNLOAD).status, 200);
    let download = "/open/site/releases/download/v1%2B1/site.zip";
    assert_eq!(scene.ask("GET", download, "").status, 200);
    let seen = scene.server.seen();
    assert_eq!(seen.len(), 4);
    let without = seen.iter().all(|one| one.header("authorization").is_none());
    assert!(without, "{seen:?}");
    assert!(seen[3].line.contains(download), "{seen:?}");

    let recorded = |kind| scene.broker.home.records_of(kind);
    let transfers = recorded("proxy.request");
    assert!(
        transfers.iter().all(|one| one["public"] == true),
        "{transfers:?}"
    );
    wait::until(|| recorded("proxy.response").len() == 4);
    let outcomes = recorded("proxy.response");
    assert!(
        outcomes.iter().all(|one| one["public"] == true),
        "{outcomes:?}"
    );

    // What is in the lease goes on under it.
    assert_eq!(scene.ask("GET", REFS, "").status, 200);
    wait::until(|| recorded("proxy.response").len() == 5);
    assert!(recorded("proxy.response")[4].get("public").is_none());
    assert!(scene.server.seen()[4].allowed);
    // No one's but GitHub's to say; and the stored value is not suspected for it.
    let private = scene.ask("GET", &refs.replace("open", "other"), "");
    assert_says(
        &private,
        (403, "too_wide"),
        "refused: repository `other/site`; the lease allows `acme/site`; and GitHub shows it to no one \
         without a credential",
    );
    assert_eq!(scene.ask("GET", REFS, "").status, 200);
    scene.server.forget();
    for (method, target, body) in [
        (
            "GET",
            "/open/site.git/info/refs?service=git-receive-pack",
            "",
        ),
        ("POST", "/open/site.git/git-receive-pack", "0000"),
        ("POST", &batch, UPLOAD),
        ("POST", "/open/site.git/info/lfs/locks", "{}"),
        ("POST", "/open/site/issues", "a=b"),
        ("GET", "/open/site.git/HEAD", ""),
        ("GET", "/open/../site", ""),
    ] {
        let answer = scene.ask(method, target, body);
        assert_eq!(answer.status, 403, "{target}: {answer:?}");
        assert!(answer.header("tokend-error").is_some(), "{target}");
    }
    assert!(scene.server.seen().is_empty(), "{:?}", scene.server.seen());
    scene.broker.lock();
    assert_eq!(scene.ask("GET", refs, "").status, 503);
    assert!(scene.server.seen().is_empty(), "{:?}", scene.server.seen());
}

#[test]
fn a_value_that_github_refuses_for_git_is_not_used_again_for_anything() {
    let scene = Scene::new("read", "");
    scene.broker.set(SECRET, canary::CLASSIC_TWO);
    let answer = scene.ask("GET", REFS, "");
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(answer.header("tokend-error"), Some("upstream_refused"));
    scene.broker.clock.advance(Duration::from_secs(1));
    scene.server.forget();
    assert_eq!(scene.ask("GET", REFS, "").status, 502);
    let seen = scene.server.seen();
    assert!(
        seen.iter().all(|one| !one.line.contains("info/refs")),
        "{seen:?}"
    );
}

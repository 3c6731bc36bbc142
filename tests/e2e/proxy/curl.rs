//! curl, as the manual says: what a shell script does with a proxy token.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::accounts::{self, ALICE};
use support::broker::run_as;
use support::needs;

use super::*;

/// What curl got.
#[derive(Debug)]
struct Got {
    status: String,
    /// Header lines of the last answer, as they came.
    head: String,
    body: String,
    ran: Ran,
}

impl Got {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The address of the next page, as a script makes it one for the socket.
    fn next_page(&self) -> Option<String> {
        let links = self
            .head
            .lines()
            .find_map(|line| line.strip_prefix("link: "))?;
        let next = links
            .split(", ")
            .find(|link| link.contains("rel=\"next\""))?;
        let (address, _) = next.strip_prefix('<')?.split_once('>')?;
        Some(address.replace("https://", "http://"))
    }
}

impl Scene {
    fn file(&self, name: &str) -> PathBuf {
        self.broker.home.path().join(name)
    }

    /// curl over the socket, with these arguments and a token.
    fn curl(&self, token: &str, arguments: &[&str]) -> Got {
        let bearer = format!("Authorization: Bearer {token}");
        self.curl_alone(&[&["-H", &bearer][..], arguments].concat(), "")
    }

    fn curl_alone(&self, arguments: &[&str], input: &str) -> Got {
        let (head, body) = (self.file("head"), self.file("body"));
        let mut curl = self.broker.home.command(Path::new("curl"));
        curl.args(["--silent", "--show-error", "--max-time", "30"])
            .args(["--write-out", "%{http_code}"])
            .arg("--unix-socket")
            .arg(self.broker.proxy_socket())
            .args([
                Path::new("--dump-header"),
                &head,
                Path::new("--output"),
                &body,
            ])
            .args(arguments);
        let ran = Ran::with_input(&mut curl, input);
        let read = |file| fs::read_to_string(file).unwrap_or_default();
        Got {
            status: ran.stdout.clone(),
            head: read(head).replace('\r', ""),
            body: read(body),
            ran,
        }
    }
}

#[test]
fn a_script_reads_writes_uploads_and_asks_for_headers_alone() {
    if !needs::program("curl") {
        return;
    }
    let scene = Scene::new();
    let Lease { token, .. } = scene.lease();
    let (labels, issues) = (scene.url(LABELS), scene.url("/repos/acme/site/issues"));

    // curl says that this is a form.
    let bug = r#"{"name":"bug","color":"ff0000"}"#;
    let made = scene.curl(&token, &["-X", "POST", "-d", bug, &labels]);
    assert_eq!(made.status, "201", "{made:?}");
    let listed = scene.curl(&token, &["-f", &labels]);
    assert_eq!(listed.json()[0]["name"], "bug");
    assert_eq!(listed.ran.code(), Some(0));
    let headers = scene.curl(&token, &["-I", &labels]);
    assert_eq!(headers.status, "200");
    assert!(headers.head.contains("content-length: "), "{headers:?}");
    let basic = format!("x:{token}");
    let basic = scene.curl_alone(&["-u", &basic, &labels], "");
    assert_eq!(basic.status, "200", "{basic:?}");

    // Of a known length, after it was told to go on; and of an unknown one.
    let text = "x".repeat(4 << 20);
    let issue = json!({"title": "large", "body": text}).to_string();
    fs::write(scene.file("issue.json"), &issue).unwrap();
    let file = scene.file("issue.json");
    let put = ["-X", "POST", "-T", file.to_str().unwrap(), &issues];
    let from_file = scene.curl(&token, &put);
    let bearer = format!("Authorization: Bearer {token}");
    let put = ["-H", &bearer, "-X", "POST", "-T", "-", &issues];
    let from_pipe = scene.curl_alone(&put, &issue);
    for made in [from_file, from_pipe] {
        assert_eq!(made.status, "201", "{:?}", made.head);
        assert!(made.json()["body"] == *text, "another body arrived");
    }

    scene.assert_all_within();
    let outcomes = scene.outcomes(6);
    let methods: Vec<_> = outcomes
        .iter()
        .map(|one| one["method"].as_str().unwrap())
        .collect();
    assert_eq!(methods, ["POST", "GET", "HEAD", "GET", "POST", "POST"]);
    assert!(
        outcomes.iter().all(|one| one.get("why").is_none()),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[0]["sent"], bug.len());
    assert_eq!(outcomes[2]["received"], 0);
    assert!(outcomes[4..].iter().all(|one| one["sent"] == issue.len()));
    let before: Vec<_> = scene.broker.home.records_of("proxy.request");
    let announced = |one: &Value| one["request"].as_u64();
    let announced: Vec<_> = outcomes.iter().filter_map(announced).collect();
    assert_eq!(
        before
            .iter()
            .filter_map(|one| one["seq"].as_u64())
            .collect::<Vec<_>>(),
        announced
    );
}

#[test]
fn a_script_turns_pages_although_github_calls_them_by_number() {
    if !needs::program("curl") {
        return;
    }
    let scene = Scene::of_a_server();
    let Lease { token, .. } = scene.lease();
    let names: Vec<_> = (0..45).map(|number| format!("label-{number:02}")).collect();
    scene
        .github
        .change(|state| state.add_labels("acme/site", names.clone()));

    let mut seen = Vec::new();
    let mut page = Some(scene.url(&format!("{LABELS}?per_page=20")));
    while let Some(address) = page {
        let got = scene.curl(&token, &[&address]);
        assert_eq!(got.status, "200", "{got:?}");
        let labels = got.json();
        let labels = labels.as_array().unwrap();
        seen.extend(
            labels
                .iter()
                .map(|label| label["name"].as_str().unwrap().to_owned()),
        );
        page = got.next_page();
    }
    assert_eq!(seen, names);
    assert_eq!(scene.reached(), vec![format!("GET {LABELS}"); 3]);
    // As GitHub calls them, they are refused.
    let id = scene
        .github
        .change(|state| state.repository_id("acme/site"));
    let by_number = scene.url(&format!("/repositories/{id}/labels?page=2"));
    assert_eq!(scene.curl(&token, &[&by_number]).status, "403");
    scene.assert_all_within();
}

#[test]
fn what_the_lease_does_not_hold_is_refused_in_githubs_form_and_recorded() {
    if !needs::program("curl") {
        return;
    }
    let scene = Scene::new();
    let Lease { id, token } = scene.lease();
    let refused = [
        (OTHER_LABELS, "acme/docs"),
        ("/repos/acme/site/contents/README.md", "contents"),
        ("/user", "GET /user"),
        ("/search/code?q=repo:acme/docs", "GET /search/code"),
        ("/graphql", "`User.email`"),
    ];
    for (path, names) in refused {
        let url = scene.url(path);
        let mut asked = vec!["--fail-with-body", &url];
        if path == "/graphql" {
            asked.extend(["--data", r#"{"query":"{viewer{email}}"}"#]);
        }
        let got = scene.curl(&token, &asked);
        assert_eq!(
            (got.status.as_str(), got.ran.code()),
            ("403", Some(22)),
            "{got:?}"
        );
        assert!(got.head.contains("\ntokend-error: too_wide\n"), "{got:?}");
        let message = got.json()["message"].to_string();
        assert!(message.contains(names), "{path}: {message}");
    }
    let elsewhere = scene.curl(&token, &["http://raw.githubusercontent.com/acme/site/x"]);
    assert_eq!(elsewhere.status, "403", "{elsewhere:?}");
    let none = scene.curl_alone(&[&scene.url(LABELS)], "");
    assert_eq!(none.status, "401");
    assert!(none.head.contains("\nwww-authenticate: Basic "), "{none:?}");
    // Whoever has the stored token need not come here with it.
    assert_eq!(
        scene.curl(canary::CLASSIC, &[&scene.url(LABELS)]).status,
        "401"
    );
    scene.ctl(&["lease", "revoke", &id]);
    let over = scene.curl(&token, &[&scene.url(LABELS)]);
    assert_eq!(over.status, "403");
    assert!(
        over.head.contains("\ntokend-error: unknown_lease\n"),
        "{over:?}"
    );

    assert_eq!(scene.reached(), [""; 0]);
    let records = scene.broker.home.records_of("proxy.refused");
    let paths: Vec<_> = records
        .iter()
        .map(|one| one["path"].as_str().unwrap())
        .collect();
    let mut want: Vec<_> = refused
        .map(|(path, _)| path.split('?').next().unwrap())
        .into();
    want.extend(["/acme/site/x", LABELS, LABELS]);
    assert_eq!(paths, want, "without queries");
}

#[test]
fn a_token_is_worth_nothing_to_another_account_or_at_github() {
    if !accounts::can_be_used() {
        return;
    }
    let mut directory = None;
    let mut scene = Scene::with(
        "",
        |policy| policy,
        |home| {
            let configured = fs::read_to_string(&home.places.config).unwrap();
            let (broker, open) = accounts::open_to_all(home, &configured);
            directory = Some(open);
            broker
        },
    );
    let Lease { token, .. } = scene.lease();
    let as_account = |scene: &Scene, uid: u32| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--include", "--unix-socket"])
            .arg(scene.broker.proxy_socket())
            .args([
                "-H",
                &format!("Authorization: Bearer {token}"),
                &scene.url(LABELS),
            ])
            .current_dir("/");
        run_as(&mut curl, uid, uid);
        Ran::of(&mut curl).success()
    };
    let refused = as_account(&scene, ALICE);
    assert!(refused.contains("tokend-error: unknown_lease"), "{refused}");
    assert_eq!(scene.reached(), [""; 0]);
    let record = &scene.broker.home.records_of("proxy.refused")[0];
    assert_eq!(record["caller"]["uid"], ALICE);
    assert!(record.get("lease").is_none(), "{record}");
    assert!(as_account(&scene, support::broker::own_uid()).starts_with("HTTP/1.1 200"));

    let github = support::github::ask::ask(&scene.github, &format!("GET {LABELS}"), &token);
    assert_eq!(github.status, 401, "GitHub does not know it");
    scene.github.forget_calls();
    scene.broker = scene.broker.kill().start();
    assert!(as_account(&scene, ALICE).contains("tokend-error: unknown_lease"));
    assert_eq!(scene.reached(), [""; 0]);
}

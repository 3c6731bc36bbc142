//! Under `tokenctl exec` a script asks GitHub at its own addresses.

use super::*;

/// curl as a script has it: it says the status, and keeps the body.
const ASK: &str = "curl --silent --show-error --max-time 30 --write-out '\\n%{http_code}'";

/// A command that asks for this with the token in this variable.
pub(super) fn ask(variable: &str, rest: &str) -> String {
    format!("{ASK} -H \"Authorization: Bearer ${variable}\" {rest}")
}

/// The status, and what came before it.
#[track_caller]
fn answer<'a>(commands: &'a Commands, name: &str) -> (&'a str, Value) {
    let (body, status) = commands.output(name).rsplit_once('\n').unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

#[track_caller]
fn statuses(commands: &Commands, names: &[&str], status: &str) {
    for name in names {
        assert_eq!(
            answer(commands, name).0,
            status,
            "{name}: {:?}",
            commands.of(name)
        );
    }
}

#[test]
fn p8_a_script_asks_github_as_ever_and_gets_what_the_lease_holds() {
    if !can_run() {
        return;
    }
    let scene = Scene::new();
    let labels = (0..45).map(|number| format!("label-{number:02}"));
    scene
        .com
        .github
        .change(|state| state.add_labels("acme/site", labels));
    let of = |rest: &str| ask("GITHUB_TOKEN", rest);
    let api = |rest: &str| of(&rest.replace("API", API));
    let release = "API/repos/acme/site/releases";
    let upload = "https://uploads.github.com/repos/acme/site/releases/$id/assets?name=site.zip";
    let commands = [
        (
            "labels",
            api("'API/repos/acme/site/labels?per_page=20' -D $OUT/head"),
        ),
        (
            "made",
            api("API/repos/acme/site/labels -d '{\"name\":\"kind/bug\",\"color\":\"ff0000\"}'"),
        ),
        (
            "changed",
            api("-X PATCH API/repos/acme/site/labels/kind%2Fbug -d '{\"color\":\"00ff00\"}'"),
        ),
        (
            "deleted",
            api("-X DELETE API/repos/acme/site/labels/label-00"),
        ),
        ("contents", api("API/repos/acme/site/contents/README.md")),
        (
            "release",
            api(&format!(
                "{release} -d '{{\"tag_name\":\"v1\"}}' -o $OUT/release"
            )),
        ),
        (
            "uploaded",
            format!(
                "id=$(sed 's/.*\"id\":\\([0-9]*\\),\"immutable.*/\\1/' $OUT/release); {}",
                of(&format!(
                    "-H 'Content-Type: application/zip' --data-binary zipped \"{upload}\""
                ))
            ),
        ),
        (
            "refs",
            format!(
                "{ASK} -o $OUT/refs -u \"x:$GH_TOKEN\" 'https://github.com/acme/site.git/info/refs?service=git-upload-pack'"
            ),
        ),
        (
            "http10",
            api("--proxy1.0 \"${HTTPS_PROXY#http://}\" API/repos/acme/site/labels/kind%2Fbug"),
        ),
        (
            "tls12",
            api("--tls-max 1.2 API/repos/acme/site/labels/kind%2Fbug"),
        ),
        (
            "socket",
            of("--unix-socket $SOCK http://api.github.com/repos/acme/site/labels/kind%2Fbug"),
        ),
        ("token", "printf %s \"$GITHUB_TOKEN\"".to_owned()),
        // What the lease does not hold.
        ("repository", api("API/repos/acme/docs/labels")),
        ("owner", api("API/repos/other/site/labels")),
        ("permission", api("API/repos/acme/site/hooks")),
        ("organisation", api("API/orgs/acme/repos")),
        ("operation", api("API/user")),
        (
            "graphql",
            api("API/graphql -d '{\"query\":\"{viewer{email}}\"}'"),
        ),
        (
            "git",
            of("'https://github.com/other/site.git/info/refs?service=git-upload-pack'"),
        ),
        (
            "no_token",
            format!("{ASK} API/repos/acme/site/labels").replace("API", API),
        ),
        (
            "stored",
            format!(
                "{ASK} -H 'Authorization: Bearer {}' {API}/repos/acme/site/labels",
                canary::CLASSIC
            ),
        ),
    ];
    let commands: Vec<_> = commands
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let ran = scene.run(&[SITE], &commands);

    statuses(
        &ran,
        &[
            "labels", "changed", "contents", "refs", "http10", "tls12", "socket",
        ],
        "200",
    );
    statuses(&ran, &["made", "release", "uploaded"], "201");
    statuses(&ran, &["deleted"], "204");
    let head = std::fs::read_to_string(scene.path("out/head")).unwrap();
    let link = head
        .lines()
        .find(|line| line.starts_with("link: "))
        .unwrap();
    let next = "<https://api.github.com/repos/acme/site/labels?per_page=20&page=2>; rel=\"next\"";
    assert!(link.contains(next), "{link}");
    for same in ["http10", "tls12", "socket"] {
        assert_eq!(answer(&ran, same).1["color"], "00ff00", "{same}");
    }
    let url = answer(&ran, "contents").1["url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        url.starts_with("https://api.github.com/repos/acme/site/"),
        "{url}"
    );
    let asset = scene
        .com
        .github
        .change(|state| state.asset("acme/site", "v1", "site.zip"));
    assert_eq!(asset.as_deref(), Some(&b"zipped"[..]));
    scene.assert_within(&["/repos/acme/site", "/acme/site.git"]);

    let refused = [
        "repository",
        "owner",
        "permission",
        "organisation",
        "operation",
        "graphql",
        "git",
    ];
    statuses(&ran, &refused, "403");
    statuses(&ran, &["no_token", "stored"], "401");
    let records = scene.refused();
    let too_wide = records
        .iter()
        .filter(|one| one["code"] == "too_wide")
        .count();
    assert_eq!(too_wide, refused.len(), "{records:#?}");
    assert!(records.iter().any(|one| one["path"] == "/graphql"));

    // The token is worth nothing to GitHub.
    let token = ran.output("token");
    assert!(token.starts_with("tkp_"), "{token}");
    let direct = scene.com.for_curl();
    let direct: Vec<_> = direct.iter().map(String::as_str).collect();
    let got = Curl::to(API, None).send(&format!("GET {LABELS}"), token, &direct);
    assert_eq!(got.status, 401, "{got:?}");
    let call = scene.com.github.journal().pop().unwrap();
    assert_eq!(call.hashed_token, Some(hashed(token)));
    scene.broker.home.ctl(&["audit", "verify"]).success();
}

#[test]
fn two_purposes_under_one_exec_are_told_apart_by_their_tokens() {
    if !can_run() {
        return;
    }
    let scene = Scene::new();
    let with = format!("RELEASE_TOKEN={SITE}");
    let runs = format!("{API}/repos/acme/site/actions/runs");
    let docs = format!("{API}/repos/acme/docs/labels");
    let call = |variable: &str, url: &str| ask(variable, &format!("-o /dev/null {url}"));
    let commands = [
        ("site_runs", call("RELEASE_TOKEN", &runs)),
        ("site_docs", call("RELEASE_TOKEN", &docs)),
        ("labels_runs", call("GITHUB_TOKEN", &runs)),
        ("labels_docs", call("GITHUB_TOKEN", &docs)),
    ];
    let commands: Vec<_> = commands
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let ran = scene.run(&[LABEL_SYNC, "--env", &with], &commands);
    statuses(&ran, &["site_runs", "labels_docs"], "200");
    statuses(&ran, &["site_docs", "labels_runs"], "403");
    assert_eq!(
        scene.reached(),
        [
            "GET /repos/acme/site/actions/runs",
            "GET /repos/acme/docs/labels"
        ]
    );
    let granted = scene.broker.home.records_of("lease.granted");
    let purposes: Vec<_> = granted
        .iter()
        .map(|one| one["purpose"].as_str().unwrap())
        .collect();
    assert_eq!(purposes, [LABEL_SYNC, SITE]);
    // Both end with the command.
    wait::until(|| scene.broker.home.records_of("lease.expired").len() == 2);

    let mark = scene.path("mark");
    let with = format!("RAW_TOKEN={RAW}");
    let touch = ["touch", mark.to_str().unwrap()];
    let mixed = Ran::of(&mut scene.exec(&[LABEL_SYNC, "--env", &with], &touch));
    assert_eq!(mixed.code(), Some(125), "{mixed:?}");
    assert!(mixed.stderr.contains(RAW), "{mixed:?}");
    assert!(!mark.exists(), "nothing runs");
}

#[test]
fn what_everyone_may_read_needs_no_token_where_the_purpose_says_so() {
    if !can_run() {
        return;
    }
    let scene = Scene::new();
    let refs = "'https://github.com/open/site.git/info/refs?service=git-upload-pack'";
    let bare = format!("{ASK} -o /dev/null {refs}");
    let ran = scene.run(&[PUBLIC], &[("open", &bare)]);
    statuses(&ran, &["open"], "200");
    let seen = scene.com.git.seen();
    assert!(
        seen.len() == 1 && seen[0].header("authorization").is_none(),
        "{seen:?}"
    );
    scene.forget();
    let ran = scene.run(&[SITE], &[("open", &bare)]);
    statuses(&ran, &["open"], "401");
    let write =
        format!("{ASK} -o /dev/null -d x https://github.com/open/site.git/git-receive-pack");
    let api = format!("{ASK} -o /dev/null {API}/repos/acme/site");
    let ran = scene.run(&[PUBLIC], &[("write", &write), ("api", &api)]);
    statuses(&ran, &["write", "api"], "401");
    assert_eq!(scene.reached(), [""; 0]);
}

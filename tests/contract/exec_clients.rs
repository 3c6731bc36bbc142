//! Clients of others under `tokenctl exec`, unchanged, as if against github.com: they do what the lease holds, and
//! understand what the broker says to the rest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::broker::{Ran, own};
use support::github::schema;
use support::github_com::can_be_played;
use support::scenes::exec::{LABEL_SYNC, Scene};
use support::{canary, needs};

/// Labels as they are to be in every repository.
fn wanted() -> Value {
    json!({
        "bug": {"color": "d73a4a", "description": "Something is broken"},
        "kind/docs": {"color": "0075ca", "description": "Words, not code"},
        "help wanted": {"color": "008672", "description": "Not urgent"},
    })
}

fn script(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    directory.join("contract/conformance").join(name)
}

fn python(tools: &Path) -> PathBuf {
    tools.join("python/bin/python")
}

/// A Node whose `fetch` minds `HTTPS_PROXY`: Debian's may be older.
fn node(tools: &Path) -> PathBuf {
    tools.join("node_modules/.bin/node")
}

/// `tokenctl exec PURPOSE -- PROGRAM SCRIPT ARGUMENTS…`
fn exec(scene: &Scene, purpose: &str, command: &[&Path]) -> Command {
    let words: Vec<_> = command.iter().map(|word| word.to_str().unwrap()).collect();
    let mut exec = scene.exec(&[purpose], &words);
    // Nothing of what Python compiles may stay in the tree.
    exec.env("PYTHONDONTWRITEBYTECODE", "1");
    exec
}

/// Runs the script, and returns how it ended.
fn sync_labels(scene: &Scene, tools: &Path, organization: &str) -> Ran {
    let labels = scene.path("labels.json");
    fs::write(&labels, wanted().to_string()).unwrap();
    let (python, script) = (python(tools), script("sync_labels.py"));
    let command: [&Path; 4] = [&python, &script, organization.as_ref(), &labels];
    Ran::of(&mut exec(scene, LABEL_SYNC, &command))
}

#[test]
fn p8_pygithub_syncs_the_labels_of_all_repositories_with_a_token_that_github_never_sees() {
    let Some(tools) = needs::conformance_tools().filter(|_| can_be_played()) else {
        return;
    };
    let scene = Scene::new();
    let wanted = wanted();
    scene.com.github.change(|state| {
        for (name, want) in wanted.as_object().unwrap() {
            let description = want["description"].as_str();
            let color = want["color"].as_str().unwrap();
            state.add_label("acme/docs", name, color, description);
        }
        // One that is to go, one that is to change, which has a slash, and one that is missing.
        state.add_label("acme/site", "obsolete label", "ededed", None);
        state.add_label("acme/site", "kind/docs", "ffffff", None);
        state.add_label("acme/site", "bug", "d73a4a", Some("Something is broken"));
        state.add_label("other/site", "theirs", "ffffff", None);
    });
    let ran = sync_labels(&scene, &tools, "acme");
    let said = ran.success();
    for line in [
        "acme/new: 3 changed",
        "acme/docs: 0 changed",
        "acme/site: 3 changed",
    ] {
        assert!(said.contains(line), "{said}");
    }
    for repository in ["acme/site", "acme/docs", "acme/new"] {
        let names = scene.com.github.change(|state| state.labels(repository));
        assert_eq!(names, ["bug", "help wanted", "kind/docs"], "{repository}");
        for (name, want) in wanted.as_object().unwrap() {
            let label = scene
                .com
                .github
                .change(|state| state.label(repository, name));
            let label = label.unwrap();
            let got = json!({"color": label.color, "description": label.description});
            assert_eq!(&got, want, "{repository}: {name}");
        }
    }
    scene.assert_within(&["/orgs/acme", "/repos/acme"]);
    let writes = scene.broker.home.records_of("proxy.request");
    assert_eq!(writes.len(), 6, "{writes:#?}");
    assert_eq!(scene.refused(), [] as [Value; 0]);

    // Another organisation, and another policy.
    scene.forget();
    let other = sync_labels(&scene, &tools, "other");
    assert_eq!(other.code(), Some(1), "{other:?}");
    assert!(
        other.stderr.contains("403") && other.stderr.contains("other"),
        "{other:?}"
    );
    let narrow = format!(
        "purpose = \"{LABEL_SYNC}\"\nsecret = \"org-label-sync-token\"\n\
         repositories = [\"acme/site\"]\npermissions = {{ issues = \"write\" }}\n\
         deliver = \"proxy\"\n[[allow]]\ncaller = {{ uid = UID }}\n"
    );
    scene.broker.home.policy("label-sync.toml", &own(&narrow));
    scene.broker.reload();
    let narrower = sync_labels(&scene, &tools, "acme");
    assert_eq!(narrower.code(), Some(1), "{narrower:?}");
    assert!(narrower.stderr.contains("403"), "{narrower:?}");
    assert_eq!(scene.reached(), [""; 0]);
    let refused = scene.refused();
    assert_eq!(refused.len(), 2, "{refused:#?}");
    assert!(
        refused.iter().all(|one| one["code"] == "too_wide"),
        "{refused:#?}"
    );
    for directory in [scene.user(), scene.broker.home.path()] {
        assert_eq!(canary::files_with(directory, canary::CLASSIC), [""; 0]);
    }
}

/// One script, written six ways: `exec_octokit.mjs` says what it does.
const SCRIPTS: [&str; 6] = [
    "exec_octokit.mjs",
    "exec_pygithub.py",
    "exec_requests.py",
    "exec_httpx.py",
    "exec_gh.sh",
    "exec_curl.sh",
];

/// What each is told of what it asks for outside the lease.
const REFUSED: [&str; 6] = [
    "other/site",
    "repository_hooks",
    "GET /user",
    "`User.email`",
    "other/site",
    "is of nothing within the lease",
];

/// All that a library may do in one repository, and the names of the others.
const LIBRARY: &str = "purpose = \"library\"\nsecret = \"org-label-sync-token\"\n\
    repositories = [\"acme/*\"]\n\
    permissions = { issues = \"write\", contents = \"write\", workflows = \"write\" }\n\
    deliver = \"proxy\"\n[[allow]]\ncaller = { uid = UID }\n";

#[test]
fn p8_libraries_do_what_the_lease_holds_and_are_told_what_it_does_not() {
    let Some(tools) = needs::conformance_tools().filter(|_| can_be_played()) else {
        return;
    };
    let programs = ["curl", "gh"].map(needs::program);
    let Some(schema) = schema().filter(|_| programs == [true; 2]) else {
        return;
    };
    let scene = Scene::new();
    scene.broker.home.policy("library.toml", &own(LIBRARY));
    scene.broker.reload();
    let other_issue = scene.com.github.change(|state| {
        state.settings.graphql_schema = Some(schema);
        state.add_issue("acme/site", "The footer is gone");
        state.issue("other/site#1").node_id()
    });
    let told = json!({
        "owner": "acme", "repo": "site", "other": "other/site", "other_issue": other_issue,
    });
    let labels: Vec<_> = (0..45).map(|number| format!("label-{number:02}")).collect();
    for name in SCRIPTS {
        scene.com.github.change(|state| {
            state.remove_labels("acme/site");
            state.add_labels("acme/site", labels.clone());
        });
        scene.forget();
        let before = scene.refused().len();
        let got = match name.rsplit_once('.') {
            Some((_, "sh")) => {
                let arguments = ["acme/site", "other/site", &other_issue].map(Path::new);
                let script = script(name);
                let command = [&[Path::new("sh"), &script], &arguments[..]].concat();
                of_lines(&Ran::of(&mut exec(&scene, "library", &command)).success())
            }
            ending => {
                let is_python = ending.is_some_and(|(_, ending)| ending == "py");
                let program = if is_python { python } else { node }(&tools);
                let mut exec = exec(&scene, "library", &[&program, &script(name), &tools]);
                let ran = Ran::with_input(&mut exec, &told.to_string());
                serde_json::from_str(&ran.success()).unwrap()
            }
        };
        assert_eq!(got["labels"], json!(labels), "{name}: all pages");
        assert_eq!(
            (&got["made"], &got["found"]),
            (&json!(201), &json!("type/bug")),
            "{name}"
        );
        let titles = ["The header is red", "The footer is gone"];
        assert_eq!(got["issues"], json!(titles), "{name}");
        let comments = scene
            .com
            .github
            .change(|state| state.comments("acme/site#1"));
        assert_eq!(comments.last().unwrap().body, "So it is", "{name}");
        let url = got["commented"].as_str().unwrap();
        assert!(url.contains("/acme/site/issues/1#"), "{name}: {url}");
        let refused = got["refused"].as_array().unwrap();
        assert_eq!(refused.len(), REFUSED.len(), "{name}");
        for (refused, words) in refused.iter().zip(REFUSED) {
            let (status, code) = (&refused["status"], &refused["code"]);
            assert_eq!(
                (status, code),
                (&json!(403), &json!("too_wide")),
                "{name}: {refused}"
            );
            let message = refused["message"].as_str().unwrap();
            assert!(message.contains(words), "{name}: {message}");
        }
        assert_eq!(
            scene.refused().len(),
            before + REFUSED.len(),
            "{name}: each is on record"
        );
        scene.assert_within(&["/orgs/acme", "/repos/acme/site", "/graphql"]);
        assert_eq!(changed(&scene), ["addComment"], "{name}");
        if name == "exec_pygithub.py" {
            pygithub_did_more(&scene, &got);
        }
    }
    assert_eq!(
        scene
            .com
            .github
            .change(|state| state.comments("acme/site#1"))
            .len(),
        6
    );
    scene.broker.home.ctl(&["audit", "verify"]).success();
}

/// What shell scripts write, as the others do.
fn of_lines(text: &str) -> Value {
    let mut got = json!({"labels": [], "issues": [], "refused": []});
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap();
        match word {
            "label" => got["labels"].as_array_mut().unwrap().push(json!(rest)),
            "issue" => got["issues"].as_array_mut().unwrap().push(json!(rest)),
            "refused" => {
                let words: Vec<_> = rest.splitn(3, ' ').collect();
                let status: u16 = words[0].parse().unwrap();
                let told = json!({"status": status, "code": words[1], "message": words[2]});
                got["refused"].as_array_mut().unwrap().push(told);
            }
            "made" => got["made"] = json!(rest.parse::<u16>().unwrap()),
            _ => got[word] = json!(rest),
        }
    }
    got
}

/// The mutations that were carried out.
fn changed(scene: &Scene) -> Vec<String> {
    let touched = scene.com.github.touched().into_iter();
    touched
        .flat_map(|one| one.changed)
        .map(|changed| changed.by)
        .collect()
}

#[track_caller]
fn pygithub_did_more(scene: &Scene, got: &Value) {
    assert_eq!(got["repositories"], json!(["new", "docs", "site"]));
    assert_eq!(
        (&got["asset"], &got["text"]),
        (&json!(6), &json!("# acme/site\n"))
    );
    let (label, gone, asset) = scene.com.github.change(|state| {
        (
            state.label("acme/site", "type/bug").unwrap(),
            state.label("acme/site", "label-00"),
            state.asset("acme/site", "v1", "site.zip"),
        )
    });
    assert_eq!(label.color, "00ff00");
    assert!(gone.is_none());
    assert_eq!(asset.as_deref(), Some(&b"zipped"[..]));
}

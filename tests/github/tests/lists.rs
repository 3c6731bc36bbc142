//! Lists of a repository and of an organisation: their pages, by its number; and any of them by `HEAD`.

use super::super::{StandIn, World};
use crate::github::ask::{ask, send};

const TOKEN: &str = "ghp_standin0000000000000000000000000005";
const OTHER: &str = "ghp_standin0000000000000000000000000007";

fn github() -> StandIn {
    let world = World::new()
        .organization("acme", &["acme-bot"])
        .repository("acme/site")
        .classic(TOKEN, "acme-bot", &["repo"]);
    let github = StandIn::start(world);
    let labels = (0..5).map(|number| format!("label-{number}"));
    github.change(|state| state.add_labels("acme/site", labels));
    github
}

#[test]
fn further_pages_are_called_by_the_repositorys_number() {
    let github = github();
    let id = github.change(|state| state.repository_id("acme/site"));
    let first = ask(&github, "GET /repos/acme/site/labels?per_page=2", TOKEN);
    let base = format!("{}/repositories/{id}/labels", github.api());
    let want = format!(
        "<{base}?per_page=2&page=2>; rel=\"next\", <{base}?per_page=2&page=3>; rel=\"last\""
    );
    assert_eq!(first.header("link"), Some(want));
    let call = format!("GET /repositories/{id}/labels?per_page=2&page=3");
    let last = ask(&github, &call, TOKEN);
    assert_eq!(last.json()[0]["name"], "label-4");
    assert_eq!(
        ask(&github, "GET /repositories/1/labels", TOKEN).status,
        404
    );
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let github = github();
    let call = "HEAD /repos/acme/site/labels";
    let got = send(&github, call, TOKEN, &["--head"]);
    assert_eq!((got.status, got.code, got.body.as_str()), (200, 0, ""));
    assert_eq!(github.calls(call), 1);
}

#[test]
fn an_organisations_repositories_are_those_that_the_token_sees_the_newest_first() {
    let world = World::new()
        .organization("acme", &["acme-bot"])
        .repository("acme/site")
        .repository("acme/docs")
        .public_repository("acme/open")
        .repository("other/site")
        .user("alice")
        .classic(TOKEN, "acme-bot", &["repo"])
        .classic(OTHER, "alice", &["repo"]);
    let github = StandIn::start(world);
    let names = |call: &str, token| -> Vec<String> {
        let got = ask(&github, call, token).json();
        let names = got.as_array().unwrap().iter();
        names
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names("GET /orgs/acme/repos", TOKEN),
        ["open", "docs", "site"]
    );
    assert_eq!(names("GET /orgs/acme/repos", OTHER), ["open"]);
    assert_eq!(names("GET /orgs/acme/repos", ""), ["open"]);
    let first = ask(
        &github,
        "GET /orgs/acme/repos?sort=full_name&per_page=2",
        TOKEN,
    );
    let link = first.header("link").unwrap();
    let (next, _) = link[1..].split_once('>').unwrap();
    let path = &next[github.api().len()..];
    assert!(path.starts_with("/organizations/"), "{path}");
    assert_eq!(
        names(&format!("GET {path}"), TOKEN),
        ["site"],
        "of one order"
    );
    assert_eq!(ask(&github, "GET /orgs/unknown/repos", TOKEN).status, 404);
    assert_eq!(
        ask(&github, "GET /organizations/1/repos", TOKEN).status,
        404
    );
}

#[test]
fn workflows_are_files_and_their_runs_name_them() {
    let world = World::new()
        .organization("acme", &["acme-bot"])
        .repository_with("acme/site", |site| {
            let ci = (
                ".github/workflows/ci.yml".to_owned(),
                "name: CI\non: push\n".to_owned(),
            );
            site.files.extend([ci]);
        })
        .repository("acme/docs")
        .classic(TOKEN, "acme-bot", &["repo"]);
    let github = StandIn::start(world);
    github.change(|state| state.add_run("acme/site", "Fix the build"));
    let workflows = ask(&github, "GET /repos/acme/site/actions/workflows", TOKEN).json();
    assert_eq!(
        (
            &workflows["total_count"],
            &workflows["workflows"][0]["name"]
        ),
        (&1.into(), &"CI".into())
    );
    let runs = ask(&github, "GET /repos/acme/site/actions/runs", TOKEN).json();
    let run = &runs["workflow_runs"][0];
    assert_eq!(run["display_title"], "Fix the build");
    let url = run["workflow_url"].as_str().unwrap();
    let workflow = ask(
        &github,
        &format!("GET {}", &url[github.api().len()..]),
        TOKEN,
    );
    assert_eq!(workflow.json(), workflows["workflows"][0]);
    let none = ask(&github, "GET /repos/acme/docs/actions/runs", TOKEN).json();
    assert_eq!(none["total_count"], 0);
    assert_eq!(
        ask(&github, "GET /repos/acme/site/actions/runs/1", TOKEN).status,
        404
    );
}

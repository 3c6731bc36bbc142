//! Lists of a repository: their pages, by its number; and any of them by `HEAD`.

use super::super::{StandIn, World};
use crate::github::ask::{ask, send};

const TOKEN: &str = "ghp_standin0000000000000000000000000005";

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

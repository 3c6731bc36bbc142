//! Releases, whose files go to a host of their own.

use serde_json::json;

use super::super::{StandIn, World};
use crate::github::ask::{ask, send, tell};

const TOKEN: &str = "ghp_standin0000000000000000000000000008";
const RELEASES: &str = "/repos/acme/site/releases";
const API: &str = "Host: api.github.com";
const UPLOADS: &str = "Host: uploads.github.com";

#[test]
fn a_file_is_uploaded_where_the_release_says_and_nowhere_else() {
    let world = World::new()
        .organization("acme", &["acme-bot"])
        .repository("acme/site")
        .classic(TOKEN, "acme-bot", &["repo"]);
    let github = StandIn::start(world);
    let post = format!("POST {RELEASES}");
    let made = tell(&github, &post, TOKEN, &json!({"tag_name": "v1"}));
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(
        tell(&github, &post, TOKEN, &json!({"tag_name": "v1"})).status,
        422
    );
    assert_eq!(tell(&github, &post, TOKEN, &json!({})).status, 422);
    let by_tag = format!("GET {RELEASES}/tags/v1");
    let release = send(&github, &by_tag, TOKEN, &["--header", API]).json();
    let id = &release["id"];
    let uploads = format!("https://uploads.github.com{RELEASES}/{id}/assets");
    assert_eq!(release["upload_url"], format!("{uploads}{{?name,label}}"));

    let upload = format!("POST {RELEASES}/{id}/assets?name=site.zip");
    let file = [
        "--data-binary",
        "zipped",
        "--header",
        "Content-Type: application/zip",
        "--header",
    ];
    let to = |host| send(&github, &upload, TOKEN, &[&file[..], &[host]].concat());
    assert_eq!(to(API).status, 404);
    let asset = to(UPLOADS);
    assert_eq!(
        (asset.status, &asset.json()["size"]),
        (201, &json!(6)),
        "{asset:?}"
    );
    assert_eq!(to(UPLOADS).status, 422, "the name is taken");
    let url = asset.json()["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://api.github.com/"), "{url}");
    let stored = github.change(|state| state.asset("acme/site", "v1", "site.zip"));
    assert_eq!(stored.as_deref(), Some(&b"zipped"[..]));
    assert_eq!(
        ask(&github, &format!("GET {RELEASES}/1"), TOKEN).status,
        404
    );
    let listed = ask(&github, &format!("GET {RELEASES}"), TOKEN).json();
    assert_eq!(listed[0]["assets"][0]["name"], "site.zip");
}

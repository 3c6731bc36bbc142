//! Labels: made, changed, deleted, under names of all kinds.

use serde_json::{Value, json};

use super::super::{Level, Pat, Repositories, StandIn, World};
use crate::github::ask::{ask, tell};

const TOKEN: &str = "ghp_standin0000000000000000000000000006";
const READER: &str = "github_pat_standin_2";
const LABELS: &str = "/repos/acme/site/labels";

fn github() -> StandIn {
    let reader = Pat::fine_grained(
        READER,
        "acme-bot",
        "acme",
        Repositories::All,
        &[("issues", Level::Read)],
    );
    let world = World::new()
        .organization("acme", &["acme-bot"])
        .repository("acme/site")
        .classic(TOKEN, "acme-bot", &["repo"])
        .pat(reader);
    StandIn::start(world)
}

fn make(github: &StandIn, label: &Value) -> Value {
    let got = tell(github, &format!("POST {LABELS}"), TOKEN, label);
    assert_eq!(got.status, 201, "{got:?}");
    got.json()
}

#[test]
fn a_label_is_made_found_in_any_case_changed_and_deleted() {
    let github = github();
    let bug = json!({"name": "bug", "color": "FF0000", "description": "broken"});
    let made = make(&github, &bug);
    assert_eq!(
        (&made["color"], &made["default"]),
        (&json!("ff0000"), &json!(false))
    );
    let one = format!("{LABELS}/BUG");
    assert_eq!(ask(&github, &format!("GET {one}"), TOKEN).json(), made);

    let renamed = json!({"new_name": "defect", "description": null});
    let got = tell(&github, &format!("PATCH {one}"), TOKEN, &renamed);
    let want = json!({"name": "defect", "color": "ff0000", "description": null, "id": made["id"]});
    for (field, value) in want.as_object().unwrap() {
        assert_eq!(&got.json()[field], value, "{got:?}");
    }
    assert_eq!(ask(&github, &format!("GET {one}"), TOKEN).status, 404);
    let label = github
        .change(|state| state.label("acme/site", "defect"))
        .unwrap();
    assert_eq!((label.color.as_str(), label.description), ("ff0000", None));

    let delete = format!("DELETE {LABELS}/defect");
    assert_eq!(ask(&github, &delete, TOKEN).status, 204);
    assert_eq!(ask(&github, &delete, TOKEN).status, 404);
}

#[test]
fn names_with_slashes_and_spaces_are_called_as_their_url_says() {
    let github = github();
    for (name, path) in [
        ("kind/bug", "kind/bug"),
        ("help wanted", "help%20wanted"),
        ("50%", "50%25"),
    ] {
        let made = make(&github, &json!({"name": name}));
        let url = made["url"].as_str().unwrap();
        assert_eq!(url, format!("{}{LABELS}/{path}", github.api()));
        let path = &url[github.api().len()..];
        assert_eq!(
            ask(&github, &format!("GET {path}"), TOKEN).json()["name"],
            name
        );
    }
    let encoded = format!("GET {LABELS}/kind%2Fbug");
    assert_eq!(ask(&github, &encoded, TOKEN).json()["name"], "kind/bug");
    let delete = format!("DELETE {LABELS}/kind/bug");
    assert_eq!(ask(&github, &delete, TOKEN).status, 204);
}

#[test]
fn what_is_no_label_or_not_allowed_changes_nothing() {
    let github = github();
    make(&github, &json!({"name": "bug"}));
    make(&github, &json!({"name": "docs"}));
    let post = format!("POST {LABELS}");
    for bad in [
        json!({"name": "Bug"}),
        json!({"name": ""}),
        json!({"name": "x", "color": "#ff0000"}),
        json!({"name": "x", "color": "red"}),
        json!({"name": "x", "description": "x".repeat(101)}),
    ] {
        assert_eq!(tell(&github, &post, TOKEN, &bad).status, 422, "{bad}");
    }
    let patch = format!("PATCH {LABELS}/bug");
    let taken = json!({"new_name": "docs"});
    assert_eq!(tell(&github, &patch, TOKEN, &taken).status, 422);
    assert_eq!(tell(&github, &patch, READER, &json!({})).status, 403);
    assert_eq!(
        ask(&github, &format!("DELETE {LABELS}/bug"), READER).status,
        403
    );
    assert_eq!(
        ask(&github, &format!("GET {LABELS}/bug"), READER).status,
        200
    );
    assert_eq!(
        github.change(|state| state.labels("acme/site")),
        ["bug", "docs"]
    );
}

//! What a new value must be able to do where policies do not say it: no less than the value in use.

use support::github::{Level, Pat, Repositories};

use super::*;

const FULL: &str = "ghp_FULLcanaryFULLcanaryFULLcanaryFUL0008";
const ALSO_FULL: &str = "ghp_ALSOcanaryALSOcanaryALSOcanaryALS0009";
const NONE: &str = "ghp_NONEcanaryNONEcanaryNONEcanaryNON0010";
const SCOPES: [&str; 3] = ["repo", "workflow", "read:org"];
const FREE: &str = "\n[secret.free-pat]\nkind = \"classic\"\n";

fn rotate(scene: &Scene, value: &str, fewer_scopes: bool) -> Reached {
    let begin = json!({ "value": value, "fewer_scopes": fewer_scopes });
    scene.rotate_to("free-pat", &begin, Then::Revoke)
}

fn version(scene: &Scene) -> Value {
    scene.state_of("free-pat")["version"].clone()
}

fn scene() -> Scene {
    let world = world()
        .classic(FULL, "acme-bot", &SCOPES)
        .classic(ALSO_FULL, "acme-bot", &SCOPES)
        .classic(NONE, "acme-bot", &[]);
    let scene = Scene::with(world, FREE);
    let body = json!({ "value": FULL, "check": false }).to_string();
    scene.broker.done("PUT", "/v1/secrets/free-pat", &body);
    scene
}

#[test]
fn undeclared_scopes_of_the_value_in_use_are_in_the_link_and_the_least_that_the_next_carries() {
    let scene = scene();
    // No check was made before, so GitHub is asked.
    let create = scene.state_of("free-pat")["create"].to_string();
    for part in [
        "&scopes=read:org,repo,workflow&",
        "Select scopes",
        "read:org, repo, workflow",
    ] {
        assert!(create.contains(part), "{part}: {create}");
    }
    let (_, detail) = rotate(&scene, NONE, false).a_refusal();
    for part in ["lacks the scope", "--fewer-scopes", "secrets.toml:"] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    assert_eq!(version(&scene), 1);
    assert!(!scene.is_dead(FULL));
    rotate(&scene, ALSO_FULL, false).the_end();
    assert!(scene.is_dead(FULL) && !scene.is_dead(ALSO_FULL));
    rotate(&scene, NONE, true).the_end();
    assert!(scene.is_dead(ALSO_FULL) && !scene.is_dead(NONE));
}

#[test]
fn of_a_value_that_has_died_the_scopes_that_its_last_check_found_are_the_least() {
    let scene = scene();
    let check = || scene.post("/v1/secrets/free-pat/check", &json!({})).json();
    assert_ne!(check()["check"]["verdict"], "error");
    scene.github.change(|state| state.revoke(FULL));
    // A check of the dead one does not forget them.
    assert_eq!(check()["check"]["verdict"], "error");
    let (_, detail) = rotate(&scene, NONE, false).a_refusal();
    assert!(detail.contains("lacks the scope"), "{detail}");
    rotate(&scene, ALSO_FULL, false).the_end();
}

#[test]
fn undeclared_permissions_are_let_through_by_whoever_says_so_alone() {
    let (old, new) = (
        "github_pat_11OLDcanary_OLDcanaryOLDcanary0001",
        "github_pat_11NEWcanary_NEWcanaryNEWcanary0003",
    );
    let pat = |token| {
        let reads = [("contents", Level::Read)];
        Pat::fine_grained(token, "acme-bot", "acme", Repositories::All, &reads)
    };
    let fine = "\n[secret.free-pat]\nkind = \"fine-grained\"\n";
    let scene = Scene::with(world().pat(pat(old)).pat(pat(new)), fine);
    scene.broker.set("free-pat", old);
    let (_, detail) = rotate(&scene, new, false).a_refusal();
    assert!(detail.contains("--fewer-scopes"), "{detail}");
    assert!(!scene.is_dead(old));
    rotate(&scene, new, true).the_end();
    assert!(scene.is_dead(old));
}

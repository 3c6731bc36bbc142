//! What a new value must be able to do where policies do not say it: no less than the value in use.

use support::github::{Level, Pat, Repositories};

use super::*;

const FULL: &str = "ghp_FULLcanaryFULLcanaryFULLcanaryFUL0008";
const ALSO_FULL: &str = "ghp_ALSOcanaryALSOcanaryALSOcanaryALS0009";
const NONE: &str = "ghp_NONEcanaryNONEcanaryNONEcanaryNON0010";
const SCOPES: [&str; 3] = ["repo", "workflow", "read:org"];
const FREE: &str = "\n[secret.free-pat]\nkind = \"classic\"\n";

fn rotate(scene: &Scene, value: &str, options: &[&str]) -> Ran {
    let line = [
        &["rotate", "free-pat", "--yes", "--value-file", "-"],
        options,
    ]
    .concat();
    scene.broker.home.ctl_with(&line, value)
}

fn version(scene: &Scene) -> Value {
    scene
        .broker
        .http("GET", "/v1/rotations/free-pat", "")
        .json()["version"]
        .clone()
}

fn scene() -> Scene {
    let world = world()
        .classic(FULL, "acme-bot", &SCOPES)
        .classic(ALSO_FULL, "acme-bot", &SCOPES)
        .classic(NONE, "acme-bot", &[]);
    let scene = Scene::with(world, FREE);
    let set = ["secret", "set", "free-pat", "--no-check"];
    scene.broker.home.ctl_with(&set, FULL).success();
    scene
}

#[test]
fn undeclared_scopes_of_the_value_in_use_are_in_the_link_and_the_least_that_the_next_carries() {
    let scene = scene();
    // No check was made before, so GitHub is asked.
    let waits = scene.broker.home.ctl(&["rotate", "free-pat"]);
    assert_eq!(waits.code(), Some(75), "{waits:?}");
    for part in [
        "&scopes=read:org,repo,workflow&",
        "Select scopes: read:org, repo, workflow",
    ] {
        assert!(waits.stderr.contains(part), "{part}: {waits:?}");
    }
    let refused = rotate(&scene, NONE, &[]);
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    for part in ["lacks the scope", "--fewer-scopes", "secrets.toml:"] {
        assert!(refused.stderr.contains(part), "{part}: {refused:?}");
    }
    assert_eq!(version(&scene), 1);
    assert!(!scene.is_dead(FULL));
    rotate(&scene, ALSO_FULL, &[]).success();
    assert!(scene.is_dead(FULL) && !scene.is_dead(ALSO_FULL));
    rotate(&scene, NONE, &["--fewer-scopes"]).success();
    assert!(scene.is_dead(ALSO_FULL) && !scene.is_dead(NONE));
}

#[test]
fn of_a_value_that_has_died_the_scopes_that_its_last_check_found_are_the_least() {
    let scene = scene();
    scene
        .broker
        .home
        .ctl(&["secret", "check", "free-pat"])
        .success();
    scene.github.change(|state| state.revoke(FULL));
    // A check of the dead one does not forget them.
    let dead = scene.broker.home.ctl(&["secret", "check", "free-pat"]);
    assert_eq!(dead.code(), Some(1), "{dead:?}");
    let refused = rotate(&scene, NONE, &[]);
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("lacks the scope"), "{refused:?}");
    rotate(&scene, ALSO_FULL, &[]).success();
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
    let set = ["secret", "set", "free-pat"];
    scene.broker.home.ctl_with(&set, old).success();
    let refused = rotate(&scene, new, &[]);
    assert_eq!(refused.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("--fewer-scopes"), "{refused:?}");
    assert!(!scene.is_dead(old));
    rotate(&scene, new, &["--fewer-scopes"]).success();
    assert!(scene.is_dead(old));
}

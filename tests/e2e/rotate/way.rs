//! The way through a rotation, and out of it.

use super::*;

#[test]
fn a_rotation_goes_from_the_link_to_the_proof() {
    let scene = Scene::new();
    let waits = scene.broker.home.ctl(&["rotate", NAME]);
    assert_eq!(waits.code(), Some(75), "{waits:?}");
    let link = format!("{}/settings/tokens/new?description=", scene.github.api());
    assert!(waits.stderr.contains(&link), "{waits:?}");
    assert!(
        waits.stderr.contains("Select scopes: repo, workflow"),
        "{waits:?}"
    );
    assert_eq!(scene.handed_out(), OLD);

    let confirm = scene.rotate(&[]);
    assert_eq!(confirm.code(), Some(75), "{confirm:?}");
    assert!(confirm.stderr.contains("--rollback"), "{confirm:?}");
    assert_eq!(scene.handed_out(), NEW);
    assert_eq!(scene.in_the_sink().as_deref(), Some(NEW));
    assert!(!scene.is_dead(OLD));

    let done = scene.broker.home.ctl(&["rotate", NAME, "--yes"]).success();
    assert!(done.contains("revoked and erased"), "{done}");
    scene.assert_rotated("step by step");
    let again = scene.rotate(&["--yes"]).success();
    assert!(again.contains("revoked and erased"), "{again}");
}

#[test]
fn a_dry_run_says_every_step_and_changes_nothing() {
    let scene = Scene::new();
    scene.github.forget_calls();
    let records = scene.broker.home.records().len();
    let said = scene
        .broker
        .home
        .ctl(&["rotate", NAME, "--dry-run"])
        .success();
    for part in [
        "link: https://",
        "actions secret SYNC_TOKEN of acme/site",
        "401",
        "--rollback",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(scene.broker.home.records().len(), records);
    assert!(scene.github.journal().is_empty());
}

//! The way through a rotation, and what a leak ends at once, in the words of the command line. What each step
//! does is tested in process, in `broker/src/tests/rotations`.

use super::*;

#[test]
fn a_rotation_goes_from_a_dry_run_that_says_every_step_by_the_link_to_the_proof() {
    let scene = Scene::new();
    let home = &scene.broker.home;
    scene.github.forget_calls();
    let records = home.records().len();
    let said = home.ctl(&["rotate", NAME, "--dry-run"]).success();
    for part in [
        "link: https://",
        "actions secret SYNC_TOKEN of acme/site",
        "401",
        "--rollback",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(home.records().len(), records);
    assert!(scene.github.journal().is_empty());

    let waits = home.ctl(&["rotate", NAME]);
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

    let done = home.ctl(&["rotate", NAME, "--yes"]).success();
    assert!(done.contains("revoked and erased"), "{done}");
    scene.assert_rotated("step by step");
    let again = scene.rotate(&["--yes"]).success();
    assert!(again.contains("revoked and erased"), "{again}");
}

#[test]
fn a_leaked_token_is_dead_everywhere_and_erased_and_its_leases_have_ended() {
    let scene = Scene::new();
    let lease = scene.broker.lease(r#"{"purpose":"label-sync"}"#).json();
    let ran = scene.broker.home.ctl(&["secret", "revoke", NAME, "--now"]);
    assert!(ran.status.success(), "{ran:?}");
    assert!(ran.stdout.contains("is revoked"), "{ran:?}");
    assert!(
        ran.stderr
            .contains("actions secret SYNC_TOKEN of acme/site"),
        "{ran:?}"
    );
    assert!(scene.is_dead(OLD));
    let path = format!("/v1/leases/{}", lease["lease"].as_str().unwrap());
    assert_eq!(scene.broker.http("GET", &path, "").status, 404);
    let refused = scene.broker.lease(r#"{"purpose":"label-sync"}"#).json();
    assert_eq!(refused["code"], "secret_missing");
    assert_eq!(scene.broker.home.records_of("secret.revoked").len(), 1);
    // The next value comes by the same way, without an old one to end.
    scene.rotate(&["--yes"]).success();
    scene.assert_rotated("after a leak");
}

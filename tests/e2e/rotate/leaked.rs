//! A leaked secret is ended at once.

use super::*;

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

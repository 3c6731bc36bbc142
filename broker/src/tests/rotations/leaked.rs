//! A leaked secret is revoked at once. The whole of it, from the command line, is in `tests/e2e`.

use support::github::Fault;

use super::*;

#[test]
fn a_revocation_whose_reply_was_lost_is_finished_by_running_it_again() {
    let scene = Scene::new();
    let on = "POST /credentials/revoke";
    scene.github.fault(Fault::on(on).lose_reply());
    let lost = scene.leaked();
    assert_eq!(lost.json()["code"], "upstream_unavailable", "{lost:?}");
    scene.github.heal();
    assert_eq!(scene.leaked().json()["dead"], true);
    assert!(scene.is_dead(OLD));
}

#[test]
fn in_the_middle_of_a_rotation_both_values_are_revoked() {
    let scene = Scene::new();
    scene.rotate(Then::Ask).an_operator();
    assert_eq!(scene.leaked().json()["dead"], true);
    assert!(scene.is_dead(OLD) && scene.is_dead(NEW));
    assert_eq!(scene.state()["phase"], "none");
}

//! Killed at any write or sync and run again, a rotation ends in the same good state.

use support::strace::Killer;
use support::{needs, wait};

use super::*;

/// Kills the broker at the first such call, runs the rotation again until the second, and so on until
/// it lives through the rest. Returns how many times it was killed.
fn killed_at_each(calls: &str) -> usize {
    let mut scene = Scene::new();
    for nth in 1..MOST_CALLS {
        let killer = Killer::at(&scene.broker, calls, nth);
        let ran = scene.rotate(&["--yes"]);
        drop(killer);
        if ran.status.success() {
            scene.assert_rotated(&format!("{calls}: killed {} times", nth - 1));
            return nth - 1;
        }
        let Scene { github, broker } = scene;
        assert!(wait::is_soon(|| broker.is_dead()), "{calls} {nth}: {ran:?}");
        let broker = broker.kill().start();
        scene = Scene { github, broker };
        let token = scene.handed_out();
        assert!(
            !token.is_empty() && !scene.is_dead(&token),
            "{calls} {nth}: {token}"
        );
    }
    panic!("{calls}: a rotation has no end");
}

/// More than a rotation makes.
const MOST_CALLS: usize = 200;

#[test]
fn a_broker_killed_at_any_sync_of_a_rotation_ends_well_and_always_hands_out_a_living_token() {
    if needs::program("strace") {
        let killed = killed_at_each("fdatasync,fsync");
        assert!(killed >= 5, "killed {killed} times");
    }
}

#[test]
fn a_broker_killed_at_any_write_of_a_rotation_ends_well_and_always_hands_out_a_living_token() {
    if needs::program("strace") {
        let killed = killed_at_each("pwrite64");
        assert!(killed >= 5, "killed {killed} times");
    }
}

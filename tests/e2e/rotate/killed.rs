//! Killed at any write or sync and run again, a rotation ends in the same good state.

use support::strace::{self, Killer};
use support::{kills, needs, wait};

use super::*;

/// Kills the broker at one such call after the other, each time in what is left of the rotation, until
/// it lives through the rest; and in another rotation at the last call. Returns how many times it was
/// killed.
fn killed_at_each(calls: &str) -> usize {
    killed_at_the_last(calls);
    let mut scene = Scene::new();
    for (killed, nth) in (1..MOST_CALLS).step_by(kills::step()).enumerate() {
        let was_killed;
        (scene, was_killed) = scene.killed_at(calls, nth);
        if !was_killed {
            scene.assert_rotated(&format!("{calls}: killed {killed} times"));
            return killed;
        }
    }
    panic!("{calls}: a rotation has no end");
}

fn killed_at_the_last(calls: &str) {
    let scene = Scene::new();
    let last = strace::count(&scene.broker, calls, || {
        scene.rotate(&["--yes"]).success();
    });
    // There may be one fewer the next time: the broker also notes each second how long its log is.
    let (scene, _) = Scene::new().killed_at(calls, last - 1);
    scene.rotate(&["--yes"]).success();
    scene.assert_rotated(&format!("killed at the last {calls}"));
}

impl Scene {
    /// Rotates, and is killed at this call and started again. Whether it was killed.
    fn killed_at(self, calls: &str, nth: usize) -> (Self, bool) {
        let killer = Killer::at(&self.broker, calls, nth);
        let ran = self.rotate(&["--yes"]);
        drop(killer);
        if ran.status.success() {
            return (self, false);
        }
        let Self { github, broker } = self;
        assert!(wait::is_soon(|| broker.is_dead()), "{calls} {nth}: {ran:?}");
        let broker = broker.kill().start();
        let scene = Self { github, broker };
        let token = scene.handed_out();
        assert!(
            !token.is_empty() && !scene.is_dead(&token),
            "{calls} {nth}: {token}"
        );
        (scene, true)
    }
}

/// More than a rotation makes.
const MOST_CALLS: usize = 200;

#[test]
fn a_broker_killed_at_any_write_or_sync_of_a_rotation_ends_well_and_always_hands_out_a_living_token()
 {
    if needs::program("strace") {
        kills::side_by_side(["fdatasync,fsync", "pwrite64"], |calls| {
            let killed = killed_at_each(calls);
            assert!(
                killed * kills::step() >= 5,
                "{calls}: killed {killed} times"
            );
        });
    }
}

//! `[sources] keep = "vault"`: values go on beyond a run of the broker, and not beyond that line.

use std::fs;
use std::time::Duration;

use support::wait::until;

use super::*;

const KEPT: &str = "wait = \"1s\"\n[sources]\nkeep = \"vault\"\nttl = \"1h\"\nstale = \"1h\"";

/// Whether the files of the vault hold the name of this place. Nothing else in them does: a row of what
/// is kept starts with it.
fn is_kept(home: &Home) -> bool {
    let vault = home.places.vault.display().to_string();
    let files = ["", "-wal"].map(|end| format!("{vault}{end}"));
    let name = REFERENCE.as_bytes();
    files.iter().any(|file| {
        let bytes = fs::read(file).unwrap_or_default();
        bytes.windows(name.len()).any(|at| at == name)
    })
}

impl Scene {
    fn restarted(self) -> Self {
        let Self { connect, broker } = self;
        let broker = broker.restarted();
        Self { connect, broker }
    }
}

#[test]
fn what_was_kept_is_leased_after_a_restart_although_1password_does_not_answer() {
    let scene = Scene::new(KEPT);
    scene.assert_leased(canary::CLASSIC);
    let reads = scene.reads();
    scene.goes_down();
    // In good order, and not.
    let scene = scene.restarted();
    scene.assert_leased(canary::CLASSIC);
    let Scene { connect, broker } = scene;
    let broker = broker.killed(|_| {});
    let scene = Scene { connect, broker };
    scene.assert_leased(canary::CLASSIC);
    assert_eq!(scene.reads(), reads, "it is in its time");
    // A lock forgets it, an unlock reads it again.
    scene.broker.lock();
    assert_eq!(scene.lease().0, 503);
    scene.broker.unlock();
    scene.assert_leased(canary::CLASSIC);
    let found = canary::files_with(scene.broker.home.path(), canary::CLASSIC);
    assert_eq!(found, [""; 0]);
}

#[test]
fn what_was_kept_is_marked_when_it_is_past_its_time() {
    let scene = Scene::new(KEPT);
    scene.assert_leased(canary::CLASSIC);
    scene.goes_down();
    scene.broker.clock.advance(Duration::from_secs(90 * 60));
    let scene = scene.restarted();
    let (status, leased) = scene.lease();
    assert_eq!((status, &leased["token"]), (201, &canary::CLASSIC.into()));
    assert!(leased["stale_since"].is_string(), "{leased}");
}

#[test]
fn a_value_that_is_not_asked_for_any_more_is_erased_from_the_vault_in_time() {
    let scene = Scene::new(KEPT);
    scene.assert_leased(canary::CLASSIC);
    assert!(is_kept(&scene.broker.home));
    // Read ahead of need once, and then not used.
    let read_at = || scene.shown()["source_read_at"].clone();
    let before = read_at();
    scene.broker.clock.advance(Duration::from_secs(54 * 60));
    until(|| read_at() != before);
    scene.broker.clock.advance(Duration::from_secs(3 * 60 * 60));
    until(|| !is_kept(&scene.broker.home));
    scene.assert_leased(canary::CLASSIC);
}

#[test]
fn a_value_that_1password_gives_no_more_is_gone_from_the_vault_too() {
    let scene = Scene::new(KEPT);
    scene.assert_leased(canary::CLASSIC);
    scene
        .connect
        .change(|state| state.vault(VAULT).items.clear());
    scene.broker.clock.advance(Duration::from_secs(70 * 60));
    until(|| scene.lease().0 == 502);
    assert!(!is_kept(&scene.broker.home));
    scene.goes_down();
    assert_eq!(scene.restarted().lease().0, 502, "nothing older is served");
}

#[test]
fn without_the_line_a_start_erases_what_was_kept() {
    let scene = Scene::new(KEPT);
    scene.assert_leased(canary::CLASSIC);
    let home = scene.broker.stop();
    assert!(is_kept(&home));
    let config = fs::read_to_string(&home.places.config).unwrap();
    home.config(&config.replace("keep = \"vault\"", ""));
    let broker = InProcess::start(home);
    let scene = Scene {
        connect: scene.connect,
        broker,
    };
    scene.assert_leased(canary::CLASSIC);
    assert!(!is_kept(&scene.broker.stop()));
}

#[test]
fn nothing_is_kept_unless_configuration_says_so() {
    let scene = Scene::new("wait = \"5s\"");
    scene.assert_leased(canary::CLASSIC);
    assert!(!is_kept(&scene.broker.stop()));
}

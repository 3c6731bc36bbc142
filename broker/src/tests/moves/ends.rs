//! What becomes of old copies, and what is in the way of that.

use std::thread;
use std::time::Duration;

use support::{needs, wait};

use super::*;

#[test]
fn a_value_that_leaves_the_vault_is_erased_there_and_the_leases_on_it_live_on() {
    let scene = Scene::new();
    let (file, _) = scene.file();
    scene.to("vault").the_end();
    scene.finish().the_end();
    assert_eq!(scene.broker.home.records_of("secret.set").len(), 1);
    let id = scene.lease_of(NAME)["lease"].as_str().unwrap().to_owned();

    // The same file is still there: nothing is to be written.
    scene.to(&file).the_end();
    let finished = scene.finish().the_end();
    let erased = "the old copy in vault is erased";
    assert!(finished.contains(erased), "{finished}");
    assert_eq!(scene.shown()["version"], Value::Null);
    let finished = scene.broker.home.records_of("secret.move_finished");
    let old: Vec<_> = finished.iter().map(|record| &record["old"]).collect();
    assert_eq!(old, ["left", "erased"]);
    let renew = format!("/v1/leases/{id}/renew");
    scene.broker.done("POST", &renew, "");
    let broker = scene.broker.killed(|_| {});
    let lives = broker.http("GET", &format!("/v1/leases/{id}"), "");
    assert_eq!(lives.status, 200, "also across a start: {lives:?}");
    Scene { broker }.assert_serves(NAME, VALUE);
}

#[test]
fn a_value_goes_into_a_file_by_hand_and_out_of_it() {
    let scene = Scene::new();
    scene.to("vault").the_end();
    scene.finish().the_end();
    let path = scene.broker.home.path().join("elsewhere");
    let place = format!("file:{}", path.display());
    let todo = scene.to(&place).an_operator();
    assert!(todo.contains("with mode 0600"), "{todo}");
    put(&path, "ghp_something_else\n");
    let other = scene.to(&place).a_refusal();
    assert!(other.contains("holds another value"), "{other}");
    put(&path, VALUE);
    scene.to(&place).the_end();
    scene.assert_serves(NAME, VALUE);
    scene.finish().the_end();
    scene.to("vault").the_end();
    let left = scene.finish().the_end();
    let shred = format!("shred -u '{}'", path.display());
    assert!(left.contains(&shred), "{left}");
}

#[test]
fn nothing_is_erased_while_the_two_copies_differ_and_there_is_no_way_back_to_nothing() {
    let scene = Scene::new();
    let (_, path) = scene.file();
    scene.to("vault").the_end();
    assert_eq!(scene.set("ghp_another").status, 200);
    let finish = scene.finish().a_refusal();
    assert!(finish.contains("nothing is erased"), "{finish}");
    let back = scene.back().a_refusal();
    let differs = "holds another value than the one in use";
    assert!(back.contains(differs), "{back}");
    // The file went too early.
    fs::remove_file(path).unwrap();
    let broker = scene.broker.killed(|_| {});
    let scene = Scene { broker };
    let back = scene.back().a_refusal();
    assert!(back.contains("gives no value; put the value"), "{back}");
    assert_eq!(scene.source(), "vault");
    let finish = scene.finish().the_end();
    assert!(finish.contains("no old copy any more"), "{finish}");
}

#[test]
fn another_value_in_the_vault_is_replaced_only_when_that_is_asked_for() {
    let scene = Scene::new();
    assert_eq!(scene.set("ghp_older").status, 200);
    let refused = scene.to("vault").a_refusal();
    assert!(refused.contains("--replace"), "{refused}");
    let planned = scene.ask("", &json!({ "to": "vault", "dry_run": true }));
    assert!(planned.json().to_string().contains("--replace"));
    assert_eq!(scene.broker.home.records_of("secret.set").len(), 1);
    let replace = json!({ "to": "vault", "replace": true });
    scene.go_on("", &replace).the_end();
    scene.assert_serves(NAME, VALUE);
    assert_eq!(scene.shown()["version"], 2);
}

#[test]
fn a_move_that_is_not_finished_within_a_week_is_warned_of() {
    let scene = Scene::new();
    scene.to("vault").the_end();
    let warned = || {
        let status = scene.broker.http("GET", "/v1/status", "").json();
        status["broker"]["warnings"]
            .to_string()
            .contains("and is not finished")
    };
    assert!(!warned());
    scene
        .broker
        .clock
        .advance(Duration::from_secs(8 * 24 * 3600));
    assert!(warned());
    scene.finish().the_end();
    assert!(!warned());
}

#[test]
fn who_was_handed_a_value_is_known_wherever_it_moves() {
    let scene = Scene::new();
    let exposed = || scene.shown()["exposed_to"].as_array().unwrap().len();
    scene.assert_serves(NAME, VALUE);
    wait::until(|| exposed() == 1);
    scene.to("vault").the_end();
    assert_eq!(exposed(), 1, "the value is the same");
    scene.back().the_end();
    let path = format!("/v1/secrets/{NAME}");
    scene.broker.done("DELETE", &path, "");
    assert_eq!(exposed(), 1, "what was removed was a copy");
    scene.to("vault").the_end();
    assert_eq!(scene.set("ghp_another").status, 200);
    assert_eq!(exposed(), 0, "no one was handed that one");
}

#[test]
fn a_deadline_counts_from_when_the_value_was_first_seen_over_moves_and_restarts() {
    let home = home("");
    let policies = home.places.policies.join("secrets.toml");
    let policy = fs::read_to_string(policies).unwrap();
    let rotated = policy.replacen("source", "rotate_every = \"90d\"\nsource", 1);
    home.policy("secrets.toml", &rotated);
    let scene = Scene {
        broker: InProcess::start(home),
    };
    let deadline = |scene: &Scene| scene.shown()["deadline"].clone();
    assert!(deadline(&scene).is_string(), "known at once");
    // Until it is kept, it is seen for the first time at each look.
    wait::until(|| deadline(&scene) == deadline(&scene));
    let first = deadline(&scene);
    let (file, _) = scene.file();
    scene.broker.clock.advance(Duration::from_secs(24 * 3600));
    scene.to("vault").the_end();
    assert_eq!(scene.source(), "vault");
    assert_eq!(deadline(&scene), first);
    let broker = scene.broker.restarted();
    let scene = Scene { broker };
    assert_eq!(deadline(&scene), first);
    scene.back().the_end();
    assert_eq!(scene.source(), file);
    assert_eq!(deadline(&scene), first);
}

#[test]
fn a_file_that_a_deployment_mounts_is_moved_away_and_back_although_others_may_read_it() {
    if !needs::root() {
        return;
    }
    let home = home("");
    let theirs = tempfile::tempdir().unwrap();
    let path = theirs.path().join("mounted");
    put(&path, VALUE);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let there = format!("file:{}", path.display());
    let policies = home.places.policies.join("secrets.toml");
    let policy = fs::read_to_string(policies).unwrap();
    let line = format!("source = \"file:{}\"", home.path().join(NAME).display());
    let mounted = format!("source = \"{there}\"\nmounted = true");
    home.policy("secrets.toml", &policy.replace(&line, &mounted));
    let scene = Scene {
        broker: InProcess::start(home),
    };
    scene.assert_serves(NAME, VALUE);
    let assert_is_at = |place: &str| {
        assert_eq!(scene.source(), place);
        scene.assert_serves(NAME, VALUE);
    };
    scene.to("vault").the_end();
    assert_is_at("vault");
    scene.back().the_end();
    assert_is_at(&there);
    scene.to("vault").the_end();
    scene.finish().the_end();
    assert_is_at("vault");
    scene.to(&there).the_end();
    assert_is_at(&there);
}

#[test]
fn moves_at_once_write_the_value_once() {
    let scene = Scene::new();
    let to = json!({ "to": "vault" });
    let answers: Vec<Answer> = thread::scope(|scope| {
        let one = || scope.spawn(|| scene.ask("", &to));
        let all: Vec<_> = (0..8).map(|_| one()).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert!(done >= 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (409, &"conflict".into())
        );
    }
    assert_eq!(scene.broker.home.records_of("secret.set").len(), 1);
    scene.assert_serves(NAME, VALUE);
}

#[test]
fn no_other_value_comes_while_one_leaves_the_vault() {
    let scene = Scene::new();
    let (file, _) = scene.file();
    scene.to("vault").the_end();
    scene.finish().the_end();
    // Copied, and policies still name the vault.
    let waits = scene.ask("", &json!({ "to": file }));
    assert_eq!(waits.json()["next"]["step"], "switch", "{waits:?}");
    let under_way = "out of the vault is under way";
    let set = scene.set("ghp_another").json().to_string();
    assert!(set.contains(under_way), "{set}");
    let rotate = format!("/v1/rotations/{NAME}");
    let body = json!({ "value": "ghp_another" }).to_string();
    let rotate = scene.broker.http("POST", &rotate, &body);
    let rotate = rotate.json().to_string();
    assert!(rotate.contains(under_way), "{rotate}");
    scene.assert_serves(NAME, VALUE);
    scene.back().the_end();
    assert_eq!(scene.set("ghp_another").status, 200);
}

#[test]
fn a_place_that_another_secret_is_taken_from_is_neither_replaced_nor_erased_and_stays_when_one_leaves_it()
 {
    let scene = Scene::new();
    let path = scene.broker.home.path().join(OTHER);
    let place = format!("file:{}", path.display());
    let both = format!("`{OTHER}` is taken from");
    let replace = json!({ "to": place, "replace": true });
    let refused = scene.go_on("", &replace).a_refusal();
    assert!(refused.contains(&both), "{refused}");
    put(&path, VALUE);
    scene.to(&place).the_end();
    scene.finish().the_end();
    scene.to("vault").the_end();
    let finished = scene.finish().the_end();
    assert!(finished.contains(&both), "{finished}");
    assert!(finished.contains("stays"), "{finished}");
    assert_eq!(fs::read_to_string(&path).unwrap(), VALUE);
}

//! Where the broker cannot end a value, a person does.

use support::github::Fault;

use super::*;

const REVOKE: &str = "POST /credentials/revoke";

/// The stand-in as an Enterprise Server.
fn enterprise_server() -> Scene {
    let github = StandIn::start(world());
    github.change(|state| state.settings.rate_limits = false);
    let home = home(&github, SINK);
    let (api, ca) = (github.api(), github.ca().display().to_string());
    home.config(&format!(
        "[github]\napi = \"{api}/api/v3\"\nca = \"{ca}\"\n"
    ));
    let broker = home.start();
    let set = ["secret", "set", NAME];
    broker.home.ctl_with(&set, OLD).success();
    Scene { github, broker }
}

#[test]
fn on_enterprise_server_a_person_deletes_the_old_token_and_the_broker_sees_that_it_is_dead() {
    let scene = enterprise_server();
    let waits = scene.rotate(&["--yes"]);
    assert_eq!(waits.code(), Some(75), "{waits:?}");
    let page = format!("delete it at {}/settings/tokens", scene.github.api());
    assert!(waits.stderr.contains(&page), "{waits:?}");
    assert!(waits.stderr.contains("on Enterprise Server"), "{waits:?}");
    assert!(waits.stderr.contains("--rollback"), "{waits:?}");
    assert_eq!(scene.handed_out(), NEW);
    assert_eq!(scene.in_the_sink().as_deref(), Some(NEW));
    assert_eq!(scene.state()["next"]["waits_for"], "person");
    let moved = ["secret", "move", NAME, "--to", "env:ELSEWHERE"];
    let moved = scene.broker.home.ctl(&moved);
    assert_eq!(moved.code(), Some(1), "{moved:?}");
    assert!(moved.stderr.contains("rotation"), "{moved:?}");

    scene.github.change(|state| state.revoke(OLD));
    let done = scene.broker.home.ctl(&["rotate", NAME]).success();
    assert!(done.contains("dead and erased"), "{done}");
    scene.assert_rotated("on Enterprise Server");
    assert_eq!(scene.github.calls(REVOKE), 0, "never asked to");
}

#[test]
fn on_enterprise_server_a_leaked_token_is_deleted_by_a_person_and_erased_once_it_is_dead() {
    let scene = enterprise_server();
    let line = ["secret", "revoke", NAME, "--now"];
    let waits = scene.broker.home.ctl(&line);
    assert_eq!(waits.code(), Some(75), "{waits:?}");
    let page = format!("delete it at {}/settings/tokens", scene.github.api());
    assert!(waits.stderr.contains(&page), "{waits:?}");
    assert!(waits.stderr.contains("on Enterprise Server"), "{waits:?}");
    scene.github.change(|state| state.revoke(OLD));
    let said = scene.broker.home.ctl(&line);
    assert!(said.stdout.contains("is dead"), "{said:?}");
    assert!(!said.stderr.contains("on Enterprise Server"), "{said:?}");
    assert_eq!(scene.github.calls(REVOKE), 0, "never asked to");
}

#[test]
fn a_rotation_whose_old_value_github_will_not_end_waits_for_a_person_and_says_so() {
    let scene = Scene::new();
    let refuses = Fault::on(REVOKE).refuse(422, "Validation Failed");
    scene.github.fault(refuses);
    let waits = scene.rotate(&["--yes"]);
    assert_eq!(waits.code(), Some(75), "{waits:?}");
    assert!(
        waits
            .stderr
            .contains("GitHub refused to end the old value: delete it at"),
        "{waits:?}"
    );
    assert!(
        !waits.stderr.contains("--rollback"),
        "there is no way back: {waits:?}"
    );
    let failed = scene.broker.home.records_of("rotation.failed");
    let revoke = failed.iter().find(|one| one["step"] == "revoke").unwrap();
    assert!(revoke["why"].as_str().unwrap().contains("422"), "{revoke}");
    assert_eq!(revoke["may_have_happened"], false);
    assert_eq!(scene.handed_out(), NEW);
    assert_eq!(scene.broker.home.ctl(&["rotate", NAME]).code(), Some(75));
    assert_eq!(scene.github.calls(REVOKE), 1, "it would say the same");
    let back = scene.broker.home.ctl(&["rotate", NAME, "--rollback"]);
    assert!(back.stderr.contains("cannot be undone"), "{back:?}");

    scene.github.change(|state| state.revoke(OLD));
    scene.broker.home.ctl(&["rotate", NAME]).success();
    scene.assert_rotated("ended by hand");
}

#[test]
fn a_leaked_token_that_github_will_not_end_is_erased_once_a_person_has_deleted_it() {
    let scene = Scene::new();
    let refuses = Fault::on(REVOKE).refuse(422, "Validation Failed");
    scene.github.fault(refuses);
    let line = ["secret", "revoke", NAME, "--now"];
    let waits = scene.broker.home.ctl(&line);
    assert_eq!(waits.code(), Some(75), "{waits:?}");
    for part in ["GitHub refused to end it", "422", "delete it at"] {
        assert!(waits.stderr.contains(part), "{part}: {waits:?}");
    }
    scene.github.change(|state| state.revoke(OLD));
    let said = scene.broker.home.ctl(&line).success();
    assert!(said.contains("is dead"), "{said}");
    assert_eq!(scene.broker.home.records_of("secret.revoked").len(), 1);
}

//! Where the broker cannot revoke a value, the operator does.

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
    let broker = InProcess::start(home);
    broker.set(NAME, OLD);
    Scene { github, broker }
}

#[test]
fn on_enterprise_server_the_operator_deletes_the_old_token_and_the_broker_sees_that_it_is_dead() {
    let scene = enterprise_server();
    let todo = scene.rotate(Then::Revoke).an_operator();
    let page = format!("delete it at {}/settings/tokens", scene.github.api());
    for part in [page.as_str(), "on Enterprise Server", "--rollback"] {
        assert!(todo.contains(part), "{part}: {todo}");
    }
    assert_eq!(scene.handed_out(), NEW);
    assert_eq!(scene.in_the_sink().as_deref(), Some(NEW));
    assert_eq!(scene.state()["next"]["waits_for"], "operator");
    let to = json!({ "to": "env:ELSEWHERE" });
    let moved = scene.post(&format!("/v1/secrets/{NAME}/move"), &to);
    let detail = moved.json()["detail"].to_string();
    assert!(detail.contains("rotation"), "{detail}");

    scene.github.change(|state| state.revoke(OLD));
    scene.go_on(NAME).the_end();
    scene.assert_rotated("on Enterprise Server");
    assert_eq!(scene.github.calls(REVOKE), 0, "never asked to");
}

#[test]
fn on_enterprise_server_a_leaked_token_is_deleted_by_the_operator_and_erased_once_it_is_dead() {
    let scene = enterprise_server();
    let waits = scene.leaked().json();
    assert_eq!(waits["dead"], false, "{waits}");
    let page = format!("delete it at {}/settings/tokens", scene.github.api());
    let todo = waits["todo"].to_string();
    assert!(todo.contains(&page), "{todo}");
    assert!(todo.contains("on Enterprise Server"), "{todo}");
    scene.github.change(|state| state.revoke(OLD));
    let said = scene.leaked().json();
    assert_eq!(said["dead"], true, "{said}");
    assert!(!said.to_string().contains("on Enterprise Server"), "{said}");
    assert_eq!(scene.github.calls(REVOKE), 0, "never asked to");
}

#[test]
fn a_rotation_whose_old_value_github_does_not_revoke_waits_for_the_operator_and_says_so() {
    let scene = Scene::new();
    let refuses = Fault::on(REVOKE).refuse(422, "Validation Failed");
    scene.github.fault(refuses);
    let todo = scene.rotate(Then::Revoke).an_operator();
    let refused = "GitHub refused to revoke the old value: delete it at";
    assert!(todo.contains(refused), "{todo}");
    assert!(!todo.contains("--rollback"), "there is no way back: {todo}");
    let failed = scene.broker.home.records_of("rotation.failed");
    let revoke = failed.iter().find(|one| one["step"] == "revoke").unwrap();
    assert!(revoke["why"].as_str().unwrap().contains("422"), "{revoke}");
    assert_eq!(revoke["may_have_happened"], false);
    assert_eq!(scene.handed_out(), NEW);
    scene.go_on(NAME).an_operator();
    assert_eq!(scene.github.calls(REVOKE), 1, "it would say the same");
    let back = scene.roll_back().json()["detail"].to_string();
    assert!(back.contains("cannot be undone"), "{back}");

    scene.github.change(|state| state.revoke(OLD));
    scene.go_on(NAME).the_end();
    scene.assert_rotated("ended by hand");
}

#[test]
fn a_leaked_token_that_github_does_not_revoke_is_erased_once_the_operator_has_deleted_it() {
    let scene = Scene::new();
    let refuses = Fault::on(REVOKE).refuse(422, "Validation Failed");
    scene.github.fault(refuses);
    let waits = scene.leaked().json();
    assert_eq!(waits["dead"], false, "{waits}");
    for part in ["GitHub refused to revoke it", "422", "delete it at"] {
        assert!(waits["todo"].to_string().contains(part), "{part}: {waits}");
    }
    scene.github.change(|state| state.revoke(OLD));
    assert_eq!(scene.leaked().json()["dead"], true);
    assert_eq!(scene.broker.home.records_of("secret.revoked").len(), 1);
}

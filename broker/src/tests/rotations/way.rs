//! The way through a rotation, and out of it.

use std::time::Duration;

use support::github::{App, AppKey, Fault, Level, Pat, Repositories};
use support::{canary, wait};

use super::*;

#[test]
fn the_log_tells_every_step_in_order_and_no_value_is_written_anywhere() {
    let scene = Scene::new();
    scene.rotate(Then::Revoke).the_end();
    let kinds: Vec<String> = scene
        .broker
        .home
        .records()
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].to_string())
        .filter(|kind| kind.contains("rotation.") || kind.contains("sink."))
        .map(|kind| kind.replace('"', ""))
        .collect();
    assert_eq!(
        kinds,
        [
            "rotation.begun",
            "rotation.swapped",
            "rotation.confirmed",
            "sink.pushed",
            "rotation.verified",
            "rotation.revoking",
            "rotation.revoked",
            "rotation.finished",
        ]
    );
    for secret in [OLD, NEW] {
        let found = canary::files_with(scene.broker.home.path(), secret);
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn a_value_that_is_unfit_changes_nothing_and_all_that_is_wrong_is_said() {
    let other = "ghp_OTHERcanaryOTHERcanaryOTHERcanary0003";
    let poor = "ghp_POORcanaryPOORcanaryPOORcanaryPOO0004";
    let world = world().classic(other, "someone-else", &["repo"]).classic(
        poor,
        "acme-bot",
        &["public_repo"],
    );
    let scene = Scene::with(world, SINK);
    for (value, wrong) in [
        (OLD, "the value in use"),
        (other, "belongs to `someone-else`"),
        (other, "scope `workflow` is declared"),
        (
            poor,
            "scope `repo` is declared, and it carries `public_repo`",
        ),
        (
            "ghp_NOBODYcanaryNOBODYcanaryNOBODYcan0005",
            "does not accept it",
        ),
        ("github_pat_11CANARY_canary", "it is a fine-grained token"),
    ] {
        let refused = scene.rotate_to(NAME, &json!({ "value": value }), Then::Revoke);
        let (_, detail) = refused.a_refusal();
        assert!(detail.contains(wrong), "{wrong}: {detail}");
        assert!(!detail.contains(value), "{detail}");
        assert_eq!(scene.handed_out(), OLD);
        assert_eq!(scene.state()["phase"], "none");
    }
    assert_eq!(scene.in_the_sink(), None);
}

#[test]
fn a_fine_grained_value_must_reach_every_declared_repository_that_still_has_its_name() {
    let (old, poor, new) = (
        "github_pat_11OLDcanary_OLDcanaryOLDcanary0001",
        "github_pat_11POORcanary_POORcanaryPOORcanary2",
        "github_pat_11NEWcanary_NEWcanaryNEWcanary0003",
    );
    let pat = |token, repositories| {
        let reads = [("contents", Level::Read)];
        Pat::fine_grained(token, "acme-bot", "acme", repositories, &reads)
    };
    let site = Repositories::selected(&["acme/site"]);
    let world = world()
        .pat(pat(old, Repositories::All))
        .pat(pat(poor, site))
        .pat(pat(new, Repositories::All));
    let declared = "\n[secret.site-pat]\nkind = \"fine-grained\"\nowner = \"acme-bot\"\n\
                    repositories = [\"acme/site\", \"acme/docs\"]\n\
                    permissions = { contents = \"read\" }\n";
    let scene = Scene::with(world, declared);
    scene.broker.set("site-pat", old);
    let rotate = |value| scene.rotate_to("site-pat", &json!({ "value": value }), Then::Revoke);
    let (_, why) = rotate(poor).a_refusal();
    let unknown = "`acme/docs` is not reached: GitHub knows nothing there";
    assert!(why.contains(unknown), "{why}");
    let docs = Fault::on("GET /repos/acme/docs");
    let github = &scene.github;
    github.fault(docs.refuse(451, "Repository access blocked"));
    let (_, why) = rotate(new).a_refusal();
    let refuses =
        "GitHub keeps it from `acme/docs` (451); GitHub says: “Repository access blocked”";
    assert!(why.contains(refuses), "{why}");
    github.heal();
    github.change(|state| state.rename("acme/docs", "papers"));
    let begun = scene.post("/v1/rotations/site-pat", &json!({ "value": new }));
    let warnings = begun.json()["warnings"].to_string();
    let renamed = "`acme/docs` has another name now";
    assert!(warnings.contains(renamed), "{warnings}");
    scene.confirm("site-pat", &json!({}));
    scene.go_on("site-pat").the_end();
    assert_eq!(scene.state_of("site-pat")["phase"], "finished");
    assert!(scene.is_dead(old) && !scene.is_dead(new));
}

#[test]
fn where_no_scopes_are_declared_a_new_value_carries_none_too_many() {
    let value = "ghp_FREEcanaryFREEcanaryFREEcanaryFRE0007";
    let world = world().classic(value, "acme-bot", &["repo"]);
    let free = "\n[secret.free-pat]\nkind = \"classic\"\nowner = \"acme-bot\"\n";
    let scene = Scene::with(world, free);
    scene.broker.set("free-pat", value);
    let begun = scene.post("/v1/rotations/free-pat", &json!({ "value": NEW }));
    let warnings = begun.json()["warnings"].to_string();
    assert!(!warnings.contains("more than is declared"), "{warnings}");
    scene.confirm("free-pat", &json!({}));
    scene.go_on("free-pat").the_end();
    assert_eq!(scene.state_of("free-pat")["phase"], "finished");
    assert!(scene.is_dead(value) && !scene.is_dead(NEW));
}

#[test]
fn nothing_changes_while_github_cannot_be_asked_about_the_new_value() {
    let scene = Scene::new();
    scene.github.fault(Fault::on("GET /user").close_before());
    let (code, detail) = scene.rotate(Then::Revoke).a_refusal();
    assert_eq!(code, "upstream_unavailable", "{detail}");
    assert_eq!(scene.handed_out(), OLD);
    assert_eq!(scene.state()["phase"], "none");
}

#[test]
fn until_the_old_value_is_revoked_a_rotation_is_undone() {
    let scene = Scene::new();
    scene.rotate(Then::Ask).an_operator();
    assert_eq!(scene.roll_back().status, 200);
    scene.go_on(NAME).the_end();
    assert_eq!(scene.handed_out(), OLD);
    assert_eq!(scene.in_the_sink().as_deref(), Some(OLD));
    let state = scene.state();
    assert_eq!(
        (&state["phase"], &state["version"]),
        (&"rolled_back".into(), &3.into())
    );
    let next = state["next"]["text"].as_str().unwrap();
    let todo = "delete the token that was made for it";
    assert!(next.contains(todo), "{next}");
    assert!(!scene.is_dead(OLD) && !scene.is_dead(NEW));
    // And forward again.
    scene.rotate(Then::Revoke).the_end();
    scene.assert_rotated("after a way back");
}

#[test]
fn what_github_has_revoked_cannot_be_brought_back() {
    let scene = Scene::new();
    scene.rotate(Then::Ask).an_operator();
    scene.github.change(|state| state.revoke(OLD));
    let refused = scene.roll_back();
    let detail = refused.json()["detail"].to_string();
    assert!(detail.contains("cannot be undone"), "{detail}");
    assert_eq!(scene.handed_out(), NEW);
    // What is dead needs no confirmation.
    scene.go_on(NAME).the_end();
    scene.assert_rotated("the old value died meanwhile");
    assert!(scene.roll_back().status >= 400);
}

#[test]
fn a_token_that_was_regenerated_is_noticed() {
    let scene = Scene::new();
    scene.github.change(|state| state.revoke(OLD));
    let path = format!("/v1/rotations/{NAME}");
    let begun = scene.post(&path, &json!({ "value": NEW }));
    let warnings = begun.json()["warnings"].to_string();
    let dead = "refuses the old value already";
    assert!(warnings.contains(dead), "{warnings}");
    scene.go_on(NAME).the_end();
    scene.assert_rotated("regenerated");
}

#[test]
fn the_broker_revokes_the_old_value_by_itself_also_after_a_restart() {
    let scene = Scene::new();
    scene.rotate(Then::RevokeAfter(600)).the_end();
    let text = scene.state()["next"]["text"].to_string();
    assert!(
        text.contains("the broker revokes the old value at"),
        "{text}"
    );
    let Scene { github, broker } = scene;
    let broker = broker.killed(|_| {});
    let scene = Scene { github, broker };
    assert!(!scene.is_dead(OLD));
    scene.broker.clock.advance(Duration::from_secs(600));
    wait::until(|| scene.state()["phase"] == "finished");
    scene.assert_rotated("by itself");
}

#[test]
fn an_old_value_is_ended_when_its_time_has_passed_by_boot_time_and_after_a_reboot_by_the_wall_clock()
 {
    let scene = Scene::new();
    scene.rotate(Then::RevokeAfter(3600)).the_end();
    let Scene { github, broker } = scene;
    let first_boot = broker.clock.clone();
    let broker = broker.restarted_by(first_boot.after_a_reboot());
    let scene = Scene { github, broker };
    assert_eq!(scene.state()["next"]["step"], "wait");
    assert!(!scene.is_dead(OLD));
    let Scene { github, broker } = scene;
    let hour = Duration::from_secs(3600);
    let broker = broker.restarted_by(first_boot.after_a_suspend(hour));
    let scene = Scene { github, broker };
    wait::until(|| scene.is_dead(OLD));

    let scene = Scene::new();
    scene.rotate(Then::RevokeAfter(3600)).the_end();
    let Scene { github, broker } = scene;
    let rebooted = broker.clock.after_a_reboot();
    rebooted.advance(hour);
    let broker = broker.restarted_by(rebooted);
    let scene = Scene { github, broker };
    wait::until(|| scene.is_dead(OLD));
}

#[test]
fn a_value_is_not_set_over_a_rotation() {
    let scene = Scene::new();
    scene.rotate(Then::Ask).an_operator();
    let path = format!("/v1/secrets/{NAME}");
    let body = json!({ "value": OLD }).to_string();
    let set = scene.broker.http("PUT", &path, &body);
    assert_eq!(set.status, 409, "{set:?}");
    assert!(set.json()["detail"].to_string().contains("rotation"));
    let other = json!({ "value": "ghp_OTHERcanaryOTHERcanaryOTHERcanary0003" });
    let (_, detail) = scene.rotate_to(NAME, &other, Then::Ask).a_refusal();
    let under_way = "to another value is under way";
    assert!(detail.contains(under_way), "{detail}");
}

#[test]
fn the_leases_on_the_old_value_end_with_it() {
    let scene = Scene::new();
    let lease = scene.broker.lease(r#"{"purpose":"label-sync"}"#).json();
    scene.rotate(Then::Revoke).the_end();
    let path = format!("/v1/leases/{}", lease["lease"].as_str().unwrap());
    assert_eq!(scene.broker.http("GET", &path, "").status, 404);
}

#[test]
fn an_apps_key_waits_for_the_operator_to_delete_the_old_one_and_is_seen_dead() {
    let (old, new) = (AppKey::generate(), AppKey::generate());
    let mut app = App::new("Iv23liCANARY", "acme", &old, &[]);
    app.keys.push(new.clone());
    let declared = "\n[secret.acme-import-app]\nkind = \"app\"\nclient_id = \"Iv23liCANARY\"\n";
    let scene = Scene::with(world().app(app), declared);
    let name = "acme-import-app";
    scene.broker.set(name, old.pem());
    let begin = json!({ "value": new.pem() });
    let todo = scene.rotate_to(name, &begin, Then::Revoke).an_operator();
    assert!(todo.contains("delete it at"), "{todo}");
    // Still there: it waits on.
    scene.go_on(name).an_operator();
    let github = &scene.github;
    github.change(|state| state.app_mut("Iv23liCANARY").keys = vec![new]);
    scene.go_on(name).the_end();
    assert_eq!(scene.state_of(name)["phase"], "finished");
    let revoked = scene.broker.home.records_of("rotation.revoked");
    assert_eq!(revoked.len(), 1);
}

//! The way through a rotation, and out of it.

use support::github::{AppKey, Fault};
use support::{canary, wait};

use super::*;

#[test]
fn a_rotation_goes_from_the_link_to_the_proof() {
    let scene = Scene::new();
    let waits = scene.broker.home.ctl(&["rotate", NAME]);
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

    let done = scene.broker.home.ctl(&["rotate", NAME, "--yes"]).success();
    assert!(done.contains("dead and erased"), "{done}");
    scene.assert_rotated("step by step");
    let again = scene.rotate(&["--yes"]).success();
    assert!(again.contains("dead and erased"), "{again}");
}

#[test]
fn the_log_tells_every_step_in_order_and_no_value_is_written_anywhere() {
    let scene = Scene::new();
    scene.rotate(&["--yes"]).success();
    let kinds: Vec<String> = scene
        .broker
        .home
        .records()
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].to_string())
        .filter(|kind| kind.contains("rotation.") || kind.contains("sink."))
        .map(|kind| kind.replace('"', ""))
        .collect();
    let without_looks: Vec<&str> = kinds
        .iter()
        .map(String::as_str)
        .filter(|kind| *kind != "rotation.failed")
        .collect();
    assert_eq!(
        without_looks,
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
    fs::remove_file(scene.broker.home.path().join("value")).unwrap();
    for secret in [OLD, NEW] {
        let found = canary::files_with(scene.broker.home.path(), secret);
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn a_dry_run_says_every_step_and_changes_nothing() {
    let scene = Scene::new();
    scene.github.forget_calls();
    let records = scene.broker.home.records().len();
    let said = scene
        .broker
        .home
        .ctl(&["rotate", NAME, "--dry-run"])
        .success();
    for part in [
        "link: https://",
        "actions secret SYNC_TOKEN of acme/site",
        "401",
        "--rollback",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(scene.broker.home.records().len(), records);
    assert!(scene.github.journal().is_empty());
}

#[test]
fn a_value_that_will_not_do_changes_nothing_and_says_all_that_is_wrong() {
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
        (other, "lacks the scope workflow"),
        (poor, "lacks the scope repo, workflow"),
        (
            "ghp_NOBODYcanaryNOBODYcanaryNOBODYcan0005",
            "does not accept it",
        ),
        ("github_pat_11CANARY_canary", "it is a fine-grained token"),
    ] {
        let file = scene.file(value);
        let line = [
            "rotate",
            NAME,
            "--yes",
            "--value-file",
            file.to_str().unwrap(),
        ];
        let ran = scene.broker.home.ctl(&line);
        assert_eq!(ran.code(), Some(1), "{ran:?}");
        assert!(ran.stderr.contains(wrong), "{wrong}: {ran:?}");
        assert!(!ran.stderr.contains(value), "{ran:?}");
        assert_eq!(scene.handed_out(), OLD);
        assert_eq!(scene.state()["phase"], "none");
    }
    assert_eq!(scene.in_the_sink(), None);
}

#[test]
fn a_fine_grained_value_must_reach_every_declared_repository_that_still_has_its_name() {
    use support::github::{Level, Pat, Repositories};
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
    let github = StandIn::start(world);
    let declared = "\n[secret.site-pat]\nkind = \"fine-grained\"\nowner = \"acme-bot\"\n\
                    repositories = [\"acme/site\", \"acme/docs\"]\n\
                    permissions = { contents = \"read\" }\n";
    let broker = home(&github, declared).start();
    let ctl = |line: &[&str], value| broker.home.ctl_with(line, value);
    ctl(&["secret", "set", "site-pat"], old).success();
    let rotate = ["rotate", "site-pat", "--yes", "--value-file", "-"];
    let refused = |value, why: &str| {
        let ran = ctl(&rotate, value);
        assert_eq!(ran.code(), Some(1), "{ran:?}");
        assert!(ran.stderr.contains(why), "{why}: {ran:?}");
    };
    refused(
        poor,
        "it does not reach acme/docs: GitHub knows nothing there",
    );
    let docs = Fault::on("GET /repos/acme/docs");
    github.fault(docs.refuse(451, "Repository access blocked"));
    refused(new, "it does not reach acme/docs: GitHub refuses (451");
    github.heal();
    github.change(|state| state.rename("acme/docs", "papers"));
    let ran = ctl(&rotate, new);
    assert!(
        ran.stderr.contains("`acme/docs` has another name now"),
        "{ran:?}"
    );
    assert!(ran.success().contains("dead and erased"));
}

#[test]
fn where_no_scopes_are_declared_a_new_value_carries_none_too_many() {
    let world = world().classic(
        "ghp_FREEcanaryFREEcanaryFREEcanaryFRE0007",
        "acme-bot",
        &["repo"],
    );
    let free = "\n[secret.free-pat]\nkind = \"classic\"\nowner = \"acme-bot\"\n";
    let scene = Scene::with(world, free);
    let set = ["secret", "set", "free-pat"];
    let value = "ghp_FREEcanaryFREEcanaryFREEcanaryFRE0007";
    scene.broker.home.ctl_with(&set, value).success();
    let rotate = ["rotate", "free-pat", "--yes", "--value-file", "-"];
    let ran = scene.broker.home.ctl_with(&rotate, NEW);
    assert!(!ran.stderr.contains("more than is declared"), "{ran:?}");
    ran.success();
}

#[test]
fn nothing_changes_while_github_cannot_be_asked_about_the_new_value() {
    let scene = Scene::new();
    scene.github.fault(Fault::on("GET /user").close_before());
    let ran = scene.rotate(&["--yes"]);
    assert_eq!(ran.code(), Some(7), "{ran:?}");
    assert_eq!(scene.handed_out(), OLD);
    assert_eq!(scene.state()["phase"], "none");
}

#[test]
fn until_the_old_value_is_ended_a_rotation_is_undone() {
    let scene = Scene::new();
    assert_eq!(scene.rotate(&[]).code(), Some(75));
    let back = scene.broker.home.ctl(&["rotate", NAME, "--rollback"]);
    let said = back.success();
    assert!(
        said.contains("delete the token that was made for it"),
        "{said}"
    );
    assert_eq!(scene.handed_out(), OLD);
    assert_eq!(scene.in_the_sink().as_deref(), Some(OLD));
    let state = scene.state();
    assert_eq!(
        (&state["phase"], &state["version"]),
        (&"rolled_back".into(), &3.into())
    );
    assert!(!scene.is_dead(OLD) && !scene.is_dead(NEW));
    // And once more forward.
    scene.rotate(&["--yes"]).success();
    scene.assert_rotated("after a way back");
}

#[test]
fn what_github_has_ended_cannot_be_brought_back() {
    let scene = Scene::new();
    assert_eq!(scene.rotate(&[]).code(), Some(75));
    scene.github.change(|state| state.revoke(OLD));
    let ran = scene.broker.home.ctl(&["rotate", NAME, "--rollback"]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    assert!(ran.stderr.contains("cannot be undone"), "{ran:?}");
    assert_eq!(scene.handed_out(), NEW);
    // What is dead needs no confirmation.
    scene.broker.home.ctl(&["rotate", NAME]).success();
    scene.assert_rotated("the old value died meanwhile");
    let ran = scene.broker.home.ctl(&["rotate", NAME, "--rollback"]);
    assert_eq!(ran.code(), Some(1), "{ran:?}");
}

#[test]
fn a_token_that_was_regenerated_is_noticed() {
    let scene = Scene::new();
    scene.github.change(|state| state.revoke(OLD));
    let ran = scene.rotate(&[]);
    assert!(ran.status.success(), "{ran:?}");
    assert!(
        ran.stderr.contains("refuses the old value already"),
        "{ran:?}"
    );
    scene.assert_rotated("regenerated");
}

#[test]
fn the_broker_ends_the_old_value_by_itself_also_after_a_restart() {
    let scene = Scene::new();
    let said = scene.rotate(&["--revoke-after", "2s"]).success();
    assert!(said.contains("the broker ends the old value at"), "{said}");
    let Scene { github, broker } = scene;
    let broker = broker.kill().start();
    let scene = Scene { github, broker };
    wait::until(|| scene.state()["phase"] == "finished");
    scene.assert_rotated("by itself");
}

#[test]
fn a_value_is_not_set_over_a_rotation() {
    let scene = Scene::new();
    assert_eq!(scene.rotate(&[]).code(), Some(75));
    let set = scene.broker.home.ctl_with(&["secret", "set", NAME], OLD);
    assert_eq!(set.code(), Some(1), "{set:?}");
    assert!(set.stderr.contains("rotation"), "{set:?}");
    let other = scene.file("ghp_OTHERcanaryOTHERcanaryOTHERcanary0003");
    let line = ["rotate", NAME, "--value-file", other.to_str().unwrap()];
    let ran = scene.broker.home.ctl(&line);
    assert!(
        ran.stderr.contains("to another value is under way"),
        "{ran:?}"
    );
}

#[test]
fn the_leases_on_the_old_value_end_with_it() {
    let scene = Scene::new();
    let lease = scene.broker.lease(r#"{"purpose":"label-sync"}"#).json();
    scene.rotate(&["--yes"]).success();
    let path = format!("/v1/leases/{}", lease["lease"].as_str().unwrap());
    assert_eq!(scene.broker.http("GET", &path, "").status, 404);
}

#[test]
fn an_apps_key_waits_for_a_person_to_delete_the_old_one_and_is_seen_dead() {
    use support::github::{App, World};
    let (old, new) = (AppKey::generate(), AppKey::generate());
    let mut app = App::new("Iv23liCANARY", "acme", &old, &[]);
    app.keys.push(new.clone());
    let github = StandIn::start(World::new().organization("acme", &["acme-bot"]).app(app));
    let home = home(
        &github,
        "\n[secret.acme-import-app]\nkind = \"app\"\nclient_id = \"Iv23liCANARY\"\n",
    );
    let broker = home.start();
    let set = ["secret", "set", "acme-import-app"];
    broker.home.ctl_with(&set, old.pem()).success();
    let rotate = ["rotate", "acme-import-app", "--yes", "--value-file", "-"];
    let waits = broker.home.ctl_with(&rotate, new.pem());
    assert_eq!(waits.code(), Some(75), "{waits:?}");
    assert!(waits.stderr.contains("delete it at"), "{waits:?}");
    // Still there: it waits on.
    let line = ["rotate", "acme-import-app"];
    assert_eq!(broker.home.ctl(&line).code(), Some(75));
    github.change(|state| state.app_mut("Iv23liCANARY").keys = vec![new]);
    let done = broker.home.ctl(&line).success();
    assert!(done.contains("dead and erased"), "{done}");
    assert_eq!(broker.home.records_of("rotation.revoked").len(), 1);
}

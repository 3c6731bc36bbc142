//! A name means the repository that it meant at its first token, until an operator says otherwise.

use serde_json::{Value, json};
use support::github::{Fault, Repositories, World};
use support::wait;

use super::super::{ALICE, InProcess};
use super::{CLIENT, MINT, OLD_TOKEN, Setting};

const FALLBACK: &str = r#"fallback = { secret = "acme-import-old-token", deliver = "raw" }"#;
const ONE: &str = r#"{"purpose":"acme-import","repositories":["acme/one"]}"#;

impl Setting {
    /// `acme/one` is deleted and made again, and the App is on it as before. Its ids, before and after.
    fn made_again(&self) -> (u64, u64) {
        self.github.change(|state| {
            let before = state.repository_id("acme/one");
            state.delete_repository("acme/one");
            state.add(World::new().repository("acme/one"));
            let app = state.app_mut(CLIENT);
            let Repositories::Selected(names) = &mut app.installations[0].repositories else {
                panic!("selected")
            };
            names.insert("acme/one".to_owned());
            (before, state.repository_id("acme/one"))
        })
    }

    fn pinned(&self) -> Value {
        let list = self.broker.done("GET", "/v1/repositories", "").json();
        list["repositories"].clone()
    }

    fn unpin(&self, name: &str) -> Value {
        let path = format!("/v1/repositories/{name}");
        self.broker.done("DELETE", &path, "").json()
    }
}

#[test]
fn a_repository_deleted_and_made_again_is_refused_until_an_operator_unpins_its_name() {
    // With a fallback, which by its name would reach whatever is there now.
    let setting = Setting::with(FALLBACK);
    let narrow = json!({"repositories": ["acme/one"]});
    let first = setting.take(&narrow);
    let (before, after) = setting.made_again();
    assert_eq!(
        setting.pinned(),
        json!([{"repository": "acme/one", "id": before}])
    );
    setting.revoke(&first, "");

    let problem = setting.refused(ONE);
    let detail = problem["detail"].as_str().unwrap();
    for part in [
        format!("`acme/one` means the one with id {before}"),
        "`tokenctl repository unpin acme/one`".to_owned(),
    ] {
        assert!(detail.contains(&part), "{part}: {detail}");
    }
    let hint = problem["hint"].as_str().unwrap();
    assert!(hint.contains("changes hands"), "{hint}");

    assert_eq!(setting.unpin("Acme/One")["id"], before);
    let lease = setting.take(&narrow);
    assert_eq!(setting.read(&lease, "/repos/acme/one").status, 200);
    assert_eq!(
        setting.pinned(),
        json!([{"repository": "acme/one", "id": after}])
    );
    let records = setting.broker.home.records_of("repository.unpinned");
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["repository"], "acme/one");
    assert_eq!(records[0]["id"], before);
    assert_eq!(
        records[0]["by"]["uid"],
        nix::unistd::geteuid().as_raw(),
        "{records:?}"
    );
}

#[test]
fn a_token_for_the_repository_that_was_is_shared_no_more_once_its_name_is_unpinned() {
    let setting = Setting::new();
    let narrow = json!({"repositories": ["acme/one"]});
    let held = setting.take(&narrow);
    let elsewhere = setting.take(&json!({"repositories": ["acme/two"]}));
    setting.made_again();
    setting.unpin("acme/one");
    let lease = setting.take(&narrow);
    assert_ne!(lease["token"], held["token"]);
    assert_eq!(setting.read(&lease, "/repos/acme/one").status, 200);
    let other = setting.take(&json!({"repositories": ["acme/two"]}));
    assert_eq!(
        other["token"], elsewhere["token"],
        "it has nothing to do with it"
    );
}

#[test]
fn a_name_that_changed_hands_is_noticed_beside_one_that_is_new_too() {
    let setting = Setting::new();
    let first = setting.take(&json!({"repositories": ["acme/one"]}));
    let (before, after) = setting.made_again();
    setting.revoke(&first, "");
    // The id of the other is not known yet, so both are asked for by name.
    let problem = setting.refused(r#"{"purpose":"acme-import"}"#);
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains(&format!("has meant repository {before} "))
            && detail.contains(&format!("is repository {after} today"))
            && detail.contains("`tokenctl repository unpin acme/one`"),
        "{detail}"
    );
    wait::until(|| setting.github.live_tokens() == 0);
}

#[test]
fn where_the_app_was_taken_off_a_repository_the_fallback_is_used_as_before() {
    let setting = Setting::with(FALLBACK);
    let first = setting.take(&json!({"repositories": ["acme/one"]}));
    setting.revoke(&first, "");
    setting.github.change(|state| {
        let elsewhere = Repositories::selected(&["acme/two"]);
        state.installation_on("acme").repositories = elsewhere;
    });
    let lease = setting.take(&json!({"repositories": ["acme/one"]}));
    assert_eq!(lease["token"], OLD_TOKEN);
}

#[test]
fn while_github_does_not_say_who_reaches_a_repository_nothing_is_concluded() {
    let setting = Setting::with(FALLBACK);
    let first = setting.take(&json!({"repositories": ["acme/one"]}));
    setting.made_again();
    setting.revoke(&first, "");
    setting
        .github
        .fault(Fault::on(super::FIND).refuse(403, "Resource not accessible by integration"));
    let problem = setting.refused(ONE);
    assert!(problem.get("hint").is_none(), "{problem}");
    assert_eq!(setting.github.calls(MINT), 2);
}

#[test]
fn a_name_that_is_not_pinned_is_not_found_and_nothing_is_recorded() {
    let setting = Setting::new();
    let answer = setting
        .broker
        .http("DELETE", "/v1/repositories/acme/one", "");
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["code"], "not_found");
    let home = &setting.broker.home;
    assert!(home.records_of("repository.unpinned").is_empty());
}

#[test]
fn only_operators_see_and_unpin_names() {
    let broker = InProcess::with_label_sync();
    for (method, path) in [
        ("GET", "/v1/repositories"),
        ("DELETE", "/v1/repositories/acme/one"),
    ] {
        let answer = broker.http_as(ALICE, method, path, "");
        assert_eq!(answer.status, 403, "{answer:?}");
        assert_eq!(answer.json()["code"], "denied");
    }
}

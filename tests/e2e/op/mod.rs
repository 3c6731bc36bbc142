//! Values read through a program `op` that says what the real one was seen to say.

mod refused;

use std::time::Duration;

use broker_protocol::source::FieldReference;
use broker_secret_memory::token::AccessToken;
use broker_sources::Fetched;
use broker_sources::one_password::{OnePasswordError, Op, Part};
use support::canary;
use support::one_password::StandInOp;
use tempfile::TempDir;

struct Scene {
    stand_in: StandInOp,
    op: Op,
    _scratch: TempDir,
}

/// A service account that may read a vault with an item.
fn scene() -> Scene {
    let scratch = tempfile::tempdir().unwrap();
    let stand_in = StandInOp::in_dir(scratch.path());
    stand_in.know_token(TOKEN);
    stand_in.set("Tokens", "label.sync", "ci/credential", canary::CLASSIC);
    stand_in.set("Tokens", "label.sync", "notes", "n");
    stand_in.set("Tokens", "other", "credential", canary::CLASSIC_TWO);
    let op = Op::new(stand_in.program(), None, LONG);
    Scene {
        stand_in,
        op,
        _scratch: scratch,
    }
}

impl Scene {
    async fn read(&self, reference: &str) -> Result<String, OnePasswordError> {
        Ok(text(&self.fetch(reference).await?))
    }

    async fn fetch(&self, reference: &str) -> Result<Fetched, OnePasswordError> {
        self.op.read(&at(reference), Some(&token(TOKEN))).await
    }

    /// What it was asked each time, by its last argument.
    fn asked_for(&self) -> Vec<String> {
        let calls = self.stand_in.calls();
        let last = |call: &support::one_password::Call| call.arguments.last().unwrap().clone();
        calls.iter().map(last).collect()
    }
}

fn at(reference: &str) -> FieldReference {
    FieldReference::parse(reference.strip_prefix("op://").unwrap()).unwrap()
}

fn token(text: &str) -> AccessToken {
    AccessToken::new(text.to_owned())
}

fn text(fetched: &Fetched) -> String {
    fetched.value.expose().to_owned()
}

#[tokio::test]
async fn a_name_is_one_run_at_first_then_resolved_and_from_then_on_one_run_by_ids() {
    let scene = scene();
    let (vault, item) = scene.stand_in.ids("Tokens", "label.sync");
    let by_name = "op://tokens/Label.Sync/credential";
    let mut versions = Vec::new();
    for _ in 0..3 {
        let fetched = scene.fetch(by_name).await.ok().unwrap();
        assert_eq!(text(&fetched), canary::CLASSIC);
        versions.push(fetched.version);
    }
    assert_eq!(versions, [None, Some(2), None]);
    let asked = scene.asked_for();
    let prefix = format!("op://{vault}/{item}/id-of-ci/f");
    let ids = asked.last().unwrap();
    assert!(ids.starts_with(&prefix), "{ids}");
    assert_eq!(asked, [by_name, "Label.Sync", ids, ids]);

    // What is named by ids from the start is never looked up.
    let by_ids = format!("op://{vault}/{item}/ci/credential");
    for _ in 0..2 {
        assert_eq!(scene.read(&by_ids).await.unwrap(), canary::CLASSIC);
    }
    assert_eq!(scene.asked_for()[4..], [by_ids.clone(), by_ids]);
}

#[tokio::test]
async fn what_the_names_do_not_tell_apart_is_read_by_name_for_good() {
    let scene = scene();
    scene
        .stand_in
        .set("Tokens", "label.sync", "old/credential", "old");
    let by_name = "op://Tokens/label.sync/credential";
    for _ in 0..4 {
        assert_eq!(scene.read(by_name).await.unwrap(), canary::CLASSIC);
    }
    let asked = scene.asked_for();
    assert_eq!(asked, [by_name, "label.sync", by_name, by_name, by_name]);
}

#[tokio::test]
async fn no_reading_costs_more_than_was_said_before_it() {
    let scene = scene();
    let (vault, item) = scene.stand_in.ids("Tokens", "label.sync");
    let by_ids = format!("op://{vault}/{item}/ci/credential");
    let by_name = "op://Tokens/label.sync/ci/credential";
    let mut said = Vec::new();
    for reference in [by_name, by_name, by_name, &by_ids] {
        let (before, most) = (scene.stand_in.used(), scene.op.cost(&at(reference)));
        scene.read(reference).await.unwrap();
        let used = scene.stand_in.used() - before;
        assert!(used <= u64::from(most), "{reference}: {used} of {most}");
        said.push(most);
    }
    assert_eq!(
        said[2], said[3],
        "a name that is resolved costs as much as ids"
    );
    assert!(said[0] > said[2], "{said:?}");
}

#[tokio::test]
async fn an_item_that_was_made_again_is_found_by_its_name() {
    let scene = scene();
    let by_name = "op://Tokens/label.sync/ci/credential";
    for _ in 0..2 {
        scene.read(by_name).await.unwrap();
    }
    scene.stand_in.remove("Tokens", "label.sync");
    let gone = Err(OnePasswordError::NoSuch(Part::Item));
    assert_eq!(scene.read(by_name).await, gone);
    scene.stand_in.set(
        "Tokens",
        "label.sync",
        "ci/credential",
        canary::FINE_GRAINED,
    );
    for _ in 0..3 {
        assert_eq!(scene.read(by_name).await.unwrap(), canary::FINE_GRAINED);
    }
    // In one reading, too.
    scene.stand_in.remove("Tokens", "label.sync");
    scene
        .stand_in
        .set("Tokens", "label.sync", "ci/credential", "again");
    assert_eq!(scene.read(by_name).await.unwrap(), "again");
}

#[tokio::test]
async fn no_run_can_ask_anybody_anything_or_shows_the_token_but_where_it_belongs() {
    let scene = scene();
    for _ in 0..3 {
        scene.read("op://Tokens/other/credential").await.unwrap();
    }
    scene.op.limits(&token(TOKEN)).await.unwrap();
    let calls = scene.stand_in.calls();
    assert_eq!(calls.len(), 5);
    for call in calls {
        assert_eq!(call.stdin, "/dev/null");
        let may_be = [
            "HOME",
            "OP_CACHE",
            "OP_CONFIG_DIR",
            "OP_SERVICE_ACCOUNT_TOKEN",
            "PATH",
            "XDG_CONFIG_HOME",
        ];
        for name in &call.environment {
            assert!(may_be.contains(&name.as_str()), "{name}");
        }
        let arguments = call.arguments.join(" ");
        assert!(!arguments.contains(TOKEN), "{arguments}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_different_values_at_once_are_sixty_four_runs_that_all_end_well() {
    let scene = std::sync::Arc::new(scene());
    for i in 0..64 {
        scene.stand_in.set(
            "Tokens",
            &format!("item-{i}"),
            "credential",
            &format!("value-{i}"),
        );
    }
    let mut reads = tokio::task::JoinSet::new();
    for i in 0..64 {
        let scene = std::sync::Arc::clone(&scene);
        reads.spawn(async move {
            let value = scene
                .read(&format!("op://Tokens/item-{i}/credential"))
                .await;
            assert_eq!(value.unwrap(), format!("value-{i}"));
        });
    }
    reads.join_all().await;
    assert_eq!(scene.stand_in.calls().len(), 64);
}

/// Made up.
const TOKEN: &str = "ops_made_up";
const LONG: Duration = Duration::from_secs(30);

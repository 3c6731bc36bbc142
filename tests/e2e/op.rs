//! Values read through a program `op` that says what the real one was seen to say.

use std::path::Path;
use std::time::Duration;

use broker::policy::field_reference::FieldReference;
use broker::source::one_password::{OnePasswordError, Op, Part};
use broker::source::{Fault as NoValue, Fetched};
use broker::token::AccessToken;
use support::one_password::{Fault, StandInOp};
use support::{canary, wait};
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
    reference.parse().unwrap()
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
async fn an_item_that_was_made_anew_is_found_again_by_its_name() {
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
        .set("Tokens", "label.sync", "ci/credential", "anew");
    assert_eq!(scene.read(by_name).await.unwrap(), "anew");
}

#[tokio::test]
async fn an_answer_about_something_else_is_refused_and_nothing_learnt_of_it() {
    let scene = scene();
    let by_name = "op://Tokens/label.sync/ci/credential";
    scene.read(by_name).await.unwrap();
    for fault in [
        Fault::GivesAnother,
        Fault::Prints("no item at all".to_owned()),
        Fault::Prints(String::new()),
        Fault::Floods(10_000_000),
    ] {
        scene.stand_in.fault(fault);
        let error = scene.read(by_name).await.unwrap_err();
        assert!(matches!(error, OnePasswordError::Mismatch(_)), "{error}");
        scene.stand_in.work();
    }
    assert_eq!(scene.read(by_name).await.unwrap(), canary::CLASSIC);
}

#[tokio::test]
async fn what_is_no_value_is_refused_and_one_final_newline_is_none_of_it() {
    let scene = scene();
    let reference = "op://Tokens/other/credential";
    scene
        .stand_in
        .set("Tokens", "other", "credential", "ghp_a\n");
    assert_eq!(scene.read(reference).await.unwrap(), "ghp_a");
    let (vault, item) = scene.stand_in.ids("Tokens", "other");
    let by_ids = format!("op://{vault}/{item}/credential");
    for (fault, why) in [
        (Fault::Prints(String::new()), NoValue::Empty),
        (Fault::Prints("\n".to_owned()), NoValue::Empty),
        (
            Fault::Prints("login\nghp_a".to_owned()),
            NoValue::SeveralLines,
        ),
        (Fault::Prints("ghp\0a".to_owned()), NoValue::NotText),
        (Fault::Floods(10_000_000), NoValue::TooLong),
    ] {
        scene.stand_in.fault(fault);
        let refused = Err(OnePasswordError::NotAValue(why));
        assert_eq!(scene.read(&by_ids).await, refused);
    }
}

#[tokio::test]
async fn one_that_hangs_is_ended_with_all_it_started() {
    let mut scene = scene();
    scene.op = Op::new(scene.stand_in.program(), None, SHORT);
    scene.stand_in.hang();
    let silent = Err(OnePasswordError::Silent(SHORT));
    assert_eq!(scene.read("op://Tokens/other/credential").await, silent);
    let pid = scene.stand_in.hanging().expect("it had begun to hang");
    let proc = Path::new("/proc").join(pid);
    let zombie = |stat: String| stat.contains(") Z ");
    wait::until(|| !proc.exists() || std::fs::read_to_string(proc.join("stat")).is_ok_and(zombie));
}

#[tokio::test]
async fn one_that_is_slow_is_waited_for() {
    let scene = scene();
    scene.stand_in.delay(Duration::from_millis(300));
    let value = scene.read("op://Tokens/other/credential").await.unwrap();
    assert_eq!(value, canary::CLASSIC_TWO);
}

#[tokio::test]
async fn what_is_not_there_or_there_twice_is_told_by_its_part() {
    let scene = scene();
    scene.stand_in.twin("Tokens", "other");
    for (reference, why) in [
        (
            "op://Else/other/credential",
            OnePasswordError::NoSuch(Part::Vault),
        ),
        (
            "op://Tokens/else/credential",
            OnePasswordError::NoSuch(Part::Item),
        ),
        (
            "op://Tokens/label.sync/else",
            OnePasswordError::NoSuch(Part::Field),
        ),
        (
            "op://Tokens/label.sync/else/credential",
            OnePasswordError::NoSuch(Part::Field),
        ),
        (
            "op://Tokens/other/credential",
            OnePasswordError::Several(Part::Item),
        ),
    ] {
        assert_eq!(scene.read(reference).await, Err(why), "{reference}");
    }
    assert_eq!(scene.stand_in.calls().len(), 5, "each was asked once");
}

#[tokio::test]
async fn a_token_that_will_not_do_is_told_from_one_that_is_no_token() {
    let scene = scene();
    let reference = at("op://Tokens/other/credential");
    let with = async |text: Option<&str>| {
        let token = text.map(token);
        scene.op.read(&reference, token.as_ref()).await.err()
    };
    assert_eq!(with(Some(TOKEN)).await, None);
    let malformed = with(Some("ghp_not_for_1password")).await;
    assert_eq!(malformed, Some(OnePasswordError::MalformedToken));
    let unknown = with(Some("ops_another")).await;
    assert_eq!(unknown, Some(OnePasswordError::Unauthenticated));
    assert_eq!(with(None).await, Some(OnePasswordError::SignedOut));
    scene
        .stand_in
        .fail_with("(403) Forbidden: You aren't authorized to access this resource.");
    assert_eq!(with(Some(TOKEN)).await, Some(OnePasswordError::Forbidden));
}

#[tokio::test]
async fn without_a_token_the_desktop_app_is_asked_for_the_account_that_is_named() {
    let scene = scene();
    scene.stand_in.sign_in("acme");
    let reference = at("op://Tokens/other/credential");
    for (account, why) in [
        (None, None),
        (Some("acme"), None),
        (Some("other"), Some(OnePasswordError::NoAccount)),
    ] {
        let op = Op::new(scene.stand_in.program(), account.map(str::to_owned), LONG);
        assert_eq!(op.read(&reference, None).await.err(), why, "{account:?}");
        // A service account is an account of its own.
        let read = op.read(&reference, Some(&token(TOKEN))).await;
        assert_eq!(text(&read.ok().unwrap()), canary::CLASSIC_TWO);
    }
}

#[tokio::test]
async fn the_limits_are_read_and_one_that_is_used_up_says_for_how_long() {
    let scene = scene();
    scene.stand_in.allow(4, 58);
    let reference = "op://Tokens/other/credential";
    scene.read(reference).await.unwrap();
    let hour = Duration::from_secs(58 * 60);
    let limits = scene.op.limits(&token(TOKEN)).await.unwrap();
    let left = |whose: &str, action: &str| {
        let limit = limits
            .iter()
            .find(|limit| (&*limit.whose, &*limit.action) == (whose, action));
        limit.map(|limit| (limit.limit, limit.used, limit.remaining, limit.reset))
    };
    assert_eq!(left("token", "read"), Some((4, 3, 1, Some(hour))));
    assert_eq!(left("account", "read_write"), Some((4, 3, 1, Some(hour))));
    assert_eq!(left("token", "write"), Some((100, 0, 100, None)));
    assert_eq!(scene.stand_in.used(), 3, "asking for them is free");

    let error = scene.read(reference).await.unwrap_err();
    assert_eq!(error, OnePasswordError::Limited(Some(hour)));
    let words = "1Password's limit of requests is used up; it answers again in 58 minutes";
    assert_eq!(error.to_string(), words);
    let limits = scene.op.limits(&token(TOKEN)).await.unwrap();
    assert!(limits.iter().any(|limit| limit.remaining == 0));
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
/// Enough to get as far as hanging.
const SHORT: Duration = Duration::from_secs(3);

//! Why there is no value: what is wrong with the answer, the program, the reference or the token.

use std::time::Duration;

use broker_protocol::value_form::{BadCharacter, BadValue as NoValue, Position};
use broker_sources::one_password::{OnePasswordError, Op, Part};
use support::one_password::Fault;
use support::{canary, wait};

use super::{LONG, TOKEN, at, scene, text, token};

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
        (
            Fault::Prints("ghp\0a".to_owned()),
            NoValue::Has(
                BadCharacter::Nul,
                Position {
                    line: 1,
                    character: 4,
                },
            ),
        ),
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
    wait::gone(&pid);
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
async fn a_token_that_is_refused_is_told_from_one_that_is_no_token() {
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
        limit.map(|limit| (limit.limit, limit.remaining))
    };
    assert_eq!(left("token", "read"), Some((4, 1)));
    assert_eq!(left("account", "read_write"), Some((4, 1)));
    assert_eq!(left("token", "write"), Some((100, 100)));
    assert_eq!(scene.stand_in.used(), 3, "asking for them is free");

    let error = scene.read(reference).await.unwrap_err();
    assert_eq!(error, OnePasswordError::Limited(Some(hour)));
    let words = "1Password's limit of requests is used up; it answers again in 58 minutes";
    assert_eq!(error.to_string(), words);
    let limits = scene.op.limits(&token(TOKEN)).await.unwrap();
    assert!(limits.iter().any(|limit| limit.remaining == 0));
}

/// Enough to get as far as hanging.
const SHORT: Duration = Duration::from_secs(3);

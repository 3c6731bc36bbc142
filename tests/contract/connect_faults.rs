//! The broker's client of 1Password Connect where things go wrong. What is not as described comes from
//! the stand-in straight: prism would not let it pass.

use std::time::Duration;

use broker_sources::FailureKind;
use broker_sources::one_password::{Connect, ConnectAddress, OnePasswordError, Part};
use serde_json::json;
use support::connect::{StandInConnect, TOKEN};
use support::github::{Effect, Fault};

use crate::client::run;
use crate::connect::{LIMIT, READS, VAULT, client, read, reference, secret, world};

const FIELD: &str = "op://Github-Tokens/held/credential";
const GET: &str = "GET /v1/vaults/*/items/*";
const PATCH: &str = "PATCH /v1/vaults/*/items/*";
const POST: &str = "POST /v1/vaults/*/items";
/// Less than [`LIMIT`], for an answer that does not come.
const SHORT: Duration = Duration::from_secs(2);

fn stage() -> (StandInConnect, Connect) {
    stage_with(LIMIT)
}

fn stage_with(limit: Duration) -> (StandInConnect, Connect) {
    let connect = StandInConnect::start(world());
    connect.set(VAULT, "held", "credential", "ghp_old");
    let address = ConnectAddress::parse(&connect.plain()).unwrap();
    (connect, Connect::new(address, None, limit))
}

async fn write(client: &Connect, text: &str, value: &str) -> Result<(), OnePasswordError> {
    let (value, token) = (secret(value), secret(TOKEN));
    client.write(&reference(text), &value, &token).await
}

#[test]
fn an_item_that_was_made_again_moved_or_renamed_is_looked_up_again_once() {
    let (connect, client) = stage();
    run(async {
        let value = || async { read(&client, FIELD, TOKEN).await.map(|(value, _)| value) };
        assert_eq!(value().await.as_deref(), Ok("ghp_old"));
        connect.change(|state| state.delete(VAULT, "held"));
        connect.set(VAULT, "held", "credential", "ghp_again");
        connect.forget_calls();
        assert_eq!(value().await.as_deref(), Ok("ghp_again"));
        assert_eq!(connect.journal().len(), 4);

        let title = |name: &str| {
            connect.change(|state| state.item(VAULT, "held").unwrap()["title"] = json!(name));
        };
        title("Held");
        assert_eq!(value().await.as_deref(), Ok("ghp_again"), "case is nothing");
        connect.change(|state| state.item(VAULT, "Held").unwrap()["title"] = json!("away"));
        assert_eq!(value().await, Err(OnePasswordError::NoSuch(Part::Item)));
        connect.set(VAULT, "held", "credential", "ghp_third");
        assert_eq!(value().await.as_deref(), Ok("ghp_third"));

        // The whole vault made again: the token may not see the one of before.
        connect.change(|state| state.vault(VAULT).name = "old".to_owned());
        connect.set(VAULT, "held", "credential", "ghp_vault");
        let value = read(&client, FIELD, READS).await.map(|(value, _)| value);
        assert_eq!(value.as_deref(), Ok("ghp_vault"));
    });
}

#[test]
fn an_answer_of_something_else_is_none() {
    let (connect, client) = stage();
    run(async {
        read(&client, FIELD, TOKEN).await.unwrap();
        for wrong in [
            json!({"id": "zzzzzzzzzzzzzzzzzzzzzzzzzz"}),
            json!({"vault": {"id": "zzzzzzzzzzzzzzzzzzzzzzzzzz"}}),
            json!({"title": "another"}),
        ] {
            connect.fault(Fault::on(GET).patch_body(wrong.clone()));
            let got = read(&client, FIELD, TOKEN).await;
            assert!(
                matches!(got, Err(OnePasswordError::Mismatch(_))),
                "{wrong}: {got:?}"
            );
            connect.heal();
        }
        let vault = connect.change(|state| state.new_id());
        let of_another = json!([{"id": vault, "title": "held", "vault": {"id": vault}}]);
        let wrong = Effect::ReplaceBody(of_another.to_string());
        connect.fault(Fault::on("GET /v1/vaults/*/items").effect(wrong));
        let fresh = crate::connect::client(&connect.plain());
        let got = read(&fresh, FIELD, TOKEN).await;
        assert!(matches!(got, Err(OnePasswordError::Mismatch(_))), "{got:?}");
    });
}

#[test]
fn a_fault_says_nothing_of_values_that_are_known() {
    let (connect, client) = stage_with(SHORT);
    let elsewhere = StandInConnect::start(world());
    let large = Effect::ReplaceBody("x".repeat(9 << 20));
    run(async {
        read(&client, FIELD, TOKEN).await.unwrap();
        let limited = Fault::on(GET).secondary_limit(Some(30));
        for (fault, words) in [
            (
                Fault::on(GET).refuse(500, "no sync"),
                "a fault of its own (500, “no sync”)",
            ),
            (Fault::on(GET).close_before(), "ended before the answer"),
            (Fault::on(GET).truncate(), "ended before the answer"),
            (
                Fault::on(GET).not_json(),
                "not what Connect describes (line 1",
            ),
            (Fault::on(GET).wrong_json(), "not what Connect describes"),
            (Fault::on(GET).effect(large), "larger than"),
            (
                Fault::on(GET).redirect(&elsewhere.plain()),
                "redirect (302)",
            ),
            (limited, "limit of requests"),
            (Fault::on(GET).hang(), "no answer from 1Password within 2 s"),
        ] {
            connect.fault(fault);
            let error = read(&client, FIELD, TOKEN).await.unwrap_err();
            let text = error.to_string();
            assert!(text.contains(words), "{text}");
            assert_ne!(error.kind(), FailureKind::Refused, "{text}");
            connect.heal();
        }
    });
    assert_eq!(elsewhere.journal().len(), 0, "a token went to another host");
}

#[test]
fn a_change_whose_answer_was_lost_is_a_success_if_it_happened() {
    let (connect, client) = stage_with(SHORT);
    run(async {
        for effect in [Effect::LoseReply, Effect::Truncate, Effect::HangAfter] {
            let value = format!("ghp_{effect:?}");
            connect.fault(Fault::on(PATCH).effect(effect.clone()).times(1));
            write(&client, FIELD, &value).await.unwrap();
            assert_eq!(
                connect.value(VAULT, "held", "credential"),
                Some(value.clone())
            );

            let name = format!("made {effect:?}");
            connect.fault(Fault::on(POST).effect(effect).times(1));
            let made = format!("op://Github-Tokens/{name}/credential");
            write(&client, &made, &value).await.unwrap();
            let items = connect.items(VAULT);
            let called = items.iter().filter(|item| item["title"] == *name);
            assert_eq!(called.count(), 1, "{name}");
        }
        connect.fault(Fault::on(PATCH).lose_reply().times(1));
        client
            .erase(&reference(FIELD), &secret(TOKEN))
            .await
            .unwrap();
        assert_eq!(connect.value(VAULT, "held", "credential"), None);
    });
}

#[test]
fn a_change_that_did_not_happen_failed_and_the_next_try_makes_it_once() {
    let (connect, client) = stage();
    run(async {
        for fault in [
            Fault::on(PATCH).close_before(),
            Fault::on(PATCH).refuse(500, "no sync"),
        ] {
            connect.fault(fault.times(1));
            let got = write(&client, FIELD, "ghp_new").await;
            assert!(
                matches!(got, Err(OnePasswordError::Unreachable(_))),
                "{got:?}"
            );
            assert_eq!(
                connect.value(VAULT, "held", "credential").as_deref(),
                Some("ghp_old")
            );
        }
        write(&client, FIELD, "ghp_new").await.unwrap();

        let made = "op://Github-Tokens/made/credential";
        for fault in [
            Fault::on(POST).close_before(),
            Fault::on(POST).refuse(503, "no sync"),
        ] {
            connect.fault(fault.times(1));
            let got = write(&client, made, "ghp_made").await;
            assert!(
                matches!(got, Err(OnePasswordError::Unreachable(_))),
                "{got:?}"
            );
        }
        write(&client, made, "ghp_made").await.unwrap();
        assert_eq!(connect.items(VAULT).len(), 2);
    });
}

#[test]
fn a_change_that_cannot_be_seen_is_in_doubt() {
    let (connect, client) = stage();
    run(async {
        read(&client, FIELD, TOKEN).await.unwrap();
        connect.fault(Fault::on(GET).close_before().after(1));
        connect.fault(Fault::on(PATCH).lose_reply());
        let got = write(&client, FIELD, "ghp_new").await;
        assert!(matches!(got, Err(OnePasswordError::Doubtful(_))), "{got:?}");
        connect.heal();
        write(&client, FIELD, "ghp_new").await.unwrap();
        assert_eq!(connect.calls(PATCH), 1, "it was there already");

        // Said to be done, and another value is there.
        let other =
            json!({"fields": [{"id": "credential", "type": "CONCEALED", "value": "ghp_x"}]});
        connect.fault(Fault::on(GET).patch_body(other).after(1));
        let got = write(&client, FIELD, "ghp_newer").await;
        assert!(matches!(got, Err(OnePasswordError::Mismatch(_))), "{got:?}");
    });
}

#[test]
fn two_that_find_no_item_make_it_once() {
    let (connect, client) = stage();
    let made = "op://Github-Tokens/made/credential";
    run(async {
        let (one, two) = tokio::join!(write(&client, made, "ghp_a"), write(&client, made, "ghp_a"));
        assert_eq!((one, two), (Ok(()), Ok(())));
    });
    assert_eq!(connect.calls(POST), 1);
}

#[test]
fn only_a_server_whose_authority_is_trusted_hears_the_token() {
    let (connect, _) = stage();
    run(async {
        let api = ConnectAddress::parse(&connect.api()).unwrap();
        let trusting = Connect::new(api, Some(connect.ca().to_owned()), LIMIT);
        read(&trusting, FIELD, TOKEN).await.unwrap();
        let calls = connect.journal().len();
        let error = read(&client(&connect.api()), FIELD, TOKEN)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
        assert_eq!(connect.journal().len(), calls);

        let api = ConnectAddress::parse(&connect.api()).unwrap();
        let none = Connect::new(api, Some("/nowhere/ca.pem".into()), LIMIT);
        let error = read(&none, FIELD, TOKEN).await.unwrap_err().to_string();
        assert!(
            error.starts_with("`[onepassword] ca`: /nowhere/ca.pem"),
            "{error}"
        );
        let malformed = read(&trusting, FIELD, "two\nlines").await;
        assert_eq!(malformed, Err(OnePasswordError::MalformedToken));
    });
}

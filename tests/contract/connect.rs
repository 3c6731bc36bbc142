//! The broker's client of 1Password Connect, by itself: all it asks, and all it is told, goes through
//! prism to the stand-in.

use std::time::Duration;

use broker_protocol::source::FieldReference;
use broker_secret_memory::token::AccessToken;
use broker_sources::one_password::{Connect, ConnectAddress, OnePasswordError, Part};
use serde_json::json;
use support::connect::{Access, StandInConnect, State, TOKEN, World};
use support::{needs, wait};

use crate::client::run;
use crate::prism::Prism;

pub(crate) const VAULT: &str = "Github-Tokens";
pub(crate) const READS: &str =
    "eyJhbGciOiJFUzI1NiJ9.eyJyZWFkcyI6dHJ1ZX0.cmVhZHMtYW5kLW5ldmVyLXdyaXRlcw";
/// Long enough for an answer on a loaded machine, and only waited out where none comes.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

pub(crate) fn world() -> World {
    let mut world = World::default();
    let reads = Access {
        vaults: Some(vec![VAULT.to_owned()]),
        writes: false,
    };
    world.tokens.insert(READS.to_owned(), reads);
    world
}

pub(crate) fn reference(text: &str) -> FieldReference {
    FieldReference::parse(text.strip_prefix("op://").unwrap()).unwrap()
}

pub(crate) fn secret(text: &str) -> AccessToken {
    AccessToken::new(text.to_owned())
}

pub(crate) fn client(address: &str) -> Connect {
    Connect::new(ConnectAddress::parse(address).unwrap(), None, LIMIT)
}

/// What a reading gives: the value and the version.
pub(crate) async fn read(
    client: &Connect,
    text: &str,
    token: &str,
) -> Result<(String, Option<u64>), OnePasswordError> {
    let fetched = client.read(&reference(text), &secret(token)).await?;
    Ok((fetched.value.expose().to_owned(), fetched.version))
}

struct Stage {
    connect: StandInConnect,
    prism: Prism,
    client: Connect,
}

impl Stage {
    fn new() -> Option<Self> {
        let tools = needs::conformance_tools()?;
        let connect = StandInConnect::start(world());
        let prism = Prism::for_connect(&tools, &connect.plain());
        assert_eq!(prism.blind_spots(&tools), "");
        let client = client(&prism.address());
        Some(Self {
            connect,
            prism,
            client,
        })
    }

    /// Another world, and a client that knows nothing of the one before.
    fn start_over(&mut self) {
        self.connect.change(|state| *state = State::new(world()));
        self.client = client(&self.prism.address());
    }

    async fn value(&self, text: &str) -> Result<String, OnePasswordError> {
        read(&self.client, text, TOKEN)
            .await
            .map(|(value, _)| value)
    }

    async fn write(&self, text: &str, value: &str) -> Result<(), OnePasswordError> {
        let (value, token) = (secret(value), secret(TOKEN));
        self.client.write(&reference(text), &value, &token).await
    }

    async fn remove(&self, text: &str, token: &str) -> Result<(), OnePasswordError> {
        let token = secret(token);
        self.client.erase(&reference(text), &token).await
    }

    fn all_as_described(&self, least: usize) {
        assert_eq!(self.prism.violations(), Vec::<String>::new());
        let calls = self.connect.journal().len();
        assert!(calls >= least, "only {calls} calls came through");
    }
}

/// One prism for all, because it takes seconds to start.
#[test]
fn in_every_scene_what_it_asks_and_is_told_is_as_connect_describes_it_and_what_is_not_is_found() {
    let Some(mut stage) = Stage::new() else {
        return;
    };
    let scenes: [fn(&Stage); 7] = [
        a_field_costs_three_calls_by_names_and_one_ever_after,
        a_name_in_another_case_is_found_whether_or_not_filters_mind_it,
        what_is_not_there_or_there_twice_or_out_of_reach_is_said_so,
        a_value_is_put_into_the_field_a_new_field_or_a_new_item_and_taken_out,
        what_cannot_be_put_there_is_refused_and_changes_nothing,
        a_probe_tells_whether_it_knows_the_token_and_is_in_touch_with_1password,
        what_violates_connects_description_is_found_in_both_directions,
    ];
    for scene in scenes {
        stage.start_over();
        scene(&stage);
    }
}

fn a_field_costs_three_calls_by_names_and_one_ever_after(stage: &Stage) {
    stage
        .connect
        .set(VAULT, "label-sync", "credential", "ghp_one");
    stage
        .connect
        .set("Other", "label-sync", "credential", "ghp_other");
    let fields = json!([{"id": "a1", "label": "token", "type": "CONCEALED", "value": "ghp_ci",
                         "section": {"id": "s1"}}]);
    let sections = json!([{"id": "s1", "label": "For CI"}]);
    stage
        .connect
        .change(|state| state.make_item(VAULT, "in section", fields, sections));
    run(async {
        let by_name = "op://Github-Tokens/label-sync/credential";
        let (value, version) = read(&stage.client, by_name, TOKEN).await.unwrap();
        assert_eq!((&*value, version), ("ghp_one", Some(2)));
        assert_eq!(stage.connect.journal().len(), 3);
        stage
            .connect
            .set(VAULT, "label-sync", "credential", "ghp_two");
        let (value, version) = read(&stage.client, by_name, TOKEN).await.unwrap();
        assert_eq!((&*value, version), ("ghp_two", Some(3)));
        assert_eq!(stage.connect.journal().len(), 4);
        let value = stage.value("op://Github-Tokens/in section/for ci/token");
        assert_eq!(value.await.as_deref(), Ok("ghp_ci"));

        let at = stage.connect.items(VAULT)[0].clone();
        let (vault, item) = (&at["vault"]["id"], &at["id"]);
        let (vault, item) = (vault.as_str().unwrap(), item.as_str().unwrap());
        stage.connect.forget_calls();
        let by_id = format!("op://{vault}/{item}/credential");
        let value = stage.value(&by_id);
        assert_eq!(value.await.as_deref(), Ok("ghp_two"));
        assert_eq!(stage.connect.journal().len(), 1);
    });
    stage.all_as_described(1);
}

fn a_name_in_another_case_is_found_whether_or_not_filters_mind_it(stage: &Stage) {
    stage
        .connect
        .set(VAULT, "label-sync", "credential", "ghp_one");
    run(async {
        // Where they do, the lists are asked for again, whole.
        for (mind, calls) in [(true, 5), (false, 3)] {
            stage.connect.forget_calls();
            stage
                .connect
                .change(|state| state.world.filters_mind_case = mind);
            let client = client(&stage.prism.address());
            let by_name = "op://GITHUB-tokens/Label-Sync/CREDENTIAL";
            let read = read(&client, by_name, TOKEN).await;
            assert_eq!(read, Ok(("ghp_one".to_owned(), Some(2))));
            assert_eq!(stage.connect.journal().len(), calls);
        }
    });
    stage.all_as_described(3);
}

fn what_is_not_there_or_there_twice_or_out_of_reach_is_said_so(stage: &Stage) {
    stage.connect.set(VAULT, "one", "credential", "ghp_one");
    stage.connect.set("Other", "one", "credential", "ghp_one");
    let other = stage.connect.change(|state| {
        state.make_item(VAULT, "twice", json!([]), json!([]));
        state.make_item(VAULT, "twice", json!([]), json!([]));
        state.make_vault("Two");
        state.make_vault("Two");
        state.make_item(VAULT, "archived", json!([]), json!([]));
        state.item(VAULT, "archived").unwrap()["state"] = json!("ARCHIVED");
        state.vault("Other").id.clone()
    });
    run(async {
        use OnePasswordError::{Forbidden, NoSuch, Several, Unauthenticated};
        let ids = format!("op://{other}/aaaaaaaaaaaaaaaaaaaaaaaaaa/credential");
        let nowhere = "op://aaaaaaaaaaaaaaaaaaaaaaaaaa/aaaaaaaaaaaaaaaaaaaaaaaaaa/credential";
        for (text, token, wanted) in [
            ("op://None/one/credential", TOKEN, NoSuch(Part::Vault)),
            (
                "op://Github-Tokens/none/credential",
                TOKEN,
                NoSuch(Part::Item),
            ),
            (
                "op://Github-Tokens/archived/credential",
                TOKEN,
                NoSuch(Part::Item),
            ),
            ("op://Github-Tokens/one/none", TOKEN, NoSuch(Part::Field)),
            (
                "op://Github-Tokens/one/none/credential",
                TOKEN,
                NoSuch(Part::Section),
            ),
            ("op://Two/one/credential", TOKEN, Several(Part::Vault)),
            (
                "op://Github-Tokens/twice/credential",
                TOKEN,
                Several(Part::Item),
            ),
            (&ids, TOKEN, NoSuch(Part::Item)),
            (nowhere, TOKEN, NoSuch(Part::Vault)),
            // A vault that a token may not see is not in its list, and by its id it is forbidden.
            ("op://Other/one/credential", READS, NoSuch(Part::Vault)),
            (&ids, READS, Forbidden),
            (
                "op://Github-Tokens/one/credential",
                "unknown",
                Unauthenticated,
            ),
        ] {
            let got = read(&stage.client, text, token).await;
            assert_eq!(got, Err(wanted), "{text}");
        }
    });
    stage.all_as_described(12);
}

fn a_value_is_put_into_the_field_a_new_field_or_a_new_item_and_taken_out(stage: &Stage) {
    let stood = |field: &str| stage.connect.value(VAULT, "held", field);
    stage.connect.set(VAULT, "held", "credential", "ghp_old");
    stage.connect.set(VAULT, "held", "password", "not ours");
    run(async {
        let field = "op://Github-Tokens/held/credential";
        stage.write(field, "ghp_new").await.unwrap();
        assert_eq!(stood("credential").as_deref(), Some("ghp_new"));
        let version = stage.connect.items(VAULT)[0]["version"].clone();
        stage.write(field, "ghp_new").await.unwrap();
        assert_eq!(
            stage.connect.items(VAULT)[0]["version"],
            version,
            "written again"
        );

        stage
            .write("op://Github-Tokens/held/Second", "ghp_2")
            .await
            .unwrap();
        assert_eq!(stood("Second").as_deref(), Some("ghp_2"));

        let made = "op://Github-Tokens/made/credential";
        stage.write(made, "ghp_made").await.unwrap();
        assert_eq!(stage.value(made).await.as_deref(), Ok("ghp_made"));
        assert_eq!(stage.connect.items(VAULT)[1]["category"], "API_CREDENTIAL");
        let made = "op://Github-Tokens/sectioned/For CI/token";
        stage.write(made, "ghp_section").await.unwrap();
        assert_eq!(stage.value(made).await.as_deref(), Ok("ghp_section"));
        stage
            .write("op://Github-Tokens/sectioned/for ci/two", "ghp_3")
            .await
            .unwrap();
        let posts = stage.connect.calls("POST /v1/vaults/*/items");
        assert_eq!(posts, 2, "one for each item");

        for _ in 0..2 {
            stage.remove(field, TOKEN).await.unwrap();
            assert_eq!(stood("credential"), None);
        }
        assert_eq!(stood("password").as_deref(), Some("not ours"));
        let never = "op://Github-Tokens/never/credential";
        stage.remove(never, TOKEN).await.unwrap();
    });
    stage.all_as_described(20);
}

fn what_cannot_be_put_there_is_refused_and_changes_nothing(stage: &Stage) {
    stage.connect.set(VAULT, "held", "credential", "ghp_old");
    let before = stage.connect.items(VAULT);
    run(async {
        use OnePasswordError::{Forbidden, NoSuch};
        let id = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
        for (text, token, wanted) in [
            ("op://Github-Tokens/held/credential", READS, Forbidden),
            ("op://Github-Tokens/new/credential", READS, Forbidden),
            ("op://None/held/credential", TOKEN, NoSuch(Part::Vault)),
            (
                "op://Github-Tokens/held/none/credential",
                TOKEN,
                NoSuch(Part::Section),
            ),
            (
                &format!("op://Github-Tokens/{id}/credential"),
                TOKEN,
                NoSuch(Part::Item),
            ),
            (
                &format!("op://Github-Tokens/held/{id}"),
                TOKEN,
                NoSuch(Part::Field),
            ),
        ] {
            let (value, token) = (secret("ghp_new"), secret(token));
            let got = stage.client.write(&reference(text), &value, &token).await;
            assert_eq!(got, Err(wanted), "{text}");
        }
        let field = "op://Github-Tokens/held/credential";
        let got = stage.remove(field, READS).await;
        assert_eq!(got, Err(Forbidden));
    });
    assert_eq!(stage.connect.items(VAULT), before);
    stage.all_as_described(10);
}

fn a_probe_tells_whether_it_knows_the_token_and_is_in_touch_with_1password(stage: &Stage) {
    use support::github::Fault;
    stage.connect.set(VAULT, "one", "credential", "ghp_one");
    stage.connect.set("Other", "one", "credential", "ghp_one");
    run(async {
        let refused = stage.client.probe(&secret("unknown")).await;
        assert_eq!(refused, Err(OnePasswordError::Unauthenticated));
        assert_eq!(stage.client.probe(&secret(READS)).await, Ok(()));
        let sync =
            serde_json::json!({"service": "sync", "status": "TOKEN_NEEDED", "message": "no token"});
        let health = serde_json::json!({"dependencies": [sync]});
        stage
            .connect
            .fault(Fault::on("GET /health").patch_body(health));
        let out_of_touch = stage.client.probe(&secret(READS)).await.unwrap_err();
        let said = out_of_touch.to_string();
        assert!(said.ends_with("TOKEN_NEEDED no token"), "{said}");
    });
    stage.all_as_described(8);
}

fn what_violates_connects_description_is_found_in_both_directions(stage: &Stage) {
    use support::curl::Curl;
    use support::github::Fault;
    stage.connect.set(VAULT, "one", "credential", "ghp_one");
    let item = stage.connect.items(VAULT)[0].clone();
    let (vault, item) = (item["vault"]["id"].clone(), item["id"].clone());
    let path = format!("/v1/vaults/{}/items", vault.as_str().unwrap());
    let curl = Curl::to(&stage.prism.address(), None);
    curl.tell(
        &format!("POST {path}"),
        TOKEN,
        &json!({"title": "no category"}),
    );
    curl.ask("GET /v1/vaults/NoId/items", TOKEN);
    curl.ask("GET /v1/undescribed", TOKEN);
    let wrong = Fault::on("GET /v1/vaults/*/items/*").patch_body(json!({"id": "no id"}));
    stage.connect.fault(wrong);
    curl.ask(&format!("GET {path}/{}", item.as_str().unwrap()), TOKEN);
    wait::until(|| stage.prism.violations().len() >= 4);
}

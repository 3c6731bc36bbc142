//! What the broker puts into GitHub's secret stores: through prism, and opened by libsodium.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_github::secrets::Writer;
use broker_policy::{Host, NamesOnly, PolicyFile, PolicySet};
use broker_secret_memory::token::AccessToken;
use serde_json::{Value, json};
use support::github::{Place, StandIn, World};
use support::needs;

use crate::prism::Prism;
use crate::{client, script};

const TOKEN: &str = "ghp_contract000000000000000000000000004";
const NAME: &str = "DEPLOY_TOKEN";

/// Every kind of place, as a policy declares it.
fn sinks() -> Vec<(&'static str, Place)> {
    vec![
        (
            "kind = 'actions'\nrepository = 'acme/site'",
            Place::repository("actions", "acme/site"),
        ),
        (
            "kind = 'dependabot'\nrepository = 'acme/site'",
            Place::repository("dependabot", "acme/site"),
        ),
        (
            "kind = 'codespaces'\nrepository = 'acme/site'",
            Place::repository("codespaces", "acme/site"),
        ),
        (
            "kind = 'actions'\nrepository = 'acme/site'\nenvironment = 'prod eu'",
            Place::environment("acme/site", "prod eu"),
        ),
        (
            "kind = 'actions'\norganization = 'acme'",
            Place::organization("actions", "acme"),
        ),
        (
            "kind = 'dependabot'\norganization = 'acme'",
            Place::organization("dependabot", "acme"),
        ),
        (
            "kind = 'codespaces'\norganization = 'acme'",
            Place::organization("codespaces", "acme"),
        ),
    ]
}

#[test]
fn libsodium_opens_what_the_broker_seals_for_every_place() {
    let Some(tools) = needs::conformance_tools() else {
        return;
    };
    let world = World::new()
        .organization("acme", &["acme-bot"])
        .repository_with("acme/site", |site| {
            site.environments.insert("prod eu".into());
        })
        .classic(TOKEN, "acme-bot", &["repo", "admin:org"]);
    let github = StandIn::start(world);
    let prism = Prism::start(&tools, &github.plain());
    let client = client::to(&prism.address());
    let token = AccessToken::new(TOKEN.to_owned());
    let writer = Writer {
        token: &token,
        principal: None,
    };
    let mut boxes = Vec::new();
    let mut values = Vec::new();
    for (at, (sink, place)) in sinks().into_iter().enumerate() {
        let text = format!(
            "[secret.pat]\nkind = 'classic'\n[[secret.pat.sinks]]\n{sink}\nname = '{NAME}'"
        );
        let name = "s.toml".to_owned();
        let files = [PolicyFile { name, text }];
        let set = PolicySet::parse(&files, &NamesOnly::default(), &Host::anywhere()).unwrap();
        let secret = set.secret(&"pat".parse().unwrap()).unwrap();
        for round in ["first", "with some Ünicode"] {
            let value = format!("value {at} {round}");
            let sealed = AccessToken::new(value.clone());
            let written = client::run(client.write_secret(writer, &secret.sinks[0], &sealed));
            written.unwrap_or_else(|error| panic!("{sink}: {error}"));
            let (private, stored) = github.change(|state| {
                let private = state.secrets.private_key(&place);
                (private, state.secrets.of(&place, NAME).cloned().unwrap())
            });
            boxes.push(json!({
                "private_key": STANDARD.encode(private), "sealed": STANDARD.encode(stored.sealed),
            }));
            values.push(value);
        }
    }
    assert_eq!(
        script::run(&tools, "open_boxes.py", &Value::from(boxes)),
        json!(values)
    );
    assert_eq!(prism.violations(), Vec::<String>::new());
}

//! The stand-in against GitHub's own description: every call, in every state that it has.

mod calls;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::PublicKey;
use crypto_box::aead::OsRng;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use support::curl::{Curl, Got};
use support::github::{App, AppKey, Effect, Fault, Level, Pat, Repositories, StandIn, World};
use support::{needs, wait};

use crate::prism::Prism;

const CLASSIC: &str = "ghp_contract000000000000000000000000001";
const SCOPELESS: &str = "ghp_contract000000000000000000000000002";
const DEAD: &str = "ghp_contract000000000000000000000000003";
const FINE: &str = "github_pat_contract";
const CLIENT: &str = "Iv23liContract";

/// The stand-in behind prism, and what was called so far.
struct Stage {
    github: StandIn,
    prism: Prism,
    curl: Curl,
    key: AppKey,
    seen: BTreeSet<(String, u16)>,
    wrong: Vec<String>,
}

impl Stage {
    fn new(tools: &std::path::Path) -> Self {
        let key = AppKey::generate();
        let all = [
            ("contents", Level::Read),
            ("issues", Level::Write),
            ("pull_requests", Level::Read),
            ("organization_secrets", Level::Write),
        ];
        let app = App::new(CLIENT, "acme", &key, &all)
            .installed("acme", Repositories::selected(&["acme/site", "acme/two"]))
            .installed("alice", Repositories::All);
        let world = World::new()
            .organization("acme", &["acme-bot"])
            .repository_with("acme/site", |site| {
                site.environments.insert("prod".into());
                let ci = (".github/workflows/ci.yml".into(), "name: CI\n".into());
                site.files.extend([ci]);
            })
            .repository("acme/two")
            .public_repository("alice/open")
            .classic(CLASSIC, "acme-bot", &["repo", "admin:org", "user"])
            .classic(SCOPELESS, "acme-bot", &[])
            .pat(Pat::fine_grained(
                FINE,
                "acme-bot",
                "acme",
                Repositories::selected(&["acme/site"]),
                &[("contents", Level::Read)],
            ))
            .app(app);
        let github = StandIn::start(world);
        github.change(|state| {
            state.settings.lockout_after = usize::MAX;
            state.settings.points_a_minute = u64::MAX;
        });
        let prism = Prism::start(tools, &github.plain());
        let curl = Curl::to(&prism.address(), None);
        Self {
            github,
            prism,
            curl,
            key,
            seen: BTreeSet::new(),
            wrong: Vec::new(),
        }
    }

    fn ask(&mut self, call: &str, token: &str, status: u16) -> Got {
        let got = self.curl.ask(call, token);
        self.note(call, status, got)
    }

    fn tell(&mut self, call: &str, token: &str, body: &Value, status: u16) -> Got {
        let got = self.curl.tell(call, token, body);
        self.note(call, status, got)
    }

    fn send(&mut self, call: &str, token: &str, more: &[&str], status: u16) -> Got {
        let got = self.curl.send(call, token, more);
        self.note(call, status, got)
    }

    fn note(&mut self, call: &str, status: u16, got: Got) -> Got {
        let told = ["message", "documentation_url"];
        if got.status != status || got.body.contains("stoplight.io/prism/errors") {
            self.wrong.push(format!(
                "{call}: wanted {status}, got {} {}",
                got.status, got.body
            ));
        } else if status >= 400 && !told.iter().all(|field| got.json()[field].is_string()) {
            self.wrong
                .push(format!("{call}: no GitHub error: {}", got.body));
        }
        let path = call.split('?').next().unwrap().to_owned();
        self.seen.insert((path, status));
        got
    }

    fn jwt(&self) -> String {
        let now = self.github.change(|state| state.clock.now()).as_second();
        let claims = json!({"iat": now - 30, "exp": now + 540, "iss": CLIENT});
        let signing = EncodingKey::from_rsa_pem(self.key.pem().as_bytes()).unwrap();
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &signing).unwrap()
    }
}

#[test]
fn every_call_in_every_state_is_as_github_describes_it() {
    let Some(tools) = needs::conformance_tools() else {
        return;
    };
    let mut stage = Stage::new(&tools);
    assert_eq!(stage.prism.blind_spots(&tools), "");
    calls::users(&mut stage);
    calls::apps(&mut stage);
    calls::repositories(&mut stage);
    calls::secrets(&mut stage);
    calls::revocation(&mut stage);
    assert!(stage.wrong.is_empty(), "{}", stage.wrong.join("\n"));
    assert_eq!(stage.prism.violations(), Vec::<String>::new());
    let missing = never_succeeded(&stage.prism.description(), &stage.seen);
    assert!(
        missing.is_empty(),
        "described and never called: {missing:?}"
    );
}

#[test]
fn what_violates_the_description_is_found_in_both_directions() {
    let Some(tools) = needs::conformance_tools() else {
        return;
    };
    let mut stage = Stage::new(&tools);
    stage.github.fault(
        Fault::on("GET /user")
            .patch_body(json!({"id": "no number"}))
            .times(1),
    );
    stage.ask("GET /user", CLASSIC, 200);
    assert_eq!(stage.wrong.len(), 1, "an answer");
    let nameless = json!({"body": "no title"});
    stage.tell("POST /repos/acme/site/issues", CLASSIC, &nameless, 201);
    assert_eq!(stage.wrong.len(), 2, "a call");
    stage.ask("GET /repos/acme/site/undescribed", CLASSIC, 404);
    assert_eq!(stage.wrong.len(), 3, "a path");
    let odd = Effect::Replay {
        status: 206,
        headers: vec![("content-type".into(), "application/json".into())],
        body: "{}".into(),
    };
    stage
        .github
        .fault(Fault::on("GET /user").effect(odd).times(1));
    stage.ask("GET /user", CLASSIC, 206);
    assert_eq!(stage.wrong.len(), 4, "a status");
    wait::until(|| stage.prism.violations().len() == 4);
}

/// Calls of the description that no call here matched with a success.
fn never_succeeded(description: &Value, seen: &BTreeSet<(String, u16)>) -> Vec<String> {
    let succeeded: Vec<_> = seen.iter().filter(|(_, status)| *status < 300).collect();
    let mut missing = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let pattern = format!("{} {path}", method.to_uppercase());
            if !succeeded.iter().any(|(call, _)| fits(&pattern, call)) {
                missing.push(pattern);
            }
        }
    }
    missing
}

fn fits(pattern: &str, call: &str) -> bool {
    let (pattern, call): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), call.split('/').collect());
    let mut pairs = pattern.iter().zip(&call);
    pattern.len() == call.len() && pairs.all(|(want, got)| want.starts_with('{') || want == got)
}

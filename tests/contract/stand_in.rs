//! The stand-in against GitHub's own description: every call, in every state that it has.

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
    fn new(judges: &std::path::Path) -> Self {
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
        let prism = Prism::start(judges, &github.plain());
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
        self.judge(call, status, got)
    }

    fn tell(&mut self, call: &str, token: &str, body: &Value, status: u16) -> Got {
        let got = self.curl.tell(call, token, body);
        self.judge(call, status, got)
    }

    fn send(&mut self, call: &str, token: &str, more: &[&str], status: u16) -> Got {
        let got = self.curl.send(call, token, more);
        self.judge(call, status, got)
    }

    fn judge(&mut self, call: &str, status: u16, got: Got) -> Got {
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
    let Some(judges) = needs::judges() else {
        return;
    };
    let mut stage = Stage::new(&judges);
    assert_eq!(stage.prism.blind_spots(&judges), "");
    users(&mut stage);
    apps(&mut stage);
    repositories(&mut stage);
    secrets(&mut stage);
    revocation(&mut stage);
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
    let Some(judges) = needs::judges() else {
        return;
    };
    let mut stage = Stage::new(&judges);
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

fn users(stage: &mut Stage) {
    for version in ["2022-11-28", "2026-03-10"] {
        let version = ["--header", &format!("X-GitHub-Api-Version: {version}")];
        stage.send("GET /user", CLASSIC, &version, 200);
        stage.send("GET /rate_limit", CLASSIC, &version, 200);
    }
    stage.ask("GET /user", SCOPELESS, 200);
    stage.ask("GET /user", FINE, 200);
    stage.ask("GET /user", DEAD, 401);
    stage.ask("GET /user", "", 401);
    let tag = stage.ask("GET /user", CLASSIC, 200).header("etag").unwrap();
    stage.send(
        "GET /user",
        CLASSIC,
        &["--header", &format!("If-None-Match: {tag}")],
        304,
    );
    stage
        .github
        .fault(Fault::on("GET /user").secondary_limit(Some(30)).times(1));
    stage.ask("GET /user", CLASSIC, 403);
    stage.github.change(|state| {
        let now = state.clock.now();
        state.limits.set("user acme-bot", 5000, 5000, now);
    });
    stage.ask("GET /user", CLASSIC, 403);
    stage.ask("GET /rate_limit", CLASSIC, 200);
    stage.ask("GET /rate_limit", "", 200);
    stage
        .github
        .change(|state| state.settings.rate_limits = false);
    stage.ask("GET /rate_limit", CLASSIC, 404);
    stage.github.change(|state| {
        state.settings.rate_limits = true;
        let now = state.clock.now();
        state.limits.set("user acme-bot", 5000, 0, now);
    });
    stage.ask("GET /orgs/acme", CLASSIC, 200);
    stage.ask("GET /orgs/nobody", CLASSIC, 404);
}

fn apps(stage: &mut Stage) {
    let jwt = stage.jwt();
    stage.ask("GET /app", &jwt, 200);
    stage.ask("GET /app", "no.json.webtoken", 401);
    stage.ask("GET /app/installations", &jwt, 200);
    stage.ask("GET /app/installations?per_page=1", &jwt, 200);
    let id = stage
        .github
        .change(|state| state.installation_on("acme").id);
    stage.ask(&format!("GET /app/installations/{id}"), &jwt, 200);
    stage.ask("GET /app/installations/1", &jwt, 404);
    stage.ask("GET /orgs/acme/installation", &jwt, 200);
    stage.ask("GET /orgs/other/installation", &jwt, 404);
    stage.ask("GET /users/alice/installation", &jwt, 200);
    stage.ask("GET /repos/acme/site/installation", &jwt, 200);
    stage.ask("GET /repos/acme/nothing/installation", &jwt, 404);

    let mint = format!("POST /app/installations/{id}/access_tokens");
    stage.ask(&mint, &jwt, 201);
    stage.ask(&mint, "no.json.webtoken", 401);
    stage.ask("POST /app/installations/1/access_tokens", &jwt, 404);
    let too_much = json!({"permissions": {"contents": "write"}});
    stage.tell(&mint, &jwt, &too_much, 422);
    stage.tell(&mint, &jwt, &json!({"repositories": ["nothing"]}), 422);
    stage
        .github
        .change(|state| state.installation_on("acme").suspended = true);
    stage.ask(&mint, &jwt, 403);
    stage.ask(&format!("GET /app/installations/{id}"), &jwt, 200);
    stage
        .github
        .change(|state| state.installation_on("acme").suspended = false);
    let site = stage
        .github
        .change(|state| state.repository_id("acme/site"));
    let narrow = json!({"repository_ids": [site], "permissions": {"contents": "read"}});
    let got = stage.tell(&mint, &jwt, &narrow, 201);
    let token = got.json()["token"].as_str().unwrap().to_owned();
    stage.ask("GET /installation/repositories?per_page=1", &token, 200);
    stage.ask("GET /installation/repositories", CLASSIC, 403);
    stage.ask("GET /user", &token, 403);
    stage.ask("GET /repos/acme/site", &token, 200);
    stage.ask("GET /repos/acme/two", &token, 404);
    stage.ask("DELETE /installation/token", &token, 204);
    stage.ask("GET /installation/repositories", &token, 401);
}

fn repositories(stage: &mut Stage) {
    let at = "/repos/acme/site";
    stage.ask(&format!("GET {at}"), CLASSIC, 200);
    stage.ask("GET /repos/acme/two", FINE, 404);
    stage.ask("GET /repos/alice/open", SCOPELESS, 200);
    stage
        .github
        .change(|state| state.pat_mut(CLASSIC).sso_missing.insert("acme".into()));
    stage.ask(&format!("GET {at}"), CLASSIC, 403);
    stage
        .github
        .change(|state| state.pat_mut(CLASSIC).sso_missing.clear());
    stage.ask(&format!("GET {at}/contents/README.md"), FINE, 200);
    stage.ask(&format!("GET {at}/contents/NOTHING.md"), FINE, 404);
    stage.tell(
        &format!("POST {at}/issues"),
        CLASSIC,
        &json!({"title": "one", "body": "b"}),
        201,
    );
    stage.tell(
        &format!("POST {at}/issues"),
        CLASSIC,
        &json!({"title": ""}),
        422,
    );
    stage.tell(
        &format!("POST {at}/issues"),
        FINE,
        &json!({"title": "two"}),
        403,
    );
    stage.ask(&format!("GET {at}/issues"), CLASSIC, 200);
    stage.tell(
        &format!("POST {at}/labels"),
        CLASSIC,
        &json!({"name": "bug", "color": "f29513"}),
        201,
    );
    stage.tell(
        &format!("POST {at}/labels"),
        CLASSIC,
        &json!({"name": "bug"}),
        422,
    );
    stage.ask(&format!("GET {at}/labels"), CLASSIC, 200);
    for read in [
        "pulls",
        "branches",
        "commits",
        "commits/HEAD/statuses",
        "releases",
        "deployments",
        "environments",
        "hooks",
        "keys",
        "actions/runs",
        "actions/workflows",
        "actions/artifacts",
        "actions/permissions",
        "code-scanning/alerts",
        "secret-scanning/alerts",
        "dependabot/alerts",
    ] {
        stage.ask(&format!("GET {at}/{read}"), CLASSIC, 200);
    }
    stage.ask(&format!("GET {at}/hooks?per_page=1"), FINE, 403);
}

fn secrets(stage: &mut Stage) {
    let kinds = ["actions", "dependabot", "codespaces"];
    let repositories = kinds.map(|kind| format!("/repos/acme/site/{kind}/secrets"));
    let organizations = kinds.map(|kind| format!("/orgs/acme/{kind}/secrets"));
    let environment = "/repos/acme/site/environments/prod/secrets".to_owned();
    let places = repositories
        .into_iter()
        .chain(organizations)
        .chain([environment]);
    for place in places {
        let key = stage
            .ask(&format!("GET {place}/public-key"), CLASSIC, 200)
            .json();
        let bytes = STANDARD.decode(key["key"].as_str().unwrap()).unwrap();
        let sealed = PublicKey::from_slice(&bytes)
            .unwrap()
            .seal(&mut OsRng, b"value")
            .unwrap();
        let mut body = json!({"encrypted_value": STANDARD.encode(sealed), "key_id": key["key_id"]});
        if place.starts_with("/orgs/") {
            body["visibility"] = json!("private");
        }
        let one = format!("{place}/DEPLOY_TOKEN");
        stage.ask(&format!("GET {one}"), CLASSIC, 404);
        stage.tell(&format!("PUT {one}"), CLASSIC, &body, 201);
        stage.tell(&format!("PUT {one}"), CLASSIC, &body, 204);
        let mut mixed = body.clone();
        mixed["key_id"] = json!("012345678901234567");
        stage.tell(&format!("PUT {one}"), CLASSIC, &mixed, 422);
        stage.ask(&format!("GET {one}"), CLASSIC, 200);
        if place.starts_with("/orgs/") {
            body["visibility"] = json!("selected");
            let site = stage
                .github
                .change(|state| state.repository_id("acme/site"));
            body["selected_repository_ids"] = json!([site]);
            stage.tell(&format!("PUT {one}"), CLASSIC, &body, 204);
            stage.ask(&format!("GET {one}"), CLASSIC, 200);
            stage.ask(&format!("GET {one}/repositories"), CLASSIC, 200);
        }
        stage.ask(&format!("GET {place}"), CLASSIC, 200);
        stage.ask(&format!("GET {place}"), FINE, 403);
        stage.ask(&format!("DELETE {one}"), CLASSIC, 204);
        stage.ask(&format!("DELETE {one}"), CLASSIC, 404);
    }
}

fn revocation(stage: &mut Stage) {
    let call = "POST /credentials/revoke";
    stage.tell(
        call,
        "",
        &json!({"credentials": [SCOPELESS, "ghp_unknown"]}),
        202,
    );
    stage.tell(call, "", &json!({"credentials": ["ghs_minted"]}), 422);
    stage.tell(call, CLASSIC, &json!({"credentials": [CLASSIC]}), 403);
    stage.github.advance(std::time::Duration::from_secs(60));
    stage.ask("GET /user", SCOPELESS, 401);
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

//! Apps: JWTs, installations, and the tokens that are minted for them.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::super::{App, AppKey, Level, Repositories, StandIn, World};
use crate::github::ask::{ask, send, tell};

const CLIENT: &str = "Iv23liStandIn";

/// What an App shows to have a token minted.
pub(super) fn jwt(github: &StandIn, client: &str, key: &AppKey) -> String {
    signed(github, key, (-30, 570), json!(client))
}

fn signed(github: &StandIn, key: &AppKey, (iat, exp): (i64, i64), iss: Value) -> String {
    let now = github.change(|state| state.clock.now()).as_second();
    let claims = json!({"iat": now + iat, "exp": now + exp, "iss": iss});
    let signing = EncodingKey::from_rsa_pem(key.pem().as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &signing).unwrap()
}

struct Setting {
    github: StandIn,
    key: AppKey,
    installation: u64,
}

impl Setting {
    fn new() -> Self {
        let key = AppKey::generate();
        let permissions = [("contents", Level::Read), ("issues", Level::Write)];
        let app = App::new(CLIENT, "acme", &key, &permissions)
            .installed("acme", Repositories::selected(&["acme/one", "acme/two"]));
        let world = World::new().organization("acme", &["acme-bot"]).app(app);
        let world = ["acme/one", "acme/two", "acme/three"]
            .into_iter()
            .fold(world, World::repository);
        let github = StandIn::start(world);
        let installation = github.change(|state| state.installation_on("acme").id);
        Self {
            github,
            key,
            installation,
        }
    }

    fn jwt(&self) -> String {
        jwt(&self.github, CLIENT, &self.key)
    }

    fn signed(&self, key: &AppKey, iat: i64, exp: i64, iss: Value) -> String {
        signed(&self.github, key, (iat, exp), iss)
    }

    fn mint(&self, body: &Value) -> crate::github::ask::Got {
        let call = format!(
            "POST /app/installations/{}/access_tokens",
            self.installation
        );
        tell(&self.github, &call, &self.jwt(), body)
    }

    fn token(&self, body: &Value) -> String {
        let got = self.mint(body);
        assert_eq!(got.status, 201, "{got:?}");
        got.json()["token"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_minted_token_reaches_what_was_asked_and_dies_on_demand() {
    let setting = Setting::new();
    let github = &setting.github;
    let body = json!({"repositories": ["one"], "permissions": {"contents": "read"}});
    let got = setting.mint(&body).json();
    assert_eq!(
        got["permissions"],
        json!({"contents": "read", "metadata": "read"})
    );
    assert_eq!(got["repository_selection"], "selected");
    assert_eq!(got["repositories"][0]["full_name"], "acme/one");
    let token = got["token"].as_str().unwrap();
    assert!(
        token.starts_with("ghs_") && (500..540).contains(&token.len()),
        "{token}"
    );
    assert_eq!(
        ask(github, "GET /repos/acme/one/contents/README.md", token).status,
        200
    );
    assert_eq!(
        ask(github, "GET /repos/acme/two/contents/README.md", token).status,
        404
    );
    let got = ask(github, "GET /repos/acme/one/issues", token);
    assert_eq!(
        (got.status, got.message().as_str()),
        (403, "Resource not accessible by integration")
    );
    assert_eq!(ask(github, "GET /user", token).status, 403);
    let got = ask(github, "GET /installation/repositories?per_page=1", token);
    assert_eq!(got.json()["total_count"], 1);
    assert_eq!(github.live_tokens(), 1);
    assert_eq!(ask(github, "DELETE /installation/token", token).status, 204);
    assert_eq!(
        ask(github, "GET /installation/repositories", token).status,
        401
    );
    assert_eq!(github.live_tokens(), 0);
}

#[test]
fn what_was_not_granted_is_not_minted() {
    let setting = Setting::new();
    let refused = |body: Value| {
        let got = setting.mint(&body);
        (got.status, got.message())
    };
    let (status, said) = refused(json!({"permissions": {"contents": "write"}}));
    assert!(status == 422 && said.contains("permissions requested are not granted"));
    let (status, said) = refused(json!({"repositories": ["three"]}));
    assert!(status == 422 && said.contains("at least one repository"));
    let id = setting
        .github
        .change(|state| state.repository_id("acme/three"));
    assert_eq!(refused(json!({"repository_ids": [id]})).0, 422);
    let id = setting
        .github
        .change(|state| state.repository_id("acme/two"));
    let token = setting.token(&json!({"repository_ids": [id]}));
    assert_eq!(
        ask(&setting.github, "GET /repos/acme/two", &token).status,
        200
    );
    assert_eq!(
        ask(&setting.github, "GET /repos/acme/one", &token).status,
        404
    );
    setting
        .github
        .change(|state| state.installation_on("acme").suspended = true);
    assert_eq!(
        refused(json!({})),
        (403, "This installation has been suspended".into())
    );
    assert_eq!(
        ask(&setting.github, "GET /repos/acme/two", &token).status,
        403
    );
}

#[test]
fn an_installation_is_found_by_repository_and_account() {
    let setting = Setting::new();
    let (github, jwt) = (&setting.github, setting.jwt());
    for path in [
        "/repos/acme/one/installation",
        "/orgs/acme/installation",
        "/users/acme/installation",
    ] {
        let got = ask(github, &format!("GET {path}"), &jwt);
        assert_eq!(got.json()["id"], setting.installation, "{path}");
    }
    assert_eq!(
        ask(github, "GET /repos/acme/three/installation", &jwt).status,
        404
    );
    assert_eq!(
        ask(github, "GET /orgs/other/installation", &jwt).status,
        404
    );
    let list = ask(github, "GET /app/installations", &jwt).json();
    assert_eq!(
        list[0]["permissions"],
        json!({"contents": "read", "issues": "write"})
    );
    let one = ask(
        github,
        &format!("GET /app/installations/{}", setting.installation),
        &jwt,
    )
    .json();
    assert_eq!(one, list[0]);
    assert_eq!(ask(github, "GET /app", &jwt).json()["client_id"], CLIENT);
}

#[test]
fn a_jwt_is_verified_and_refused_in_the_words_of_github() {
    let setting = Setting::new();
    let said = |jwt: &str| {
        let got = ask(&setting.github, "GET /app", jwt);
        (got.status, got.message())
    };
    let sign = |iat, exp| setting.signed(&setting.key, iat, exp, json!(CLIENT));
    assert_eq!(said(&sign(0, 600)).0, 200);
    let (status, far) = said(&sign(0, 660));
    assert!(
        status == 401 && far.ends_with("is too far in the future"),
        "{far}"
    );
    assert!(
        said(&sign(-700, -1))
            .1
            .starts_with("'Expiration time' claim ('exp') must be")
    );
    assert!(
        said(&sign(60, 500))
            .1
            .starts_with("'Issued at' claim ('iat') must be")
    );
    let number = setting.github.change(|state| state.app_mut(CLIENT).id);
    assert_eq!(
        said(&setting.signed(&setting.key, 0, 60, json!(number))).0,
        200
    );
    let unknown = setting.signed(&setting.key, 0, 60, json!("Iv23liNobody"));
    assert_eq!(said(&unknown), (404, "Integration not found".into()));
    let undecodable = (401, "A JSON web token could not be decoded".to_owned());
    let other = AppKey::generate();
    let forged = setting.signed(&other, 0, 60, json!(CLIENT));
    assert_eq!(said(&forged), undecodable);
    assert_eq!(said("ghp_no_jwt"), undecodable);
    // A clock that is ahead of GitHub's, or behind it, makes a JWT that was good bad.
    let jwt = sign(-30, 570);
    setting.github.turn_back(Duration::from_secs(120));
    assert_eq!(said(&jwt).0, 401);
    setting.github.advance(Duration::from_secs(120));
    assert_eq!(said(&jwt).0, 200);
    // Two keys at once, then only the new one.
    setting
        .github
        .change(|state| state.app_mut(CLIENT).keys.push(other));
    assert_eq!((said(&forged).0, said(&sign(0, 60)).0), (200, 200));
    setting
        .github
        .change(|state| state.app_mut(CLIENT).keys.remove(0));
    assert_eq!((said(&forged).0, said(&sign(0, 60))), (200, undecodable));
}

#[test]
fn the_form_of_a_token_can_be_chosen_and_its_hour_ends() {
    let setting = Setting::new();
    let call = format!(
        "POST /app/installations/{}/access_tokens",
        setting.installation
    );
    let old = ["--header", "X-GitHub-Stateless-S2S-Token: disabled"];
    let got = send(&setting.github, &call, &setting.jwt(), &old);
    let token = got.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(token.len(), 40);
    assert_eq!(
        ask(&setting.github, "GET /repos/acme/one", &token).status,
        200
    );
    setting.github.advance(Duration::from_secs(3600));
    assert_eq!(
        ask(&setting.github, "GET /repos/acme/one", &token).status,
        401
    );
}

#[test]
fn a_new_token_may_not_be_known_everywhere_yet() {
    let setting = Setting::new();
    setting
        .github
        .change(|state| state.settings.replication_calls = 2);
    let token = setting.token(&json!({}));
    let statuses = [(); 3].map(|()| ask(&setting.github, "GET /repos/acme/one", &token).status);
    assert_eq!(statuses, [401, 401, 200]);
    setting.github.change(|state| {
        state.settings.replication_calls = 0;
        state.settings.replication_delay = Duration::from_secs(30);
    });
    let token = setting.token(&json!({}));
    assert_eq!(
        ask(&setting.github, "GET /repos/acme/one", &token).status,
        401
    );
    setting.github.advance(Duration::from_secs(30));
    assert_eq!(
        ask(&setting.github, "GET /repos/acme/one", &token).status,
        200
    );
}

#[test]
fn long_lists_come_in_pages() {
    let setting = Setting::new();
    let token = setting.token(&json!({}));
    let got = ask(
        &setting.github,
        "GET /installation/repositories?per_page=1",
        &token,
    );
    assert_eq!(got.json()["total_count"], 2);
    let next = format!(
        "<{}/installation/repositories?per_page=1&page=2>; rel=\"next\"",
        setting.github.api()
    );
    assert!(got.header("link").unwrap().starts_with(&next), "{got:?}");
    let got = ask(
        &setting.github,
        "GET /installation/repositories?per_page=1&page=2",
        &token,
    );
    assert!(!got.header("link").unwrap().contains("next"));
    assert_eq!(got.json()["repositories"][0]["full_name"], "acme/two");
}

#[test]
fn a_fingerprint_is_what_openssl_computes() {
    if !crate::needs::program("openssl") {
        return;
    }
    let key = AppKey::generate();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("k.pem"), key.pem()).unwrap();
    let script = "openssl rsa -in k.pem -pubout -outform DER 2>/dev/null \
                  | openssl sha256 -binary | openssl base64 -A";
    let mut shell = std::process::Command::new("sh");
    let output = shell
        .args(["-c", script])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), key.fingerprint());
}

//! Secrets: a key pair for each place, values that arrive, visibility that is kept.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_box::PublicKey;
use crypto_box::aead::OsRng;
use serde_json::{Value, json};

use super::super::{Place, StandIn, World};
use crate::github::ask::{ask, tell};

const TOKEN: &str = "ghp_standin0000000000000000000000000003";

fn github() -> StandIn {
    StandIn::start(
        World::new()
            .organization("acme", &["acme-bot"])
            .repository_with("acme/site", |site| {
                site.environments.insert("prod".into());
            })
            .classic(TOKEN, "acme-bot", &["repo", "admin:org"]),
    )
}

fn sealed(github: &StandIn, path: &str, value: &str) -> Value {
    let key = ask(github, &format!("GET {path}/public-key"), TOKEN).json();
    let bytes = STANDARD.decode(key["key"].as_str().unwrap()).unwrap();
    let public = PublicKey::from_slice(&bytes).unwrap();
    let boxed = public.seal(&mut OsRng, value.as_bytes()).unwrap();
    json!({"encrypted_value": STANDARD.encode(boxed), "key_id": key["key_id"]})
}

#[test]
fn every_place_opens_what_was_sealed_for_it_and_nothing_else() {
    let github = github();
    let places = [
        (
            "/repos/acme/site/actions/secrets",
            Place::repository("actions", "acme/site"),
        ),
        (
            "/repos/acme/site/dependabot/secrets",
            Place::repository("dependabot", "acme/site"),
        ),
        (
            "/repos/acme/site/codespaces/secrets",
            Place::repository("codespaces", "acme/site"),
        ),
        (
            "/repos/acme/site/environments/prod/secrets",
            Place::environment("acme/site", "prod"),
        ),
    ];
    for (path, place) in &places {
        let put = format!("PUT {path}/deploy_token");
        let body = sealed(&github, path, path);
        assert_eq!(tell(&github, &put, TOKEN, &body).status, 201, "{path}");
        let arrived = github.change(|state| state.secrets.of(place, "DEPLOY_TOKEN").cloned());
        assert_eq!(arrived.unwrap().value, path.as_bytes());
        let before = ask(&github, &format!("GET {path}/DEPLOY_TOKEN"), TOKEN).json();
        github.advance(Duration::from_secs(5));
        assert_eq!(tell(&github, &put, TOKEN, &body).status, 204);
        let after = ask(&github, &format!("GET {path}/DEPLOY_TOKEN"), TOKEN).json();
        assert_eq!(before["created_at"], after["created_at"]);
        assert_ne!(before["updated_at"], after["updated_at"]);
        assert_eq!(
            ask(&github, &format!("GET {path}"), TOKEN).json()["total_count"],
            1
        );
    }
    let elsewhere = sealed(&github, places[0].0, "mixed up");
    let put = format!("PUT {}/MIXED", places[1].0);
    assert_eq!(tell(&github, &put, TOKEN, &elsewhere).status, 422);
    let delete = format!("DELETE {}/DEPLOY_TOKEN", places[0].0);
    assert_eq!(ask(&github, &delete, TOKEN).status, 204);
    assert_eq!(ask(&github, &delete, TOKEN).status, 404);
}

#[test]
fn an_organisations_secret_is_shown_to_whom_the_last_call_said() {
    let github = github();
    let id = github.change(|state| state.repository_id("acme/site"));
    for kind in ["actions", "dependabot", "codespaces"] {
        let path = format!("/orgs/acme/{kind}/secrets");
        let place = Place::organization(kind, "acme");
        let put = format!("PUT {path}/SHARED");
        let mut body = sealed(&github, &path, "shared");
        assert_eq!(
            tell(&github, &put, TOKEN, &body).status,
            422,
            "without visibility"
        );
        body["visibility"] = json!("selected");
        body["selected_repository_ids"] = json!([id]);
        assert_eq!(tell(&github, &put, TOKEN, &body).status, 201);
        let got = ask(&github, &format!("GET {path}/SHARED"), TOKEN).json();
        assert_eq!(got["visibility"], "selected");
        let url = got["selected_repositories_url"].as_str().unwrap();
        let listed = ask(
            &github,
            &format!("GET {}", &url[github.api().len()..]),
            TOKEN,
        )
        .json();
        assert_eq!(listed["repositories"][0]["id"], id);
        body["visibility"] = json!("all");
        assert_eq!(
            tell(&github, &put, TOKEN, &body).status,
            422,
            "ids without selected"
        );
        body["selected_repository_ids"].take();
        assert_eq!(tell(&github, &put, TOKEN, &body).status, 204);
        let stored = github
            .change(|state| state.secrets.of(&place, "shared").cloned())
            .unwrap();
        assert_eq!(stored.visibility.as_deref(), Some("all"));
        assert!(stored.selected.is_empty());
    }
}

#[test]
fn what_is_no_name_or_no_box_is_refused() {
    let github = github();
    let path = "/repos/acme/site/actions/secrets";
    let good = sealed(&github, path, "x");
    for name in ["GITHUB_TOKEN", "1ST", "a-b"] {
        let got = tell(&github, &format!("PUT {path}/{name}"), TOKEN, &good);
        assert_eq!(got.status, 422, "{name}");
    }
    let mut broken = good.clone();
    broken["encrypted_value"] = json!("AAAA");
    assert_eq!(
        tell(&github, &format!("PUT {path}/X"), TOKEN, &broken).status,
        422
    );
    github.change(|state| {
        state
            .secrets
            .change_key(&Place::repository("actions", "acme/site"));
    });
    assert_eq!(
        tell(&github, &format!("PUT {path}/X"), TOKEN, &good).status,
        422
    );
}

//! GitHub's official clients against the same stand-in, with the same App.

use serde_json::{Value, json};
use support::github::{App, AppKey, Level, Repositories, StandIn, World, hashed};
use support::needs;

use crate::judge;

const CLIENT: &str = "Iv23liClients";

/// Two repositories of three are in the installation.
fn stand_in() -> (StandIn, AppKey) {
    let key = AppKey::generate();
    let permissions = [("contents", Level::Read), ("issues", Level::Write)];
    let app = App::new(CLIENT, "acme", &key, &permissions)
        .installed("acme", Repositories::selected(&["acme/one", "acme/two"]));
    let world = World::new().organization("acme", &["acme-bot"]).app(app);
    let repositories = ["acme/one", "acme/two", "acme/three"];
    let world = repositories.into_iter().fold(world, World::repository);
    (StandIn::start(world), key)
}

fn told(github: &StandIn, key: &AppKey) -> Value {
    json!({
        "api": github.plain(), "client_id": CLIENT, "private_key": key.pem(),
        "owner": "acme", "repository": "one", "permissions": {"contents": "read"},
    })
}

#[test]
fn octokit_and_pygithub_get_from_the_stand_in_what_github_would_give() {
    let Some(judges) = needs::judges() else {
        return;
    };
    let (github, key) = stand_in();
    let installation = github.change(|state| state.installation_on("acme").id);
    for (script, reach) in [
        ("auth_app.mjs", json!(["acme/one"])),
        ("pygithub.py", json!(["acme/one", "acme/two"])),
    ] {
        let got = judge::ask(&judges, script, &told(&github, &key));
        assert_eq!(got["installation"], installation, "{script}");
        assert_eq!(
            got["permissions"],
            json!({"contents": "read", "metadata": "read"}),
            "{script}"
        );
        assert_eq!(got["repositories"], reach, "{script}");
        assert_eq!(got["reads"], 200, "{script}");
        let used = hashed(got["token"].as_str().unwrap());
        let journal = github.journal();
        let read = journal
            .iter()
            .find(|call| call.path.ends_with("/contents/README.md"))
            .unwrap();
        assert_eq!(read.hashed_token.as_ref(), Some(&used), "{script}");
        assert_eq!(
            read.principal,
            format!("installation {installation}"),
            "{script}"
        );
        github.forget_calls();
    }
}

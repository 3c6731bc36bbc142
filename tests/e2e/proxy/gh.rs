//! `gh`, unchanged, with `http_unix_socket` in a configuration of its own. To it the stand-in is an Enterprise Server.

use std::path::Path;

use support::github::{Place, State, Stored, schema};
use support::home::write_private;
use support::needs;

use super::*;

impl Scene {
    fn gh(&self, token: &str, arguments: &[&str]) -> Ran {
        let configuration = self.broker.home.path().join("gh");
        std::fs::create_dir_all(&configuration).unwrap();
        let socket = self.broker.proxy_socket();
        let text = format!("http_unix_socket: {}\n", socket.display());
        write_private(&configuration.join("config.yml"), text);
        let mut gh = self.broker.home.command(Path::new("gh"));
        gh.args(arguments)
            .env("GH_CONFIG_DIR", configuration)
            .env("GH_NO_UPDATE_NOTIFIER", "1")
            .env("GH_HOST", self.host())
            .env("GH_ENTERPRISE_TOKEN", token);
        Ran::of(&mut gh)
    }

    /// What gh says on standard error, when it fails.
    #[track_caller]
    fn gh_refused(&self, token: &str, arguments: &[&str]) -> String {
        let ran = self.gh(token, arguments);
        assert_eq!(ran.code(), Some(1), "{arguments:?}: {ran:?}");
        ran.stderr
    }
}

/// The commands of gh that speak REST, with the end of the path that each asks for.
const REST: [(&[&str], &str, &str); 5] = [
    (
        &["api", "--paginate", "repos/REPOSITORY/labels"],
        "GET",
        "labels",
    ),
    (
        &["label", "create", "urgent", "-R", "REPOSITORY"],
        "POST",
        "labels",
    ),
    (&["run", "list", "-R", "REPOSITORY"], "GET", "actions/runs"),
    (
        &["workflow", "list", "-R", "REPOSITORY"],
        "GET",
        "actions/workflows",
    ),
    (
        &["secret", "list", "-R", "REPOSITORY"],
        "GET",
        "actions/secrets",
    ),
];

fn in_repository(command: &[&str], repository: &str) -> Vec<String> {
    let word = |word: &&str| word.replace("REPOSITORY", repository);
    command.iter().map(word).collect()
}

#[test]
fn what_gh_asks_by_rest_works_within_the_lease_and_names_what_is_missing_outside() {
    if !needs::program("gh") {
        return;
    }
    let scene = Scene::of_a_server();
    let Lease { token, .. } = scene.lease();
    // More than gh takes on a page.
    let names: Vec<_> = (0..130)
        .map(|number| format!("label-{number:03}"))
        .collect();
    scene.github.change(|state| {
        state.add_labels("acme/site", names.clone());
        let stored = Stored {
            value: b"x".to_vec(),
            sealed: b"x".to_vec(),
            created: state.clock.now(),
            updated: state.clock.now(),
            visibility: None,
            selected: std::collections::BTreeSet::new(),
        };
        let place = Place::repository("actions", "acme/site");
        state.secrets.put(&place, "DEPLOY_KEY", stored);
    });
    for (command, method, path) in REST {
        scene.github.forget_calls();
        let command = in_repository(command, "acme/site");
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        let ran = scene.gh(&token, &command);
        assert!(ran.status.success(), "{command:?}: {ran:?}");
        let call = format!("{method} /repos/acme/site/{path}");
        assert!(
            scene.reached().iter().all(|reached| *reached == call),
            "{:?}",
            scene.reached()
        );
        match command[..] {
            ["api", ..] => {
                let pages: Vec<Value> = serde_json::Deserializer::from_str(&ran.stdout)
                    .into_iter()
                    .map(Result::unwrap)
                    .collect();
                let labels = pages.iter().flat_map(|page| page.as_array().unwrap());
                let seen: Vec<_> = labels
                    .map(|label| label["name"].as_str().unwrap())
                    .collect();
                assert_eq!(seen, names);
                assert_eq!(scene.reached().len(), 2);
            }
            ["secret", ..] => assert!(ran.stdout.contains("DEPLOY_KEY"), "{ran:?}"),
            _ => assert_eq!(scene.reached().len(), 1),
        }
        scene.assert_all_within();
    }
    assert!(
        scene
            .github
            .change(|state| state.labels("acme/site"))
            .contains(&"urgent".to_owned())
    );

    scene.github.forget_calls();
    for (command, ..) in REST {
        let command = in_repository(command, "acme/docs");
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        let told = scene.gh_refused(&token, &command);
        assert!(
            told.contains("HTTP 403") && told.contains("acme/docs"),
            "{told}"
        );
    }
    let wish = json!({"purpose": "label-sync", "permissions": {"issues": "write"}});
    let narrower = scene.lease_with(&wish).token;
    for (command, missing) in [("secret", "secrets"), ("run", "actions")] {
        let told = scene.gh_refused(&narrower, &[command, "list", "-R", "acme/site"]);
        assert!(told.contains(missing), "{told}");
    }
    assert_eq!(scene.reached(), [""; 0]);
    let refused = scene.broker.home.records_of("proxy.refused");
    assert_eq!(refused.len(), REST.len() + 2);
    assert!(refused.iter().all(|one| one["code"] == "too_wide"));
}

#[test]
fn what_gh_asks_by_graphql_works_within_the_lease_and_names_what_is_missing_outside() {
    let Some(schema) = schema().filter(|_| needs::program("gh")) else {
        return;
    };
    let scene = Scene::of_a_server();
    let Lease { token, .. } = scene.lease();
    scene.github.change(|state| {
        state.settings.graphql_schema = Some(schema);
        state.add_issue("acme/site", "The header is red");
    });
    let list = ["issue", "list", "-R", "acme/site"];
    let listed = scene.gh(&token, &list).success();
    assert!(listed.contains("The header is red"), "{listed}");
    scene
        .gh(&token, &["issue", "close", "1", "-R", "acme/site"])
        .success();
    let issue = |state: &mut State| state.issue("acme/site#1").state();
    assert_eq!(scene.github.change(issue), "CLOSED");
    assert!(
        scene.reached().iter().all(|call| call == "POST /graphql"),
        "{:?}",
        scene.reached()
    );

    scene.github.forget_calls();
    for (command, words) in [
        (&["issue", "list", "-R", "acme/docs"][..], "acme/docs"),
        (&["pr", "list", "-R", "acme/site"], "`pull_requests: read`"),
        (
            &["api", "graphql", "-f", "query={viewer{email}}"],
            "`User.email`",
        ),
    ] {
        let told = scene.gh_refused(&token, command);
        assert!(told.contains(words), "{command:?}: {told}");
    }
    let touched = scene.github.touched();
    assert!(
        touched.iter().all(|one| one.changed.is_empty()),
        "{touched:?}"
    );
    let refused = scene.broker.home.records_of("proxy.refused");
    assert!(
        refused.iter().all(|one| one["path"] == "/graphql"),
        "{refused:?}"
    );
}

//! Who and what there is at GitHub for the pages: what they name in their examples.

use std::fs;
use std::path::Path;

use support::github::{
    App, AppKey, IssueOf, Level, Pat, Repositories, World, classic_token, fine_grained_token,
};

/// Whose values git may use.
pub(super) const FOR_GIT: [&str; 3] = ["site-token", "source-pat", "new-other-token"];

/// Each secret's value, and values to put in the place of some.
pub(super) struct Values(Vec<(&'static str, String)>);

impl Values {
    /// The value for this secret.
    pub(super) fn of(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(other, _)| *other == name);
        &found
            .unwrap_or_else(|| panic!("there is no value for {name}"))
            .1
    }

    /// Writes each to a file of its name.
    pub(super) fn write(&self, directory: &Path) {
        fs::create_dir(directory).unwrap();
        for (name, value) in &self.0 {
            fs::write(directory.join(name), value).unwrap();
        }
    }
}

/// What there is, and the values of the tokens and Apps in it.
pub(super) fn made() -> (World, Values) {
    let site = || fine("acme-bot", &["acme/site"]);
    let sources = ["acme/docs", "acme/schemas", "acme/site"];
    let classic = |scopes: &'static [&str]| {
        let token = classic_token();
        (Pat::classic(&token, "acme-bot", scopes), token)
    };
    let pats = [
        ("site-token", site()),
        ("new-site-token", site()),
        ("report-token", site()),
        ("source-pat", fine("acme-bot", &sources)),
        ("org-label-sync-token", classic(&["repo", "workflow"])),
        ("new-label-sync-token", classic(&["repo", "workflow"])),
        (
            "org-project-admin-token",
            classic(&["project", "read:org", "repo"]),
        ),
        (
            "org-onboarding-token",
            classic(&["repo", "workflow", "admin:org"]),
        ),
        (
            "org-repo-analysis-token",
            classic(&["repo:status", "read:org"]),
        ),
        ("new-other-token", classic(&["repo"])),
        ("acme-import-old-token", classic(&["repo", "read:org"])),
    ];
    let mut values = Vec::new();
    let mut world = organisation();
    for (name, (pat, value)) in pats {
        world = world.pat(pat);
        values.push((name, value));
    }
    for (name, client, permissions) in APPS {
        let key = AppKey::generate();
        let app = App::new(client, "acme", &key, permissions);
        world = world.app(app.installed("acme", Repositories::All));
        values.push((name, key.pem().to_owned()));
    }
    (world, Values(values))
}

/// A name, and a level for it.
type Permission = (&'static str, Level);

/// Each with its client id, as in `policies/secrets.toml`, and what it may do.
const APPS: [(&str, &str, &[Permission]); 2] = [
    (
        "acme-import-app",
        "Iv23liACMEIMPORT",
        &[
            ("contents", Level::Write),
            ("members", Level::Read),
            ("metadata", Level::Read),
        ],
    ),
    (
        "acme-secrets-app",
        "Iv23liACMESECRETS",
        &[
            ("secrets", Level::Write),
            ("environments", Level::Write),
            ("dependabot_secrets", Level::Write),
        ],
    ),
];

fn organisation() -> World {
    let world = World::new()
        .user("alice")
        .organization("acme", &["acme-bot", "alice"])
        .organization("other", &["acme-bot", "alice"])
        .repository("acme/site")
        .repository("acme/docs")
        .repository("acme/schemas")
        .repository("other/site")
        .repository_with("acme/sync", |sync| {
            sync.environments.insert("production".to_owned());
        });
    let broken = IssueOf {
        labels: ["bug".into()].into(),
        ..IssueOf::new("The header is red")
    };
    world
        .issue_with("acme/site", broken)
        .pull("acme/site", "Paint it blue", "blue")
}

/// A fine-grained token for these repositories of `acme`.
fn fine(login: &str, repositories: &[&str]) -> (Pat, String) {
    let token = fine_grained_token();
    let permissions = [
        ("actions", Level::Read),
        ("checks", Level::Read),
        ("contents", Level::Write),
        ("issues", Level::Write),
        ("metadata", Level::Read),
        ("pull_requests", Level::Write),
        ("secrets", Level::Write),
        ("statuses", Level::Read),
    ];
    let repositories = Repositories::selected(repositories);
    let pat = Pat::fine_grained(&token, login, "acme", repositories, &permissions);
    (pat, token)
}

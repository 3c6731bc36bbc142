//! `gh`, unchanged, under `tokenctl exec`: Debian's and the newest at hand. To it the stand-in is github.com.

mod daily;
mod projects;
mod table;
mod unlisted;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use support::github::{Home, Place, schema};

use super::*;

/// Which `gh` something is said of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Both,
    /// Debian 12's, 2.23.
    Debian,
    /// The newest at hand, 2.102.
    Newest,
}

/// A user with one `gh` on the path, to whom GitHub answers REST and GraphQL.
struct GhScene {
    scene: Scene,
    gh: Of,
}

impl GhScene {
    /// One for each `gh`; none where something is missing.
    fn all() -> Vec<Self> {
        if !can_run() || !needs::program("gh") {
            return Vec::new();
        }
        let (Some(tools), Some(schema)) = (needs::conformance_tools(), schema()) else {
            return Vec::new();
        };
        let debians = Path::new("/usr/bin/gh");
        let is_old = minor_version(debians).is_some_and(|minor| minor < 62);
        let mut desks = Vec::new();
        if needs::met("gh as Debian has it, before 2.62, in /usr/bin", is_old) {
            desks.push(Self::with(Of::Debian, debians, &schema));
        }
        let newest = tools.join("python/bin/gh");
        if needs::path(newest.to_str().unwrap()) {
            desks.push(Self::with(Of::Newest, &newest, &schema));
        }
        desks
    }

    fn with(gh: Of, program: &Path, schema: &Path) -> Self {
        let mut scene = Scene::new();
        let bin = scene.path("bin");
        std::fs::create_dir(&bin).unwrap();
        symlink(program, bin.join("gh")).unwrap();
        let path = std::env::var("PATH").unwrap();
        scene.set("PATH", format!("{}:{path}", bin.display()));
        // It keeps what it was told of the schema.
        scene.set("XDG_CACHE_HOME", scene.path("cache"));
        // Files of releases come from another host, which the relay reaches as ever.
        let github = &scene.com.github;
        let downloads = github.api_elsewhere();
        github.change(|state| {
            state.settings.graphql_schema = Some(schema.to_owned());
            state.settings.downloads = Some(downloads);
        });
        let authority = github.ca().to_owned();
        scene.set("SSL_CERT_FILE", authority);
        Self { scene, gh }
    }

    fn is(&self, of: Of) -> bool {
        of == Of::Both || of == self.gh
    }

    /// Runs these in a lease on `site` that has only these permissions.
    fn run(&self, permissions: &[&str], commands: &[(&str, &str)]) -> Commands {
        let mut purpose = vec![SITE];
        purpose.extend(permissions.iter().flat_map(|one| ["--permission", one]));
        // The stored token may change workflows, and no one looks into a push.
        if permissions.contains(&"contents=write") {
            purpose.extend(["--permission", "workflows=write"]);
        }
        self.scene.run(&purpose, commands)
    }

    /// Whatever was read and changed by GraphQL stands in this repository, but for accounts.
    #[track_caller]
    fn assert_touched_only(&self, repository: &str) {
        let inside = Home::Repository(repository.to_owned());
        for touched in self.scene.com.github.touched() {
            let homes = touched.read.iter().map(|read| &read.home);
            let homes = homes.chain(touched.changed.iter().map(|changed| &changed.home));
            let mut others =
                homes.filter(|home| matches!(home, Home::Repository(_) | Home::Project(_)));
            assert!(others.all(|home| *home == inside), "{touched:#?}");
        }
    }

    fn changed_nothing(&self) -> bool {
        let touched = self.scene.com.github.touched();
        touched.iter().all(|one| one.changed.is_empty())
    }
}

/// The second number in `gh version 2.23.0`.
fn minor_version(gh: &Path) -> Option<u32> {
    let out = Command::new(gh).arg("--version").output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    let number = text.strip_prefix("gh version 2.")?.split('.').next()?;
    number.parse().ok()
}

/// All that a command wrote.
fn said(ran: &Ran) -> String {
    format!("{}{}", ran.stdout, ran.stderr)
}

#[test]
fn what_gh_asks_by_rest_works_within_the_lease_and_names_what_is_missing_outside() {
    if !can_run() || !needs::program("gh") {
        return;
    }
    let scene = Scene::new();
    // More than gh takes on a page.
    let names: Vec<_> = (0..130)
        .map(|number| format!("label-{number:03}"))
        .collect();
    scene.com.github.change(|state| {
        state.add_labels("acme/site", names.clone());
        state.add_run("acme/site", "Fix the build");
    });
    let ran = scene.run(
        &[SITE],
        &[
            (
                "api",
                "gh api --paginate repos/acme/site/labels --jq '.[].name'",
            ),
            ("label", "gh label create kind/bug -c ff0000 -R acme/site"),
            ("run", "gh run list -R acme/site"),
            ("workflow", "gh workflow list -R acme/site"),
            ("set", "gh secret set DEPLOY_KEY -b s3cret -R acme/site"),
            ("secret", "gh secret list -R acme/site"),
            ("other", "gh api repos/acme/docs/labels"),
            ("hooks", "gh api repos/acme/site/hooks"),
        ],
    );
    let listed: Vec<_> = ran.output("api").lines().collect();
    assert_eq!(listed, names);
    ran.output("label");
    let label = scene
        .com
        .github
        .change(|state| state.label("acme/site", "kind/bug"));
    assert_eq!(label.unwrap().color, "ff0000");
    assert!(ran.output("run").contains("Fix the build"), "{ran:?}");
    assert!(ran.output("workflow").contains("CI"), "{ran:?}");
    ran.output("set");
    let place = Place::repository("actions", "acme/site");
    let stored = scene
        .com
        .github
        .change(|state| state.secrets.of(&place, "DEPLOY_KEY").cloned());
    assert_eq!(stored.unwrap().value, b"s3cret");
    assert!(ran.output("secret").contains("DEPLOY_KEY"), "{ran:?}");
    scene.assert_within(&["/repos/acme/site"]);

    for (name, words) in [("other", "acme/docs"), ("hooks", "repository_hooks")] {
        let ran = ran.of(name);
        assert_eq!(ran.code(), Some(1), "{name}: {ran:?}");
        assert!(said(ran).contains(words), "{name}: {ran:?}");
    }
    let refused = scene.refused();
    assert_eq!(refused.len(), 2, "{refused:#?}");
    assert!(
        refused.iter().all(|one| one["code"] == "too_wide"),
        "{refused:#?}"
    );
}

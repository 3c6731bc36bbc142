//! `gh`, unchanged, under `tokenctl exec`. To it the stand-in is github.com.

use support::github::Place;

use super::*;

#[test]
fn what_gh_asks_by_rest_works_and_what_it_asks_by_graphql_is_refused_with_words() {
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
            ("issue", "gh issue list -R acme/site"),
            ("pr", "gh pr list -R acme/site"),
            ("view", "gh repo view acme/site"),
            ("graphql", "gh api graphql -f query='{viewer{login}}'"),
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

    for (name, words) in [
        ("other", "acme/docs"),
        ("hooks", "repository_hooks"),
        ("issue", "GraphQL is not served"),
        ("pr", "GraphQL is not served"),
        ("view", "GraphQL is not served"),
        ("graphql", "GraphQL is not served"),
    ] {
        let ran = ran.of(name);
        assert_eq!(ran.code(), Some(1), "{name}: {ran:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains(words), "{name}: {said}");
    }
    let refused = scene.refused();
    assert!(refused.len() >= 6, "{refused:#?}");
    assert!(
        refused.iter().all(|one| one["code"] == "too_wide"),
        "{refused:#?}"
    );
}

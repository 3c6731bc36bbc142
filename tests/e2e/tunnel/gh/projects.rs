//! Projects of an organisation under `policies/project-admin.toml`, by a script such as `complete-project-setup.sh`.

use support::broker::own;

use super::*;

const ADMIN: &str = "project-admin";

/// The worked example as it is, for the account and the stored token of the tests.
fn policy() -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(directory.join("../policies/project-admin.toml")).unwrap();
    let (head, _) = text.split_once("[[allow]]").unwrap();
    let head = head.replace("org-project-admin-token", "org-label-sync-token");
    own(&format!("{head}[[allow]]\ncaller = {{ uid = UID }}\n"))
}

/// The organisation's first project, in a shell.
const PROJECT: &str = "$(gh api graphql --jq '.data.organization.projectsV2.nodes[0].id' \
    -f query='{organization(login: \"acme\") {projectsV2(first: 1) {nodes {id}}}}')";

const ADD: &str = "mutation($project: ID!, $content: ID!) {\
    addProjectV2ItemById(input: {projectId: $project, contentId: $content}) {item {id}}}";

#[test]
fn a_script_sets_up_a_project_with_its_field_its_items_and_its_repositories() {
    for desk in GhScene::all() {
        let scene = &desk.scene;
        scene.broker.home.policy("project-admin.toml", &policy());
        scene.broker.reload();
        std::fs::write(scene.path("work/setup.sh"), include_str!("setup.sh")).unwrap();
        let rehearsal = [ADMIN, "--permission", "organization_projects=read"];
        let rehearsed = scene.run(&rehearsal, &[("setup", "sh setup.sh acme")]);
        let told = said(rehearsed.of("setup"));
        assert_ne!(rehearsed.of("setup").code(), Some(0));
        for words in [
            "`Mutation.createProjectV2` needs permission `organization_projects: admin`",
            "add `organization_projects = \"admin\"` to `permissions`",
        ] {
            assert!(told.contains(words), "{told}");
        }
        assert!(desk.changed_nothing());

        let theirs = scene
            .com
            .github
            .change(|state| state.issue("other/site#1").node_id());
        let item =
            format!("gh api graphql -f project=\"{PROJECT}\" -f content={theirs} -f query='{ADD}'");
        let ran = scene.run(
            &[ADMIN],
            &[
                ("setup", "sh setup.sh acme"),
                ("other", "sh setup.sh other"),
                ("item", &item),
            ],
        );
        ran.output("setup");
        for (name, words) in [
            ("other", "`Query.organization` needs organisation `other`"),
            ("item", "is of nothing within the lease"),
        ] {
            let ran = ran.of(name);
            assert_ne!(ran.code(), Some(0), "{name}: {ran:?}");
            assert!(said(ran).contains(words), "{name}: {ran:?}");
        }
        scene.com.github.change(|state| {
            let project = state.project("acme", 1);
            let about = project.description.as_deref();
            assert_eq!(
                (&*project.title, about),
                ("Launch", Some("All that is to be done"))
            );
            let mut items = state.project_items("acme", 1);
            items.sort();
            assert_eq!(items, ["Invite everyone", "acme/docs#1", "acme/site#1"]);
            let mut linked = state.project_repositories("acme", 1);
            linked.sort();
            assert_eq!(linked, ["acme/docs", "acme/new", "acme/site"]);
            let sizes = state.project_values("acme", 1, "Size").into_iter();
            let chosen = sizes.filter(|size| size["singleSelectOptionId"].is_string());
            assert_eq!(chosen.count(), 2);
        });
        if desk.is(Of::Newest) {
            gh_project_is_refused(&desk);
        }
    }
}

/// `gh project` asks first whether the owner is a user, and then says nothing of the refusal.
#[track_caller]
fn gh_project_is_refused(desk: &GhScene) {
    let before = desk.scene.refused().len();
    let list = ("list", "gh project list --owner acme");
    let ran = desk.scene.run(&[ADMIN], &[list]);
    let ran = ran.of("list");
    assert_eq!(ran.code(), Some(1), "{ran:?}");
    assert!(ran.stderr.contains("unknown owner type"), "{ran:?}");
    let refused = &desk.scene.refused()[before..];
    assert!(
        refused
            .iter()
            .all(|one| one["why"].to_string().contains("Query.user")),
        "{refused:#?}"
    );
}

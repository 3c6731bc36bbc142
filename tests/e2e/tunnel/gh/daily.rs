//! What is done every day, each command with no more than the permissions that `docs/how-to/use-proxy.md` names. Within
//! the lease it does all that it should. With less, and in another repository, it is refused.

use super::table::{GROUPS, Group, Row};
use super::*;

const METADATA: &[&str] = &["metadata=read"];
/// Permissions at `read` where they would have to be at `write`.
const READS: &[&str] = &[
    "contents=read",
    "issues=read",
    "pull_requests=read",
    "checks=read",
    "statuses=read",
];

impl Group {
    fn writes(&self) -> bool {
        self.needs.iter().any(|need| need.ends_with("=write"))
    }

    /// What a lease has that does not suffice.
    fn too_little(&self) -> &'static [&'static str] {
        if self.writes() { READS } else { METADATA }
    }
}

/// Every command for this `gh` of groups, with a name.
fn commands<'a>(
    desk: &GhScene,
    groups: impl IntoIterator<Item = &'a Group>,
    repository: &str,
) -> Vec<(String, String, &'a Row)> {
    let rows = groups.into_iter().flat_map(|group| group.rows);
    let rows = rows.filter(|row| desk.is(row.of));
    rows.enumerate()
        .map(|(at, row)| {
            let command = row.command.replace("REPO", repository);
            (format!("command-{at}"), command, row)
        })
        .collect()
}

fn run(desk: &GhScene, permissions: &[&str], commands: &[(String, String, &Row)]) -> Commands {
    let texts = commands.iter();
    let texts: Vec<_> = texts
        .map(|(name, command, _)| (name.as_str(), command.as_str()))
        .collect();
    desk.run(permissions, &texts)
}

#[test]
fn each_command_is_refused_with_less_and_works_with_the_permissions_that_the_manual_names() {
    for desk in GhScene::all() {
        let labels = ["bug".to_owned()];
        desk.scene
            .com
            .github
            .change(|state| state.add_labels("acme/site", labels));
        desk.run(
            &[],
            &[(
                "clone",
                "git clone -q https://github.com/acme/site.git clone",
            )],
        )
        .output("clone");
        is_refused_with_less(&desk);
        is_refused_elsewhere(&desk);
        works(&desk);
    }
}

fn is_refused_with_less(desk: &GhScene) {
    for permissions in [METADATA, READS] {
        let groups = GROUPS.iter();
        let groups = groups.filter(|group| group.too_little() == permissions);
        let mut commands = commands(desk, groups, "acme/site");
        commands.retain(|(.., row)| !row.lacks.is_empty());
        let ran = run(desk, permissions, &commands);
        for (name, command, row) in &commands {
            let ran = ran.of(name);
            assert!(!ran.status.success(), "{command}: {ran:?}");
            assert!(said(ran).contains(row.lacks), "{command}: {ran:?}");
            if row.lacks.contains(" needs ") {
                assert!(
                    said(ran).contains("; to allow it, add "),
                    "{command}: {ran:?}"
                );
            }
        }
    }
    assert!(desk.changed_nothing());
}

fn is_refused_elsewhere(desk: &GhScene) {
    let before = desk.scene.refused().len();
    desk.scene.forget();
    let mut commands = commands(desk, GROUPS, "acme/docs");
    commands.retain(|(.., row)| row.command.contains("REPO"));
    let ran = run(desk, &[], &commands);
    for (name, command, _) in &commands {
        let ran = ran.of(name);
        assert!(!ran.status.success(), "{command}: {ran:?}");
        assert!(said(ran).contains("acme/docs"), "{command}: {ran:?}");
    }
    assert!(desk.scene.refused().len() >= before + commands.len());
    desk.assert_touched_only("acme/site");
    assert!(desk.changed_nothing());
}

fn works(desk: &GhScene) {
    desk.scene.forget();
    for group in GROUPS {
        let commands = commands(desk, [group], "acme/site");
        let ran = run(desk, group.needs, &commands);
        for (name, command, row) in &commands {
            let ran = ran.of(name);
            assert!(ran.status.success(), "{command}: {ran:?}");
            assert!(said(ran).contains(row.shows), "{command}: {ran:?}");
        }
    }
    desk.assert_touched_only("acme/site");
    desk.scene.com.github.change(|state| {
        let issue = state.issue("acme/site#1");
        assert_eq!(
            (&*issue.title, issue.state()),
            ("The header is pink", "CLOSED")
        );
        assert_eq!(state.labels_on("acme/site#1"), ["bug"]);
        assert_eq!(state.labels("acme/site"), ["bug", "urgent"]);
        assert_eq!(state.comments("acme/site#1")[0].body, "So it is");
        let review = &state.reviews("acme/site#2")[0];
        assert_eq!((&*review.state, &*review.body), ("APPROVED", "It is blue"));
        assert_eq!(state.issue("acme/site#2").state(), "MERGED");
        let titles = state.issues("acme/site");
        assert_eq!(
            titles[2..],
            ["The footer is gone", "Paint it grey", "Paint it green"]
        );
        assert_eq!(
            state.asset("acme/site", "v1", "site.zip").unwrap(),
            b"zipped"
        );
        assert_eq!(
            state.issues("acme/docs"),
            ["The header is red", "Paint it blue"]
        );
    });
    desk.scene.com.git.revision("green");
    let calls = desk.scene.com.github.journal().into_iter();
    let (downloads, calls): (Vec<_>, Vec<_>) =
        calls.partition(|call| call.path.starts_with("/release-assets/"));
    let stored = hashed(canary::CLASSIC);
    assert!(
        calls
            .iter()
            .all(|call| call.hashed_token.as_ref() == Some(&stored))
    );
    assert!(!downloads.is_empty(), "they come from another host");
    assert!(
        downloads.iter().all(|call| call.hashed_token.is_none()),
        "{downloads:?}"
    );
}

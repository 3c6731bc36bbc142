//! What is refused whatever the lease holds, as `docs/how-to/use-proxy.md` says, and what does the same within the lease.

use super::*;
use Of::{Both, Debian, Newest};

/// A command, the field that it is refused for, and what to use instead.
const ROWS: &[(Of, &str, &str, &str)] = &[
    (
        Both,
        "gh issue list --label urgent",
        "Query.search",
        "gh api 'repos/acme/site/issues?labels=urgent'",
    ),
    (Both, "gh issue list --search header", "Query.search", ""),
    (Both, "gh pr list --label urgent", "Query.search", ""),
    (Both, "gh pr status", "Ref.branchProtectionRule", ""),
    (
        Both,
        "gh pr checks 2",
        "Query.node",
        "gh pr view 2 --json statusCheckRollup",
    ),
    (
        Debian,
        "gh issue view 1 --comments",
        "Query.node",
        "gh api repos/acme/site/issues/1/comments",
    ),
    (Debian, "gh issue view 1 --json comments", "Query.node", ""),
    (
        Newest,
        "gh issue view 1",
        "Issue.issueType",
        "gh issue view 1 --json title,body,comments",
    ),
    (
        Debian,
        "gh issue create -t Mine -b Mine -a alice",
        "Query.user",
        "",
    ),
    (
        Newest,
        "gh issue create -t Mine -b Mine -a alice",
        "Mutation.replaceActorsForAssignable",
        "gh api repos/acme/site/issues/1/assignees -f 'assignees[]=alice'",
    ),
    (
        Newest,
        "gh issue edit 1 --add-assignee alice",
        "Issue.assignedActors",
        "",
    ),
    (
        Both,
        "gh issue develop 1",
        "Mutation.createLinkedBranch",
        "git push -q origin HEAD:refs/heads/topic",
    ),
    (
        Newest,
        "gh pr edit 2 -t 'Paint it pink'",
        "PullRequest.assignedActors",
        "gh api -X PATCH repos/acme/site/pulls/2 -f title='Paint it pink'",
    ),
    (
        Debian,
        "gh pr create -H a -B main -t A -b A -a alice",
        "Query.user",
        "",
    ),
    (
        Newest,
        "gh pr create -H a -B main -t A -b A -a alice",
        "Mutation.replaceActorsForAssignable",
        "",
    ),
    (
        Debian,
        "gh pr create -H b -B main -t B -b B -r alice",
        "Query.user",
        "",
    ),
    (
        Newest,
        "gh pr create -H b -B main -t B -b B -r alice",
        "Mutation.requestReviewsByLogin",
        "gh api repos/acme/site/pulls/2/requested_reviewers -f 'reviewers[]=alice'",
    ),
    (Both, "gh repo list acme", "Query.repositoryOwner", ""),
];

#[test]
fn what_leads_out_of_every_lease_is_refused_by_name_and_what_the_manual_has_instead_is_not() {
    for desk in GhScene::all() {
        let rows: Vec<_> = ROWS.iter().filter(|row| desk.is(row.0)).collect();
        let mut commands = Vec::new();
        let clone = "git clone -q https://github.com/acme/site.git clone";
        commands.push(("clone".to_owned(), clone.to_owned()));
        for (at, (_, command, _, instead)) in rows.iter().enumerate() {
            commands.push((format!("refused-{at}"), format!("cd clone && {command}")));
            if !instead.is_empty() {
                commands.push((format!("instead-{at}"), format!("cd clone && {instead}")));
            }
        }
        let texts = commands.iter();
        let texts: Vec<_> = texts
            .map(|(name, command)| (name.as_str(), command.as_str()))
            .collect();
        let ran = desk.run(&[], &texts);
        for (at, (_, command, field, instead)) in rows.iter().enumerate() {
            let refused = ran.of(&format!("refused-{at}"));
            assert_eq!(refused.code(), Some(1), "{command}: {refused:?}");
            let words = format!("refused: `{field}` ");
            assert!(said(refused).contains(&words), "{command}: {refused:?}");
            if !instead.is_empty() {
                let passed = ran.of(&format!("instead-{at}"));
                // What it goes on to, the stand-in may not have.
                let is_missing = said(passed).contains("Not Found (HTTP 404)");
                assert!(
                    passed.status.success() || is_missing,
                    "{instead}: {passed:?}"
                );
            }
        }
        // The first of several requests was done.
        let titles = desk
            .scene
            .com
            .github
            .change(|state| state.issues("acme/site"));
        let made: &[&str] = match desk.gh {
            Newest => &["Mine", "A", "B"],
            _ => &[],
        };
        assert_eq!(titles[2..], *made);
        desk.assert_touched_only("acme/site");
    }
}

//! Two organisations whose repositories, issues and projects lead to each other's: whatever is read or changed of the
//! other one shows in the stand-in's journal.
//!
//! ```text
//!   acme    site (1 an issue, 2 a pull request, 3 one from a fork), docs      project 1 has items of all
//!   globex  secret (1 is a part of acme/site#1, 2 a pull request), site, a fork of acme/site
//! ```

use crate::github::{IssueOf, PullOf, World};

/// Of `acme-bot`, who is in both organisations.
pub const TOKEN: &str = "ghp_standin0000000000000000000000000011";
/// Of `mallory`, who is in `globex` alone.
pub const OTHER: &str = "ghp_standin0000000000000000000000000012";

/// Who and what there is.
#[must_use]
pub fn world() -> World {
    let first = IssueOf {
        body: Some("As the title says.".into()),
        labels: ["bug".into()].into(),
        assignees: ["carol".into()].into(),
        comments: vec!["I see it too".into()],
        milestone: Some("1.0".into()),
        ..IssueOf::new("It is broken")
    };
    let part = IssueOf {
        labels: ["private".into()].into(),
        comments: vec!["Hush".into()],
        milestone: Some("2.0".into()),
        parent: Some("acme/site#1".into()),
        ..IssueOf::new("A part of it")
    };
    let hidden = IssueOf {
        pull: Some(PullOf {
            head: "hidden".into(),
            base: "main".into(),
            draft: true,
        }),
        ..IssueOf::new("A change of theirs")
    };
    World::new()
        .organization("acme", &["acme-bot", "carol"])
        .organization("globex", &["acme-bot", "mallory"])
        .repository("acme/site")
        .repository("acme/docs")
        .repository("globex/secret")
        .fork("globex/site", "acme/site")
        .issue_with("acme/site", first)
        .pull("acme/site", "A fix", "fix")
        .pull("acme/site", "From a fork", "globex:theirs")
        .issue("acme/docs", "Say more")
        .issue_with("globex/secret", part)
        .issue_with("globex/secret", hidden)
        .project(
            "acme",
            "Roadmap",
            &["acme/site#1", "acme/docs#1", "globex/secret#1"],
        )
        .project("globex", "Secret plan", &["globex/secret#1", "acme/site#1"])
        .classic(TOKEN, "acme-bot", &["repo", "read:org"])
        .classic(OTHER, "mallory", &["repo"])
}

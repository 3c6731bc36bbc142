//! The commands of `docs/how-to/use-proxy.md`, with what each needs.

use super::Of::{self, Both, Debian, Newest};

/// Commands that need the same permissions.
pub(super) struct Group {
    pub(super) needs: &'static [&'static str],
    pub(super) rows: &'static [Row],
}

/// A command, where `REPO` stands for a repository.
pub(super) struct Row {
    pub(super) of: Of,
    pub(super) command: &'static str,
    /// What it says when it works.
    pub(super) shows: &'static str,
    /// What it is told when a permission is missing, or is at `read`.
    pub(super) lacks: &'static str,
}

const fn row(of: Of, command: &'static str, shows: &'static str, lacks: &'static str) -> Row {
    Row {
        of,
        command,
        shows,
        lacks,
    }
}

/// In this order, each once.
pub(super) const GROUPS: &[Group] = &[
    Group {
        needs: &["metadata=read"],
        rows: &[
            row(Both, "gh auth status", "github.com", ""),
            row(
                Both,
                "gh api graphql -f query='{viewer{login}}'",
                "acme-bot",
                "",
            ),
            row(
                Both,
                "gh repo view REPO --json name,description",
                "\"name\":\"site\"",
                "",
            ),
        ],
    },
    Group {
        needs: &["contents=write"],
        rows: &[
            row(
                Both,
                "printf zipped >site.zip && gh release create v1 site.zip -t 'The first' -n Notes -R REPO",
                "releases/tag/v1",
                "contents: write",
            ),
            row(
                Both,
                "rm -rf push && git clone -q https://github.com/REPO.git push && \
                 git -C push push -q origin HEAD:refs/heads/blue",
                "",
                "contents: write",
            ),
        ],
    },
    Group {
        needs: &["contents=read"],
        rows: &[
            row(
                Both,
                "gh release list -R REPO",
                "The first",
                "`Repository.releases` needs permission `contents: read`",
            ),
            row(
                Both,
                "gh release view v1 -R REPO",
                "Notes",
                "permission `contents: read`",
            ),
            row(
                Both,
                "rm -rf files && gh release download v1 -D files -R REPO && cat files/site.zip",
                "zipped",
                "permission `contents: read`",
            ),
            row(
                Both,
                "gh repo view REPO",
                "# acme/site",
                "permission `contents: read`",
            ),
            row(
                Both,
                "rm -rf fresh && gh repo clone REPO fresh -- -q && cat fresh/README",
                "private",
                "permission `contents: read`",
            ),
        ],
    },
    Group {
        needs: &["issues=read"],
        rows: &[
            row(
                Both,
                "gh issue list -R REPO",
                "The header is red",
                "`Repository.issues` needs permission `issues: read`",
            ),
            row(
                Debian,
                "gh issue view 1 -R REPO",
                "The header is red",
                "`Repository.issueOrPullRequest` needs permission `issues: read`",
            ),
            row(
                Newest,
                "gh issue view 1 --json title,body,comments -R REPO",
                "The header is red",
                "`Repository.issueOrPullRequest` needs permission `issues: read`",
            ),
            row(
                Both,
                "gh label list -R REPO",
                "",
                "`Repository.labels` needs permission `issues: read`",
            ),
        ],
    },
    Group {
        needs: &["issues=write"],
        rows: &[
            row(
                Both,
                "gh label create urgent -R REPO",
                "",
                "permission `issues: write`",
            ),
            row(
                Both,
                "gh issue create -t 'The footer is gone' -b 'Since noon' -R REPO",
                "acme/site/issues/3",
                "`Mutation.createIssue` needs permission `issues: write`",
            ),
            row(
                Both,
                "gh issue comment 1 -b 'So it is' -R REPO",
                "acme/site/issues/1#issuecomment",
                "`Mutation.addComment` needs permission `issues: write`",
            ),
            row(
                Both,
                "gh issue edit 1 -t 'The header is pink' --add-label bug -R REPO",
                "acme/site/issues/1",
                "`issues: write`",
            ),
            row(
                Both,
                "gh issue close 1 -R REPO",
                "",
                "`Mutation.closeIssue` needs permission `issues: write`",
            ),
        ],
    },
    Group {
        needs: &["pull_requests=read"],
        rows: &[
            row(
                Both,
                "gh pr list -R REPO",
                "Paint it blue",
                "`Repository.pullRequests` needs permission `pull_requests: read`",
            ),
            row(
                Both,
                "gh pr view 2 --json title,body -R REPO",
                "Paint it blue",
                "`Repository.pullRequest` needs permission `pull_requests: read`",
            ),
            row(
                Debian,
                "gh pr diff 2 -R REPO",
                "+blue",
                "permission `contents: read`",
            ),
            row(
                Newest,
                "gh pr diff 2 -R REPO",
                "+blue",
                "`Repository.pullRequest` needs permission `pull_requests: read`",
            ),
            row(
                Both,
                "gh label list -R REPO",
                "urgent",
                "`Repository.labels` needs permission `issues: read`",
            ),
        ],
    },
    Group {
        needs: &["pull_requests=read", "checks=read", "statuses=read"],
        rows: &[row(
            Both,
            "gh pr view 2 -R REPO",
            "Paint it blue",
            "`Repository.pullRequest` needs permission `pull_requests: read`",
        )],
    },
    Group {
        needs: &["pull_requests=read", "contents=read"],
        rows: &[row(
            Both,
            "cd clone && gh pr checkout 2 -R REPO && git branch --show-current",
            "blue",
            "`Repository.pullRequest` needs permission `pull_requests: read`",
        )],
    },
    Group {
        needs: &["pull_requests=write"],
        rows: &[
            row(
                Both,
                "gh pr create -H grey -B main -t 'Paint it grey' -b Why -R REPO",
                "acme/site/pull/4",
                "`Mutation.createPullRequest` needs permission `pull_requests: write`",
            ),
            row(
                Both,
                "gh pr review 2 --approve -b 'It is blue' -R REPO",
                "",
                "`Mutation.addPullRequestReview` needs permission `pull_requests: write`",
            ),
        ],
    },
    Group {
        needs: &["pull_requests=write", "contents=write"],
        rows: &[row(
            Both,
            "cd clone && git checkout -q -B green origin/main && \
             git -c user.name=T -c user.email=t@example.org commit -q --allow-empty -m 'Paint it green' && \
             git push -q -f -u origin green && gh pr create --fill -R REPO",
            "acme/site/pull/5",
            "contents: write",
        )],
    },
    Group {
        needs: &["pull_requests=read", "contents=write"],
        rows: &[row(
            Both,
            "gh pr merge 2 --merge -R REPO",
            "",
            "`Mutation.mergePullRequest` needs permission `contents: write`",
        )],
    },
];

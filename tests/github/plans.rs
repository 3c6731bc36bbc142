//! Issues, pull requests and projects as a world describes them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::state::State;
use super::world::World;

/// An issue, or a pull request. They get their numbers in the order in which a repository lists them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssueOf {
    /// Its title.
    pub title: String,
    /// Its text.
    #[serde(default)]
    pub body: Option<String>,
    /// Who made it; absent: the first member of the owner.
    #[serde(default)]
    pub by: Option<String>,
    /// Labels, which the repository then has too.
    #[serde(default)]
    pub labels: BTreeSet<String>,
    /// Who is to work on it.
    #[serde(default)]
    pub assignees: BTreeSet<String>,
    /// Its milestone, which the repository then has too.
    #[serde(default)]
    pub milestone: Option<String>,
    /// Whether it is closed.
    #[serde(default)]
    pub closed: bool,
    /// What its author said on it.
    #[serde(default)]
    pub comments: Vec<String>,
    /// The issue of which it is a part, `owner/name#1`, in whatever repository.
    #[serde(default)]
    pub parent: Option<String>,
    /// What a pull request has besides.
    #[serde(default)]
    pub pull: Option<PullOf>,
}

/// What a pull request has besides.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullOf {
    /// `BRANCH`, or `OWNER:BRANCH` of a fork; made if it is not there.
    pub head: String,
    /// The branch that it is to be merged into.
    #[serde(default = "main")]
    pub base: String,
    /// Not ready for review.
    #[serde(default)]
    pub draft: bool,
}

/// A project of an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectOf {
    /// The login of its owner.
    pub owner: String,
    /// Its title.
    pub title: String,
    /// Its items, `owner/name#1`.
    #[serde(default)]
    pub items: Vec<String>,
    /// Repositories that show it, `owner/name`.
    #[serde(default)]
    pub repositories: Vec<String>,
}

impl IssueOf {
    /// An issue with a title.
    #[must_use]
    pub fn new(title: &str) -> Self {
        let title = title.to_owned();
        Self {
            title,
            ..Self::default()
        }
    }

    /// A pull request into `main`.
    #[must_use]
    pub fn pull(title: &str, head: &str) -> Self {
        let pull = PullOf {
            head: head.to_owned(),
            base: main(),
            draft: false,
        };
        Self {
            pull: Some(pull),
            ..Self::new(title)
        }
    }
}

impl World {
    /// An issue of a repository that was described already.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    #[must_use]
    pub fn issue(self, full_name: &str, title: &str) -> Self {
        self.issue_with(full_name, IssueOf::new(title))
    }

    /// A pull request of a repository that was described already; the head is `BRANCH` or `OWNER:BRANCH`.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    #[must_use]
    pub fn pull(self, full_name: &str, title: &str, head: &str) -> Self {
        self.issue_with(full_name, IssueOf::pull(title, head))
    }

    /// An issue or a pull request, described further.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    #[must_use]
    pub fn issue_with(mut self, full_name: &str, issue: IssueOf) -> Self {
        let mut all = self.repositories.iter_mut();
        let repository = all.find(|one| one.full_name == full_name);
        repository.expect("a repository").issues.push(issue);
        self
    }

    /// A private repository that was forked from one that was described already.
    #[must_use]
    pub fn fork(self, full_name: &str, of: &str) -> Self {
        self.repository_with(full_name, |fork| fork.fork_of = Some(of.to_owned()))
    }

    /// A project with items, `owner/name#1`.
    #[must_use]
    pub fn project(mut self, owner: &str, title: &str, items: &[&str]) -> Self {
        self.projects.push(ProjectOf {
            owner: owner.to_owned(),
            title: title.to_owned(),
            items: items.iter().map(|item| (*item).to_owned()).collect(),
            repositories: Vec::new(),
        });
        self
    }
}

impl State {
    pub(crate) fn add_plans(
        &mut self,
        issues: Vec<(String, Vec<IssueOf>)>,
        projects: Vec<ProjectOf>,
    ) {
        let mut parts = Vec::new();
        for (full_name, issues) in issues {
            for issue in issues {
                let number = self.add_described_issue(&full_name, &issue);
                parts.extend(
                    issue
                        .parent
                        .map(|whole| (whole, format!("{full_name}#{number}"))),
                );
            }
        }
        // A whole may be described after its parts.
        for (whole, part) in parts {
            self.add_sub_issue(&whole, &part);
        }
        for project in projects {
            let number = self.add_project(&project.owner, &project.title);
            for item in project.items {
                self.add_project_item(&project.owner, number, &item);
            }
            for full_name in project.repositories {
                self.link_project(&project.owner, number, &full_name);
            }
        }
    }
}

fn main() -> String {
    super::git::DEFAULT_BRANCH.to_owned()
}

//! Issues and pull requests, which share their numbers, and what is said on them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::plans::IssueOf;
use super::state::State;

/// An issue, or a pull request.
#[derive(Debug, Clone)]
pub struct Issue {
    pub(crate) id: u64,
    pub(crate) repository: u64,
    /// Its number in its repository.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: Option<String>,
    /// Who made it.
    pub by: String,
    pub(crate) at: Timestamp,
    pub(crate) updated: Timestamp,
    /// Once it is closed.
    pub closed: Option<Closed>,
    /// Ids of labels.
    pub(crate) labels: BTreeSet<u64>,
    /// Who is to work on it.
    pub assignees: BTreeSet<String>,
    /// The number of its milestone.
    pub milestone: Option<u64>,
    /// The id of the issue of which it is a part.
    pub(crate) parent: Option<u64>,
    /// Whether others may no longer comment.
    pub locked: bool,
    /// What a pull request has besides.
    pub pull: Option<Pull>,
}

/// When and why an issue was closed.
#[derive(Debug, Clone)]
pub struct Closed {
    pub(crate) at: Timestamp,
    /// `COMPLETED`, `NOT_PLANNED`, `DUPLICATE`.
    pub reason: String,
}

/// What a pull request has besides.
#[derive(Debug, Clone)]
pub struct Pull {
    /// The branch that it is to be merged into.
    pub base: String,
    /// The repository and the branch that it comes from.
    pub(crate) head: (u64, String),
    /// Not ready for review.
    pub draft: bool,
    /// Once it is merged.
    pub merged: Option<Merged>,
    /// Who is asked for a review.
    pub reviewers: BTreeSet<String>,
}

/// When a pull request was merged.
#[derive(Debug, Clone)]
pub struct Merged {
    pub(crate) at: Timestamp,
    /// Who did it.
    pub by: String,
    pub(crate) commit: String,
}

/// A comment on an issue or a pull request.
#[derive(Debug, Clone)]
pub struct Comment {
    pub(crate) id: u64,
    pub(crate) issue: u64,
    /// Who said it.
    pub by: String,
    /// What was said.
    pub body: String,
    pub(crate) at: Timestamp,
}

/// A review of a pull request.
#[derive(Debug, Clone)]
pub struct Review {
    pub(crate) id: u64,
    pub(crate) pull: u64,
    /// Who gave it.
    pub by: String,
    /// `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED`, `PENDING`, `DISMISSED`.
    pub state: String,
    /// What was said.
    pub body: String,
    pub(crate) at: Timestamp,
    pub(crate) commit: String,
}

/// A milestone of a repository.
#[derive(Debug, Clone)]
pub(crate) struct Milestone {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) title: String,
}

impl Issue {
    /// `OPEN`, `CLOSED` or `MERGED`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        let merged = self.pull.as_ref().is_some_and(|pull| pull.merged.is_some());
        match (merged, &self.closed) {
            (true, _) => "MERGED",
            (false, Some(_)) => "CLOSED",
            (false, None) => "OPEN",
        }
    }

    pub(crate) fn close(&mut self, reason: &str, at: Timestamp) {
        let reason = reason.to_owned();
        self.closed = Some(Closed { at, reason });
        self.updated = at;
    }
}

impl State {
    /// Opens an issue; its number.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    pub fn add_issue(&mut self, full_name: &str, title: &str) -> u64 {
        self.add_described_issue(full_name, &IssueOf::new(title))
    }

    /// Opens a pull request from a branch, `BRANCH` or `OWNER:BRANCH` of a fork, into `main`; its number.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    pub fn add_pull(&mut self, full_name: &str, title: &str, head: &str) -> u64 {
        self.add_described_issue(full_name, &IssueOf::pull(title, head))
    }

    /// `part` is a part of `whole`, both `owner/name#1`.
    ///
    /// # Panics
    ///
    /// If there is no such issue.
    pub fn add_sub_issue(&mut self, whole: &str, part: &str) {
        let (whole, part) = (self.issue_id(whole), self.issue_id(part));
        self.issue_mut(part).parent = Some(whole);
    }

    /// A milestone for issues of the repository; its number.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    pub fn add_milestone(&mut self, full_name: &str, title: &str) -> u64 {
        let id = self.next_id();
        let milestones = &mut self.repository_mut(full_name).milestones;
        let number = milestones.len() as u64 + 1;
        milestones.push(Milestone {
            id,
            number,
            title: title.to_owned(),
        });
        number
    }

    /// Moves `owner/name#1` to another repository. It keeps its id, and all that is said on it; its number
    /// there is what comes back.
    ///
    /// # Panics
    ///
    /// If there is no such issue or repository.
    pub fn move_issue(&mut self, place: &str, to: &str) -> u64 {
        let (issue, to) = (self.issue_id(place), self.repository_id(to));
        let number = self.next_number(to);
        let moved = self.issue_mut(issue);
        moved.repository = to;
        moved.number = number;
        moved.labels.clear();
        moved.milestone = None;
        number
    }

    /// The issue or pull request `owner/name#1`.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn issue(&self, place: &str) -> &Issue {
        &self.issues[&self.issue_id(place)]
    }

    /// What is said on `owner/name#1`, the first first.
    ///
    /// # Panics
    ///
    /// If there is no such issue.
    #[must_use]
    pub fn comments(&self, place: &str) -> Vec<Comment> {
        let issue = self.issue_id(place);
        self.comments_on(issue).cloned().collect()
    }

    /// Reviews of the pull request `owner/name#1`, the first first.
    ///
    /// # Panics
    ///
    /// If there is no such pull request.
    #[must_use]
    pub fn reviews(&self, place: &str) -> Vec<Review> {
        let pull = self.issue_id(place);
        self.reviews_of(pull).cloned().collect()
    }

    /// Names of the labels of `owner/name#1`.
    ///
    /// # Panics
    ///
    /// If there is no such issue.
    #[must_use]
    pub fn labels_on(&self, place: &str) -> Vec<String> {
        let issue = self.issue(place);
        let labels = self.repositories[&issue.repository].labels.iter();
        let there = labels.filter(|(_, label)| issue.labels.contains(&label.id));
        there.map(|(name, _)| name.clone()).collect()
    }
}

//! How issues, pull requests and comments are kept.

use std::collections::BTreeSet;

use super::issues::{Comment, Issue, Milestone, Pull, Review};
use super::plans::IssueOf;
use super::projects::Content;
use super::state::{Repository, State};

impl State {
    pub(crate) fn issue_id(&self, place: &str) -> u64 {
        let (full_name, number) = place.split_once('#').expect("owner/name#1");
        let repository = self.repository_id(full_name);
        let number = number.parse().expect("a number");
        let found = self.issue_numbered(repository, number);
        found.expect("an issue").id
    }

    pub(crate) fn issue_numbered(&self, repository: u64, number: u64) -> Option<&Issue> {
        let mut there = self.issues_of(repository);
        there.find(|issue| issue.number == number)
    }

    /// Issues and pull requests of a repository, the first first.
    pub(crate) fn issues_of(&self, repository: u64) -> impl Iterator<Item = &Issue> {
        let all = self.issues.values();
        all.filter(move |issue| issue.repository == repository)
    }

    pub(crate) fn comments_on(&self, issue: u64) -> impl Iterator<Item = &Comment> {
        let all = self.comments.values();
        all.filter(move |comment| comment.issue == issue)
    }

    pub(crate) fn reviews_of(&self, pull: u64) -> impl Iterator<Item = &Review> {
        let all = self.reviews.values();
        all.filter(move |review| review.pull == pull)
    }

    pub(crate) fn issue_mut(&mut self, id: u64) -> &mut Issue {
        self.issues.get_mut(&id).expect("an issue")
    }

    /// Opens an issue or a pull request; its id.
    pub(crate) fn open_issue(&mut self, repository: u64, title: &str, by: &str) -> u64 {
        let (id, number) = (self.next_id(), self.next_number(repository));
        let now = self.clock.now();
        let issue = Issue {
            id,
            repository,
            number,
            title: title.to_owned(),
            body: None,
            by: by.to_owned(),
            at: now,
            updated: now,
            closed: None,
            labels: BTreeSet::new(),
            assignees: BTreeSet::new(),
            milestone: None,
            parent: None,
            locked: false,
            pull: None,
        };
        self.issues.insert(id, issue);
        id
    }

    /// Comments on an issue or a pull request; the comment's id.
    pub(crate) fn comment(&mut self, issue: u64, by: &str, body: &str) -> u64 {
        let comment = Comment {
            id: self.next_id(),
            issue,
            by: by.to_owned(),
            body: body.to_owned(),
            at: self.clock.now(),
        };
        let id = comment.id;
        self.comments.insert(id, comment);
        id
    }

    /// Reviews a pull request; the review's id.
    pub(crate) fn review(&mut self, pull: u64, by: &str, state: &str, body: &str) -> u64 {
        let review = Review {
            id: self.next_id(),
            pull,
            by: by.to_owned(),
            state: state.to_owned(),
            body: body.to_owned(),
            at: self.clock.now(),
            commit: self.head_of(pull),
        };
        let id = review.id;
        self.reviews.insert(id, review);
        if let Some(pull) = &mut self.issue_mut(pull).pull {
            pull.reviewers.remove(by);
        }
        id
    }

    /// The last commit of a pull request's head; empty if the branch is gone.
    pub(crate) fn head_of(&self, pull: u64) -> String {
        let head = self.issues[&pull].pull.as_ref().map(|pull| &pull.head);
        let tip = head.and_then(|(repository, branch)| {
            self.repositories.get(repository)?.tip(branch).cloned()
        });
        tip.unwrap_or_default()
    }

    /// Forgets an issue, and what was said on it.
    pub(crate) fn forget_issue(&mut self, id: u64) {
        self.issues.remove(&id);
        for project in self.projects.values_mut() {
            let items = &mut project.items;
            items.retain(|item| !matches!(item.content, Content::Issue(about) if about == id));
        }
        self.comments.retain(|_, comment| comment.issue != id);
        self.reviews.retain(|_, review| review.pull != id);
    }

    /// What a world describes; its number.
    pub(crate) fn add_described_issue(&mut self, full_name: &str, described: &IssueOf) -> u64 {
        let repository = self.repository_id(full_name);
        let by = described.by.clone();
        let by = by.unwrap_or_else(|| self.first_member(repository));
        self.account(&by, None);
        let labels = described.labels.iter();
        let labels = labels
            .map(|name| self.label_called(full_name, name))
            .collect();
        let pull = described.pull.as_ref().map(|pull| {
            let head = self.head_named(repository, &pull.head);
            let (of, branch) = head.expect("a fork of that owner");
            self.push_if_new(of, &branch, &by);
            Pull {
                base: pull.base.clone(),
                head: (of, branch),
                draft: pull.draft,
                merged: None,
                reviewers: BTreeSet::new(),
            }
        });
        let (id, now) = (
            self.open_issue(repository, &described.title, &by),
            self.clock.now(),
        );
        let milestone = described.milestone.as_deref();
        let milestone = milestone.map(|title| self.milestone_called(full_name, title));
        let issue = self.issue_mut(id);
        issue.milestone = milestone;
        issue.body.clone_from(&described.body);
        issue.labels = labels;
        issue.assignees.clone_from(&described.assignees);
        issue.pull = pull;
        if described.closed {
            issue.close("COMPLETED", now);
        }
        let number = issue.number;
        for body in &described.comments {
            self.comment(id, &by, body);
        }
        number
    }

    /// Where `BRANCH` or `OWNER:BRANCH` is, for a pull request into this repository.
    pub(crate) fn head_named(&self, base: u64, head: &str) -> Option<(u64, String)> {
        let Some((owner, branch)) = head.split_once(':') else {
            return Some((base, head.to_owned()));
        };
        let base = &self.repositories[&base];
        if base.owner.eq_ignore_ascii_case(owner) {
            return Some((base.id, branch.to_owned()));
        }
        let mut all = self.repositories.values();
        let fork = all.find(|one| {
            one.owner.eq_ignore_ascii_case(owner)
                && (one.fork_of == Some(base.id) || base.fork_of == Some(one.id))
        });
        Some((fork?.id, branch.to_owned()))
    }

    pub(crate) fn label_called(&mut self, full_name: &str, name: &str) -> u64 {
        if self.label(full_name, name).is_none() {
            self.add_label(full_name, name, "ededed", None);
        }
        self.label(full_name, name).expect("it was just made").id
    }

    fn milestone_called(&mut self, full_name: &str, title: &str) -> u64 {
        let mut known = self.repository_mut(full_name).milestones.iter();
        let known = known.find(|milestone| milestone.title == title);
        match known.map(|milestone| milestone.number) {
            Some(number) => number,
            None => self.add_milestone(full_name, title),
        }
    }

    pub(crate) fn next_number(&mut self, repository: u64) -> u64 {
        let repository = self.repositories.get_mut(&repository);
        let last = &mut repository.expect("a repository").last_number;
        *last += 1;
        *last
    }

    fn first_member(&self, repository: u64) -> String {
        let owner = &self.repositories[&repository].owner;
        let members = self
            .account_named(owner)
            .and_then(|one| one.members.as_ref());
        let first = members.and_then(|members| members.first());
        first.unwrap_or(owner).clone()
    }
}

impl Repository {
    pub(crate) fn milestone(&self, number: u64) -> Option<&Milestone> {
        let mut all = self.milestones.iter();
        all.find(|milestone| milestone.number == number)
    }
}

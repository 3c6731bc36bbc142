//! Commits and refs of repositories, as far as the API shows them. What `git` pushes comes by another way and is
//! not seen here: a branch that a pull request names and that is not known counts as pushed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::routes::hex;
use super::state::{Repository, State};

/// The branch that every repository has.
pub(crate) const DEFAULT_BRANCH: &str = "main";

/// A commit.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) oid: String,
    pub(crate) message: String,
    /// A login.
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    pub(crate) parents: Vec<String>,
    /// All files, by path.
    pub(crate) files: BTreeMap<String, String>,
}

impl Repository {
    /// The last commit of a branch.
    pub(crate) fn tip(&self, branch: &str) -> Option<&String> {
        self.refs.get(&format!("refs/heads/{branch}"))
    }

    /// A full name of a ref, by the name that callers use for it.
    pub(crate) fn qualified(&self, name: &str) -> Option<String> {
        let name = if name == "HEAD" { DEFAULT_BRANCH } else { name };
        let forms = [
            name.to_owned(),
            format!("refs/{name}"),
            format!("refs/heads/{name}"),
            format!("refs/tags/{name}"),
        ];
        forms.into_iter().find(|name| self.refs.contains_key(name))
    }

    /// Commits on a branch with these files; the commit's id.
    pub(crate) fn commit(&mut self, branch: &str, commit: NewCommit<'_>) -> String {
        let parents: Vec<String> = self.tip(branch).cloned().into_iter().collect();
        let mut hash = Sha256::new();
        for piece in [commit.message, commit.by, &commit.at.to_string(), branch] {
            hash.update(piece);
            hash.update([0]);
        }
        hash.update(self.id.to_be_bytes());
        hash.update(parents.concat());
        for (path, text) in &commit.files {
            hash.update(format!("{path}\0{text}\0"));
        }
        let oid = hex(&hash.finalize())[..40].to_owned();
        if branch == DEFAULT_BRANCH {
            self.files.clone_from(&commit.files);
        }
        let made = Commit {
            oid: oid.clone(),
            message: commit.message.to_owned(),
            by: commit.by.to_owned(),
            at: commit.at,
            parents,
            files: commit.files,
        };
        self.commits.insert(oid.clone(), made);
        self.refs
            .insert(format!("refs/heads/{branch}"), oid.clone());
        oid
    }

    /// The commit and those before it, the last first.
    pub(crate) fn history(&self, oid: &str) -> Vec<&Commit> {
        let mut found = Vec::new();
        let mut next = Some(oid);
        while let Some(commit) = next.and_then(|oid| self.commits.get(oid)) {
            found.push(commit);
            next = commit.parents.first().map(String::as_str);
        }
        found
    }
}

/// What is to be committed.
pub(crate) struct NewCommit<'a> {
    pub(crate) message: &'a str,
    pub(crate) by: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) files: BTreeMap<String, String>,
}

impl State {
    /// The text of a file at the end of a branch.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    #[must_use]
    pub fn file(&self, full_name: &str, branch: &str, path: &str) -> Option<String> {
        let repository = &self.repositories[&self.repository_id(full_name)];
        let commit = &repository.commits[repository.tip(branch)?];
        commit.files.get(path).cloned()
    }

    /// Names of the branches of a repository.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    #[must_use]
    pub fn branches(&self, full_name: &str) -> Vec<String> {
        let refs = self.repositories[&self.repository_id(full_name)]
            .refs
            .keys();
        refs.filter_map(|name| name.strip_prefix("refs/heads/"))
            .map(str::to_owned)
            .collect()
    }

    /// A branch of the repository, one commit ahead of `main`: as if it had been pushed.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    pub fn add_branch(&mut self, full_name: &str, branch: &str) {
        let id = self.repository_id(full_name);
        let by = self.repositories[&id].owner.clone();
        self.push_if_new(id, branch, &by);
    }

    pub(crate) fn push_if_new(&mut self, repository: u64, branch: &str, by: &str) {
        let at = self.clock.now();
        let repository = self.repositories.get_mut(&repository);
        let repository = repository.expect("a repository");
        if repository.tip(branch).is_some() {
            return;
        }
        let mut files = repository.files.clone();
        files.insert(format!("{branch}.txt"), format!("{branch}\n"));
        if let Some(tip) = repository.tip(DEFAULT_BRANCH).cloned() {
            repository.refs.insert(format!("refs/heads/{branch}"), tip);
        }
        let message = &format!("Work on {branch}");
        let commit = NewCommit {
            message,
            by,
            at,
            files,
        };
        repository.commit(branch, commit);
    }
}

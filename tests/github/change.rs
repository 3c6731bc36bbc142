//! What tests change by hand, and ask afterwards.

use std::collections::BTreeSet;

use super::permission::Permissions;
use super::state::{Label, Repository, Run, State};
use super::world::{App, Installation, Pat, Repositories};

impl State {
    /// The token dies now.
    pub fn revoke(&mut self, token: &str) {
        if let Some(pat) = self.pats.get_mut(token) {
            pat.revoked = true;
        }
        if let Some(minted) = self.installation_tokens.get_mut(token) {
            minted.revoked = true;
        }
    }

    /// Every installation token that was minted, in no order.
    #[must_use]
    pub fn minted_tokens(&self) -> Vec<String> {
        self.installation_tokens.keys().cloned().collect()
    }

    /// The token in the list of personal access tokens, to change it.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn pat_mut(&mut self, token: &str) -> &mut Pat {
        self.pats.get_mut(token).expect("a personal access token")
    }

    /// The App with this client id, to change it.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn app_mut(&mut self, client_id: &str) -> &mut App {
        let mut apps = self.apps.iter_mut();
        apps.find(|app| app.client_id == client_id).expect("an App")
    }

    /// The installation on this account, to change it.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn installation_on(&mut self, account: &str) -> &mut Installation {
        self.apps
            .iter_mut()
            .flat_map(|app| &mut app.installations)
            .find(|installation| installation.account == account)
            .expect("an installation")
    }

    /// The repository gets another name; the old one leads there.
    ///
    /// # Panics
    ///
    /// If there is none of that name.
    pub fn rename(&mut self, full_name: &str, name: &str) {
        let id = self.repository_id(full_name);
        let repository = self.repositories.get_mut(&id).expect("a repository");
        repository.former_names.insert(full_name.to_lowercase());
        let (old, new) = (full_name.to_owned(), format!("{}/{name}", repository.owner));
        name.clone_into(&mut repository.name);
        for selection in self.selections() {
            if let Repositories::Selected(names) = selection
                && names.remove(&old)
            {
                names.insert(new.clone());
            }
        }
    }

    /// The repository is deleted; what was installed on it alone is on it no more.
    ///
    /// # Panics
    ///
    /// If there is none of that name.
    pub fn delete_repository(&mut self, full_name: &str) {
        let id = self.repository_id(full_name);
        let issues: Vec<u64> = self.issues_of(id).map(|issue| issue.id).collect();
        for issue in issues {
            self.forget_issue(issue);
        }
        self.repositories.remove(&id);
        for selection in self.selections() {
            if let Repositories::Selected(names) = selection {
                names.remove(full_name);
            }
        }
    }

    /// The id of `owner/name`.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    #[must_use]
    pub fn repository_id(&self, full_name: &str) -> u64 {
        let mut all = self.repositories.values();
        let found = all.find(|repository| repository.full_name() == full_name);
        found.expect("a repository").id
    }

    /// What a minted installation token may do, and where: permissions, and repositories by name.
    ///
    /// # Panics
    ///
    /// If there is no such token.
    #[must_use]
    pub fn grant_of(&self, token: &str) -> (Permissions, BTreeSet<String>) {
        let minted = &self.installation_tokens[token];
        let reach = self.token_reach(minted).into_iter();
        let names = reach.map(|id| self.repositories[&id].full_name());
        (minted.permissions.clone(), names.collect())
    }

    /// The repository has these labels too.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    pub fn add_labels(&mut self, full_name: &str, names: impl IntoIterator<Item = String>) {
        for name in names {
            self.add_label(full_name, &name, "ededed", None);
        }
    }

    /// The repository has no labels any more.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    pub fn remove_labels(&mut self, full_name: &str) {
        self.repository_mut(full_name).labels.clear();
    }

    /// The repository has this label too.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    pub fn add_label(
        &mut self,
        full_name: &str,
        name: &str,
        color: &str,
        description: Option<&str>,
    ) {
        let label = Label {
            id: self.next_id(),
            color: color.to_owned(),
            description: description.map(str::to_owned),
        };
        let labels = &mut self.repository_mut(full_name).labels;
        labels.insert(name.to_owned(), label);
    }

    /// One label of a repository.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    #[must_use]
    pub fn label(&self, full_name: &str, name: &str) -> Option<Label> {
        let labels = &self.repositories[&self.repository_id(full_name)].labels;
        labels.get(name).cloned()
    }

    /// A workflow of the repository has run, for a commit with this title.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    pub fn add_run(&mut self, full_name: &str, title: &str) {
        let run = Run {
            id: self.next_id(),
            title: title.to_owned(),
            at: self.clock.now(),
        };
        self.repository_mut(full_name).runs.push(run);
    }

    /// The bytes of a file of a release.
    #[must_use]
    pub fn asset(&self, full_name: &str, tag: &str, name: &str) -> Option<Vec<u8>> {
        let releases = &self.repositories[&self.repository_id(full_name)].releases;
        let release = releases.iter().find(|release| release.tag == tag)?;
        let asset = release.assets.iter().find(|asset| asset.name == name)?;
        Some(asset.bytes.to_vec())
    }

    pub(crate) fn repository_mut(&mut self, full_name: &str) -> &mut Repository {
        let id = self.repository_id(full_name);
        self.repositories.get_mut(&id).expect("a repository")
    }

    /// The labels of a repository.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    #[must_use]
    pub fn labels(&self, full_name: &str) -> Vec<String> {
        let labels = &self.repositories[&self.repository_id(full_name)].labels;
        labels.keys().cloned().collect()
    }

    /// Titles of the issues and pull requests of a repository.
    ///
    /// # Panics
    ///
    /// If there is no such repository.
    #[must_use]
    pub fn issues(&self, full_name: &str) -> Vec<String> {
        let issues = self.issues_of(self.repository_id(full_name));
        issues.map(|issue| issue.title.clone()).collect()
    }
}

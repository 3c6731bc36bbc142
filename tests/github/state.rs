//! Everything the stand-in knows.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Bytes;
use jiff::Timestamp;

use super::clock::Clock;
use super::faults::Faults;
use super::git::{Commit, DEFAULT_BRANCH, NewCommit};
use super::graphql::{Made, Touched};
use super::identify::Lockouts;
use super::issues::{Comment, Issue, Milestone, Review};
use super::journal::Journal;
use super::limits::Limits;
use super::permission::{Level, Permissions};
use super::projects::Project;
use super::secrets::SecretStores;
use super::settings::Settings;
use super::world::{App, Installation, Pat, PatKind, Repositories, RepositoryOf, World};

/// The whole state, behind one lock.
pub struct State {
    /// Its clock.
    pub clock: Clock,
    /// How it behaves.
    pub settings: Settings,
    /// What goes wrong next.
    pub faults: Faults,
    /// What was called.
    pub journal: Journal,
    /// What is left of whose budget.
    pub limits: Limits,
    /// Apps with their installations.
    pub apps: Vec<App>,
    /// Secrets of repositories, organisations and environments.
    pub secrets: SecretStores,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) repositories: BTreeMap<u64, Repository>,
    pub(crate) issues: BTreeMap<u64, Issue>,
    pub(crate) comments: BTreeMap<u64, Comment>,
    pub(crate) reviews: BTreeMap<u64, Review>,
    pub(crate) projects: BTreeMap<u64, Project>,
    /// Objects of GraphQL that are made up when asked for, by their ids.
    pub(crate) made: BTreeMap<String, std::sync::Arc<Made>>,
    /// What the call that is being answered read and changed by GraphQL.
    pub(crate) touched: Option<Touched>,
    pub(crate) pats: BTreeMap<String, Pat>,
    pub(crate) installation_tokens: BTreeMap<String, InstallationToken>,
    pub(crate) lockouts: Lockouts,
    /// Tokens that die at a moment.
    pub(crate) doomed: Vec<(Timestamp, String)>,
    last_id: u64,
}

/// A user or an organisation.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: u64,
    pub(crate) login: String,
    /// `None` for a user.
    pub(crate) members: Option<BTreeSet<String>>,
}

/// A repository.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    pub(crate) id: u64,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) private: bool,
    /// Those of its default branch.
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) environments: BTreeSet<String>,
    pub(crate) collaborators: BTreeMap<String, Level>,
    pub(crate) former_names: BTreeSet<String>,
    pub(crate) fork_of: Option<u64>,
    /// The last number that an issue or a pull request was given.
    pub(crate) last_number: u64,
    pub(crate) milestones: Vec<Milestone>,
    /// Commits by id, as SHA-1 would be written.
    pub(crate) commits: BTreeMap<String, Commit>,
    /// Commits' ids by `refs/heads/main`.
    pub(crate) refs: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, Label>,
    pub(crate) runs: Vec<Run>,
    pub(crate) releases: Vec<Release>,
}

/// A label, but for its name.
#[derive(Debug, Clone)]
pub struct Label {
    pub(crate) id: u64,
    /// Six hexadecimal digits, in small letters.
    pub color: String,
    /// What it is for.
    pub description: Option<String>,
}

/// A run of a workflow that has succeeded.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: u64,
    pub(crate) title: String,
    pub(crate) at: Timestamp,
}

/// A release.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    pub(crate) id: u64,
    pub(crate) tag: String,
    pub(crate) name: String,
    pub(crate) body: String,
    /// Not published yet.
    pub(crate) draft: bool,
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    pub(crate) assets: Vec<Asset>,
}

/// A file of a release.
#[derive(Debug, Clone)]
pub(crate) struct Asset {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) bytes: Bytes,
}

/// A token that was minted.
#[derive(Debug, Clone)]
pub(crate) struct InstallationToken {
    pub(crate) installation: u64,
    /// Ids of repositories; `None` for all of the installation.
    pub(crate) repositories: Option<BTreeSet<u64>>,
    pub(crate) permissions: Permissions,
    pub(crate) created: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) blind_calls: u32,
    pub(crate) revoked: bool,
}

impl Repository {
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }
}

impl State {
    pub(crate) fn new(world: World) -> Self {
        let mut state = Self {
            clock: Clock::default(),
            settings: Settings::default(),
            faults: Faults::default(),
            journal: Journal::default(),
            limits: Limits::default(),
            apps: Vec::new(),
            secrets: SecretStores::default(),
            accounts: BTreeMap::new(),
            repositories: BTreeMap::new(),
            issues: BTreeMap::new(),
            comments: BTreeMap::new(),
            reviews: BTreeMap::new(),
            projects: BTreeMap::new(),
            made: BTreeMap::new(),
            touched: None,
            pats: BTreeMap::new(),
            installation_tokens: BTreeMap::new(),
            lockouts: Lockouts::default(),
            doomed: Vec::new(),
            last_id: 1000,
        };
        state.add(world);
        state
    }

    /// Adds what a world describes to what there is.
    pub fn add(&mut self, world: World) {
        for login in &world.users {
            self.account(login, None);
        }
        for (login, members) in world.organizations {
            for member in &members {
                self.account(member, None);
            }
            self.account(&login, Some(members));
        }
        let mut issues = Vec::new();
        for mut described in world.repositories {
            let planned = std::mem::take(&mut described.issues);
            issues.push((described.full_name.clone(), planned));
            self.add_repository(described);
        }
        for pat in world.tokens {
            self.account(&pat.login, None);
            self.pats.insert(pat.token.clone(), pat);
        }
        for mut app in world.apps {
            self.account(&app.owner, None);
            let mut given = vec![&mut app.id];
            given.extend(
                app.installations
                    .iter_mut()
                    .map(|installation| &mut installation.id),
            );
            for id in given {
                if *id == 0 {
                    *id = self.next_id();
                }
            }
            for installation in &app.installations {
                self.account(&installation.account, None);
            }
            self.apps.push(app);
        }
        self.add_plans(issues, world.projects);
    }

    fn add_repository(&mut self, described: RepositoryOf) {
        let (owner, name) = described.full_name.split_once('/').expect("owner/name");
        self.account(owner, None);
        let id = self.next_id();
        let fork_of = described.fork_of.as_deref();
        let mut repository = Repository {
            id,
            owner: owner.to_owned(),
            name: name.to_owned(),
            private: described.private,
            files: BTreeMap::new(),
            environments: described.environments,
            collaborators: described.collaborators,
            former_names: BTreeSet::new(),
            fork_of: fork_of.map(|full_name| self.repository_id(full_name)),
            last_number: 0,
            milestones: Vec::new(),
            commits: BTreeMap::new(),
            refs: BTreeMap::new(),
            labels: BTreeMap::new(),
            runs: Vec::new(),
            releases: Vec::new(),
        };
        let commit = NewCommit {
            message: "Initial commit",
            by: owner,
            at: super::objects::MADE.parse().expect("a time"),
            files: described.files,
        };
        repository.commit(DEFAULT_BRANCH, commit);
        self.repositories.insert(id, repository);
    }

    /// Carries out what was to happen at a moment that has come.
    pub(crate) fn catch_up(&mut self) {
        let now = self.clock.now();
        let (due, later) = std::mem::take(&mut self.doomed)
            .into_iter()
            .partition::<Vec<_>, _>(|(at, _)| *at <= now);
        self.doomed = later;
        for (_, token) in due {
            self.revoke(&token);
        }
    }

    pub(crate) fn installation(&self, id: u64) -> Option<(&App, &Installation)> {
        self.installations()
            .find(|(_, installation)| installation.id == id)
    }

    pub(crate) fn installations(&self) -> impl Iterator<Item = (&App, &Installation)> {
        self.apps.iter().flat_map(|app| {
            app.installations
                .iter()
                .map(move |installation| (app, installation))
        })
    }

    /// Ids of the repositories that an installation reaches.
    pub(crate) fn reach(&self, installation: &Installation) -> BTreeSet<u64> {
        self.within(&installation.account, &installation.repositories)
    }

    /// Ids of the repositories of `owner` that are in the selection.
    pub(crate) fn within(&self, owner: &str, selection: &Repositories) -> BTreeSet<u64> {
        self.repositories
            .values()
            .filter(|repository| repository.owner.eq_ignore_ascii_case(owner))
            .filter(|repository| match selection {
                Repositories::All => true,
                Repositories::Selected(names) => names.contains(&repository.full_name()),
            })
            .map(|repository| repository.id)
            .collect()
    }

    pub(crate) fn account_named(&self, login: &str) -> Option<&Account> {
        self.accounts.get(&login.to_lowercase())
    }

    pub(crate) fn account(&mut self, login: &str, members: Option<BTreeSet<String>>) {
        let id = self.next_id();
        let account = self
            .accounts
            .entry(login.to_lowercase())
            .or_insert_with(|| Account {
                id,
                login: login.to_owned(),
                members: None,
            });
        if members.is_some() {
            account.members = members;
        }
    }

    pub(super) fn selections(&mut self) -> impl Iterator<Item = &mut Repositories> {
        let installed = self
            .apps
            .iter_mut()
            .flat_map(|app| &mut app.installations)
            .map(|installation| &mut installation.repositories);
        let tokens = self
            .pats
            .values_mut()
            .filter_map(|pat| match &mut pat.kind {
                PatKind::FineGrained { repositories, .. } => Some(repositories),
                PatKind::Classic { .. } => None,
            });
        installed.chain(tokens)
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

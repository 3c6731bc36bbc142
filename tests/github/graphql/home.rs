//! What an object belongs to.

use std::fmt;

use serde::Serialize;

use super::super::state::State;
use super::thing::Thing;

/// What an object belongs to: the smallest of these that it is in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Home {
    /// `owner/name`.
    Repository(String),
    /// A login.
    Organization(String),
    /// A login.
    User(String),
    /// `owner/number`, of an organisation or a user.
    Project(String),
    /// Nothing of these: the root, limits, what GitHub as a whole has.
    None,
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(name) => write!(f, "repository {name}"),
            Self::Organization(login) => write!(f, "organization {login}"),
            Self::User(login) => write!(f, "user {login}"),
            Self::Project(name) => write!(f, "project {name}"),
            Self::None => f.write_str("nothing"),
        }
    }
}

/// Where an object stands, by numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Repository(u64),
    Account(String),
    Project(u64),
    Nowhere,
}

impl Thing {
    pub(super) fn place(&self, state: &State) -> Place {
        let of_issue = |id: &u64| {
            let issue = state.issues.get(id);
            issue.map_or(Place::Nowhere, |issue| Place::Repository(issue.repository))
        };
        match self {
            Self::Query | Self::Mutation => Place::Nowhere,
            Self::Repository(id)
            | Self::Label(id, _)
            | Self::Milestone(id, _)
            | Self::Release(id, _)
            | Self::Asset(id, ..)
            | Self::Ref(id, _)
            | Self::Commit(id, _)
            | Self::Tree(id, ..)
            | Self::Blob(id, _) => Place::Repository(*id),
            Self::Account(login) => Place::Account(login.clone()),
            Self::Issue(id) => of_issue(id),
            Self::Comment(id) => {
                let comment = state.comments.get(id);
                comment.map_or(Place::Nowhere, |comment| of_issue(&comment.issue))
            }
            Self::Review(id) => {
                let review = state.reviews.get(id);
                review.map_or(Place::Nowhere, |review| of_issue(&review.pull))
            }
            Self::Project(id) | Self::Field(id, _) | Self::Item(id, _) | Self::Draft(id, _) => {
                Place::Project(*id)
            }
            // What an item has in a field of this kind is what its issue has.
            Self::Value(project, item, field) => {
                let project = &state.projects[project];
                let own = project
                    .field(*field)
                    .is_none_or(|field| !field.is_of_content());
                match project.item(*item).and_then(|item| item.issue()) {
                    Some(issue) if !own => of_issue(&issue),
                    _ => Place::Project(project.id),
                }
            }
            Self::Made(made) => made.owner.place(state),
        }
    }

    /// What the object belongs to, by the names that it has now.
    pub(super) fn home(&self, state: &State) -> Home {
        match self.place(state) {
            Place::Nowhere => Home::None,
            Place::Repository(id) => state
                .repositories
                .get(&id)
                .map_or(Home::None, |one| Home::Repository(one.full_name())),
            Place::Project(id) => state.projects.get(&id).map_or(Home::None, |project| {
                Home::Project(format!("{}/{}", project.owner, project.number))
            }),
            Place::Account(login) => match state.account_named(&login) {
                Some(account) if account.members.is_some() => {
                    Home::Organization(account.login.clone())
                }
                Some(account) => Home::User(account.login.clone()),
                None => Home::User(login),
            },
        }
    }
}

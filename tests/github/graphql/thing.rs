//! What stands behind an object of GraphQL, and its id.

use std::sync::Arc;

use super::super::objects::node;
use super::super::state::State;
use super::made::Made;

/// What stands behind an object.
#[derive(Debug, Clone)]
pub(crate) enum Thing {
    /// The root of queries.
    Query,
    /// The root of mutations.
    Mutation,
    Repository(u64),
    /// A user or an organisation, by its login.
    Account(String),
    /// An issue, or a pull request.
    Issue(u64),
    Comment(u64),
    Review(u64),
    /// Of a repository.
    Label(u64, u64),
    /// Of a repository.
    Milestone(u64, u64),
    /// Of a repository.
    Release(u64, u64),
    /// Of a repository's release.
    Asset(u64, u64, u64),
    /// Of a repository, `refs/heads/main`.
    Ref(u64, String),
    /// Of a repository.
    Commit(u64, String),
    /// Of a repository: a folder at a commit.
    Tree(u64, String, String),
    /// Of a repository, by its own id.
    Blob(u64, String),
    Project(u64),
    /// Of a project.
    Field(u64, u64),
    /// Of a project.
    Item(u64, u64),
    /// The content of a project's item that is no issue.
    Draft(u64, u64),
    /// What a project's item has in a field.
    Value(u64, u64, u64),
    /// Anything else.
    Made(Arc<Made>),
}

impl Thing {
    /// The name of its type in the schema.
    pub(super) fn kind(&self, state: &State) -> String {
        let name = match self {
            Self::Query => "Query",
            Self::Mutation => "Mutation",
            Self::Repository(_) => "Repository",
            Self::Account(login) => match state.account_named(login) {
                Some(account) if account.members.is_some() => "Organization",
                _ => "User",
            },
            Self::Issue(id) => match &state.issues[id].pull {
                Some(_) => "PullRequest",
                None => "Issue",
            },
            Self::Comment(_) => "IssueComment",
            Self::Review(_) => "PullRequestReview",
            Self::Label(..) => "Label",
            Self::Milestone(..) => "Milestone",
            Self::Release(..) => "Release",
            Self::Asset(..) => "ReleaseAsset",
            Self::Ref(..) => "Ref",
            Self::Commit(..) => "Commit",
            Self::Tree(..) => "Tree",
            Self::Blob(..) => "Blob",
            Self::Project(_) => "ProjectV2",
            Self::Field(project, field) => {
                let field = state.projects[project].field(*field);
                match field.map(|field| field.kind.as_str()) {
                    Some("SINGLE_SELECT") => "ProjectV2SingleSelectField",
                    Some("ITERATION") => "ProjectV2IterationField",
                    _ => "ProjectV2Field",
                }
            }
            Self::Item(..) => "ProjectV2Item",
            Self::Draft(..) => "DraftIssue",
            Self::Value(project, _, field) => {
                let field = state.projects[project].field(*field);
                match field.map(|field| field.kind.as_str()) {
                    Some("SINGLE_SELECT") => "ProjectV2ItemFieldSingleSelectValue",
                    Some("ITERATION") => "ProjectV2ItemFieldIterationValue",
                    Some("NUMBER") => "ProjectV2ItemFieldNumberValue",
                    Some("DATE") => "ProjectV2ItemFieldDateValue",
                    Some("REPOSITORY") => "ProjectV2ItemFieldRepositoryValue",
                    _ => "ProjectV2ItemFieldTextValue",
                }
            }
            Self::Made(made) => return made.kind.clone(),
        };
        name.to_owned()
    }

    /// Its id, unless objects of its kind have none. What is in it is for the stand-in alone.
    pub(super) fn id(&self, state: &State) -> Option<String> {
        let text = |kind: &str, id: &u64, text: &str| format!("{}{}", node(kind, *id), hex(text));
        Some(match self {
            Self::Query | Self::Mutation => return None,
            Self::Repository(id) => node("R", *id),
            Self::Account(login) => state.account_named(login)?.node_id(),
            Self::Issue(id) => state.issues.get(id)?.node_id(),
            Self::Comment(id) => node("IC", *id),
            Self::Review(id) => node("PRR", *id),
            Self::Label(_, id) => node("LA", *id),
            Self::Milestone(_, id) => node("MI", *id),
            Self::Release(_, id) => node("RE", *id),
            Self::Asset(_, _, id) => node("RA", *id),
            Self::Ref(id, name) => text("REF", id, name),
            Self::Commit(id, oid) => text("C", id, oid),
            Self::Tree(id, oid, path) => text("T", id, &format!("{oid}:{path}")),
            Self::Blob(id, oid) => text("B", id, oid),
            Self::Project(id) => node("PVT", *id),
            Self::Field(_, id) => node(self.field_prefix(state), *id),
            Self::Item(_, id) => node("PVTI", *id),
            Self::Draft(_, id) => node("DI", *id),
            Self::Value(_, item, field) => format!("{}{field:08}", node("PVTFV", *item)),
            Self::Made(made) => return made.id.clone(),
        })
    }

    fn field_prefix(&self, state: &State) -> &'static str {
        match self.kind(state).as_str() {
            "ProjectV2SingleSelectField" => "PVTSSF",
            "ProjectV2IterationField" => "PVTIF",
            _ => "PVTF",
        }
    }

    /// The object with this id.
    pub(super) fn find(state: &State, id: &str) -> Option<Self> {
        if let Some(made) = state.made.get(id) {
            let made = Self::Made(Arc::clone(made));
            return Some(made).filter(|made| made.is_there(state));
        }
        let (_, rest) = id.split_once('_')?;
        let number: u64 = rest.get(4..12)?.parse().ok()?;
        let more = rest.get(12..)?;
        let known = match more.is_empty() {
            true => Self::numbered(state, number, id.starts_with("DI_")),
            false => Self::texted(state, id, number, more),
        };
        known.filter(|thing| thing.id(state).as_deref() == Some(id))
    }

    /// Whether what it belongs to has not been deleted meanwhile.
    fn is_there(&self, state: &State) -> bool {
        match self {
            Self::Query | Self::Mutation | Self::Account(_) => true,
            Self::Made(made) => made.owner.is_there(state),
            Self::Issue(id) => state.issues.contains_key(id),
            Self::Comment(id) => state.comments.contains_key(id),
            Self::Review(id) => state.reviews.contains_key(id),
            Self::Repository(id)
            | Self::Label(id, _)
            | Self::Milestone(id, _)
            | Self::Release(id, _)
            | Self::Asset(id, ..)
            | Self::Ref(id, _)
            | Self::Commit(id, _)
            | Self::Tree(id, ..)
            | Self::Blob(id, _) => state.repositories.contains_key(id),
            Self::Project(id)
            | Self::Field(id, _)
            | Self::Item(id, _)
            | Self::Draft(id, _)
            | Self::Value(id, ..) => state.projects.contains_key(id),
        }
    }

    fn numbered(state: &State, id: u64, draft: bool) -> Option<Self> {
        let plain = [
            (state.repositories.contains_key(&id), Self::Repository(id)),
            (state.issues.contains_key(&id), Self::Issue(id)),
            (state.comments.contains_key(&id), Self::Comment(id)),
            (state.reviews.contains_key(&id), Self::Review(id)),
            (state.projects.contains_key(&id), Self::Project(id)),
        ];
        if let Some((_, thing)) = plain.into_iter().find(|(known, _)| *known) {
            return Some(thing);
        }
        if let Some(account) = state.accounts.values().find(|account| account.id == id) {
            return Some(Self::Account(account.login.clone()));
        }
        let of_projects = state.projects.values().find_map(|project| {
            if project.field(id).is_some() {
                return Some(Self::Field(project.id, id));
            }
            project.item(id)?;
            Some(match draft {
                true => Self::Draft(project.id, id),
                false => Self::Item(project.id, id),
            })
        });
        of_projects.or_else(|| {
            state.repositories.values().find_map(|repository| {
                let of = repository.id;
                if repository.labels.values().any(|label| label.id == id) {
                    return Some(Self::Label(of, id));
                }
                if repository.milestones.iter().any(|one| one.id == id) {
                    return Some(Self::Milestone(of, id));
                }
                repository.releases.iter().find_map(|release| {
                    let asset = release.assets.iter().find(|asset| asset.id == id);
                    let asset = asset.map(|asset| Self::Asset(of, release.id, asset.id));
                    (release.id == id)
                        .then_some(Self::Release(of, id))
                        .or(asset)
                })
            })
        })
    }

    fn texted(state: &State, id: &str, number: u64, more: &str) -> Option<Self> {
        if id.starts_with("PVTFV_") {
            let field = more.parse().ok()?;
            let mut all = state.projects.values();
            let project = all.find(|project| project.item(number).is_some())?;
            project.field(field)?;
            return Some(Self::Value(project.id, number, field));
        }
        let text = unhex(more)?;
        let repository = state.repositories.get(&number)?;
        let commit = repository.commits.contains_key(&text);
        Some(match id.split_once('_')?.0 {
            "REF" if repository.refs.contains_key(&text) => Self::Ref(number, text),
            "C" if commit => Self::Commit(number, text),
            "B" => Self::Blob(number, text),
            "T" => {
                let (oid, path) = text.split_once(':')?;
                repository.commits.get(oid)?;
                Self::Tree(number, oid.to_owned(), path.to_owned())
            }
            _ => return None,
        })
    }
}

fn hex(text: &str) -> String {
    super::super::routes::hex(text.as_bytes())
}

fn unhex(text: &str) -> Option<String> {
    let pairs = (0..text.len()).step_by(2);
    let bytes: Option<Vec<u8>> = pairs
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect();
    String::from_utf8(bytes?).ok()
}

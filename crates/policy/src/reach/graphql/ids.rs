//! Whose the things are that a mutation names by their ids.
//!
//! An id says nothing to us: its form has changed before. GitHub is asked, by a query of the broker's own under the
//! same lease, which repository, organisation or project of one each id is or belongs to.

use std::collections::{BTreeMap, BTreeSet};

use broker_protocol::names::{OrgName, RepoPattern};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Refused;
use crate::reach::Scope;

/// Source: GitHub GraphQL documentation, “Rate limits and query limits”: 100 nodes to a field.
const MOST_TO_A_FIELD: usize = 100;

/// What belongs to one repository, one organisation, or a project of one, type by type: a discussion has its labels and
/// its lock by the same mutations as an issue, and another permission.
const WHOSE_IT_IS: &str = "{\
    ...on Repository{nameWithOwner} \
    ...on Issue{repository{nameWithOwner}} \
    ...on IssueComment{repository{nameWithOwner}} \
    ...on Label{repository{nameWithOwner}} \
    ...on Milestone{repository{nameWithOwner}} \
    ...on PullRequest{repository{nameWithOwner}} \
    ...on PullRequestReview{repository{nameWithOwner}} \
    ...on PullRequestReviewComment{repository{nameWithOwner}} \
    ...on PullRequestReviewThread{repository{nameWithOwner}} \
    ...on Ref{repository{nameWithOwner}} \
    ...on Release{repository{nameWithOwner}} \
    ...on Organization{login} \
    ...on ProjectV2{...P} \
    ...on ProjectV2FieldCommon{project{...P}} \
    ...on ProjectV2Item{project{...P}} \
    ...on ProjectV2StatusUpdate{project{...P}} \
    ...on DraftIssue{projectsV2(first:100){totalCount nodes{...P}}}}";
const PROJECT: &str = "fragment P on ProjectV2{number owner{__typename ...on Organization{login}}}";

/// What an operation names, and GitHub alone can say whose it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Ids, each with where it stands first, such as `Mutation.addComment(input:)`.
    pub ids: BTreeMap<String, String>,
    /// Repositories of the lease, in inputs: there GitHub may follow a name to wherever its repository went.
    pub repositories: BTreeSet<RepoPattern>,
}

impl Named {
    /// Whether there is nothing to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.repositories.is_empty()
    }

    /// As many of them as a field takes: the id, and where it stands.
    fn chunks(&self) -> Vec<Vec<(&String, &String)>> {
        let ids: Vec<_> = self.ids.iter().collect();
        ids.chunks(MOST_TO_A_FIELD).map(<[_]>::to_vec).collect()
    }

    /// The body of the query, for `POST /graphql`.
    #[must_use]
    pub fn question(&self) -> Value {
        let (mut definitions, mut fields) = (String::new(), String::new());
        let mut variables = serde_json::Map::new();
        for (number, ids) in self.chunks().iter().enumerate() {
            definitions.push_str(&format!("$i{number}:[ID!]!"));
            fields.push_str(&format!("i{number}:nodes(ids:$i{number}){WHOSE_IT_IS}"));
            let ids = ids.iter().map(|(id, _)| json!(id));
            variables.insert(format!("i{number}"), ids.collect());
        }
        for (number, repository) in self.repositories.iter().enumerate() {
            let (owner, name) = (repository.owner(), repository.name().unwrap_or_default());
            fields.push_str(&format!(
                "r{number}:repository(owner:\"{owner}\" name:\"{name}\" followRenames:false){{nameWithOwner}}"
            ));
        }
        let (definitions, project) = match definitions.as_str() {
            "" => (String::new(), ""),
            _ => (format!("({definitions})"), PROJECT),
        };
        json!({
            "query": format!("query{definitions}{{{fields}}} {project}"),
            "variables": variables,
        })
    }

    /// What all of it is or belongs to, as records name it.
    ///
    /// # Errors
    ///
    /// [`Refused::Id`] and [`Refused::Gone`] unless all of it is within the scope: what is not there, what belongs to
    /// nothing that a lease can name, and what belongs to something else are answered alike.
    pub fn within(&self, scope: &Scope<'_>, answer: Answer) -> Result<BTreeSet<String>, Refused> {
        let mut data = answer.data.ok_or(Refused::Ids)?;
        let mut touches = BTreeSet::new();
        for (number, ids) in self.chunks().iter().enumerate() {
            let nodes: Vec<Option<Node>> = taken(&mut data, &format!("i{number}"))?;
            if nodes.len() != ids.len() {
                return Err(Refused::Ids);
            }
            for ((_, at), node) in ids.iter().zip(&nodes) {
                let refused = || Refused::Id((*at).clone());
                let owners = node.as_ref().and_then(Node::owners).ok_or_else(refused)?;
                for owner in owners {
                    touches.insert(owner.within(scope).ok_or_else(refused)?);
                }
            }
        }
        for (number, repository) in self.repositories.iter().enumerate() {
            let there: Option<Repository> = taken(&mut data, &format!("r{number}"))?;
            if there.is_none_or(|there| there.name_with_owner != *repository) {
                return Err(Refused::Gone(repository.as_str().to_owned()));
            }
        }
        Ok(touches)
    }
}

fn taken<T: DeserializeOwned>(
    data: &mut BTreeMap<String, Value>,
    name: &str,
) -> Result<T, Refused> {
    let field = data.remove(name).ok_or(Refused::Ids)?;
    serde_json::from_value(field).map_err(|_not_as_described| Refused::Ids)
}

/// GitHub's answer to a question.
#[derive(Deserialize)]
pub struct Answer {
    data: Option<BTreeMap<String, Value>>,
}

/// What an id is of.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    name_with_owner: Option<RepoPattern>,
    repository: Option<Repository>,
    login: Option<OrgName>,
    #[serde(flatten)]
    itself: Option<Project>,
    project: Option<Project>,
    #[serde(rename = "projectsV2")]
    projects: Option<Projects>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    name_with_owner: RepoPattern,
}

#[derive(Deserialize)]
struct Project {
    number: u64,
    owner: Owner,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Projects {
    total_count: usize,
    nodes: Vec<Project>,
}

/// `login` is an organisation's: of others nothing was asked.
#[derive(Deserialize)]
struct Owner {
    login: Option<OrgName>,
}

/// Whose something is.
enum Whose<'a> {
    Repository(&'a RepoPattern),
    Organization(&'a OrgName),
    Project(&'a OrgName, u64),
}

impl Node {
    /// All that it belongs to; `None` where that is nothing that a lease can name, or not all of it is said.
    fn owners(&self) -> Option<Vec<Whose<'_>>> {
        let mut owners = Vec::new();
        owners.extend(self.name_with_owner.as_ref().map(Whose::Repository));
        let repository = self.repository.as_ref();
        owners.extend(repository.map(|one| Whose::Repository(&one.name_with_owner)));
        owners.extend(self.login.as_ref().map(Whose::Organization));
        let listed = self.projects.iter().flat_map(|all| &all.nodes);
        for project in self.itself.iter().chain(&self.project).chain(listed) {
            let organization = project.owner.login.as_ref()?;
            owners.push(Whose::Project(organization, project.number));
        }
        let all_said = |all: &Projects| all.total_count == all.nodes.len();
        (!owners.is_empty() && self.projects.as_ref().is_none_or(all_said)).then_some(owners)
    }
}

impl Whose<'_> {
    /// As records name it, if a lease holds it.
    fn within(&self, scope: &Scope<'_>) -> Option<String> {
        let is_held = |name: &OrgName| scope.organization == Some(name);
        match *self {
            Self::Repository(name) => {
                let held = scope.repositories.iter().any(|held| held.covers(name));
                (held && name.name().is_some()).then(|| name.as_str().to_owned())
            }
            Self::Organization(name) => is_held(name).then(|| name.as_str().to_owned()),
            Self::Project(owner, number) => {
                is_held(owner).then(|| format!("orgs/{owner}/projects/{number}"))
            }
        }
    }
}

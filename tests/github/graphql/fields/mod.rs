//! The fields that the state has something for, by the kind of object.

mod account;
mod git;
mod issue;
mod label;
mod project;
mod pull;
mod query;
mod release;
mod repository;
mod search;
mod select;

pub(super) use query::{named, query};

use serde_json::json;

use super::super::state::State;
use super::arguments::Arguments;
use super::call::Call;
use super::found::{Answered, Found, leaf, maybe};
use super::thing::Thing;

/// What a field of this object gives, if there is state for it.
pub(super) fn of(call: &Call<'_>, thing: &Thing, name: &str, arguments: &Arguments) -> Answered {
    if let Some(address) = address(&call.state(), thing, name) {
        return Ok(Some(address));
    }
    match thing {
        Thing::Repository(id) => repository::field(call, *id, name, arguments),
        Thing::Account(login) => account::field(call, login, name, arguments),
        Thing::Issue(id) => match issue::field(call, *id, name, arguments)? {
            None => pull::field(call, *id, name),
            found => Ok(found),
        },
        Thing::Comment(id) => Ok(issue::comment(call, *id, name)),
        Thing::Review(id) => Ok(pull::review(call, *id, name)),
        Thing::Label(repository, id) => Ok(label::label(call, (*repository, *id), name, arguments)),
        Thing::Milestone(repository, id) => {
            Ok(label::milestone(call, (*repository, *id), name, arguments))
        }
        Thing::Release(repository, id) => {
            Ok(release::release(call, (*repository, *id), name, arguments))
        }
        Thing::Asset(repository, release, id) => {
            Ok(release::asset(call, (*repository, *release, *id), name))
        }
        Thing::Ref(repository, full) => Ok(git::reference(call, *repository, full, name)),
        Thing::Commit(repository, oid) => Ok(git::commit(call, thing, (*repository, oid), name)),
        Thing::Tree(repository, oid, path) => {
            Ok(git::tree(call, thing, (*repository, oid, path), name))
        }
        Thing::Blob(repository, oid) => Ok(git::blob(call, (*repository, oid), name)),
        Thing::Project(id) => project::project(call, *id, name, arguments),
        Thing::Field(project, id) => Ok(project::field(call, thing, (*project, *id), name)),
        Thing::Item(project, id) => Ok(project::item(call, (*project, *id), name, arguments)),
        Thing::Draft(project, id) => Ok(project::draft(call, (*project, *id), name)),
        Thing::Value(project, item, id) => Ok(project::value(call, (*project, *item, *id), name)),
        Thing::Query | Thing::Mutation | Thing::Made(_) => Ok(None),
    }
}

/// The account of this login, unless it is gone.
pub(super) fn account_of(state: &State, login: &str) -> Found {
    let account = state.account_named(login);
    maybe(account.map(|account| Thing::Account(account.login.clone())))
}

/// The same, unless it is an organisation.
pub(super) fn user_of(state: &State, login: &str) -> Found {
    let account = state.account_named(login);
    let user = account.filter(|account| account.members.is_none());
    maybe(user.map(|account| Thing::Account(account.login.clone())))
}

/// Where the website shows an object.
fn address(state: &State, thing: &Thing, name: &str) -> Option<Found> {
    let host = match name {
        "url" | "permalink" => "https://github.com",
        "resourcePath" => "",
        _ => return None,
    };
    let in_repository = |id: &u64, rest: String| {
        let full_name = state.repositories.get(id)?.full_name();
        Some(format!("/{full_name}{rest}"))
    };
    let of_issue = |id: &u64, rest: String| {
        let issue = state.issues.get(id)?;
        let kind = if issue.pull.is_some() {
            "pull"
        } else {
            "issues"
        };
        in_repository(&issue.repository, format!("/{kind}/{}{rest}", issue.number))
    };
    let of_project = |id: &u64| {
        let project = state.projects.get(id)?;
        let account = state.account_named(&project.owner)?;
        let kind = if account.members.is_some() {
            "orgs"
        } else {
            "users"
        };
        Some(format!(
            "/{kind}/{}/projects/{}",
            account.login, project.number
        ))
    };
    let path = match thing {
        Thing::Repository(id) => in_repository(id, String::new()),
        Thing::Account(login) => Some(format!("/{login}")),
        Thing::Issue(id) => of_issue(id, String::new()),
        Thing::Comment(id) => of_issue(
            &state.comments.get(id)?.issue,
            format!("#issuecomment-{id}"),
        ),
        Thing::Review(id) => of_issue(
            &state.reviews.get(id)?.pull,
            format!("#pullrequestreview-{id}"),
        ),
        Thing::Project(id) => of_project(id),
        Thing::Commit(id, oid) => in_repository(id, format!("/commit/{oid}")),
        Thing::Release(id, release) => {
            let mut all = state.repositories.get(id)?.releases.iter();
            let release = all.find(|one| one.id == *release)?;
            in_repository(id, format!("/releases/tag/{}", release.tag))
        }
        Thing::Label(id, label) => {
            let mut all = state.repositories.get(id)?.labels.iter();
            let (name, _) = all.find(|(_, one)| one.id == *label)?;
            in_repository(id, format!("/labels/{name}"))
        }
        Thing::Milestone(id, milestone) => {
            let mut all = state.repositories.get(id)?.milestones.iter();
            let milestone = all.find(|one| one.id == *milestone)?;
            in_repository(id, format!("/milestone/{}", milestone.number))
        }
        _ => None,
    };
    Some(leaf(json!(format!("{host}{}", path?))))
}

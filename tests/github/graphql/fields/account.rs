//! Fields of a user or an organisation.

use super::super::super::objects::MADE;
use super::super::super::state::Account;
use super::super::arguments::Arguments;
use super::super::call::Call;
use super::super::error::Refused;
use super::super::found::{Answered, Found, leaf, maybe, nothing, page};
use super::super::thing::Thing;
use super::query::named;
use super::repository::no_project;
use super::select;

pub(super) fn field(call: &Call<'_>, login: &str, name: &str, arguments: &Arguments) -> Answered {
    let state = call.state();
    let known = state.account_named(login);
    let Some(it) = known else {
        return Ok((name == "login").then(|| leaf(login)));
    };
    if let Some(found) = about(it, &call.login(), name) {
        return Ok(Some(found));
    }
    let owned = || {
        let all = state.repositories.values();
        all.filter(|one| one.owner.eq_ignore_ascii_case(login))
    };
    let made = || {
        state
            .issues
            .values()
            .filter(|issue| issue.by.eq_ignore_ascii_case(login))
    };
    Ok(Some(match name {
        "repositories" | "topRepositories" => page(owned().map(|one| Thing::Repository(one.id))),
        "repository" => {
            let renames = arguments.flag("followRenames") != Some(false);
            let repository = arguments.demanded("name")?.to_owned();
            drop(state);
            Found::One(named(call, login, &repository, renames)?)
        }
        "projectV2" => {
            let number = arguments.number("number").unwrap_or_default();
            let found = state
                .projects_of(login)
                .find(|project| project.number == number);
            let found = found.map(|project| Thing::Project(project.id));
            let found = found.filter(|thing| state.sees(call.who, thing));
            Found::One(found.ok_or_else(|| no_project(number))?)
        }
        "projectsV2" | "recentProjects" => {
            let all = state.projects_of(login);
            select::projects(
                all.map(|project| (project.number, project.id)).collect(),
                arguments,
            )
        }
        "membersWithRole" => {
            let members = it.members.iter().flatten();
            page(members.map(|login| Thing::Account(login.clone())))
        }
        "organizations" => {
            let all = state.accounts.values();
            let of = all.filter(|one| {
                one.members
                    .as_ref()
                    .is_some_and(|all| all.contains(&it.login))
            });
            page(of.map(|one| Thing::Account(one.login.clone())))
        }
        "organization" => {
            let wanted = arguments.demanded("login")?;
            let found = state.account_named(wanted);
            let found = found.filter(|one| {
                one.members
                    .as_ref()
                    .is_some_and(|all| all.contains(&it.login))
            });
            maybe(found.map(|one| Thing::Account(one.login.clone())))
        }
        "issues" => select::issues(&state, made(), false, arguments),
        "pullRequests" => select::issues(&state, made(), true, arguments),
        "team" => return Err(Refused::not_found("Could not resolve to a Team.")),
        _ => return Ok(None),
    }))
}

fn about(it: &Account, caller: &str, name: &str) -> Option<Found> {
    let is_caller = it.login.eq_ignore_ascii_case(caller);
    let organization = it.members.as_ref();
    let is_member = organization.is_some_and(|members| members.contains(caller));
    Some(match name {
        "databaseId" => leaf(it.id),
        "login" => leaf(it.login.as_str()),
        "name" => leaf(it.login.as_str()),
        "avatarUrl" => leaf(format!("https://avatars.githubusercontent.com/u/{}", it.id)),
        "createdAt" | "updatedAt" => leaf(MADE),
        "isViewer" => leaf(is_caller),
        "viewerIsAMember" | "viewerCanCreateRepositories" | "viewerCanAdminister" => {
            leaf(is_member)
        }
        "viewerCanCreateProjects" => leaf(is_caller || is_member),
        "email" if organization.is_none() => leaf(""),
        "bio" | "company" | "location" | "description" => nothing(),
        _ => return None,
    })
}

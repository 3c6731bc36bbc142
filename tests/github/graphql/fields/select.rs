//! Which issues, pull requests and projects of many, and in what order.

use super::super::super::issues::Issue;
use super::super::super::state::State;
use super::super::arguments::Arguments;
use super::super::found::{Found, page};
use super::super::thing::Thing;

/// Those issues, or those pull requests, that the arguments want.
pub(super) fn issues<'a>(
    state: &State,
    all: impl Iterator<Item = &'a Issue>,
    pulls: bool,
    arguments: &Arguments,
) -> Found {
    let mut kept: Vec<&Issue> = all
        .filter(|issue| issue.pull.is_some() == pulls)
        .filter(|issue| wanted(state, issue, arguments))
        .collect();
    let order = arguments.within("orderBy");
    match order.text("field") {
        Some("UPDATED_AT") => kept.sort_by_key(|issue| (issue.updated, issue.id)),
        Some("COMMENTS") => kept.sort_by_key(|issue| state.comments_on(issue.id).count()),
        _ => kept.sort_by_key(|issue| (issue.at, issue.id)),
    }
    if order.text("direction") == Some("DESC") {
        kept.reverse();
    }
    page(kept.into_iter().map(|issue| Thing::Issue(issue.id)))
}

fn wanted(state: &State, issue: &Issue, arguments: &Arguments) -> bool {
    let filter = arguments.within("filterBy");
    let is_in = |states: Option<Vec<String>>| {
        states.is_none_or(|states| states.iter().any(|state| state == issue.state()))
    };
    let has_label = |labels: Option<Vec<String>>| {
        labels.is_none_or(|labels| {
            let repository = &state.repositories[&issue.repository];
            let known = repository.labels.iter();
            let mut known = known.filter(|(_, label)| issue.labels.contains(&label.id));
            known.any(|(name, _)| {
                labels
                    .iter()
                    .any(|wanted| wanted.eq_ignore_ascii_case(name))
            })
        })
    };
    let same = |wanted: Option<&str>, known: &str| {
        wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(known))
    };
    let assigned = filter.text("assignee").is_none_or(|login| match login {
        "*" => !issue.assignees.is_empty(),
        login => issue.assignees.contains(login),
    });
    let pull = issue.pull.as_ref();
    let branch =
        |name, of: Option<&str>| arguments.text(name).is_none_or(|wanted| of == Some(wanted));
    is_in(arguments.texts("states"))
        && is_in(filter.texts("states"))
        && has_label(arguments.texts("labels"))
        && has_label(filter.texts("labels"))
        && same(filter.text("createdBy"), &issue.by)
        && assigned
        && branch("baseRefName", pull.map(|pull| pull.base.as_str()))
        && branch("headRefName", pull.map(|pull| pull.head.1.as_str()))
}

/// Projects, the newest first, as GitHub has them unless it is asked for another order.
pub(super) fn projects(mut ids: Vec<(u64, u64)>, arguments: &Arguments) -> Found {
    ids.sort_unstable();
    if arguments.within("orderBy").text("direction") != Some("ASC") {
        ids.reverse();
    }
    page(ids.into_iter().map(|(_, id)| Thing::Project(id)))
}

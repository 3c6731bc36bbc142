//! Fields of labels and milestones.

use serde_json::json;

use super::super::super::objects::MADE;
use super::super::arguments::Arguments;
use super::super::call::Call;
use super::super::found::{Found, leaf, nothing};
use super::super::thing::Thing;
use super::select;

pub(super) fn label(
    call: &Call<'_>,
    (of, id): (u64, u64),
    name: &str,
    arguments: &Arguments,
) -> Option<Found> {
    let state = call.state();
    let mut all = state.repositories.get(&of)?.labels.iter();
    let (known, label) = all.find(|(_, label)| label.id == id)?;
    let labelled = state
        .issues_of(of)
        .filter(|issue| issue.labels.contains(&id));
    Some(match name {
        "name" => leaf(known.as_str()),
        "color" => leaf(label.color.as_str()),
        "description" => leaf(json!(label.description)),
        "createdAt" | "updatedAt" => leaf(MADE),
        "repository" => Found::One(Thing::Repository(of)),
        "issues" => select::issues(&state, labelled, false, arguments),
        "pullRequests" => select::issues(&state, labelled, true, arguments),
        _ => return None,
    })
}

pub(super) fn milestone(
    call: &Call<'_>,
    (of, id): (u64, u64),
    name: &str,
    arguments: &Arguments,
) -> Option<Found> {
    let state = call.state();
    let mut all = state.repositories.get(&of)?.milestones.iter();
    let it = all.find(|milestone| milestone.id == id)?;
    let planned = state
        .issues_of(of)
        .filter(|issue| issue.milestone == Some(it.number));
    Some(match name {
        "number" => leaf(it.number),
        "title" => leaf(it.title.as_str()),
        "state" => leaf("OPEN"),
        "description" | "dueOn" | "closedAt" => nothing(),
        "createdAt" | "updatedAt" => leaf(MADE),
        "repository" => Found::One(Thing::Repository(of)),
        "issues" => select::issues(&state, planned, false, arguments),
        "pullRequests" => select::issues(&state, planned, true, arguments),
        _ => return None,
    })
}

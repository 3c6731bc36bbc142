//! Fields of projects, of their fields and items, and of what the items have in them.

use serde_json::{Value, json};

use super::super::super::objects::MADE;
use super::super::super::projects::{Content, Field, Item, Project};
use super::super::super::state::State;
use super::super::arguments::Arguments;
use super::super::call::Call;
use super::super::found::{Answered, Found, leaf, maybe, nothing, page};
use super::super::thing::Thing;
use super::account_of;

pub(super) fn project(call: &Call<'_>, id: u64, name: &str, arguments: &Arguments) -> Answered {
    let state = call.state();
    let it = &state.projects[&id];
    Ok(Some(match name {
        "databaseId" => leaf(id),
        "fullDatabaseId" => leaf(id.to_string()),
        "number" => leaf(it.number),
        "title" => leaf(it.title.as_str()),
        "shortDescription" => leaf(json!(it.description)),
        "readme" => leaf(json!(it.readme)),
        "public" => leaf(it.public),
        "closed" => leaf(it.closed),
        "closedAt" => nothing(),
        "createdAt" | "updatedAt" => leaf(MADE),
        "creator" => account_of(&state, &it.by),
        "owner" => account_of(&state, &it.owner),
        "items" => page(it.items.iter().map(|item| Thing::Item(id, item.id))),
        "fields" => page(it.fields.iter().map(|field| Thing::Field(id, field.id))),
        "field" => {
            let wanted = arguments.demanded("name")?;
            let found = it.fields.iter().find(|field| field.name == wanted);
            maybe(found.map(|field| Thing::Field(id, field.id)))
        }
        "repositories" => page(it.repositories.iter().copied().map(Thing::Repository)),
        "viewerCanUpdate" | "viewerCanClose" | "viewerCanReopen" => leaf(true),
        _ => return Ok(None),
    }))
}

pub(super) fn field(
    call: &Call<'_>,
    thing: &Thing,
    (of, id): (u64, u64),
    name: &str,
) -> Option<Found> {
    let state = call.state();
    let it = state.projects.get(&of)?.field(id)?;
    Some(match name {
        "databaseId" => leaf(id),
        "name" => leaf(it.name.as_str()),
        "dataType" => leaf(it.kind.as_str()),
        "createdAt" | "updatedAt" => leaf(MADE),
        "project" => Found::One(Thing::Project(of)),
        "options" => {
            let options = it.options.clone();
            drop(state);
            let options = options.into_iter().map(|option| {
                let fields = vec![
                    ("id", leaf(option.id.as_str())),
                    ("name", leaf(option.name.as_str())),
                    ("nameHTML", leaf(option.name)),
                    ("color", leaf(option.color)),
                    ("description", leaf(option.description.as_str())),
                    ("descriptionHTML", leaf(option.description)),
                ];
                let made = call.make(
                    "ProjectV2SingleSelectFieldOption",
                    thing,
                    &option.id,
                    fields,
                );
                Found::One(made)
            });
            Found::Many(options.collect())
        }
        _ => return None,
    })
}

pub(super) fn item(
    call: &Call<'_>,
    (of, id): (u64, u64),
    name: &str,
    arguments: &Arguments,
) -> Option<Found> {
    let state = call.state();
    let project = state.projects.get(&of)?;
    let it = project.item(id)?;
    let values = || {
        let fields = project.fields.iter();
        fields.filter(|field| in_field(&state, it, field) != Value::Null)
    };
    Some(match name {
        "databaseId" => leaf(id),
        "fullDatabaseId" => leaf(id.to_string()),
        "type" => leaf(match &it.content {
            Content::Draft { .. } => "DRAFT_ISSUE",
            Content::Issue(id) if state.issues[id].pull.is_some() => "PULL_REQUEST",
            Content::Issue(_) => "ISSUE",
        }),
        "content" => Found::One(match it.content {
            Content::Draft { .. } => Thing::Draft(of, id),
            Content::Issue(id) => Thing::Issue(id),
        }),
        "isArchived" => leaf(it.archived),
        "project" => Found::One(Thing::Project(of)),
        "creator" => account_of(&state, &it.by),
        "createdAt" | "updatedAt" => leaf(MADE),
        "fieldValues" => page(values().map(|field| Thing::Value(of, id, field.id))),
        "fieldValueByName" => {
            let wanted = arguments.text("name")?;
            let found = values().find(|field| field.name == wanted);
            maybe(found.map(|field| Thing::Value(of, id, field.id)))
        }
        _ => return None,
    })
}

pub(super) fn draft(call: &Call<'_>, (of, id): (u64, u64), name: &str) -> Option<Found> {
    let state = call.state();
    let it = state.projects.get(&of)?.item(id)?;
    let Content::Draft { title, body } = &it.content else {
        return None;
    };
    Some(match name {
        "title" => leaf(title.as_str()),
        "body" | "bodyText" | "bodyHTML" => leaf(body.as_str()),
        "creator" => account_of(&state, &it.by),
        "createdAt" | "updatedAt" => leaf(MADE),
        "projectV2Items" => page([Thing::Item(of, id)]),
        "projectsV2" => page([Thing::Project(of)]),
        _ => return None,
    })
}

pub(super) fn value(call: &Call<'_>, (of, item, id): (u64, u64, u64), name: &str) -> Option<Found> {
    let state = call.state();
    let project: &Project = state.projects.get(&of)?;
    let (it, field) = (project.item(item)?, project.field(id)?);
    let value = in_field(&state, it, field);
    let option = || {
        let wanted = value["singleSelectOptionId"].as_str();
        field
            .options
            .iter()
            .find(|option| Some(option.id.as_str()) == wanted)
    };
    Some(match name {
        "field" => Found::One(Thing::Field(of, id)),
        "item" => Found::One(Thing::Item(of, item)),
        "creator" => account_of(&state, &it.by),
        "createdAt" | "updatedAt" => leaf(MADE),
        "databaseId" => leaf(id),
        "text" | "number" | "date" => leaf(value[name].clone()),
        "optionId" => leaf(value["singleSelectOptionId"].clone()),
        "name" | "nameHTML" => leaf(json!(option().map(|option| &option.name))),
        "color" => leaf(option().map_or("GRAY", |option| option.color.as_str())),
        "description" => leaf(json!(option().map(|option| &option.description))),
        "iterationId" => leaf(value["iterationId"].clone()),
        "repository" => maybe(
            it.issue()
                .map(|id| Thing::Repository(state.issues[&id].repository)),
        ),
        _ => return None,
    })
}

/// What an item has in a field, as a mutation would say it.
fn in_field(state: &State, item: &Item, field: &Field) -> Value {
    match (field.kind.as_str(), &item.content) {
        ("TITLE", Content::Draft { title, .. }) => json!({ "text": title }),
        ("TITLE", Content::Issue(id)) => json!({ "text": state.issues[id].title }),
        ("REPOSITORY", Content::Issue(_)) => json!({ "repository": true }),
        _ => item.values.get(&field.id).cloned().unwrap_or_default(),
    }
}

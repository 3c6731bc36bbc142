//! Items of projects, and what they have in the fields.

use serde_json::{Value, json};

use super::super::super::projects::Content;
use super::super::access::Make;
use super::super::error::Refused;
use super::super::found::{Found, leaf};
use super::super::thing::Thing;
use super::project::{one, project};
use super::{Done, Payload, Run};

pub(super) fn carry_out(run: &Run<'_, '_>) -> Done {
    Ok(Some(match run.name {
        "addProjectV2ItemById" => add_item(run)?,
        "addProjectV2DraftIssue" => add_draft(run)?,
        "updateProjectV2DraftIssue" => update_draft(run)?,
        "convertProjectV2DraftIssueItemToIssue" => convert(run)?,
        "updateProjectV2ItemFieldValue" | "clearProjectV2ItemFieldValue" => set_value(run)?,
        "updateProjectV2ItemPosition" => place(run)?,
        "archiveProjectV2Item" | "unarchiveProjectV2Item" => archive(run)?,
        "deleteProjectV2Item" => delete_item(run)?,
        _ => return Ok(None),
    }))
}

/// The item whose id is in `itemId`, which must be of this project.
fn item(run: &Run<'_, '_>, project: u64) -> Result<u64, Refused> {
    match run.to_change("itemId")? {
        Thing::Item(of, id) if of == project => Ok(id),
        _ => Err(run.unfit("itemId")),
    }
}

fn add_item(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let call = run.call;
    let of = project(run)?;
    let Thing::Issue(content) = call.node(run.input.demanded("contentId")?)? else {
        return Err(run.unfit("contentId"));
    };
    call.state().may_read(call.who, &Thing::Issue(content))?;
    let by = call.login();
    let id = call.change(|state| state.make_item(of, Content::Issue(content), &by));
    run.changed(&Thing::Item(of, id));
    Ok(one("item", Thing::Item(of, id)))
}

fn add_draft(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    run.refuse(&["assigneeIds"])?;
    let of = project(run)?;
    let draft = Content::Draft {
        title: run.input.demanded("title")?.to_owned(),
        body: run.input.text("body").unwrap_or_default().to_owned(),
    };
    let by = run.call.login();
    let id = run.call.change(|state| state.make_item(of, draft, &by));
    run.changed(&Thing::Item(of, id));
    Ok(one("projectItem", Thing::Item(of, id)))
}

fn update_draft(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    run.refuse(&["assigneeIds"])?;
    let thing = run.to_change("draftIssueId")?;
    let Thing::Draft(of, id) = thing else {
        return Err(run.unfit("draftIssueId"));
    };
    run.changed(&thing);
    let text = |name| run.input.text(name).map(str::to_owned);
    run.call.change(|state| {
        let mut items = state.project_mut(of).items.iter_mut();
        let item = items.find(|item| item.id == id);
        if let Some(Content::Draft { title, body }) = item.map(|item| &mut item.content) {
            *title = text("title").unwrap_or_else(|| title.clone());
            *body = text("body").unwrap_or_else(|| body.clone());
        }
    });
    Ok(one("draftIssue", thing))
}

fn convert(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let call = run.call;
    let Thing::Item(of, id) = run.to_change("itemId")? else {
        return Err(run.unfit("itemId"));
    };
    let repository = run.repository("repositoryId")?;
    call.state().may_make(call.who, repository, Make::Issue)?;
    let draft = {
        let state = call.state();
        let item = state.projects[&of].item(id);
        item.map(|item| item.content.clone())
    };
    let Some(Content::Draft { title, body }) = draft else {
        return Err(Refused::unprocessable("The item is no draft issue"));
    };
    let by = call.login();
    let issue = call.change(|state| {
        let issue = state.open_issue(repository, &title, &by);
        state.issue_mut(issue).body = Some(body);
        let mut items = state.project_mut(of).items.iter_mut();
        if let Some(item) = items.find(|item| item.id == id) {
            item.content = Content::Issue(issue);
        }
        issue
    });
    run.changed(&Thing::Issue(issue));
    run.changed(&Thing::Item(of, id));
    Ok(one("item", Thing::Item(of, id)))
}

fn set_value(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let of = project(run)?;
    let id = item(run, of)?;
    let field = match run.to_change("fieldId")? {
        Thing::Field(project, field) if project == of => field,
        _ => return Err(run.unfit("fieldId")),
    };
    let value = match run.name {
        "clearProjectV2ItemFieldValue" => None,
        _ => Some(value(run, of, field)?),
    };
    run.changed(&Thing::Item(of, id));
    run.call.change(|state| {
        let mut items = state.project_mut(of).items.iter_mut();
        let item = items.find(|item| item.id == id).expect("it was just found");
        match value {
            Some(value) => item.values.insert(field, value),
            None => item.values.remove(&field),
        }
    });
    Ok(one("projectV2Item", Thing::Item(of, id)))
}

/// What is given, if the field takes it.
fn value(run: &Run<'_, '_>, of: u64, field: u64) -> Result<Value, Refused> {
    let state = run.call.state();
    let field = state.projects[&of].field(field);
    let field = field.ok_or_else(|| run.unfit("fieldId"))?;
    let name = match field.kind.as_str() {
        "TEXT" => "text",
        "NUMBER" => "number",
        "DATE" => "date",
        "ITERATION" => "iterationId",
        "SINGLE_SELECT" => "singleSelectOptionId",
        kind => {
            let message = format!("The field of type {kind} is currently not supported.");
            return Err(Refused::unprocessable(message));
        }
    };
    let given = run.input.within("value");
    let value = given.0[name].clone();
    if value.is_null() {
        let message = format!(
            "Did not receive a {name} value to update a field of type {}",
            field.kind
        );
        return Err(Refused::unprocessable(message));
    }
    let chosen = given.text("singleSelectOptionId");
    if field.kind == "SINGLE_SELECT"
        && !field
            .options
            .iter()
            .any(|one| Some(one.id.as_str()) == chosen)
    {
        return Err(Refused::unprocessable(
            "The single select option Id does not belong to the field",
        ));
    }
    Ok(json!({ name: value }))
}

fn place(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let of = project(run)?;
    let id = item(run, of)?;
    let after = match run.input.text("afterId") {
        None => None,
        Some(after) => match run.call.node(after)? {
            Thing::Item(project, item) if project == of => Some(item),
            _ => return Err(Refused::no_node(after)),
        },
    };
    run.changed(&Thing::Item(of, id));
    let items = run.call.change(|state| {
        let items = &mut state.project_mut(of).items;
        if let Some(at) = items.iter().position(|item| item.id == id) {
            let item = items.remove(at);
            let after = items.iter().position(|item| Some(item.id) == after);
            items.insert(after.map_or(0, |after| after + 1), item);
        }
        items.iter().map(|item| Thing::Item(of, item.id)).collect()
    });
    Ok(vec![("items", Found::Page(items, Vec::new()))])
}

fn archive(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let of = project(run)?;
    let id = item(run, of)?;
    run.changed(&Thing::Item(of, id));
    run.call.change(|state| {
        let mut items = state.project_mut(of).items.iter_mut();
        if let Some(item) = items.find(|item| item.id == id) {
            item.archived = run.name == "archiveProjectV2Item";
        }
    });
    Ok(one("item", Thing::Item(of, id)))
}

fn delete_item(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let of = project(run)?;
    let id = item(run, of)?;
    run.changed(&Thing::Item(of, id));
    run.call
        .change(|state| state.project_mut(of).items.retain(|item| item.id != id));
    Ok(vec![("deletedItemId", leaf(run.input.demanded("itemId")?))])
}

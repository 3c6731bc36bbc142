//! Projects, their fields and their items.

use serde_json::{Value, json};

use super::super::super::permission::Level;
use super::super::super::projects::Content;
use super::super::access::Make;
use super::super::arguments::Arguments;
use super::super::error::Refused;
use super::super::found::{Found, leaf, nothing};
use super::super::thing::Thing;
use super::{Done, Payload, Run};

pub(super) fn carry_out(run: &Run<'_, '_>) -> Done {
    Ok(Some(match run.name {
        "createProjectV2" => create(run)?,
        "updateProjectV2" => update(run)?,
        "deleteProjectV2" => delete(run)?,
        "addProjectV2ItemById" => add_item(run)?,
        "addProjectV2DraftIssue" => add_draft(run)?,
        "updateProjectV2DraftIssue" => update_draft(run)?,
        "convertProjectV2DraftIssueItemToIssue" => convert(run)?,
        "updateProjectV2ItemFieldValue" | "clearProjectV2ItemFieldValue" => set_value(run)?,
        "updateProjectV2ItemPosition" => place(run)?,
        "archiveProjectV2Item" | "unarchiveProjectV2Item" => archive(run)?,
        "deleteProjectV2Item" => delete_item(run)?,
        "linkProjectV2ToRepository" | "unlinkProjectV2FromRepository" => link(run)?,
        "createProjectV2Field" => create_field(run)?,
        "updateProjectV2Field" | "deleteProjectV2Field" => change_field(run)?,
        _ => return Ok(None),
    }))
}

fn one(field: &'static str, thing: Thing) -> Payload {
    vec![(field, Found::One(thing))]
}

fn create(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    run.refuse(&["teamId"])?;
    let call = run.call;
    let owner = match call.node(run.input.demanded("ownerId")?)? {
        Thing::Account(login) => login,
        _ => return Err(run.unfit("ownerId")),
    };
    call.state().may_plan(call.who, &owner, Level::Write)?;
    let linked = match run.input.text("repositoryId") {
        Some(_) => Some(run.repository("repositoryId")?),
        None => None,
    };
    let title = run.input.demanded("title")?.to_owned();
    let by = call.login();
    let id = call.change(|state| {
        let id = state.make_project(&owner, &title, &by);
        state.project_mut(id).repositories.extend(linked);
        id
    });
    run.changed(&Thing::Project(id));
    if let Some(linked) = linked {
        run.changed(&Thing::Repository(linked));
    }
    Ok(one("projectV2", Thing::Project(id)))
}

/// The project whose id is in `projectId`, which the caller may change.
fn project(run: &Run<'_, '_>) -> Result<u64, Refused> {
    match run.to_change("projectId")? {
        Thing::Project(id) => Ok(id),
        _ => Err(run.unfit("projectId")),
    }
}

/// The item whose id is in `itemId`, which must be of this project.
fn item(run: &Run<'_, '_>, project: u64) -> Result<u64, Refused> {
    match run.to_change("itemId")? {
        Thing::Item(of, id) if of == project => Ok(id),
        _ => Err(run.unfit("itemId")),
    }
}

fn update(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let id = project(run)?;
    run.changed(&Thing::Project(id));
    let (input, text) = (&run.input, |name| run.input.text(name).map(str::to_owned));
    run.call.change(|state| {
        let project = state.project_mut(id);
        if let Some(title) = text("title") {
            project.title = title;
        }
        if input.has("shortDescription") {
            project.description = text("shortDescription");
        }
        if input.has("readme") {
            project.readme = text("readme");
        }
        project.public = input.flag("public").unwrap_or(project.public);
        project.closed = input.flag("closed").unwrap_or(project.closed);
    });
    Ok(one("projectV2", Thing::Project(id)))
}

fn delete(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let id = project(run)?;
    run.changed(&Thing::Project(id));
    run.call.change(|state| state.projects.remove(&id));
    Ok(vec![("projectV2", nothing())])
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

fn link(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let of = project(run)?;
    let repository = run.repository("repositoryId")?;
    run.changed(&Thing::Project(of));
    run.changed(&Thing::Repository(repository));
    run.call.change(|state| {
        let linked = &mut state.project_mut(of).repositories;
        match run.name {
            "linkProjectV2ToRepository" => linked.insert(repository),
            _ => linked.remove(&repository),
        }
    });
    Ok(one("repository", Thing::Repository(repository)))
}

fn create_field(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    run.refuse(&["iterationConfiguration"])?;
    let of = project(run)?;
    let (name, kind) = (run.input.demanded("name")?, run.input.demanded("dataType")?);
    let options = run.input.list("singleSelectOptions");
    let known = run.call.state().projects[&of]
        .fields
        .iter()
        .any(|field| field.name == name);
    if known {
        return Err(Refused::unprocessable("Name has already been taken"));
    }
    if kind == "SINGLE_SELECT" && options.is_empty() {
        return Err(Refused::unprocessable(
            "Single select options can't be blank",
        ));
    }
    let id = run.call.change(|state| {
        let options = options.iter().map(choice);
        state.make_field(of, (name, kind), options)
    });
    run.changed(&Thing::Field(of, id));
    Ok(one("projectV2Field", Thing::Field(of, id)))
}

fn choice(option: &Arguments) -> (&str, &str, &str) {
    let text = |name| option.text(name).unwrap_or_default();
    (text("name"), text("color"), text("description"))
}

fn change_field(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    run.refuse(&["iterationConfiguration"])?;
    let Thing::Field(of, id) = run.to_change("fieldId")? else {
        return Err(run.unfit("fieldId"));
    };
    run.changed(&Thing::Field(of, id));
    if run.name == "deleteProjectV2Field" {
        run.call.change(|state| {
            let project = state.project_mut(of);
            project.fields.retain(|field| field.id != id);
            for item in &mut project.items {
                item.values.remove(&id);
            }
        });
        return Ok(vec![("projectV2Field", nothing())]);
    }
    let options = run.input.list("singleSelectOptions");
    run.call.change(|state| {
        let options: Vec<_> = options
            .iter()
            .map(|option| state.choice(choice(option)))
            .collect();
        let mut fields = state.project_mut(of).fields.iter_mut();
        let field = fields
            .find(|field| field.id == id)
            .expect("it was just found");
        if let Some(name) = run.input.text("name") {
            name.clone_into(&mut field.name);
        }
        if !options.is_empty() {
            field.options = options;
        }
    });
    Ok(one("projectV2Field", Thing::Field(of, id)))
}

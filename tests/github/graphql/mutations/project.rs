//! Projects and their fields.

use super::super::super::permission::Level;
use super::super::arguments::Arguments;
use super::super::error::Refused;
use super::super::found::{Found, nothing};
use super::super::thing::Thing;
use super::{Done, Payload, Run};

pub(super) fn carry_out(run: &Run<'_, '_>) -> Done {
    Ok(Some(match run.name {
        "createProjectV2" => create(run)?,
        "updateProjectV2" => update(run)?,
        "deleteProjectV2" => delete(run)?,
        "linkProjectV2ToRepository" | "unlinkProjectV2FromRepository" => link(run)?,
        "createProjectV2Field" => create_field(run)?,
        "updateProjectV2Field" | "deleteProjectV2Field" => change_field(run)?,
        _ => return Ok(None),
    }))
}

pub(super) fn one(field: &'static str, thing: Thing) -> Payload {
    vec![(field, Found::One(thing))]
}

fn create(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    run.refuse(&["teamId"])?;
    let call = run.call;
    let Thing::Account(owner) = call.node(run.input.demanded("ownerId")?)? else {
        return Err(run.unfit("ownerId"));
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
pub(super) fn project(run: &Run<'_, '_>) -> Result<u64, Refused> {
    match run.to_change("projectId")? {
        Thing::Project(id) => Ok(id),
        _ => Err(run.unfit("projectId")),
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

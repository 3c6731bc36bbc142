//! Labels.

use super::super::access::Make;
use super::super::error::Refused;
use super::super::found::Found;
use super::super::thing::Thing;
use super::{Done, Payload, Run};

pub(super) fn carry_out(run: &Run<'_, '_>) -> Done {
    Ok(Some(match run.name {
        "createLabel" => create(run)?,
        "updateLabel" => update(run)?,
        "deleteLabel" => {
            let (thing, of, id) = known(run)?;
            run.changed(&thing);
            run.call.change(|state| {
                if let Some(repository) = state.repositories.get_mut(&of) {
                    repository.labels.retain(|_, label| label.id != id);
                }
            });
            Vec::new()
        }
        _ => return Ok(None),
    }))
}

fn create(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let of = run.repository("repositoryId")?;
    run.call.state().may_make(run.call.who, of, Make::Label)?;
    let name = run.input.demanded("name")?.to_owned();
    let color = color(run)?.unwrap_or_else(|| "ededed".to_owned());
    free(run, of, &name)?;
    let description = run.input.text("description");
    let id = run.call.change(|state| {
        let full_name = state.repositories[&of].full_name();
        state.add_label(&full_name, &name, &color, description);
        state.label(&full_name, &name).map(|label| label.id)
    });
    let label = Thing::Label(of, id.expect("it was just made"));
    run.changed(&label);
    Ok(vec![("label", Found::One(label))])
}

fn update(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let (thing, of, id) = known(run)?;
    let (name, color) = (run.input.text("name"), color(run)?);
    let old = {
        let state = run.call.state();
        let mut all = state.repositories[&of].labels.iter();
        all.find(|(_, label)| label.id == id)
            .map(|(name, _)| name.clone())
    };
    let old = old.ok_or_else(|| run.unfit("id"))?;
    if let Some(name) = name
        && !name.eq_ignore_ascii_case(&old)
    {
        free(run, of, name)?;
    }
    run.changed(&thing);
    run.call.change(|state| {
        let repository = state.repositories.get_mut(&of).expect("it was just found");
        let mut label = repository.labels.remove(&old).expect("it was just found");
        if let Some(color) = color {
            label.color = color;
        }
        if let Some(description) = run.input.text("description") {
            label.description = Some(description.to_owned());
        }
        let name = name.map_or(old, str::to_owned);
        repository.labels.insert(name, label);
    });
    Ok(vec![("label", Found::One(thing))])
}

fn known(run: &Run<'_, '_>) -> Result<(Thing, u64, u64), Refused> {
    match run.to_change("id")? {
        Thing::Label(of, id) => Ok((Thing::Label(of, id), of, id)),
        _ => Err(run.unfit("id")),
    }
}

fn color(run: &Run<'_, '_>) -> Result<Option<String>, Refused> {
    let Some(color) = run.input.text("color") else {
        return Ok(None);
    };
    match color.len() == 6 && color.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(Some(color.to_lowercase())),
        false => Err(Refused::unprocessable("Color is invalid")),
    }
}

fn free(run: &Run<'_, '_>, of: u64, name: &str) -> Result<(), Refused> {
    let state = run.call.state();
    let mut names = state.repositories[&of].labels.keys();
    match names.any(|known| known.eq_ignore_ascii_case(name)) {
        true => Err(Refused::unprocessable("Name has already been taken")),
        false => Ok(()),
    }
}

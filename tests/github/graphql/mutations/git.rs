//! Commits and refs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::super::git::{DEFAULT_BRANCH, NewCommit};
use super::super::access::Make;
use super::super::error::Refused;
use super::super::fields;
use super::super::found::Found;
use super::super::thing::Thing;
use super::{Done, Payload, Run};

pub(super) fn carry_out(run: &Run<'_, '_>) -> Done {
    Ok(Some(match run.name {
        "createCommitOnBranch" => commit(run)?,
        "createRef" => create(run)?,
        "updateRef" => update(run)?,
        "deleteRef" => {
            let (of, name) = known(run)?;
            if name == format!("refs/heads/{DEFAULT_BRANCH}") {
                return Err(Refused::unprocessable("Cannot delete the default branch"));
            }
            run.changed(&Thing::Ref(of, name.clone()));
            run.call.change(|state| {
                if let Some(repository) = state.repositories.get_mut(&of) {
                    repository.refs.remove(&name);
                }
            });
            Vec::new()
        }
        _ => return Ok(None),
    }))
}

fn commit(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let call = run.call;
    let (of, branch) = branch(run)?;
    call.state().may_make(call.who, of, Make::Content)?;
    let changes = run.input.within("fileChanges");
    let message = run.input.within("message");
    let headline = message.demanded("headline")?;
    let message = match message.text("body") {
        Some(body) if !body.is_empty() => format!("{headline}\n\n{body}"),
        _ => headline.to_owned(),
    };
    let mut files = {
        let state = call.state();
        let repository = &state.repositories[&of];
        let tip = repository.tip(&branch).ok_or_else(|| {
            Refused::not_found(format!("A branch named \"{branch}\" could not be found"))
        })?;
        let expected = run.input.demanded("expectedHeadOid")?;
        if expected != tip {
            let message = format!(
                "Expected branch to point to \"{expected}\" but it did not. Pull and try again."
            );
            return Err(Refused::new("STALE_DATA", message));
        }
        repository.commits[tip].files.clone()
    };
    for addition in changes.list("additions") {
        let bytes = STANDARD.decode(addition.demanded("contents")?);
        let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| Refused::unprocessable("Contents are not valid"))?;
        files.insert(addition.demanded("path")?.to_owned(), text);
    }
    for deletion in changes.list("deletions") {
        let path = deletion.demanded("path")?;
        if files.remove(path).is_none() {
            let message = format!("A path was requested for deletion which does not exist: {path}");
            return Err(Refused::unprocessable(message));
        }
    }
    let by = call.login();
    let oid = call.change(|state| {
        let at = state.clock.now();
        let repository = state.repositories.get_mut(&of).expect("it was just found");
        let new = NewCommit {
            message: &message,
            by: &by,
            at,
            files,
        };
        repository.commit(&branch, new)
    });
    let reference = Thing::Ref(of, format!("refs/heads/{branch}"));
    run.changed(&reference);
    Ok(vec![
        ("commit", Found::One(Thing::Commit(of, oid))),
        ("ref", Found::One(reference)),
    ])
}

/// By the id of its ref, or by names.
fn branch(run: &Run<'_, '_>) -> Result<(u64, String), Refused> {
    let branch = run.input.within("branch");
    let short = |name: &str| name.strip_prefix("refs/heads/").unwrap_or(name).to_owned();
    if let Some(id) = branch.text("id") {
        return match run.call.node(id)? {
            Thing::Ref(of, name) => Ok((of, short(&name))),
            _ => Err(Refused::no_node(id)),
        };
    }
    let full_name = branch.demanded("repositoryNameWithOwner")?;
    let (owner, name) = full_name.split_once('/').unwrap_or((full_name, ""));
    match fields::named(run.call, owner, name, true)? {
        Thing::Repository(of) => Ok((of, short(branch.demanded("branchName")?))),
        _ => Err(Refused::not_found(full_name)),
    }
}

fn create(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let of = run.repository("repositoryId")?;
    run.call.state().may_make(run.call.who, of, Make::Content)?;
    let (name, oid) = (run.input.demanded("name")?, run.input.demanded("oid")?);
    {
        let state = run.call.state();
        let repository = &state.repositories[&of];
        if !name.starts_with("refs/") || name.matches('/').count() < 2 {
            let message = format!("\"{name}\" is not a valid ref name");
            return Err(Refused::unprocessable(message));
        }
        if repository.refs.contains_key(name) {
            let message = format!("A ref named \"{name}\" already exists in the repository.");
            return Err(Refused::unprocessable(message));
        }
    }
    set(run, of, name, oid)
}

fn update(run: &Run<'_, '_>) -> Result<Payload, Refused> {
    let (of, name) = known(run)?;
    let oid = run.input.demanded("oid")?;
    if run.input.flag("force") != Some(true) {
        let state = run.call.state();
        let repository = &state.repositories[&of];
        let tip = repository.refs.get(&name);
        let builds = repository
            .history(oid)
            .iter()
            .any(|commit| Some(&commit.oid) == tip);
        if !builds {
            return Err(Refused::unprocessable("Update is not a fast forward"));
        }
    }
    set(run, of, &name, oid)
}

fn set(run: &Run<'_, '_>, of: u64, name: &str, oid: &str) -> Result<Payload, Refused> {
    if !run.call.state().repositories[&of].commits.contains_key(oid) {
        let message = format!("No object with the oid {oid} could be found");
        return Err(Refused::unprocessable(message));
    }
    run.call.change(|state| {
        let repository = state.repositories.get_mut(&of).expect("it was just found");
        repository.refs.insert(name.to_owned(), oid.to_owned());
        if name == format!("refs/heads/{DEFAULT_BRANCH}") {
            repository.files.clone_from(&repository.commits[oid].files);
        }
    });
    let reference = Thing::Ref(of, name.to_owned());
    run.changed(&reference);
    Ok(vec![("ref", Found::One(reference))])
}

fn known(run: &Run<'_, '_>) -> Result<(u64, String), Refused> {
    match run.to_change("refId")? {
        Thing::Ref(of, name) => Ok((of, name)),
        _ => Err(run.unfit("refId")),
    }
}

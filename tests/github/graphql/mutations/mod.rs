//! What changes the state. Each looks at all that it is given before it changes anything; those that are not here
//! are refused by their names.

mod git;
mod issue;
mod item;
mod label;
mod project;
mod pull;

use std::collections::BTreeSet;

use super::arguments::Arguments;
use super::call::Call;
use super::error::Refused;
use super::found::{Found, leaf, maybe, nothing};
use super::thing::Thing;

/// Fields of what a mutation gives.
type Payload = Vec<(&'static str, Found)>;

/// `None` for a mutation that is another file's, or none's.
type Done = Result<Option<Payload>, Refused>;

/// Carries out one mutation.
pub(super) fn carry_out(
    call: &Call<'_>,
    name: &str,
    arguments: &Arguments,
) -> Result<Found, Refused> {
    let run = Run {
        call,
        name,
        input: arguments.within("input"),
    };
    let ways = [
        issue::carry_out,
        pull::carry_out,
        label::carry_out,
        project::carry_out,
        item::carry_out,
        git::carry_out,
    ];
    let mut fields = None;
    for way in ways {
        fields = way(&run)?;
        if fields.is_some() {
            break;
        }
    }
    let mut fields = fields.ok_or_else(|| {
        Refused::new(
            "NOT_IMPLEMENTED",
            format!("`{name}` is not implemented by the stand-in"),
        )
    })?;
    let client = run.input.text("clientMutationId");
    fields.push(("clientMutationId", client.map_or_else(nothing, leaf)));
    let actor = {
        let login = call.login();
        let state = call.state();
        maybe(
            state
                .account_named(&login)
                .map(|one| Thing::Account(one.login.clone())),
        )
    };
    fields.push(("actor", actor));
    let kind = call.known.field_type("Mutation", name).unwrap_or_default();
    Ok(Found::One(call.make(kind, &Thing::Mutation, name, fields)))
}

/// One mutation, under way.
struct Run<'a, 's> {
    call: &'a Call<'s>,
    name: &'a str,
    input: Arguments,
}

impl Run<'_, '_> {
    /// The object whose id is in this field, which the caller may change.
    fn to_change(&self, field: &str) -> Result<Thing, Refused> {
        self.call.node_to_change(self.input.demanded(field)?)
    }

    /// The issue or pull request whose id is in this field, which the caller may change.
    fn issue(&self, field: &str) -> Result<u64, Refused> {
        match self.to_change(field)? {
            Thing::Issue(id) => Ok(id),
            _ => Err(self.unfit(field)),
        }
    }

    /// The pull request whose id is in this field, which the caller may change.
    fn pull(&self, field: &str) -> Result<u64, Refused> {
        let id = self.issue(field)?;
        match self.call.state().issues[&id].pull.is_some() {
            true => Ok(id),
            false => Err(self.unfit(field)),
        }
    }

    /// The repository whose id is in this field.
    fn repository(&self, field: &str) -> Result<u64, Refused> {
        match self.call.node(self.input.demanded(field)?)? {
            Thing::Repository(id) => Ok(id),
            _ => Err(self.unfit(field)),
        }
    }

    /// Logins of those whose ids are in this field, if it is given.
    fn accounts(&self, field: &str) -> Result<Option<BTreeSet<String>>, Refused> {
        let Some(ids) = self.input.texts(field) else {
            return Ok(None);
        };
        let logins: Result<_, _> = ids
            .iter()
            .map(|id| match self.call.node(id)? {
                Thing::Account(login) => Ok(login),
                _ => Err(Refused::no_node(id)),
            })
            .collect();
        logins.map(Some)
    }

    /// Ids of labels of this repository, if the field is given.
    fn labels(&self, field: &str, of: u64) -> Result<Option<BTreeSet<u64>>, Refused> {
        let Some(ids) = self.input.texts(field) else {
            return Ok(None);
        };
        let labels: Result<_, _> = ids
            .iter()
            .map(|id| match self.call.node(id)? {
                Thing::Label(repository, label) if repository == of => Ok(label),
                _ => Err(Refused::no_node(id)),
            })
            .collect();
        labels.map(Some)
    }

    fn unfit(&self, field: &str) -> Refused {
        Refused::no_node(self.input.text(field).unwrap_or_default())
    }

    /// What it has no state for must not be given.
    fn refuse(&self, fields: &[&str]) -> Result<(), Refused> {
        let given = fields.iter().find(|field| {
            let value = &self.input.0[**field];
            !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty())
        });
        given.map_or(Ok(()), |field| {
            let name = self.name;
            let message = format!("`{field}` of `{name}` is not implemented by the stand-in");
            Err(Refused::new("NOT_IMPLEMENTED", message))
        })
    }

    fn changed(&self, thing: &Thing) {
        self.call.note_change(self.name, thing);
    }
}

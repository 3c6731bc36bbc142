//! Objects as the library asks for their fields.

use std::sync::Arc;

use apollo_compiler::resolvers::{FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use serde_json::Value;

use super::arguments::Arguments;
use super::call::Call;
use super::error::Refused;
use super::found::{Answered, Found, leaf};
use super::thing::Thing;
use super::{default, fields, mutations, pages};

/// An object of an answer.
pub(super) struct Object<'c, 's> {
    call: &'c Call<'s>,
    thing: Thing,
    kind: String,
    noted: usize,
}

impl<'c, 's> Object<'c, 's> {
    /// Gives an object, which is noted.
    pub(super) fn new(call: &'c Call<'s>, thing: Thing) -> Self {
        let kind = thing.kind(&call.state());
        let noted = call.note(&thing);
        if let Thing::Made(made) = &thing
            && let Some(id) = &made.id
        {
            call.change(|state| state.made.insert(id.clone(), Arc::clone(made)));
        }
        Self {
            call,
            thing,
            kind,
            noted,
        }
    }

    fn found(&self, info: &ResolveInfo<'_>) -> Result<Found, Refused> {
        let (call, name) = (self.call, info.field_name());
        let arguments = Arguments::of(info.arguments());
        let found = match (self.known(name, &arguments, info)?, &self.thing) {
            (Some(found), _) => found,
            (None, Thing::Mutation) => mutations::carry_out(call, name, &arguments)?,
            (None, thing) => default::of(call, thing, info),
        };
        match found {
            Found::Page(things, more) => {
                pages::connection(call, &self.thing, info, things, more).map(Found::One)
            }
            found => Ok(found),
        }
    }

    fn known(&self, name: &str, arguments: &Arguments, info: &ResolveInfo<'_>) -> Answered {
        let call = self.call;
        if name == "id"
            && let Some(id) = self.thing.id(&call.state())
        {
            return Ok(Some(leaf(id)));
        }
        match &self.thing {
            Thing::Query => fields::query(call, name, arguments, info),
            Thing::Made(made) => Ok(made.fields.get(name).cloned()),
            thing => fields::of(call, thing, name, arguments),
        }
    }

    fn give<'a>(&'a self, found: Found) -> Result<ResolvedValue<'a>, Refused> {
        Ok(match found {
            Found::Leaf(Value::Array(list)) if list.is_empty() => ResolvedValue::list(Vec::new()),
            Found::Leaf(Value::Array(list)) => {
                ResolvedValue::list(list.into_iter().map(scalar).collect::<Vec<_>>())
            }
            Found::Leaf(value) => scalar(value),
            Found::One(thing) => {
                let state = self.call.state();
                if !state.sees(self.call.who, &thing) {
                    return Ok(ResolvedValue::null());
                }
                state.may_read(self.call.who, &thing)?;
                drop(state);
                self.call.count()?;
                ResolvedValue::object(Object::new(self.call, thing))
            }
            Found::Many(list) => {
                let given: Result<Vec<_>, _> =
                    list.into_iter().map(|found| self.give(found)).collect();
                ResolvedValue::list(given?)
            }
            Found::Page(..) => ResolvedValue::null(),
        })
    }
}

impl ObjectValue for Object<'_, '_> {
    fn type_name(&self) -> &str {
        &self.kind
    }

    fn resolve_field<'a>(
        &'a self,
        info: &'a ResolveInfo<'a>,
    ) -> Result<ResolvedValue<'a>, FieldError> {
        self.call.note_field(self.noted, info.field_name());
        let found = self.found(info)?;
        Ok(self.give(found)?)
    }
}

fn scalar<'a>(value: Value) -> ResolvedValue<'a> {
    // From one library's JSON to the other's.
    ResolvedValue::Leaf(serde_json::from_value(value).unwrap())
}

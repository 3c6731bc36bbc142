//! One call: who makes it, the state that it works on, and what it touches.

use std::cell::{Cell, Ref, RefCell};
use std::collections::BTreeMap;

use serde_json::Value;

use super::super::identify::Who;
use super::super::state::State;
use super::cost::Cost;
use super::error::Refused;
use super::found::Found;
use super::home::Home;
use super::made::Made;
use super::schema::Known;
use super::thing::Thing;
use super::touched::{Changed, Read};

/// One call.
pub(super) struct Call<'s> {
    state: RefCell<&'s mut State>,
    pub(super) who: &'s Who,
    pub(super) known: &'static Known,
    pub(super) cost: Cost,
    read: RefCell<Vec<Read>>,
    places: RefCell<BTreeMap<Key, usize>>,
    changed: RefCell<Vec<Changed>>,
    errors: RefCell<Vec<Value>>,
    made: Cell<usize>,
    given: Cell<usize>,
}

/// What tells one noted object from another: its type, its id, its home.
type Key = (String, Option<String>, Home);

/// After so many objects that were made up, lists of them have one of each kind no more: what leads everywhere
/// at every step does not end.
const MANY: usize = 2_000;

/// Most objects in one answer.
const MOST: usize = 50_000;

impl<'s> Call<'s> {
    pub(super) fn new(
        state: &'s mut State,
        who: &'s Who,
        known: &'static Known,
        cost: Cost,
    ) -> Self {
        Self {
            state: RefCell::new(state),
            who,
            known,
            cost,
            read: RefCell::default(),
            places: RefCell::default(),
            changed: RefCell::default(),
            errors: RefCell::default(),
            made: Cell::new(0),
            given: Cell::new(0),
        }
    }

    pub(super) fn state(&self) -> Ref<'_, &'s mut State> {
        self.state.borrow()
    }

    pub(super) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.state.borrow_mut())
    }

    /// The login in whose name the call changes things.
    pub(super) fn login(&self) -> String {
        match self.who {
            Who::User(pat) => pat.login.clone(),
            Who::Installation(_, minted) => self
                .state()
                .installation(minted.installation)
                .map_or_else(String::new, |(app, _)| app.owner.clone()),
            Who::Anonymous | Who::App(_) => String::new(),
        }
    }

    /// The object with this id, if the caller may see it. Who asks for it has read it.
    pub(super) fn node(&self, id: &str) -> Result<Thing, Refused> {
        let found = {
            let state = self.state();
            let found = Thing::find(&state, id);
            found.filter(|thing| state.sees(self.who, thing))
        };
        let found = found.ok_or_else(|| Refused::no_node(id))?;
        self.note(&found);
        Ok(found)
    }

    /// The same, to change it.
    pub(super) fn node_to_change(&self, id: &str) -> Result<Thing, Refused> {
        let found = self.node(id)?;
        self.state().may_change(self.who, &found)?;
        Ok(found)
    }

    /// Notes that an object is given; the number is for [`Self::note_field`].
    pub(super) fn note(&self, thing: &Thing) -> usize {
        let state = self.state();
        let (kind, id, home) = (thing.kind(&state), thing.id(&state), thing.home(&state));
        let mut read = self.read.borrow_mut();
        let mut places = self.places.borrow_mut();
        let key = (kind.clone(), id.clone(), home.clone());
        *places.entry(key).or_insert_with(|| {
            read.push(Read {
                kind,
                id,
                home,
                fields: std::collections::BTreeSet::new(),
            });
            read.len() - 1
        })
    }

    pub(super) fn note_field(&self, number: usize, field: &str) {
        let fields = &mut self.read.borrow_mut()[number].fields;
        fields.insert(field.to_owned());
    }

    /// Notes that a mutation changes an object, or is about to delete it.
    pub(super) fn note_change(&self, by: &str, thing: &Thing) {
        let state = self.state();
        let change = Changed {
            by: by.to_owned(),
            kind: thing.kind(&state),
            id: thing.id(&state),
            home: thing.home(&state),
        };
        self.changed.borrow_mut().push(change);
    }

    /// Notes an error that leaves the field's other objects alone.
    pub(super) fn note_error(&self, refused: &Refused, path: Value) {
        self.errors.borrow_mut().push(refused.at(path));
    }

    /// Makes up an object of this type, which stands at `path` from another one.
    pub(super) fn make(
        &self,
        kind: &str,
        owner: &Thing,
        path: &str,
        fields: Vec<(&'static str, Found)>,
    ) -> Thing {
        self.made.set(self.made.get() + 1);
        Made::thing(self, kind, owner, path, fields)
    }

    /// Counts an object of the answer, which may be one too many.
    pub(super) fn count(&self) -> Result<(), Refused> {
        self.given.set(self.given.get() + 1);
        match self.given.get() > MOST {
            true => Err(Refused::new(
                "RESOURCE_LIMITS_EXCEEDED",
                "Resource limits for this query exceeded.",
            )),
            false => Ok(()),
        }
    }

    /// Whether so much was made up that it is enough.
    pub(super) fn has_made_many(&self) -> bool {
        self.made.get() > MANY
    }

    /// What was read, what was changed, and errors besides those of the library.
    pub(super) fn finish(self) -> (Vec<Read>, Vec<Changed>, Vec<Value>) {
        (
            self.read.into_inner(),
            self.changed.into_inner(),
            self.errors.into_inner(),
        )
    }
}

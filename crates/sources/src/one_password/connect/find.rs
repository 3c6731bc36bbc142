//! From a reference to the item it names, and what is kept in memory of the way.
//!
//! A name is looked up once. What it turned out to be is used until it is gone: the item deleted, moved
//! or renamed, or the vault out of the token's reach. Then the name is looked up again, once.

use std::sync::{MutexGuard, PoisonError};

use broker_protocol::source::FieldReference;
use broker_secret_memory::token::AccessToken;
use zeroize::Zeroizing;

use super::Connect;
use super::item::{Id, Item, Summary, Vault};
use super::wire::{Ask, json};
use crate::one_password::{OnePasswordError, Part};

/// A vault and an item as a reference calls them, in lower case.
pub(super) type Names = (Box<str>, Box<str>);

/// What names turned out to be.
#[derive(Clone)]
pub(super) struct Ids {
    pub(super) vault: Id,
    pub(super) item: Id,
}

/// An item as it arrived: it was asked for, and it is this one.
pub(super) struct Whole {
    pub(super) ids: Ids,
    body: Zeroizing<Vec<u8>>,
}

impl Whole {
    /// Its fields.
    pub(super) fn item(&self) -> Result<Item<'_>, OnePasswordError> {
        json(&self.body)
    }
}

impl Connect {
    /// The item that a reference names.
    pub(super) async fn item(
        &self,
        reference: &FieldReference,
        token: &AccessToken,
    ) -> Result<Whole, OnePasswordError> {
        use OnePasswordError::{Forbidden, Mismatch, NoSuch};
        let names = names(reference);
        let known = self.ids().get(&names).cloned();
        if let Some(ids) = known {
            match self.item_of(ids, reference, token).await {
                Err(NoSuch(_) | Forbidden | Mismatch(_)) => self.forget(reference),
                answer => return answer,
            }
        }
        let ids = self.look_up(reference, token).await?;
        let whole = self.item_of(ids, reference, token).await?;
        self.remember(reference, &whole.ids);
        Ok(whole)
    }

    /// Keeps what a reference turned out to name.
    pub(super) fn remember(&self, reference: &FieldReference, ids: &Ids) {
        if !reference.is_by_id() {
            self.ids().insert(names(reference), ids.clone());
        }
    }

    fn forget(&self, reference: &FieldReference) {
        self.ids().remove(&names(reference));
    }

    async fn look_up(
        &self,
        reference: &FieldReference,
        token: &AccessToken,
    ) -> Result<Ids, OnePasswordError> {
        let vault = self.vault(reference, token).await?;
        let item = match Id::of(&reference.item) {
            Some(id) => id,
            None => self.item_called(&reference.item, &vault, token).await?,
        };
        Ok(Ids { vault, item })
    }

    /// The id of the vault that a reference names.
    pub(super) async fn vault(
        &self,
        reference: &FieldReference,
        token: &AccessToken,
    ) -> Result<Id, OnePasswordError> {
        let name = &*reference.vault;
        if let Some(id) = Id::of(name) {
            return Ok(id);
        }
        let called = |vault: &Vault| vault.name.eq_ignore_ascii_case(name);
        for ask in listings(&["v1", "vaults"], "name", name) {
            let body = self.ask(ask, Some(token)).await?;
            let vaults: Vec<Vault> = json(&body)?;
            let ids = vaults.into_iter().filter(called).map(|vault| vault.id);
            if let Some(id) = only(ids, Part::Vault)? {
                return Ok(id);
            }
        }
        Err(OnePasswordError::NoSuch(Part::Vault))
    }

    async fn item_called(
        &self,
        title: &str,
        vault: &Id,
        token: &AccessToken,
    ) -> Result<Id, OnePasswordError> {
        let called = |item: &Summary| item.is_there() && item.title.eq_ignore_ascii_case(title);
        let path = ["v1", "vaults", vault.as_str(), "items"];
        for ask in listings(&path, "title", title) {
            let body = self.ask(ask, Some(token)).await?;
            let items: Vec<Summary> = json(&body)?;
            if items.iter().any(|item| item.vault.id != *vault) {
                return Err(another("an item of another vault"));
            }
            let ids = items.into_iter().filter(called).map(|item| item.id);
            if let Some(id) = only(ids, Part::Item)? {
                return Ok(id);
            }
        }
        Err(OnePasswordError::NoSuch(Part::Item))
    }

    async fn item_of(
        &self,
        ids: Ids,
        reference: &FieldReference,
        token: &AccessToken,
    ) -> Result<Whole, OnePasswordError> {
        let (vault, item) = (ids.vault.as_str(), ids.item.as_str());
        let path = ["v1", "vaults", vault, "items", item];
        let body = self.ask(Ask::get(&path), Some(token)).await?;
        let got: Summary = json(&body)?;
        if got.vault.id != ids.vault {
            return Err(another("an item of another vault"));
        }
        if got.id != ids.item {
            return Err(another("another item"));
        }
        if !got.is_there() {
            return Err(OnePasswordError::NoSuch(Part::Item));
        }
        let by_name = Id::of(&reference.item).is_none();
        if by_name && !got.title.eq_ignore_ascii_case(&reference.item) {
            return Err(another("an item of another name"));
        }
        Ok(Whole { ids, body })
    }

    /// A thread that panicked here can have left no more than one entry too few.
    fn ids(&self) -> MutexGuard<'_, std::collections::BTreeMap<Names, Ids>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn names(reference: &FieldReference) -> Names {
    let lower = |part: &str| part.to_ascii_lowercase().into_boxed_str();
    (lower(&reference.vault), lower(&reference.item))
}

/// First only what is called so; then all of them, for it is not described whether upper and lower case
/// are the same to a filter.
fn listings<'a>(path: &'a [&'a str], attribute: &str, name: &str) -> [Ask<'a>; 2] {
    [Ask::get(path).only(attribute, name), Ask::get(path)]
}

fn only(mut ids: impl Iterator<Item = Id>, part: Part) -> Result<Option<Id>, OnePasswordError> {
    match (ids.next(), ids.next()) {
        (id, None) => Ok(id),
        _ => Err(OnePasswordError::Several(part)),
    }
}

fn another(what: &str) -> OnePasswordError {
    OnePasswordError::Mismatch(what.into())
}

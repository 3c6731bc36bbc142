//! Who may do what, and which vaults and items there are.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::TOKEN;
use crate::github::{Clock, Faults, Journal};

/// What there is at the start.
#[derive(Debug, Clone)]
pub struct World {
    /// The tokens that are known.
    pub tokens: BTreeMap<String, Access>,
    /// The vaults.
    pub vaults: Vec<VaultOf>,
    /// Whether filters tell upper and lower case apart: it is not described.
    pub filters_mind_case: bool,
}

/// What a token may.
#[derive(Debug, Clone)]
pub struct Access {
    /// The names of the vaults; `None`: all.
    pub vaults: Option<Vec<String>>,
    /// Whether it may change items.
    pub writes: bool,
}

/// A vault.
#[derive(Debug, Clone)]
pub struct VaultOf {
    /// 26 letters and digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The items, whole, as Connect gives them.
    pub items: Vec<Value>,
}

impl Default for World {
    fn default() -> Self {
        let all = Access {
            vaults: None,
            writes: true,
        };
        Self {
            tokens: BTreeMap::from([(TOKEN.to_owned(), all)]),
            vaults: Vec::new(),
            filters_mind_case: true,
        }
    }
}

/// What there is now.
pub struct State {
    /// Tokens, vaults, items.
    pub world: World,
    /// What goes wrong.
    pub faults: Faults,
    /// What was asked.
    pub journal: Journal,
    /// Whether a call with a known token has come: until then there is no synchronisation.
    pub synchronised: bool,
    pub(super) clock: Clock,
    made: u64,
}

impl State {
    /// As it is at first.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self {
            world,
            faults: Faults::default(),
            journal: Journal::default(),
            synchronised: false,
            clock: Clock::default(),
            made: 0,
        }
    }

    /// An id that nothing had before, such as `connect00000000000000000017`.
    pub fn new_id(&mut self) -> String {
        self.made += 1;
        format!("connect{:019}", self.made)
    }

    /// Makes a vault; several may have one name.
    pub fn make_vault(&mut self, name: &str) -> String {
        let id = self.new_id();
        self.world.vaults.push(VaultOf {
            id: id.clone(),
            name: name.to_owned(),
            items: Vec::new(),
        });
        id
    }

    /// Makes an item with these fields and sections; several may have one title.
    pub fn make_item(
        &mut self,
        vault: &str,
        title: &str,
        fields: Value,
        sections: Value,
    ) -> String {
        let id = self.new_id();
        let (at, now) = (self.vault(vault).id.clone(), self.now());
        self.vault(vault).items.push(json!({
            "id": id, "title": title, "vault": {"id": at}, "category": "API_CREDENTIAL",
            "version": 1, "createdAt": now, "updatedAt": now, "lastEditedBy": id,
            "sections": sections, "fields": fields,
        }));
        id
    }

    /// The first vault of this name; it is made if there is none.
    pub fn vault(&mut self, name: &str) -> &mut VaultOf {
        if !self.world.vaults.iter().any(|vault| vault.name == name) {
            self.make_vault(name);
        }
        let mut vaults = self.world.vaults.iter_mut();
        vaults.find(|vault| vault.name == name).unwrap()
    }

    /// The first item of this title.
    pub fn item(&mut self, vault: &str, title: &str) -> Option<&mut Value> {
        let mut items = self.vault(vault).items.iter_mut();
        items.find(|item| item["title"] == title)
    }

    /// Puts a value into a field, as a user would.
    pub fn set(&mut self, vault: &str, title: &str, name: &str, value: &str) {
        if self.item(vault, title).is_none() {
            let notes = json!([{"id": "notesPlain", "type": "STRING", "purpose": "NOTES",
                                "label": "notesPlain"}]);
            self.make_item(vault, title, notes, json!([]));
        }
        let id = match name {
            "credential" => name.to_owned(),
            _ => self.new_id(),
        };
        let now = self.now();
        let item = self.item(vault, title).unwrap();
        match field(item, name) {
            Some(found) => found["value"] = json!(value),
            None => {
                let new = json!({"id": id, "type": "CONCEALED", "label": name, "value": value});
                item["fields"].as_array_mut().unwrap().push(new);
            }
        }
        changed(item, &now);
    }

    /// Deletes every item of this title.
    pub fn delete(&mut self, vault: &str, title: &str) {
        let items = &mut self.vault(vault).items;
        items.retain(|item| item["title"] != title);
    }

    /// As Connect writes times.
    pub(super) fn now(&self) -> String {
        self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// The first field of this label or id.
pub(super) fn field<'i>(item: &'i mut Value, name: &str) -> Option<&'i mut Value> {
    let mut fields = item["fields"].as_array_mut()?.iter_mut();
    fields.find(|field| field["label"] == name || field["id"] == name)
}

/// Notes that an item has changed.
pub(super) fn changed(item: &mut Value, now: &str) {
    item["version"] = json!(item["version"].as_u64().unwrap_or(0) + 1);
    item["updatedAt"] = json!(now);
}

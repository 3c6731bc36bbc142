//! What each call does, as Connect's description says it.

use serde_json::{Value, json};

use super::patch;
use super::respond::error;
use super::world::{Access, State, changed};
use crate::github::answer::Answer;
use crate::github::request::{Presented, Request};

impl State {
    pub(super) fn route(&mut self, request: &Request) -> Result<Answer, Answer> {
        let pieces = request.segments();
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        match (request.method.as_str(), &pieces[..]) {
            ("GET", ["heartbeat"]) => return Ok(Answer::text(200, ".")),
            ("GET", ["health"]) => return Ok(self.health()),
            _ => {}
        }
        let access = self.access(request)?;
        self.synchronised = true;
        match (request.method.as_str(), &pieces[..]) {
            ("GET", ["v1", "vaults"]) => self.vaults(request, &access),
            ("GET", ["v1", "vaults", vault, "items"]) => self.items(request, vault, &access),
            ("POST", ["v1", "vaults", vault, "items"]) => self.make(request, vault, &access),
            ("GET", ["v1", "vaults", vault, "items", item]) => {
                let (vault, item) = self.find(vault, item, &access)?;
                Ok(Answer::json(
                    200,
                    self.world.vaults[vault].items[item].clone(),
                ))
            }
            ("PATCH", ["v1", "vaults", vault, "items", item]) => {
                let (vault, item) = self.find(vault, item, &access)?;
                may_write(&access)?;
                self.patch(request, vault, item)
            }
            _ => Err(error(404, "Page not found")),
        }
    }

    fn access(&self, request: &Request) -> Result<Access, Answer> {
        let known = match request.presented() {
            Presented::Token(token) => self.world.tokens.get(&token),
            Presented::Nothing | Presented::Unreadable => None,
        };
        known
            .cloned()
            .ok_or_else(|| error(401, "Invalid token signature"))
    }

    fn health(&self) -> Answer {
        let sync = if self.synchronised {
            "ACTIVE"
        } else {
            "TOKEN_NEEDED"
        };
        let dependencies = json!([
            {"service": "sync", "status": sync},
            {"service": "sqlite", "status": "ACTIVE", "message": "Connected to ./1password.sqlite"},
        ]);
        let (name, version) = ("1Password Connect API", "1.8.1");
        let health = json!({"name": name, "version": version, "dependencies": dependencies});
        Answer::json(200, health)
    }

    fn vaults(&self, request: &Request, access: &Access) -> Result<Answer, Answer> {
        // Described is `name`; 1Password's own programs send `title`.
        let wanted = self.filter(request, &["name", "title"])?;
        let seen = self
            .world
            .vaults
            .iter()
            .enumerate()
            .filter(|(_, vault)| in_scope(access, &vault.name) && wanted(&vault.name));
        let shown: Vec<Value> = seen.map(|(at, _)| self.shown(at)).collect();
        Ok(Answer::json(200, json!(shown)))
    }

    fn shown(&self, at: usize) -> Value {
        let vault = &self.world.vaults[at];
        json!({
            "id": vault.id, "name": vault.name, "attributeVersion": 1, "contentVersion": 1,
            "items": vault.items.len(), "type": "USER_CREATED",
            "createdAt": self.now(), "updatedAt": self.now(),
        })
    }

    fn items(&self, request: &Request, vault: &str, access: &Access) -> Result<Answer, Answer> {
        let at = self.within(vault, access)?;
        let wanted = self.filter(request, &["title"])?;
        let items = self.world.vaults[at].items.iter();
        let called = items.filter(|item| wanted(item["title"].as_str().unwrap_or_default()));
        let summaries = called.cloned().map(|mut item| {
            let whole = item.as_object_mut().unwrap();
            for more in ["fields", "sections", "files"] {
                whole.remove(more);
            }
            item
        });
        Ok(Answer::json(200, json!(summaries.collect::<Vec<_>>())))
    }

    /// `attribute eq "value"`, the value as in JSON.
    fn filter(
        &self,
        request: &Request,
        attributes: &[&str],
    ) -> Result<impl Fn(&str) -> bool + use<>, Answer> {
        let wanted: Option<String> = match request.query_value("filter") {
            None => None,
            Some(filter) => {
                let value = attributes
                    .iter()
                    .find_map(|attribute| filter.strip_prefix(attribute)?.strip_prefix(" eq "));
                let value = value.and_then(|value| serde_json::from_str(value).ok());
                Some(value.ok_or_else(|| error(400, "Invalid filter"))?)
            }
        };
        let minds_case = self.world.filters_mind_case;
        Ok(move |name: &str| match (&wanted, minds_case) {
            (None, _) => true,
            (Some(wanted), true) => wanted == name,
            (Some(wanted), false) => wanted.eq_ignore_ascii_case(name),
        })
    }

    fn within(&self, vault: &str, access: &Access) -> Result<usize, Answer> {
        let at = self.world.vaults.iter().position(|one| one.id == vault);
        let at = at.ok_or_else(|| error(404, &format!("vault {vault} not found")))?;
        match in_scope(access, &self.world.vaults[at].name) {
            true => Ok(at),
            false => Err(error(403, &format!("vault {vault} is not in scope"))),
        }
    }

    fn find(&self, vault: &str, item: &str, access: &Access) -> Result<(usize, usize), Answer> {
        let at = self.within(vault, access)?;
        let items = &self.world.vaults[at].items;
        let found = items.iter().position(|one| one["id"] == item);
        let found = found.ok_or_else(|| error(404, &format!("item {item} not found")))?;
        Ok((at, found))
    }

    fn make(&mut self, request: &Request, vault: &str, access: &Access) -> Result<Answer, Answer> {
        let at = self.within(vault, access)?;
        may_write(access)?;
        let mut item = request
            .json()
            .map_err(|_cause| error(400, "Invalid JSON"))?;
        if item["vault"]["id"] != vault {
            return Err(error(400, "The item's vault is another"));
        }
        if !item["category"].is_string() {
            return Err(error(400, "Invalid item category"));
        }
        let sections = item["sections"].as_array().cloned().unwrap_or_default();
        for field in item["fields"].as_array_mut().into_iter().flatten() {
            let section = &field["section"]["id"];
            if !section.is_null() && !sections.iter().any(|one| one["id"] == *section) {
                return Err(error(400, "The field's section is not there"));
            }
            if !field["id"].is_string() {
                field["id"] = json!(self.new_id());
            }
        }
        item["id"] = json!(self.new_id());
        item["createdAt"] = json!(self.now());
        item["version"] = json!(0);
        changed(&mut item, &self.now());
        self.world.vaults[at].items.push(item.clone());
        Ok(Answer::json(200, item))
    }

    fn patch(&mut self, request: &Request, vault: usize, item: usize) -> Result<Answer, Answer> {
        let operations: Vec<Value> = serde_json::from_slice(&request.body)
            .map_err(|_cause| error(400, "Invalid patch: not a list of operations"))?;
        let mut changing = self.world.vaults[vault].items[item].clone();
        for operation in &operations {
            let id = self.new_id();
            patch::apply(&mut changing, operation, id)
                .map_err(|reason| error(400, &format!("Invalid patch: {reason}")))?;
        }
        changed(&mut changing, &self.now());
        self.world.vaults[vault].items[item] = changing.clone();
        Ok(Answer::json(200, changing))
    }
}

fn in_scope(access: &Access, vault: &str) -> bool {
    let named = access.vaults.as_ref();
    named.is_none_or(|names| names.iter().any(|name| name == vault))
}

/// The words of a real server: 1Password/terraform-provider-onepassword#24.
fn may_write(access: &Access) -> Result<(), Answer> {
    match access.writes {
        true => Ok(()),
        false => Err(error(
            401,
            "Unauthorized Request, token does not have write access to the Vault",
        )),
    }
}

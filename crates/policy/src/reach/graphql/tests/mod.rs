//! Documents that stay within a lease, and those that try to get out.

mod forms;
mod ids;
mod mutations;
mod queries;
mod values;

use broker_protocol::names::{OrgName, Permissions, RepoPattern};
use serde_json::{Value, json};

use super::{Allowed, Asked, NotRead, Refused};
use crate::reach::Scope;

/// What a lease holds.
struct Lease {
    repositories: Vec<RepoPattern>,
    organization: Option<OrgName>,
    permissions: Permissions,
}

impl Lease {
    /// Such as `("acme/site", "issues=read contents=read")`.
    fn on(repositories: &str, permissions: &str) -> Self {
        let repositories = repositories.split_whitespace();
        let pairs = permissions.split_whitespace();
        let pairs = pairs.filter_map(|pair| pair.split_once('='));
        Self {
            repositories: repositories.map(|one| one.parse().unwrap()).collect(),
            organization: None,
            permissions: pairs
                .map(|(name, level)| (name.parse().unwrap(), level.parse().unwrap()))
                .collect(),
        }
    }

    fn and_organization(self, name: &str) -> Self {
        Self {
            organization: Some(name.parse().unwrap()),
            ..self
        }
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            repositories: &self.repositories,
            organization: self.organization.as_ref(),
            permissions: &self.permissions,
            paths: &[],
        }
    }

    fn asks(&self, query: &str, variables: Value) -> Result<Allowed, Refused> {
        let body = json!({ "query": query, "variables": variables });
        let asked = read(&body).unwrap_or_else(|error| panic!("{query}: {error}"));
        asked.allow(&self.scope())
    }

    /// What goes on of a document without variables.
    fn sends(&self, query: &str) -> String {
        let allowed = self.asks(query, json!({}));
        let allowed = allowed.unwrap_or_else(|error| panic!("{query}: {error}"));
        sent(&allowed)["query"].as_str().unwrap().to_owned()
    }

    /// Why a document without variables is refused.
    fn refuses(&self, query: &str) -> String {
        self.refuses_with(query, json!({}))
    }

    fn refuses_with(&self, query: &str, variables: Value) -> String {
        match self.asks(query, variables) {
            Ok(allowed) => panic!("{query} goes on as {}", sent(&allowed)),
            Err(refused) => refused.to_string(),
        }
    }
}

fn read(body: &Value) -> Result<Asked, NotRead> {
    Asked::read(body.to_string().as_bytes())
}

fn sent(allowed: &Allowed) -> Value {
    serde_json::from_slice(&allowed.body).unwrap()
}

/// `{ repository(owner: "acme", name: "site") { … } }`
fn of_site(selection: &str) -> String {
    format!(r#"{{ repository(owner: "acme", name: "site") {{ {selection} }} }}"#)
}

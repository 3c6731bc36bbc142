//! What the author of a purpose should know who lists an operation in `paths`.

use broker_protocol::names::{Permissions, RepoPattern};

use super::Operation;
use super::need::missing;
use super::said::Needed;
use super::table::{OPERATIONS, Parameter};
use crate::request::Terms;

impl Operation {
    /// What is odd about listing it, if anything: it reaches further than its path says, no lease of the
    /// purpose may use it even so, or each may without it. `terms` are the purpose's and its rules'.
    pub(crate) fn odd_in_paths(self, terms: &[&Terms]) -> Option<String> {
        let (_, said) = OPERATIONS.all().find(|(one, _)| *one == self)?;
        let needed = said.needed();
        let about = match &needed {
            Ok(needed) => (needed.on_repositories, needed.on_organization),
            Err(_) => (self.names_repository(), self.has("org")),
        };
        let unheld = |terms: &&Terms| self.unheld(about, terms);
        let all_unheld: Option<Vec<_>> = terms.iter().map(unheld).collect();
        if let Some(unheld) = all_unheld.and_then(|all| all.into_iter().next()) {
            return Some(format!(
                "`{self}` is about {unheld}: no lease of it may use this operation"
            ));
        }
        let held = if self.names_repository() || self.has("org") {
            "where its path stays within the lease"
        } else {
            "and nothing in its path is held to the lease"
        };
        match needed {
            Err(why) => Some(format!(
                "`{self}` {why}: with this line it is allowed, {held}"
            )),
            // Without the line, `compare/main...other:main` is refused.
            Ok(_) if self.has("basehead") => Some(format!(
                "`{self}` may compare with another owner's repository: with this line that is allowed"
            )),
            Ok(needed) => {
                let gives = |terms: &&Terms| gives(&needed, &terms.permissions);
                let needless = terms.iter().all(gives);
                needless.then(|| {
                    format!(
                        "`{self}` is allowed by the permissions already: remove it from `paths`"
                    )
                })
            }
        }
    }

    /// What it is about that these terms do not name, whatever its path will be.
    fn unheld(
        self,
        (on_repositories, on_organization): (bool, bool),
        terms: &Terms,
    ) -> Option<&'static str> {
        let all_of_owner = |pattern: &RepoPattern| pattern.name().is_none();
        if on_organization && terms.organization.is_none() {
            Some("an organisation, and the purpose names no `organization`")
        } else if !on_repositories {
            None
        } else if terms.repositories.is_empty() {
            Some("repositories, and the purpose names none")
        } else if !self.names_repository() && !terms.repositories.iter().any(all_of_owner) {
            Some("all repositories of an owner, and the purpose names no `owner/*`")
        } else {
            None
        }
    }

    fn names_repository(self) -> bool {
        self.has("repo") || self.has("template_repo")
    }

    /// Whether its path has this parameter.
    fn has(self, parameter: &str) -> bool {
        let mut segments = self.template.split('/');
        segments.any(|segment| Parameter::parse(segment).is_some_and(|one| one.name == parameter))
    }
}

fn gives(needed: &Needed, permissions: &Permissions) -> bool {
    missing(&needed.any, permissions, "").is_none()
}

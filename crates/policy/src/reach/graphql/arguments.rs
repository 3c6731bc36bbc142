//! What arguments name, held to the lease: where a query starts, and everything that a mutation is about.

use broker_protocol::names::{OrgName, RepoPattern};

use super::list::{self, Holds};
use super::syntax::{Field, MOST_VALUES, Value};
use super::walk::{WHOSE, Walk, is_named};
use super::{Limit, Refused};
use crate::parts::{organization_beyond, repository_beyond};

/// Ours. GitHub takes 100 to a field.
const MOST_IDS: usize = 500;

impl<'a> Walk<'a, '_> {
    /// Where a query starts at a repository: whose it is.
    pub(super) fn repository(&mut self, field: &'a Field) -> Result<String, Refused> {
        let (owner, name) = (self.text(field, "owner")?, self.text(field, "name")?);
        let full_name = format!("{owner}/{name}");
        self.hold_repository("Query.repository", &full_name)?;
        Ok(owner.to_owned())
    }

    /// Where a query starts at an organisation: its name.
    pub(super) fn organization(&mut self, field: &'a Field) -> Result<String, Refused> {
        let login = self.text(field, "login")?;
        let parsed = login.parse::<OrgName>();
        let parsed = parsed.map_err(|_not_a_name| Refused::Value("Query.organization".into()))?;
        let named = self.scope.organization;
        let is_all_of =
            |pattern: &RepoPattern| pattern.name().is_none() && is_named(&parsed, pattern.owner());
        if !self.scope.repositories.iter().any(is_all_of)
            && let Some(what) = organization_beyond(&parsed, named, WHOSE)
        {
            let field = "Query.organization".to_owned();
            return Err(Refused::Beyond { field, what });
        }
        self.holding.touches.insert(parsed.as_str().to_owned());
        Ok(login.to_owned())
    }

    /// The text of an argument, from the document or from a variable of that type.
    fn text(&self, field: &'a Field, argument: &str) -> Result<&'a str, Refused> {
        let unsaid = || Refused::Value(format!("Query.{}({argument}:)", field.name));
        let mut arguments = field.arguments.iter();
        let found = arguments.find(|(name, _)| name == argument);
        let (_, value) = found.ok_or_else(unsaid)?;
        let value = if let Value::Variable(name) = value {
            let [sent, default] = self.variable(name, "String")?;
            sent.or(default)
        } else {
            Some(value)
        };
        match value {
            Some(Value::String(text)) => Ok(text),
            _ => Err(unsaid()),
        }
    }

    /// The values that a variable may have where a value of this type is due: what was sent, or else its default.
    /// Where null was sent, both.
    fn variable(&self, name: &str, named: &str) -> Result<[Option<&'a Value>; 2], Refused> {
        let defined = self.defined.get(name);
        let defined = defined.filter(|defined| defined.named == named);
        let defined = defined.ok_or_else(|| Refused::Variable(name.to_owned()))?;
        let sent = self.variables.get(name);
        let counts = sent.is_none_or(|sent| *sent == Value::Null);
        Ok([sent, defined.default.as_ref().filter(|_| counts)])
    }

    /// Holds a field's arguments to the lease, and writes them down.
    pub(super) fn arguments(
        &mut self,
        field: &'a Field,
        (name, known): (&str, &'static list::Field),
    ) -> Result<(), Refused> {
        // By default GitHub follows a repository's old name to wherever it went.
        let follows = name == "Query.repository";
        if field.arguments.is_empty() {
            return Ok(());
        }
        self.out.push('(');
        for (argument, value) in &field.arguments {
            let mut arguments = known.arguments.iter();
            let listed = arguments.find(|listed| listed.name == *argument);
            let listed =
                listed.ok_or_else(|| Refused::NotListed(format!("{name}({argument}:)")))?;
            self.hold(value, name, listed)?;
            if follows && argument == FOLLOWS {
                continue;
            }
            self.out.extend([argument, ":"]);
            self.value(value);
            self.out.push(' ');
        }
        if follows {
            self.out.extend([FOLLOWS, ":false"]);
        }
        self.out.push(')');
        Ok(())
    }

    /// Holds what a value names to the lease.
    fn hold(
        &mut self,
        value: &'a Value,
        field: &str,
        listed: &'static list::Argument,
    ) -> Result<(), Refused> {
        self.spent.values += 1;
        if self.spent.values > MOST_VALUES {
            return Err(Limit::Values(MOST_VALUES).into());
        }
        let wrong = || Refused::Value(format!("{field}({}:)", listed.name));
        match value {
            Value::Variable(name) => {
                let values = self.variable(name, &listed.named)?;
                if self.held.insert((name, &listed.named, listed.holds)) {
                    let mut values = values.into_iter().flatten();
                    values.try_for_each(|value| self.hold(value, field, listed))?;
                }
                Ok(())
            }
            Value::Null => Ok(()),
            Value::List(values) => {
                let mut values = values.iter();
                values.try_for_each(|value| self.hold(value, field, listed))
            }
            Value::Object(fields) => {
                let input = self.list.find(&listed.named).ok_or_else(wrong)?;
                for (name, value) in fields {
                    let known = input
                        .input(name)
                        .ok_or_else(|| Refused::NotListed(format!("{}.{name}", listed.named)))?;
                    self.hold(value, field, known)?;
                }
                Ok(())
            }
            _ if self.list.find(&listed.named).is_some() => Err(wrong()),
            Value::String(text) => match listed.holds {
                Holds::Nothing => Ok(()),
                Holds::Id => self.hold_id(text, field),
                Holds::Title if may_be_address(text) => Err(Refused::Title(field.to_owned())),
                Holds::Title => Ok(()),
                Holds::Repository => {
                    let repository = self.hold_repository(field, text)?;
                    self.holding.named.repositories.insert(repository);
                    self.refuse_too_many()
                }
                Holds::Head => match text.split_once(':') {
                    // Its repository may have any name.
                    Some((owner, _)) => {
                        self.hold_repository(field, &format!("{owner}/*")).map(drop)
                    }
                    None => Ok(()),
                },
            },
            // GitHub takes a number for an id.
            Value::Number(text) if listed.holds == Holds::Id => self.hold_id(text, field),
            Value::Number(_) | Value::Boolean(_) | Value::Enum(_) => match listed.holds {
                Holds::Nothing => Ok(()),
                Holds::Id | Holds::Repository | Holds::Head | Holds::Title => Err(wrong()),
            },
        }
    }

    fn hold_id(&mut self, id: &str, field: &str) -> Result<(), Refused> {
        let ids = &mut self.holding.named.ids;
        if !ids.contains_key(id) {
            ids.insert(id.to_owned(), field.to_owned());
        }
        self.refuse_too_many()
    }

    fn refuse_too_many(&self) -> Result<(), Refused> {
        let named = &self.holding.named;
        match named.ids.len() + named.repositories.len() {
            ..=MOST_IDS => Ok(()),
            _ => Err(Limit::Ids(MOST_IDS).into()),
        }
    }

    fn hold_repository(&mut self, field: &str, name: &str) -> Result<RepoPattern, Refused> {
        let parsed = name.parse::<RepoPattern>();
        let parsed = parsed.map_err(|_not_a_name| Refused::Value(field.to_owned()))?;
        let asked = std::slice::from_ref(&parsed);
        if let Some(what) = repository_beyond(asked, self.scope.repositories, WHOSE) {
            let field = field.to_owned();
            return Err(Refused::Beyond { field, what });
        }
        self.holding.touches.insert(parsed.as_str().to_owned());
        Ok(parsed)
    }
}

/// Whether GitHub might take a draft's title for the address of an issue. One with a slash and no space may be.
///
/// Source: GitHub's GraphQL schema, `AddProjectV2DraftIssueInput.title`.
fn may_be_address(title: &str) -> bool {
    let title = title.trim();
    title.contains("://") || (title.contains('/') && !title.contains(char::is_whitespace))
}

const FOLLOWS: &str = "followRenames";

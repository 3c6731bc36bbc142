//! Projects of an account: their fields, their items, and what the items have in the fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::objects::node;
use super::state::State;

/// A project.
#[derive(Debug, Clone)]
pub struct Project {
    pub(crate) id: u64,
    /// The login of its owner.
    pub owner: String,
    /// Its number among those of its owner.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// What it is about.
    pub description: Option<String>,
    /// A longer text.
    pub readme: Option<String>,
    /// Whether all may see it.
    pub public: bool,
    /// Whether it is closed.
    pub closed: bool,
    pub(crate) by: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) items: Vec<Item>,
    pub(crate) repositories: BTreeSet<u64>,
}

/// A field of a project.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// `TEXT`, `NUMBER`, `DATE`, `SINGLE_SELECT`, `ITERATION`, and the kinds that every project has.
    pub(crate) kind: String,
    pub(crate) options: Vec<Choice>,
}

/// One of the values that a field may have.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) color: String,
    pub(crate) description: String,
}

/// An item of a project.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) id: u64,
    pub(crate) content: Content,
    pub(crate) by: String,
    pub(crate) archived: bool,
    /// By the field's id, as `ProjectV2FieldValue` has it: `{"text": "…"}`.
    pub(crate) values: BTreeMap<u64, Value>,
}

/// What an item is about.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// An issue or a pull request.
    Issue(u64),
    /// A draft.
    Draft { title: String, body: String },
}

/// Fields that every project has at the start.
const FIELDS: &[(&str, &str)] = &[
    ("Title", "TITLE"),
    ("Assignees", "ASSIGNEES"),
    ("Status", "SINGLE_SELECT"),
    ("Labels", "LABELS"),
    ("Milestone", "MILESTONE"),
    ("Repository", "REPOSITORY"),
];

impl Project {
    pub(crate) fn field(&self, id: u64) -> Option<&Field> {
        self.fields.iter().find(|field| field.id == id)
    }

    pub(crate) fn item(&self, id: u64) -> Option<&Item> {
        self.items.iter().find(|item| item.id == id)
    }
}

impl Field {
    /// Whether what an item has in it is what its issue has.
    pub(crate) fn is_of_content(&self) -> bool {
        FIELDS
            .iter()
            .any(|(_, kind)| *kind == self.kind && self.kind != "SINGLE_SELECT")
    }
}

impl Project {
    /// Its id in GraphQL.
    #[must_use]
    pub fn node_id(&self) -> String {
        node("PVT", self.id)
    }
}

impl Item {
    /// The issue or pull request that it is about.
    pub(crate) fn issue(&self) -> Option<u64> {
        match self.content {
            Content::Issue(id) => Some(id),
            Content::Draft { .. } => None,
        }
    }
}

impl State {
    /// A project of an account, without items; its number.
    pub fn add_project(&mut self, owner: &str, title: &str) -> u64 {
        self.account(owner, None);
        let id = self.make_project(owner, title, owner);
        self.projects[&id].number
    }

    /// `owner/name#1` is an item of the project; the item's id in GraphQL.
    ///
    /// # Panics
    ///
    /// If there is no such project or issue.
    pub fn add_project_item(&mut self, owner: &str, number: u64, place: &str) -> String {
        let (project, issue) = (self.project_id(owner, number), self.issue_id(place));
        let item = self.make_item(project, Content::Issue(issue), owner);
        node("PVTI", item)
    }

    /// The repository shows the project.
    ///
    /// # Panics
    ///
    /// If there is no such project or repository.
    pub fn link_project(&mut self, owner: &str, number: u64, full_name: &str) {
        let (project, repository) = (
            self.project_id(owner, number),
            self.repository_id(full_name),
        );
        self.project_mut(project).repositories.insert(repository);
    }

    /// A project.
    ///
    /// # Panics
    ///
    /// If there is none of that number.
    #[must_use]
    pub fn project(&self, owner: &str, number: u64) -> &Project {
        &self.projects[&self.project_id(owner, number)]
    }

    /// What the items of a project are about: `owner/name#1`, or a draft's title.
    ///
    /// # Panics
    ///
    /// If there is no such project.
    #[must_use]
    pub fn project_items(&self, owner: &str, number: u64) -> Vec<String> {
        let items = self.project(owner, number).items.iter();
        items
            .map(|item| match &item.content {
                Content::Draft { title, .. } => title.clone(),
                Content::Issue(id) => {
                    let issue = &self.issues[id];
                    let full_name = self.repositories[&issue.repository].full_name();
                    format!("{full_name}#{}", issue.number)
                }
            })
            .collect()
    }

    /// Names of the repositories that show a project.
    ///
    /// # Panics
    ///
    /// If there is no such project.
    #[must_use]
    pub fn project_repositories(&self, owner: &str, number: u64) -> Vec<String> {
        let linked = self.project(owner, number).repositories.iter();
        linked.map(|id| self.repositories[id].full_name()).collect()
    }

    /// What each item of a project has in a field, as the mutation said it: `{"text": "…"}`.
    ///
    /// # Panics
    ///
    /// If there is no such project or field.
    #[must_use]
    pub fn project_values(&self, owner: &str, number: u64, field: &str) -> Vec<Value> {
        let project = self.project(owner, number);
        let mut fields = project.fields.iter();
        let field = fields.find(|one| one.name == field).expect("a field").id;
        let items = project.items.iter();
        items
            .map(|item| item.values.get(&field).cloned().unwrap_or_default())
            .collect()
    }

    pub(crate) fn project_id(&self, owner: &str, number: u64) -> u64 {
        let mut all = self.projects_of(owner);
        let found = all.find(|project| project.number == number);
        found.expect("a project").id
    }

    pub(crate) fn projects_of(&self, owner: &str) -> impl Iterator<Item = &Project> {
        let all = self.projects.values();
        all.filter(move |project| project.owner.eq_ignore_ascii_case(owner))
    }

    pub(crate) fn project_mut(&mut self, id: u64) -> &mut Project {
        self.projects.get_mut(&id).expect("a project")
    }

    /// Makes a project; its id.
    pub(crate) fn make_project(&mut self, owner: &str, title: &str, by: &str) -> u64 {
        let id = self.next_id();
        let last = self.projects_of(owner).map(|project| project.number).max();
        let owner = self.account_named(owner).expect("an account").login.clone();
        let project = Project {
            id,
            owner,
            number: last.unwrap_or_default() + 1,
            title: title.to_owned(),
            description: None,
            readme: None,
            public: false,
            closed: false,
            by: by.to_owned(),
            fields: Vec::new(),
            items: Vec::new(),
            repositories: BTreeSet::new(),
        };
        self.projects.insert(id, project);
        for (name, kind) in FIELDS {
            let choices = match *kind {
                "SINGLE_SELECT" => &["Todo", "In Progress", "Done"][..],
                _ => &[],
            };
            let choices = choices.iter().map(|name| (*name, "GRAY", ""));
            self.make_field(id, (name, kind), choices);
        }
        id
    }

    /// Gives a project a field, whose choices are names with colours and descriptions; its id.
    pub(crate) fn make_field<'a>(
        &mut self,
        project: u64,
        (name, kind): (&str, &str),
        choices: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
    ) -> u64 {
        let id = self.next_id();
        let options = choices.map(|choice| self.choice(choice)).collect();
        let field = Field {
            id,
            name: name.to_owned(),
            kind: kind.to_owned(),
            options,
        };
        self.project_mut(project).fields.push(field);
        id
    }

    pub(crate) fn choice(&mut self, (name, color, description): (&str, &str, &str)) -> Choice {
        Choice {
            id: format!("{:08x}", self.next_id()),
            name: name.to_owned(),
            color: color.to_owned(),
            description: description.to_owned(),
        }
    }

    /// Gives a project an item, or finds the one that it has of the same issue; its id.
    pub(crate) fn make_item(&mut self, project: u64, content: Content, by: &str) -> u64 {
        let id = self.next_id();
        let by = by.to_owned();
        let project = self.project_mut(project);
        let there = project.items.iter().find(|item| {
            matches!((&item.content, &content), (Content::Issue(known), Content::Issue(new)) if known == new)
        });
        if let Some(item) = there {
            return item.id;
        }
        project.items.push(Item {
            id,
            content,
            by,
            archived: false,
            values: BTreeMap::new(),
        });
        id
    }
}

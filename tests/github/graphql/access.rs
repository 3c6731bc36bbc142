//! Who may see and change what: the rules of the REST routes, asked of an object.

use super::super::answer::{Answer, Body};
use super::super::identify::Who;
use super::super::permission::{Level, allows};
use super::super::routes::Needs;
use super::super::state::State;
use super::super::world::PatKind;
use super::error::Refused;
use super::home::Place;
use super::thing::Thing;

const METADATA: Needs = Needs(&[("metadata", Level::Read)]);
const ADMINISTRATION: Needs = Needs(&[("administration", Level::Write)]);
const ISSUES: [Needs; 2] = [
    Needs(&[("issues", Level::Read)]),
    Needs(&[("issues", Level::Write)]),
];
const PULLS: [Needs; 2] = [
    Needs(&[("pull_requests", Level::Read)]),
    Needs(&[("pull_requests", Level::Write)]),
];
const EITHER: [Needs; 2] = [
    Needs(&[("issues", Level::Read), ("pull_requests", Level::Read)]),
    Needs(&[("issues", Level::Write), ("pull_requests", Level::Write)]),
];
const CONTENTS: [Needs; 2] = [
    Needs(&[("contents", Level::Read)]),
    Needs(&[("contents", Level::Write)]),
];

/// What a caller wants to make in a repository.
#[derive(Clone, Copy)]
pub(super) enum Make {
    Issue,
    Pull,
    Label,
    Content,
}

impl State {
    /// Whether the object is there for this caller.
    pub(super) fn sees(&self, who: &Who, thing: &Thing) -> bool {
        match thing.place(self) {
            Place::Nowhere | Place::Account(_) => true,
            Place::Repository(id) => self
                .repositories
                .get(&id)
                .is_some_and(|one| self.may_work_on(who, one, METADATA).is_ok()),
            Place::Project(id) => self
                .projects
                .get(&id)
                .is_some_and(|project| project.public || self.belongs_to(who, &project.owner)),
        }
    }

    /// Whether the caller may read the object, which it sees.
    pub(super) fn may_read(&self, who: &Who, thing: &Thing) -> Result<(), Refused> {
        self.may(who, thing, Level::Read)
    }

    /// Whether the caller may change the object, which it sees.
    pub(super) fn may_change(&self, who: &Who, thing: &Thing) -> Result<(), Refused> {
        self.may(who, thing, Level::Write)
    }

    /// Whether the caller may make this in a repository, which it sees.
    pub(super) fn may_make(&self, who: &Who, repository: u64, what: Make) -> Result<(), Refused> {
        let [_, needs] = match what {
            Make::Issue => ISSUES,
            Make::Pull => PULLS,
            Make::Label => EITHER,
            Make::Content => CONTENTS,
        };
        self.may_in(who, repository, needs)
    }

    /// Whether the caller may have projects of this account made and changed.
    pub(super) fn may_plan(&self, who: &Who, owner: &str, level: Level) -> Result<(), Refused> {
        let forbidden = |text| Err(Refused::new("FORBIDDEN", text));
        let held = match who {
            Who::Anonymous | Who::App(_) => return forbidden("Resource not accessible"),
            _ if !self.belongs_to(who, owner) => return forbidden("Resource not accessible"),
            Who::Installation(_, minted) => &minted.permissions,
            Who::User(pat) => match &pat.kind {
                PatKind::Classic { .. } => return Ok(()),
                PatKind::FineGrained { permissions, .. } => permissions,
            },
        };
        match (allows(held, "organization_projects", level), who) {
            (true, _) => Ok(()),
            (false, Who::User(_)) => forbidden("Resource not accessible by personal access token"),
            (false, _) => forbidden("Resource not accessible by integration"),
        }
    }

    fn may(&self, who: &Who, thing: &Thing, level: Level) -> Result<(), Refused> {
        let at = usize::from(level > Level::Read);
        let of_issue = |id: &u64| match self.issues.get(id).map(|issue| issue.pull.is_some()) {
            Some(true) => PULLS[at],
            _ => ISSUES[at],
        };
        let needs = match thing {
            Thing::Issue(id) => of_issue(id),
            Thing::Comment(id) => of_issue(&self.comments[id].issue),
            Thing::Review(_) => PULLS[at],
            Thing::Label(..) | Thing::Milestone(..) => EITHER[at],
            Thing::Release(..)
            | Thing::Asset(..)
            | Thing::Commit(..)
            | Thing::Tree(..)
            | Thing::Blob(..) => CONTENTS[at],
            Thing::Ref(..) if level > Level::Read => CONTENTS[at],
            _ if level > Level::Read => ADMINISTRATION,
            _ => METADATA,
        };
        match thing.place(self) {
            Place::Nowhere | Place::Account(_) => Ok(()),
            Place::Repository(id) => self.may_in(who, id, needs),
            Place::Project(id) => {
                let project = &self.projects[&id];
                match project.public && level == Level::Read {
                    true => Ok(()),
                    false => self.may_plan(who, &project.owner, level),
                }
            }
        }
    }

    fn may_in(&self, who: &Who, repository: u64, needs: Needs) -> Result<(), Refused> {
        let repository = &self.repositories[&repository];
        self.may_work_on(who, repository, needs)
            .map_err(|answer| Refused::new("FORBIDDEN", message(&answer)))
    }

    /// Whether the caller is of this account, or the account has its App.
    fn belongs_to(&self, who: &Who, owner: &str) -> bool {
        match who {
            Who::Anonymous | Who::App(_) => false,
            Who::Installation(_, minted) => self
                .installation(minted.installation)
                .is_some_and(|(_, one)| one.account.eq_ignore_ascii_case(owner)),
            Who::User(pat) => {
                let of = match &pat.kind {
                    PatKind::Classic { .. } => true,
                    PatKind::FineGrained {
                        owner: of, pending, ..
                    } => !pending && of.eq_ignore_ascii_case(owner),
                };
                let account = self.account_named(owner);
                let members = account.and_then(|account| account.members.as_ref());
                of && (pat.login.eq_ignore_ascii_case(owner)
                    || members.is_some_and(|members| members.contains(&pat.login)))
            }
        }
    }
}

fn message(answer: &Answer) -> String {
    match &answer.body {
        Body::Json(body) => body["message"].as_str().unwrap_or_default().to_owned(),
        Body::Text(_) | Body::Bytes(_) | Body::None => String::new(),
    }
}

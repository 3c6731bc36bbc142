//! One purpose and its rules, as one file says them.
//!
//! Each rule is kept with all it gives worked out: the parts it names and, for the rest, the
//! purpose's. So a decision looks at one rule and nothing else.
//!
//! What a later version will understand (`approval`, `budget`, the delivery `proxy`) is an error here
//! and never half honoured. What depends on the kind of the secret is checked in `set`, where both
//! are known.

mod read;
mod rule;

use broker_protocol::names::Purpose;

use super::finding::Place;
use super::request::{Caller, Terms};
use super::who::Who;

pub(super) use self::read::{MEANWHILE, read};

/// A purpose: what it can give at the most, and who may have how much of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurposePolicy {
    pub(super) about: Option<String>,
    pub(super) whole: Terms,
    pub(super) rules: Vec<Rule>,
    /// Where the purpose is named.
    pub(super) place: Place,
    pub(super) places: KeyPlaces,
}

/// Where a purpose says what must be held against its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyPlaces {
    /// The file as a whole.
    pub(super) whole: Place,
    pub(super) secret: Place,
    /// `None`: not written, and so it follows from the kind of the secret.
    pub(super) deliver: Option<Place>,
    pub(super) fallback: Option<Place>,
    pub(super) repositories: Option<Place>,
    pub(super) permissions: Option<Place>,
    pub(super) ttl: Option<Place>,
}

impl PurposePolicy {
    /// Its name.
    #[must_use]
    pub const fn purpose(&self) -> &Purpose {
        &self.whole.purpose
    }

    /// What it is for.
    #[must_use]
    pub fn about(&self) -> Option<&str> {
        self.about.as_deref()
    }

    /// What no rule can exceed. Its `rule` is the file's name alone: no rule gives exactly this.
    #[must_use]
    pub const fn whole(&self) -> &Terms {
        &self.whole
    }

    /// Its rules, in the order in which they are tried.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Where it is declared.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// The first rule that matches; it decides alone.
    #[must_use]
    pub fn rule_for(&self, caller: &Caller) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.who.matches(caller))
    }
}

/// One `[[allow]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub(super) who: Who,
    pub(super) terms: Terms,
    pub(super) place: Place,
}

impl Rule {
    /// What it gives to those it matches: the default and the ceiling.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Where it is written.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// The program it names, if it names one.
    #[must_use]
    pub fn exe(&self) -> Option<&str> {
        self.who.exe()
    }
}

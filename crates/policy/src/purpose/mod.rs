//! One purpose and its rules, as one file says them.
//!
//! Each rule is kept with all it gives worked out: the parts it names and, for the rest, the
//! purpose's. So a decision looks at one rule and nothing else.
//!
//! What no version understands (`approval`, a `fallback` of a proxy purpose) is an error and never
//! half honoured. What `deliver` means where it is not written, the kind of the secret says; what else depends on
//! that is checked in `between`.

mod budget;
mod proxy;
mod read;
mod rule;

use std::collections::BTreeMap;

use broker_protocol::names::Purpose;

use super::finding::Place;
use super::reach::Operation;
use super::request::{Caller, Terms};
use super::who::Who;

pub use self::budget::{Budget, NoBudget};
pub(super) use self::read::read;

/// A purpose: what it can give at the most, and who may have how much of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurposePolicy {
    /// What it is for.
    pub about: Option<String>,
    /// What no rule can exceed. Its `rule` is the file's name alone: no rule gives exactly this.
    pub whole: Terms,
    /// Its rules, in the order in which they are tried.
    pub rules: Vec<Rule>,
    /// How many requests all its proxy leases of one account may make; `None`: it sets no limit. Not in the
    /// terms: it is the policy in force that counts, also for older leases.
    pub budget: Option<Budget>,
    paths: Box<[Operation]>,
    /// Whether reads on the web host go on without a credential where its leases do not hold what they need. As
    /// `budget` is, that of the policy in force.
    pub public: bool,
    /// Where it is declared.
    pub place: Place,
    /// Where each of its keys stands.
    pub(super) places: BTreeMap<Box<str>, Place>,
}

impl PurposePolicy {
    /// Its name.
    #[must_use]
    pub const fn purpose(&self) -> &Purpose {
        &self.whole.purpose
    }

    /// The operations that its proxy leases may use besides what their permissions allow. As `budget` is,
    /// those of the policy in force.
    #[must_use]
    pub fn paths(&self) -> &[Operation] {
        &self.paths
    }

    /// Where a key stands; where it is not written, the purpose itself.
    pub(super) fn place_of(&self, key: &str) -> &Place {
        self.places.get(key).unwrap_or(&self.place)
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
    /// What it gives to those it matches: the default and the ceiling.
    pub terms: Terms,
    /// Where it is written.
    pub place: Place,
}

impl Rule {
    /// The program it names, if it names one.
    #[must_use]
    pub fn exe(&self) -> Option<&str> {
        self.who.exe()
    }
}

//! Which rule speaks for a caller, and what each of the others missed.

use broker_protocol::hex;
use broker_protocol::names::Purpose;

use super::PolicySet;
use super::purpose::Rule;
use super::request::Caller;
use super::who::Attribute;

/// One rule as it meets the caller.
#[derive(Debug)]
pub struct RuleExplained<'p> {
    /// The rule.
    pub rule: &'p Rule,
    /// The attributes that differ; none if it matches.
    pub missed: Vec<Missed>,
}

/// An attribute that a rule names and the caller does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// Its key in `caller`.
    pub attribute: &'static str,
    /// What the rule wants.
    pub wanted: String,
    /// What the caller has; `None` if that is not known of it.
    pub has: Option<String>,
}

impl PolicySet {
    /// Holds every rule of a purpose against a caller, in order; `None` if there is no such purpose. The
    /// first that misses nothing decides.
    #[must_use]
    pub fn explain(&self, purpose: &Purpose, caller: &Caller) -> Option<Vec<RuleExplained<'_>>> {
        let rules = self.purpose(purpose)?.rules.iter();
        let explained = rules.map(|rule| {
            let attributes = rule.who.attributes().iter();
            let missed = attributes.filter(|attribute| !attribute.equals(caller));
            RuleExplained {
                rule,
                missed: missed.map(|one| explain(one, caller)).collect(),
            }
        });
        Some(explained.collect())
    }
}

fn explain(attribute: &Attribute, caller: &Caller) -> Missed {
    let named = |name: &str, number: Option<u32>| match number {
        Some(number) => format!("{name} ({number})"),
        None => format!("{name} (no such name on this machine)"),
    };
    let uid = || Some(caller.uid.to_string());
    let gids = || {
        let mut gids = vec![caller.gid];
        gids.extend(caller.groups.iter().filter(|gid| **gid != caller.gid));
        let gids: Vec<_> = gids.iter().map(u32::to_string).collect();
        Some(gids.join(", "))
    };
    let (attribute, wanted, has) = match attribute {
        Attribute::User(name, number) => ("user", named(name, *number), uid()),
        Attribute::Uid(number) => ("uid", number.to_string(), uid()),
        Attribute::Group(name, number) => ("group", named(name, *number), gids()),
        Attribute::Gid(number) => ("gid", number.to_string(), gids()),
        Attribute::Unit(unit) => ("unit", unit.to_string(), caller.unit.clone()),
        Attribute::UserUnit(unit) => ("user_unit", unit.to_string(), caller.user_unit.clone()),
        Attribute::Exe(path) => ("exe", path.to_string(), caller.exe.clone()),
        Attribute::Sha256(hash) => ("sha256", hex::of(hash), caller.sha256.as_ref().map(hex::of)),
    };
    Missed {
        attribute,
        wanted,
        has,
    }
}

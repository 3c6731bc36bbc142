//! What each rule of a purpose wants of a caller and does not find.

use broker_protocol::hex;
use broker_protocol::printable::one_line;

use super::Asker;
use crate::purpose::Rule;
use crate::request::Caller;
use crate::who::Attribute;

/// The attributes that differ, each as a message has it; none if the rule matches.
pub(super) fn missed(rule: &Rule, caller: &Caller, asker: Asker<'_>) -> Vec<String> {
    let attributes = rule.who.attributes().iter();
    let missed = attributes.filter(|attribute| !attribute.equals(caller));
    missed.map(|one| describe(one, caller, asker)).collect()
}

fn describe(attribute: &Attribute, caller: &Caller, asker: Asker<'_>) -> String {
    let named = |name: &str, number: Option<u32>| match number {
        Some(_) => name.to_owned(),
        None => format!("{name} (no such name on this machine)"),
    };
    let account = || Some(asker.account.to_owned());
    let groups = || Some(asker.groups.to_owned());
    let (attribute, wanted, has) = match attribute {
        Attribute::User(name, number) => ("user", named(name, *number), account()),
        Attribute::Uid(number) => ("uid", number.to_string(), account()),
        Attribute::Group(name, number) => ("group", named(name, *number), groups()),
        Attribute::Gid(number) => ("gid", number.to_string(), groups()),
        Attribute::Unit(unit) => ("unit", unit.to_string(), caller.unit.clone()),
        Attribute::UserUnit(unit) => ("user_unit", unit.to_string(), caller.user_unit.clone()),
        Attribute::Exe(path) => ("exe", path.to_string(), caller.exe.clone()),
        Attribute::Sha256(hash) => ("sha256", hex::of(hash), caller.sha256.as_ref().map(hex::of)),
    };
    match has {
        Some(has) => {
            let has = one_line(&has);
            format!("{attribute} must be {wanted}, the caller has {has}")
        }
        None => format!("{attribute} must be {wanted}, the caller's is unknown"),
    }
}

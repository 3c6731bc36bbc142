//! The file that git's configuration includes.

use super::Owners;

/// What stands in it.
pub(super) struct Included {
    pub(super) owners: Owners,
    /// The helper without the host that is particular to an address.
    pub(super) helper: String,
    /// Whether git asks no other helper for these owners.
    pub(super) only: bool,
}

impl Included {
    /// The file's text.
    pub(super) fn text(&self) -> String {
        let mut text = HEADER.to_owned();
        // An empty value drops the helpers that stand before it.
        let reset = if self.only { "\thelper =\n" } else { "" };
        for (address, owner) in self.sections() {
            let helper = quoted(&self.helper_for(address));
            text.push_str(&format!(
                "[credential \"{address}/{owner}\"]\n\tuseHttpPath = true\n{reset}\thelper = {helper}\n"
            ));
        }
        text
    }

    /// Each owner, and the address that it is below.
    pub(super) fn sections(&self) -> impl Iterator<Item = (&str, &str)> {
        self.owners
            .iter()
            .flat_map(|(address, owners)| owners.iter().map(move |owner| (&**address, &**owner)))
    }

    /// The helper for owners below this address.
    pub(super) fn helper_for(&self, address: &str) -> String {
        match address.split_once("://") {
            Some((_, host)) if host != "github.com" => format!("{} --host {host}", self.helper),
            _ => self.helper.clone(),
        }
    }
}

/// Whether a file of that name was written by this command.
pub(super) fn is_ours(text: &str) -> bool {
    text.lines().next() == HEADER.lines().next()
}

const HEADER: &str = "\
# Written by `tokenctl setup-git`. Do not edit: the next run replaces it.
# `tokenctl setup-git --remove` removes it.
";

/// A value as git's configuration has it.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

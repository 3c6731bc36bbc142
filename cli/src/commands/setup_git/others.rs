//! Other helpers that git asks for the same repositories.
//!
//! git collects helpers in the order in which they stand, system before account before repository, from each section
//! whose URL matches; an empty one drops those before it. It asks them in that order until one answers, and then hands
//! the login to all of them, to store. So git 2.39 and 2.47 do.

use std::collections::BTreeSet;

use super::git::Entry;
use super::included::Included;
use crate::ui;

/// Says which other helpers there are.
pub(super) fn report(entries: &[Entry], included: &Included) {
    let others = Others::among(entries, included);
    for (helper, origin) in &others.before {
        ui::warning(format_args!(
            "helper `{helper}` ({origin}) stands before tokenctl: git asks it first, and hands it each token that \
             worked, to store; `tokenctl setup-git --only` has git ask tokenctl alone for these owners"
        ));
    }
    for (helper, origin) in &others.after {
        ui::note(format_args!(
            "helper `{helper}` ({origin}) stands after tokenctl: git hands it each token that worked, to store"
        ));
    }
    for (helper, origin) in &others.by_hand {
        ui::note(format_args!(
            "helper `{helper}` ({origin}), written by hand, asks tokenctl already; remove it, or git asks twice"
        ));
    }
}

/// Helpers and where they stand.
#[derive(Debug, Default, PartialEq, Eq)]
struct Others<'a> {
    before: BTreeSet<(&'a str, &'a str)>,
    after: BTreeSet<(&'a str, &'a str)>,
    /// These store nothing.
    by_hand: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Others<'a> {
    fn among(entries: &'a [Entry], included: &Included) -> Self {
        let mut others = Self::default();
        for (address, owner) in included.sections() {
            let ours = included.helper_for(address);
            let mut asked: Vec<&Entry> = Vec::new();
            for entry in entries {
                match entry.key.strip_prefix("credential.") {
                    Some("helper") => {}
                    Some(rest) => match rest.strip_suffix(".helper") {
                        Some(url) if may_match(url, address, owner) => {}
                        _ => continue,
                    },
                    None => continue,
                }
                match &*entry.value {
                    "" => asked.clear(),
                    _ => asked.push(entry),
                }
            }
            // Not there yet: it will be the last.
            let at = asked.iter().position(|entry| entry.value == ours);
            let at = at.unwrap_or(asked.len());
            let named = |entry: &&'a Entry| (&*entry.value, &*entry.origin);
            let foreign = |entry: &&&Entry| entry.value != ours && !asks_tokenctl(&entry.value);
            others
                .before
                .extend(asked.iter().take(at).filter(foreign).map(named));
            others
                .after
                .extend(asked.iter().skip(at).filter(foreign).map(named));
            let by_hand = |entry: &&&Entry| entry.value != ours && asks_tokenctl(&entry.value);
            others
                .by_hand
                .extend(asked.iter().filter(by_hand).map(named));
        }
        others
    }
}

/// Whether a helper is tokenctl, by whatever path and with whatever options.
fn asks_tokenctl(helper: &str) -> bool {
    let mut words = helper.trim_start_matches('!').split_whitespace();
    let program = words.next().unwrap_or_default().trim_matches(['"', '\'']);
    program.rsplit('/').next() == Some("tokenctl") && words.any(|word| word == "git-credential")
}

/// Whether a section of this URL is for any repository of the owner. Scheme and host may be left out of it.
fn may_match(url: &str, address: &str, owner: &str) -> bool {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, url),
    };
    let Some((our_scheme, our_host)) = address.split_once("://") else {
        return false;
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit('@').next().unwrap_or_default();
    let host = host.to_ascii_lowercase();
    let usual_port = if our_scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(usual_port).unwrap_or(&host);
    // `*` stands for one label.
    let labels = |host: &str| host.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (theirs, ours) = (labels(host), labels(our_host));
    let same = |(their, our): (&String, &String)| their == "*" || their == our;
    let first = path.split('/').next().unwrap_or_default();
    scheme.is_none_or(|scheme| scheme.eq_ignore_ascii_case(our_scheme))
        && (host.is_empty() || (theirs.len() == ours.len() && theirs.iter().zip(&ours).all(same)))
        && (first.is_empty() || first == owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "!/bin/tokenctl git-credential";

    fn included() -> Included {
        let owners = [("https://github.com".to_owned(), ["acme".to_owned()].into())];
        Included {
            owners: owners.into(),
            helper: OURS.to_owned(),
            only: false,
        }
    }

    /// Those before and those after, of a configuration of these keys and values.
    fn others(entries: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let entries: Vec<_> = entries
            .iter()
            .map(|(key, value)| Entry {
                origin: "/etc/gitconfig".to_owned(),
                key: (*key).to_owned(),
                value: (*value).to_owned(),
            })
            .collect();
        let others = Others::among(&entries, &included());
        let names = |set: BTreeSet<(&str, &str)>| set.iter().map(|one| one.0.to_owned()).collect();
        (names(others.before), names(others.after))
    }

    #[test]
    fn helpers_are_before_or_after_ours_as_they_stand_however_narrow_their_sections_are() {
        let ours = ("credential.https://github.com/acme.helper", OURS);
        let (before, after) = others(&[
            ("credential.helper", "cache"),
            ("credential.https://github.com.helper", "narrow"),
            ours,
            ("credential.helper", "store"),
            ("credential.https://github.com/acme/site.helper", "narrower"),
        ]);
        assert_eq!(before, ["cache", "narrow"]);
        assert_eq!(after, ["narrower", "store"]);
        // An empty one drops those before it.
        let reset = ("credential.https://github.com/acme.helper", "");
        let (before, after) = others(&[("credential.helper", "cache"), reset, ours]);
        assert!(before.is_empty() && after.is_empty());
        // Ours is not there yet.
        let (before, _) = others(&[("credential.helper", "cache")]);
        assert_eq!(before, ["cache"]);
    }

    #[test]
    fn a_line_that_was_written_by_hand_for_tokenctl_is_no_other_helper() {
        let by_hand = "!tokenctl git-credential --strict";
        let entries = [("credential.helper", by_hand), ("credential.helper", OURS)];
        let (before, after) = others(&entries);
        assert!(before.is_empty() && after.is_empty());
        assert!(asks_tokenctl(by_hand) && asks_tokenctl("!'/opt/bin/tokenctl' git-credential"));
        for foreign in [
            "store",
            "!gh auth git-credential",
            "!tokenctl-old git-credential",
        ] {
            assert!(!asks_tokenctl(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_section_for_another_place_is_no_other_helper() {
        let sections = [
            ("https://github.com", true),
            ("https://GitHub.com:443/", true),
            ("https://alice@github.com", true),
            ("https://*.com", true),
            ("github.com", true),
            ("https://", true),
            ("https://github.com/acme/site.git", true),
            ("https://github.com/other", false),
            ("https://github.com/acme2", false),
            ("https://gitlab.com", false),
            ("https://*.github.com", false),
            ("http://github.com", false),
            ("https://github.com:8443", false),
        ];
        for (url, want) in sections {
            assert_eq!(may_match(url, "https://github.com", "acme"), want, "{url}");
        }
    }
}

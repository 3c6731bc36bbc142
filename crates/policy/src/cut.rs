//! Rules that would give more if the end of their file were lost.
//!
//! A file cut at a line, by a full disk or half a copy, is often still a policy: what stands before the
//! cut loads, and what narrowed a rule may have stood behind it. So every such cut is really read, and
//! each rule in it compared with what the whole file says. Where the keys that narrow a rule stand
//! before its `caller`, no cut of it loads.
//!
//! Not here: cuts within a line, and a lost rule, which gives less.

use std::collections::BTreeMap;

use super::PolicyFile;
use super::document::{Document, Table};
use super::finding::Finding;
use super::parts::{organization_beyond, permission_beyond, repository_beyond, ttl_beyond};
use super::purpose::{self, PurposePolicy, Rule};
use super::request::Terms;
use super::who::{Host, NamesOnly};

/// Warns of each rule of a file that gives more after some cut, once a rule. A file that is no purpose,
/// or has errors, gets no warning.
#[must_use]
pub fn widening(file: &PolicyFile) -> Vec<Finding> {
    let names = NamesOnly::default();
    let Some(whole) = read(file, &names) else {
        return Vec::new();
    };
    let mut found = BTreeMap::new();
    let mut looked_at = 0;
    for (line, (end, _)) in (1..).zip(file.text.match_indices('\n')) {
        looked_at += end;
        if looked_at > MOST {
            break;
        }
        let Some(text) = file.text.get(..=end) else {
            continue;
        };
        let cut = PolicyFile {
            name: file.name.clone(),
            text: text.to_owned(),
        };
        let Some(cut) = read(&cut, &names) else {
            continue;
        };
        for (rule, (left, full)) in cut.rules.iter().zip(&whole.rules).enumerate() {
            if let Some(what) = gain(&cut, &whole, left, full) {
                found.entry(rule).or_insert_with(|| {
                    full.place.finding(format!(
                        "cut off after line {line}, the file would still load, and this rule {what}"
                    ))
                });
            }
        }
    }
    found.into_values().collect()
}

/// Bytes read in all, over all cuts of a file: about a second's work. A purpose of a page takes some ten
/// thousand.
const MOST: usize = 32 * 1024 * 1024;

/// The purpose, if the text is one without errors.
fn read(file: &PolicyFile, names: &NamesOnly) -> Option<PurposePolicy> {
    let document = Document::new(file);
    let entries = document.parse()?;
    let root = Table::root(&document, &entries, "a purpose");
    let item = root.item("purpose")?;
    // No cut gives more by losing `deliver`: unsaid, it never means `raw`.
    let policy = purpose::read(root.standing_at(item), &|_| None, names, &Host::anywhere());
    let found = document.into_findings();
    policy.filter(|_| found.errors.is_empty())
}

/// What a rule gives beyond what the whole file says, and what to do about it.
fn gain(cut: &PurposePolicy, whole: &PurposePolicy, left: &Rule, full: &Rule) -> Option<String> {
    if left.who != full.who {
        return Some(
            "would match callers that it does not match now: write its `caller = { … }` on one line"
                .to_owned(),
        );
    }
    let budget = || budget_beyond(cut, whole);
    let more = beyond(&left.terms, &full.terms).or_else(budget)?;
    let fix = if beyond(&cut.whole, &whole.whole).or_else(budget).is_some() {
        "write what limits the purpose before the first `[[allow]]`"
    } else {
        "write `caller` as its last key"
    };
    Some(format!("would give more ({more}): {fix}"))
}

/// The first thing that terms give beyond others, in words.
fn beyond(terms: &Terms, most: &Terms) -> Option<String> {
    repository_beyond(&terms.repositories, &most.repositories, WHOLE)
        .or_else(|| permission_beyond(&terms.permissions, &most.permissions, WHOLE))
        .or_else(|| {
            let organization = terms.organization.as_ref()?;
            organization_beyond(organization, most.organization.as_ref(), WHOLE)
        })
        .or_else(|| ttl_beyond(terms.ttl, most.ttl, WHOLE))
        .or_else(|| ttl_beyond(terms.ttl_max, most.ttl_max, WHOLE))
}

/// A budget is one line of one purpose: cut, it is not there.
fn budget_beyond(cut: &PurposePolicy, whole: &PurposePolicy) -> Option<String> {
    let lost = whole.budget.filter(|_| cut.budget.is_none())?;
    Some(format!("no budget; {WHOLE} sets {lost}"))
}

const WHOLE: &str = "the whole file";

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(rules: &str) -> Vec<String> {
        let head = "purpose = 'p'\nsecret = 'bot'\nrepositories = ['acme/*', 'x/y']\n\
                    organization = 'acme'\npermissions = { issues = 'write', members = 'read' }\n\
                    deliver = 'raw'\n";
        let file = PolicyFile {
            name: "p.toml".to_owned(),
            text: format!("{head}{rules}"),
        };
        widening(&file).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_rule_that_a_lost_tail_widens_is_found_whatever_narrowed_it() {
        for (narrowing, more) in [
            (
                "repositories = ['x/y']",
                "repository `acme/*`; the whole file allows `x/y`",
            ),
            (
                "permissions = { issues = 'read', members = 'read' }",
                "permission `issues: write`; the whole file allows `read`",
            ),
            (
                "ttl = { default = '5m' }",
                "ttl 15m; the whole file allows at most 5m",
            ),
            (
                "ttl.max = '30m'",
                "ttl 1h; the whole file allows at most 30m",
            ),
            (
                "[allow.ttl]\nmax = '30m'",
                "ttl 1h; the whole file allows at most 30m",
            ),
        ] {
            let after = warnings(&format!("[[allow]]\ncaller.user = 'a'\n{narrowing}\n"));
            assert_eq!(
                after,
                [format!(
                    "p.toml:7: cut off after line 8, the file would still load, and this rule would \
                     give more ({more}): write `caller` as its last key"
                )]
            );
            let first = narrowing.replace("[allow.ttl]\nmax = ", "ttl.max = ");
            let before = format!("[[allow]]\n{first}\ncaller = {{ user = 'a' }}\n");
            assert_eq!(warnings(&before), [""; 0]);
        }
    }

    #[test]
    fn a_caller_that_loses_an_attribute_is_found() {
        let found = warnings("[[allow]]\ncaller.user = 'a'\ncaller.exe = '/usr/bin/x'\n");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("p.toml:7: cut off after line 8, "),
            "{found:?}"
        );
        assert!(
            found[0].contains("`caller = { … }` on one line"),
            "{found:?}"
        );
    }

    #[test]
    fn what_limits_the_whole_purpose_behind_the_rules_is_found_for_each_of_them() {
        let rules = "[[allow]]\ncaller = { user = 'a' }\n[[allow]]\ncaller = { user = 'b' }\n";
        let found = warnings(&format!("{rules}[ttl]\nmax = '20m'\n"));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[1].contains("before the first `[[allow]]`"),
            "{found:?}"
        );
        assert_eq!(warnings(rules), [""; 0], "a lost rule gives less");
    }

    #[test]
    fn a_budget_behind_the_rules_is_found() {
        let file = PolicyFile {
            name: "p.toml".to_owned(),
            text: "purpose = 'p'\nsecret = 'bot'\nrepositories = ['acme/*']\ndeliver = 'proxy'\n\
                   permissions = { issues = 'read' }\nallow = [{ caller = { user = 'a' } }]\n\
                   budget = '5/h'\n"
                .to_owned(),
        };
        assert_eq!(
            widening(&file)[0].to_string(),
            "p.toml:6: cut off after line 6, the file would still load, and this rule would give more \
             (no budget; the whole file sets 5/h): write what limits the purpose before the first \
             `[[allow]]`"
        );
    }

    #[test]
    fn every_rule_is_named_once_by_its_first_line() {
        let rule = |user| {
            format!(
                "[[allow]]\ncaller = {{ user = '{user}' }}\nttl.max = '30m'\nrepositories = ['x/y']\n"
            )
        };
        let found = warnings(&format!("{}{}", rule("a"), rule("b")));
        let places = found.iter().map(|found| found.split(": ").next());
        assert!(
            places.eq([Some("p.toml:7"), Some("p.toml:11")]),
            "{found:?}"
        );
    }

    #[test]
    fn what_no_cut_widens_gets_no_warning() {
        assert_eq!(warnings("# no rule\n"), [""; 0]);
        assert_eq!(warnings("[[allow]]\n# nobody\n"), [""; 0], "an error");
        let secrets = PolicyFile {
            name: "s.toml".to_owned(),
            text: "[secret.bot]\nkind = 'classic'\nowner = 'x'\n".to_owned(),
        };
        assert_eq!(widening(&secrets), []);
    }
}

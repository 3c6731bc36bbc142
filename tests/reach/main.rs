//! `crates/policy/src/reach/operations.tsv`, made from GitHub's OpenAPI description and from
//! `documented.tsv`, the list of what each operation needs.
//!
//! The description says which operations there are, which parameters are numbers or take several
//! segments, and which answers and bodies hold repositories. The list says the rest. An operation that the list does
//! not have is refused as new, one that the description does not have is an error of the list.
//!
//! `graphql`: the same for what GraphQL may ask.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code: a panic is how a test fails"
)]

mod description;
mod graphql;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use description::{Described, Description};

const HOW: &str = "UPDATE_REACH=1 cargo test -p broker-tests --test reach";
const HEAD: &str = "\
# GitHub's operations and what each needs. Made, not written: see tests/reach. One path a line, then a
# column for each need: METHODS, a space, the need. A need is `free`, `owner`, `-REASON`, or sets of
# permissions: `,` all, `|` any. Before it stand, in this order, `^` on the host for uploads, `~` where the
# answer may have `temp_clone_token`, and `*` where all of the owner's repositories must be in the lease.
# `{x:n}` is a number, `{x:+}` takes several segments.
";

/// Ours: the whole table is compiled into the broker.
const MOST: usize = 64 * 1024;

#[test]
fn the_table_is_what_the_description_and_the_list_say() {
    let Some(conformance) = support::needs::conformance_tools() else {
        return;
    };
    let file = conformance.join("node_modules/@octokit/openapi/generated/api.github.com.json");
    let table = table(&Description::read(&file), &listed());
    assert!(table.len() <= MOST, "{} bytes", table.len());
    let there = root().join("crates/policy/src/reach/operations.tsv");
    if std::env::var_os("UPDATE_REACH").is_some() {
        fs::write(&there, &table).unwrap();
    }
    let there = fs::read_to_string(&there).unwrap();
    let mut lines = there.lines().zip(table.lines()).enumerate();
    let differs = lines.find(|(_, (there, wanted))| there != wanted);
    assert!(there == table, "run: {HOW}\nfirst difference: {differs:?}");
}

/// What the list says of each operation, by method and path.
type Listed = BTreeMap<String, String>;

fn listed() -> Listed {
    let lines = include_str!("documented.tsv").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    let mut listed = Listed::new();
    for line in lines {
        let (operation, need) = line.split_once('\t').expect("operation, tab, need");
        let before = listed.insert(operation.to_owned(), need.to_owned());
        assert_eq!(before, None, "{operation} is listed twice");
    }
    listed
}

fn table(description: &Description, listed: &Listed) -> String {
    let mut listed = listed.clone();
    let mut paths: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for operation in description.operations() {
        let said = listed.remove(&operation.name());
        let need = need(&operation, said.as_deref().unwrap_or("refused: new"));
        // A segment that is only in part a parameter matches nothing, and so is refused.
        let Some(template) = operation.template() else {
            assert!(
                need.starts_with('-'),
                "{} cannot be matched",
                operation.name()
            );
            continue;
        };
        let needs = paths.entry(template).or_default();
        needs.entry(need).or_default().push(operation.method);
    }
    let gone: Vec<_> = listed.keys().collect();
    assert!(gone.is_empty(), "GitHub describes none of {gone:?}");
    let mut table = HEAD.to_owned();
    for (path, needs) in paths {
        table += &path;
        for (need, methods) in needs {
            write!(table, "\t{} {need}", methods.join("+")).unwrap();
        }
        table.push('\n');
    }
    table
}

fn need(operation: &Described<'_>, said: &str) -> String {
    let uploads = if operation.is_upload() { "^" } else { "" };
    let clone_token = if operation.answers_clone_token() {
        "~"
    } else {
        ""
    };
    let before = format!("{uploads}{clone_token}");
    // A purpose may allow what the table refuses, so the token is marked there too.
    if let Some(reason) = said.strip_prefix("refused: ") {
        return format!("{before}-{reason}");
    }
    // What is about one owner and names repositories, in its answer or in its body.
    let whole = operation.is_about_one_owner() && operation.holds_repositories();
    let (whole, said) = match said.strip_prefix("* ") {
        Some(said) => (true, said),
        None => (whole, said),
    };
    let whole = if whole && said != "owner" { "*" } else { "" };
    let sets = said.replace(" | ", "|").replace(", ", ",");
    format!("{before}{whole}{sets}")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

//! Every relative link of the project's Markdown leads to a file and a heading, and the book has every page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::page::{heading_of, prose, unfenced};
use super::root;

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let root = root().canonicalize().unwrap();
    let book = root.join("docs");
    let mut wrong = Vec::new();
    let mut links = 0;
    for page in pages(&root) {
        let text = fs::read_to_string(&page).unwrap();
        for (line, target) in targets(&text) {
            links += 1;
            if let Some(why) = broken(&page, &target, &book) {
                let place = page.strip_prefix(&root).unwrap().display();
                wrong.push(format!("{place}:{line}: `{target}` {why}"));
            }
        }
    }
    assert!(links > 100, "only {links} links were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_summary_lists_every_page_once() {
    let book = root().canonicalize().unwrap().join("docs");
    let summary = book.join("SUMMARY.md");
    let listed: Vec<_> = targets(&fs::read_to_string(&summary).unwrap())
        .into_iter()
        .map(|(_, target)| target)
        .collect();
    let pages = pages(&book).into_iter().filter(|page| *page != summary);
    let mut wrong = Vec::new();
    for page in pages {
        let page = page.strip_prefix(&book).unwrap().to_str().unwrap();
        let times = listed.iter().filter(|target| *target == page).count();
        if times != 1 {
            wrong.push(format!("docs/SUMMARY.md lists {page} {times} times"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_of_the_project_that_is_named_exists() {
    let root = root().canonicalize().unwrap();
    let mut named = 0;
    let mut wrong = Vec::new();
    // The changelog names what was there before, too.
    let pages = pages(&root).into_iter();
    for page in pages.filter(|page| !page.ends_with("CHANGELOG.md")) {
        let text = fs::read_to_string(&page).unwrap();
        let lines = unfenced(&text);
        let spans = lines.flat_map(|(_, line)| line.split('`').skip(1).step_by(2));
        for path in spans.filter(|span| is_path(span)) {
            named += 1;
            if !root.join(path).exists() {
                let page = page.strip_prefix(&root).unwrap().display();
                wrong.push(format!("{page} names `{path}`, which does not exist"));
            }
        }
    }
    assert!(named > 20, "only {named} files were named");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a text in backticks is a path from the top of the source tree, and no pattern.
fn is_path(span: &str) -> bool {
    let top = [
        "broker/",
        "crates/",
        "cli/",
        "tests/",
        "docs/",
        "packaging/",
        "verifier/",
        "fuzz/",
    ];
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let one = !span.contains("NAME") && span.chars().all(plain);
    one && top.iter().any(|top| span.starts_with(top))
}

/// Why a link of a page leads nowhere.
fn broken(page: &Path, target: &str, book: &Path) -> Option<String> {
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    let file = match path {
        "" => page.to_owned(),
        path => page.parent().unwrap().join(path),
    };
    let Ok(file) = file.canonicalize() else {
        return Some("does not exist".to_owned());
    };
    if page.starts_with(book) && !file.starts_with(book) {
        return Some("leads out of the book; name the file instead".to_owned());
    }
    let is_page = file.extension().is_some_and(|extension| extension == "md");
    if heading.is_empty() || !is_page {
        return None;
    }
    let text = fs::read_to_string(&file).unwrap();
    (!anchors(&text).contains(heading)).then(|| "has no such heading".to_owned())
}

/// The relative targets of links, with the lines they are on.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    for (number, line) in prose(text) {
        let parts = line.split("](").skip(1);
        let found = parts.filter_map(|part| part.split_once(')'));
        let relative = found
            .map(|(target, _)| target)
            .filter(|target| !target.contains("://"));
        targets.extend(relative.map(|target| (number, target.to_owned())));
    }
    targets
}

/// The anchors of a page's headings, as mdBook and GitHub make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for heading in unfenced(text).filter_map(|(_, line)| heading_of(line)) {
        let mut anchor = String::new();
        for character in heading.chars() {
            match character {
                ' ' => anchor.push('-'),
                '-' | '_' => anchor.push(character),
                other if other.is_alphanumeric() => anchor.extend(other.to_lowercase()),
                _ => {}
            }
        }
        let again = (1..).map(|number| format!("{anchor}-{number}"));
        let mut names = std::iter::once(anchor.clone()).chain(again);
        anchors.insert(names.find(|name| !anchors.contains(name)).unwrap());
    }
    anchors
}

/// All Markdown below a directory that belongs to the project.
pub(super) fn pages(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let foreign = name.starts_with('.') || ["target", "node_modules"].contains(&name);
        if path.is_dir() && !foreign {
            found.extend(pages(&path));
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
    found
}

#[test]
fn anchors_are_made_as_mdbook_makes_them() {
    let text =
        "# What `op` says\n```\n# no\n```\n## `[socket]`\n## A, again: b_c\n## A again b_c\n";
    let expected = ["what-op-says", "socket", "a-again-b_c", "a-again-b_c-1"];
    assert_eq!(anchors(text), expected.map(str::to_owned).into());
}

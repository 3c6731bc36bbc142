//! A page of Markdown, as far as these tests have to understand it.

use std::collections::BTreeSet;
use std::fmt;

use super::read;

/// The lines under a heading, down to the next heading of its level or above.
pub(super) struct Section {
    page: String,
    heading: String,
    text: String,
}

/// A row of a table.
pub(super) struct Row {
    pub(super) cells: Vec<String>,
}

impl Section {
    /// Of a page, the text under a heading; without the sections below it.
    pub(super) fn of(page: &str, heading: &str) -> Self {
        let text = read(page);
        let mut lines = text.lines();
        let title = |line: &str| line.starts_with('#') && heading_of(line) == Some(heading);
        assert!(lines.any(title), "{page} has no heading “{heading}”");
        let own = lines.take_while(|line| heading_of(line).is_none());
        Self {
            page: page.to_owned(),
            heading: heading.to_owned(),
            text: own.map(|line| format!("{line}\n")).collect(),
        }
    }

    /// The headings of a page that are a name in backticks, as if each were a row of a table.
    pub(super) fn headings(page: &str) -> Self {
        let text = read(page);
        let headings = text.lines().filter_map(heading_of);
        let named = headings.filter(|heading| heading.starts_with('`'));
        Self {
            page: page.to_owned(),
            heading: "its headings".to_owned(),
            text: named.map(|heading| format!("| {heading} |\n")).collect(),
        }
    }

    /// The rows of its tables whose first cell is a name.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row> {
        let rows = self.text.lines().filter(|line| line.starts_with("| `"));
        rows.map(|line| Row { cells: cells(line) })
    }

    /// What the first cells name.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for name in self.rows().flat_map(|row| row.names()) {
            assert!(names.insert(name.clone()), "{self} names `{name}` twice");
        }
        names
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (“{}”)", self.page, self.heading)
    }
}

impl Row {
    /// The code spans of the first cell.
    pub(super) fn names(&self) -> Vec<String> {
        let parts = self.cells[0].split('`').skip(1).step_by(2);
        parts.map(str::to_owned).collect()
    }
}

/// The text of a heading.
pub(super) fn heading_of(line: &str) -> Option<&str> {
    line.trim_start_matches('#')
        .strip_prefix(' ')
        .filter(|_| line.starts_with('#'))
        .map(str::trim)
}

/// The cells of a row; a `|` within backticks is no border.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for character in line.trim().trim_matches('|').chars() {
        quoted ^= character == '`';
        if character == '|' && !quoted {
            cells.push(String::new());
        } else {
            cells.last_mut().unwrap().push(character);
        }
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// The parts of a message that are the same each time: what is between `…` and words in capitals such as `PATH`.
pub(super) fn fixed_parts(message: &str) -> Vec<String> {
    let varies =
        |word: &str| word.contains(char::is_alphabetic) && !word.contains(char::is_lowercase);
    let words = message.split(' ');
    let words = words.map(|word| if varies(word) { "…" } else { word });
    let message = words.collect::<Vec<_>>().join(" ");
    let parts = message
        .split('…')
        .map(|part| part.trim_matches([' ', ':', '`']));
    let parts = parts.filter(|part| part.len() > 2);
    parts.map(str::to_owned).collect()
}

/// The lines outside of fenced code, each with its number.
pub(super) fn unfenced(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        !fenced && !is_fence
    })
}

/// The same without their code spans.
pub(super) fn prose(text: &str) -> Vec<(usize, String)> {
    let outside = |line: &str| line.split('`').step_by(2).collect::<Vec<_>>().join("`");
    let lines = unfenced(text).map(|(number, line)| (number, outside(line)));
    lines.collect()
}

#[test]
fn a_border_within_backticks_is_none_and_code_is_no_prose() {
    let found = cells("| `a|b`, `c` | two |  |");
    assert_eq!(found, ["`a|b`, `c`", "two", ""]);
    assert_eq!(Row { cells: found }.names(), ["a|b", "c"]);
    let text = "see [a](b.md) and `[c](d.md)`\n```sh\n[e](f.md)\n```\nend";
    let lines = [(1, "see [a](b.md) and `".to_owned()), (5, "end".to_owned())];
    assert_eq!(prose(text), lines);
    let parts = fixed_parts("version N of secret … was changed: FILE");
    assert_eq!(parts, ["version", "of secret", "was changed"]);
}

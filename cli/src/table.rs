//! Columns of text that fit the terminal: a list leaves out columns from the right and says which, a value beside
//! its name goes on in the next line. What is not a terminal gets everything, a row in a line.
//!
//! Not here: what is in them, and printing (`ui`).

use std::fmt::Display;

use crate::error::Failure;
use crate::ui::{self, printable};

/// Lines of a name and what it is.
pub(crate) struct Table(Vec<[String; 2]>);

impl Table {
    /// No lines yet.
    pub(crate) const fn of_fields() -> Self {
        Self(Vec::new())
    }

    /// Adds a line of a name and what it is.
    pub(crate) fn field(&mut self, name: &str, value: impl Display) {
        self.0.push([name.to_owned(), printable(value)]);
    }

    /// Prints it, without spaces at the ends of lines.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        ui::bytes(self.render(ui::terminal_width()).as_bytes())
    }

    fn render(&self, width: Option<usize>) -> String {
        let names = self.0.iter().map(|[name, _]| length(name));
        let indent = names.max().unwrap_or_default() + GAP;
        let room = width.map(|width| width.saturating_sub(indent).max(NARROWEST));
        let mut text = String::new();
        for [name, value] in &self.0 {
            let mut name = name.as_str();
            for part in wrapped(value, room) {
                let line = format!("{name:<indent$}{part}");
                text.push_str(line.trim_end());
                text.push('\n');
                name = "";
            }
        }
        text
    }
}

/// A table with headings, and a row for each item. The columns that matter most are to the left.
pub(crate) struct List<'a, T> {
    items: &'a [T],
    columns: Vec<Column>,
    text: Option<Column>,
}

struct Column {
    heading: String,
    cells: Vec<String>,
}

impl<'a, T> List<'a, T> {
    /// No columns yet.
    pub(crate) const fn of(items: &'a [T]) -> Self {
        Self {
            items,
            columns: Vec::new(),
            text: None,
        }
    }

    /// Adds a column: its heading, and what is in it for an item.
    pub(crate) fn column<C: Display>(mut self, heading: &str, cell: impl Fn(&'a T) -> C) -> Self {
        self.columns.push(self.column_of(heading, cell));
        self
    }

    /// Adds a last column of sentences, which is never left out: they go on in the next line.
    pub(crate) fn text<C: Display>(mut self, heading: &str, cell: impl Fn(&'a T) -> C) -> Self {
        self.text = Some(self.column_of(heading, cell));
        self
    }

    fn column_of<C: Display>(&self, heading: &str, cell: impl Fn(&'a T) -> C) -> Column {
        let cells = self.items.iter().map(|item| printable(cell(item)));
        Column {
            heading: heading.to_owned(),
            cells: cells.collect(),
        }
    }

    /// Prints it, without spaces at the ends of lines, and which columns had no room.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        let (text, left_out) = self.render(ui::terminal_width());
        ui::bytes(text.as_bytes())?;
        if !left_out.is_empty() {
            ui::note(format_args!(
                "this terminal is too narrow for {}; add `| cat` for every column",
                left_out.join(", ")
            ));
        }
        Ok(())
    }

    /// Prints it, or this line if there is no item.
    pub(crate) fn print_or(&self, none: &str) -> Result<(), Failure> {
        match self.items {
            [] => ui::line(none),
            _ => self.print(),
        }
    }

    /// The text, and the headings of the columns that are not in it.
    fn render(&self, width: Option<usize>) -> (String, Vec<&str>) {
        let sentences = self
            .text
            .as_ref()
            .map_or(0, |text| text.width().min(NARROWEST) + GAP);
        let (mut end, mut shown) = (0, 0);
        for column in &self.columns {
            let next = end + column.width() + if shown == 0 { 0 } else { GAP };
            if shown > 0 && width.is_some_and(|width| next + sentences > width) {
                break;
            }
            (end, shown) = (next, shown + 1);
        }
        let (shown, left_out) = self.columns.split_at(shown);
        let mut lines = vec![String::new(); self.items.len() + 1];
        for column in shown {
            let width = column.width();
            for (line, cell) in lines.iter_mut().zip(column.lines()) {
                line.push_str(&format!("{cell:<width$}  "));
            }
        }
        if let Some(text) = &self.text {
            let indent = end + GAP;
            let room = width.map(|width| width.saturating_sub(indent).max(NARROWEST));
            for (line, cell) in lines.iter_mut().zip(text.lines()) {
                line.push_str(&wrapped(cell, room).join(&format!("\n{:indent$}", "")));
            }
        }
        let text = lines.iter().map(|line| format!("{}\n", line.trim_end()));
        (
            text.collect(),
            left_out
                .iter()
                .map(|column| column.heading.as_str())
                .collect(),
        )
    }
}

impl Column {
    fn lines(&self) -> impl Iterator<Item = &String> {
        [&self.heading].into_iter().chain(&self.cells)
    }

    fn width(&self) -> usize {
        self.lines()
            .map(|cell| length(cell))
            .max()
            .unwrap_or_default()
    }
}

/// Sentences for a terminal of this width: each line goes on two columns deeper than it begins. One that is
/// indented behind the first, such as a command, stays whole.
pub(crate) fn folded(text: &str, width: Option<usize>) -> String {
    let fold = |(index, line): (usize, &str)| {
        let (indent, words) = line.split_at(line.len() - line.trim_start().len());
        if index > 0 && !indent.is_empty() {
            return line.to_owned();
        }
        let below = indent.len() + GAP;
        let room = width.map(|width| width.saturating_sub(below).max(NARROWEST));
        let words = wrapped(words, room).join(&format!("\n{:below$}", ""));
        format!("{indent}{words}")
    };
    let lines: Vec<String> = text.lines().enumerate().map(fold).collect();
    lines.join("\n")
}

/// The text in lines of at most so many characters, broken at spaces. A word that is longer stays whole, and
/// so does what is in backticks: they are copied from here.
fn wrapped(text: &str, room: Option<usize>) -> Vec<String> {
    let Some(room) = room.filter(|room| length(text) > *room) else {
        return vec![text.to_owned()];
    };
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut in_backticks = false;
    let words = text.split(|c| {
        in_backticks ^= c == '`';
        c == ' ' && !in_backticks
    });
    for word in words {
        if !line.is_empty() && length(&line) + 1 + length(word) > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// Spaces between columns.
const GAP: usize = 2;

/// A value is not pressed into less, however narrow the terminal is.
const NARROWEST: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    const ITEMS: [(&str, &str, &str); 2] =
        [("org-label-sync-token", "ok", "vault"), ("x", "", "env:X")];

    fn list() -> List<'static, (&'static str, &'static str, &'static str)> {
        List::of(&ITEMS)
            .column("NAME", |(name, ..)| name)
            .column("STATE", |(_, state, _)| state)
            .column("SOURCE", |(.., source)| source)
    }

    #[test]
    fn columns_line_up_and_lines_have_no_tail() {
        let want = "NAME                  STATE  SOURCE\n\
                    org-label-sync-token  ok     vault\n\
                    x                            env:X\n";
        assert_eq!(list().render(None), (want.to_owned(), vec![]));
        assert_eq!(list().render(Some(35)), (want.to_owned(), vec![]));
    }

    #[test]
    fn a_terminal_gets_the_columns_that_fit_and_the_names_of_the_others() {
        let list = list();
        let (text, left_out) = list.render(Some(34));
        assert_eq!(
            text,
            "NAME                  STATE\norg-label-sync-token  ok\nx\n"
        );
        assert_eq!(left_out, ["SOURCE"]);
        let (text, left_out) = list.render(Some(5));
        assert_eq!(text, "NAME\norg-label-sync-token\nx\n");
        assert_eq!(left_out, ["STATE", "SOURCE"]);
    }

    #[test]
    fn sentences_are_never_left_out() {
        let list = List::of(&ITEMS)
            .column("NAME", |(name, ..)| name)
            .column("STATE", |(_, state, _)| state)
            .text("NEXT", |_| "put the value there, then run it again");
        let (text, left_out) = list.render(Some(45));
        assert_eq!(left_out, ["STATE"]);
        let indent = " ".repeat(22);
        assert_eq!(
            text,
            format!(
                "NAME                  NEXT\n\
                 org-label-sync-token  put the value there,\n\
                 {indent}then run it again\n\
                 x                     put the value there,\n\
                 {indent}then run it again\n"
            )
        );
        let (whole, left_out) = list.render(None);
        assert!(whole.contains("ok     put the value there, then run it again\n"));
        assert!(left_out.is_empty());
    }

    #[test]
    fn a_long_value_goes_on_below_itself_and_words_stay_whole() {
        let mut table = Table::of_fields();
        table.field("ready", "no: the store is locked; nothing is granted");
        table.field("root key", "0123456789012345678901234567890123456789");
        let want = "ready     no: the store is locked; nothing is granted\n\
                    root key  0123456789012345678901234567890123456789\n";
        assert_eq!(table.render(None), want);
        let want = "ready     no: the store is\n\
          \u{20}         locked; nothing is\n\
          \u{20}         granted\n\
                    root key  0123456789012345678901234567890123456789\n";
        assert_eq!(table.render(Some(30)), want);
    }

    #[test]
    fn a_sentence_goes_on_below_itself_and_what_is_copied_from_it_stays_whole() {
        let text = "tokenctl: hint: read why, then `tokenctl setup --secret NAME` continues\n  tokenctl exec site -- gh api rate_limit";
        assert_eq!(folded(text, None), text);
        let want = "tokenctl: hint: read why, then\n\
          \u{20} `tokenctl setup --secret NAME`\n\
          \u{20} continues\n\
          \u{20} tokenctl exec site -- gh api rate_limit";
        assert_eq!(folded(text, Some(32)), want);
        assert_eq!(
            folded("  hint: run it again later", Some(26)),
            "  hint: run it again\n    later"
        );
    }
}

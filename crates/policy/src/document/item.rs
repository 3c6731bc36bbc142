//! Reads single items of a file: text, numbers, lists, tables.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::similar::did_you_mean;
use toml::Spanned;
use toml::de::DeValue;

use super::{Document, Table};
use crate::finding::Place;

/// A value being read, with the key it stands under. Each reading method reports its own error.
#[derive(Clone, Copy)]
pub(crate) struct Item<'d> {
    pub(crate) document: &'d Document<'d>,
    pub(crate) key: &'d str,
    value: &'d DeValue<'d>,
    pub(super) at: usize,
}

impl<'d> Item<'d> {
    pub(super) fn new(
        document: &'d Document<'d>,
        key: &'d str,
        value: &'d Spanned<DeValue<'d>>,
    ) -> Self {
        Self {
            document,
            key,
            value: value.get_ref(),
            at: value.span().start,
        }
    }

    pub(crate) fn text(self) -> Option<&'d str> {
        if let DeValue::String(text) = self.value {
            return Some(text);
        }
        self.mistyped("text in quotes")
    }

    /// One line of at least so many characters.
    pub(crate) fn line(self, least: usize) -> Option<&'d str> {
        let line = self.text()?;
        if !(least..=200).contains(&line.chars().count()) || line.contains(char::is_control) {
            return self.refuse(format!(
                "`{}` must be one line of at most 200 characters",
                self.key
            ));
        }
        Some(line)
    }

    /// One of three things, by its word.
    pub(crate) fn one_of<T: Copy>(self, all: [T; 3], word: fn(T) -> &'static str) -> Option<T> {
        let text = self.text()?;
        let found = all.into_iter().find(|one| word(*one) == text);
        found.or_else(|| {
            let words @ [first, second, third] = all.map(word);
            let meant = did_you_mean(text, words);
            let key = self.key;
            self.refuse(format!(
                "`{key}` must be `{first}`, `{second}` or `{third}`{meant}"
            ))
        })
    }

    /// Text that `T` can be parsed from.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(self) -> Option<T> {
        self.accept(self.text()?.parse())
    }

    /// A span of time such as `15m`.
    pub(crate) fn duration(self) -> Option<Duration> {
        self.accept(duration::parse(self.text()?))
    }

    /// The value of a parse, or its error at this item's line.
    pub(crate) fn accept<T, E: Display>(self, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.error(error.to_string())).ok()
    }

    /// A whole number from 0 to `most`.
    pub(crate) fn number(self, most: u64) -> Option<u64> {
        let DeValue::Integer(number) = self.value else {
            return self.mistyped("a whole number");
        };
        let parsed = u64::from_str_radix(number.as_str(), number.radix()).ok();
        let number = parsed.filter(|number| *number <= most);
        if number.is_none() {
            self.error(format!("`{}` must be from 0 to {most}", self.key));
        }
        number
    }

    /// A list with at least one element and none twice.
    pub(crate) fn list<T: Ord>(self, read: impl Fn(Self) -> Option<T>) -> Option<Vec<T>> {
        let DeValue::Array(array) = self.value else {
            return self.mistyped("a list in brackets");
        };
        if array.is_empty() {
            return self.refuse(format!(
                "`{}` is empty: name something, or leave it out",
                self.key
            ));
        }
        let mut list = Vec::with_capacity(array.len());
        let mut whole = true;
        for element in array {
            let element = Self::new(self.document, self.key, element);
            match read(element) {
                Some(value) => list.push((value, element)),
                None => whole = false,
            }
        }
        list.sort_by(|(a, _), (b, _)| a.cmp(b));
        for pair in list.windows(2) {
            if let [(a, _), (b, element)] = pair
                && a == b
            {
                element.error(format!("`{}` names this twice", self.key));
                whole = false;
            }
        }
        whole.then(|| list.into_iter().map(|(value, _)| value).collect())
    }

    pub(crate) fn table(self, what: &'static str) -> Option<Table<'d>> {
        let DeValue::Table(entries) = self.value else {
            return self.mistyped("a table");
        };
        Some(Table {
            document: self.document,
            entries,
            at: self.at,
            what,
        })
    }

    pub(super) fn tables(self, what: &'static str, heading: &str) -> Vec<Table<'d>> {
        let tables = if let DeValue::Array(array) = self.value {
            let elements = array
                .iter()
                .map(|value| Self::new(self.document, self.key, value));
            elements.map(|element| element.table(what)).collect()
        } else {
            None
        };
        tables.unwrap_or_else(|| {
            self.error(format!("write `[[{heading}]]` on a line of its own"));
            Vec::new()
        })
    }

    /// `true` or `false`.
    pub(crate) fn flag(self) -> Option<bool> {
        if let DeValue::Boolean(flag) = self.value {
            return Some(*flag);
        }
        self.mistyped("true or false")
    }

    pub(crate) fn is_false(self) -> bool {
        matches!(self.value, DeValue::Boolean(false))
    }

    pub(crate) fn is_text(self) -> bool {
        matches!(self.value, DeValue::String(_))
    }

    fn mistyped<T>(self, wanted: &str) -> Option<T> {
        self.refuse(format!("`{}` must be {wanted}", printable(self.key)))
    }

    /// An error, and so no value.
    pub(crate) fn refuse<T>(self, message: impl Into<String>) -> Option<T> {
        self.error(message);
        None
    }

    pub(crate) fn error(self, message: impl Into<String>) {
        self.document.error(self.at, message);
    }

    pub(crate) fn warn(self, message: impl Into<String>) {
        self.document.warn(self.at, message);
    }

    pub(crate) fn place(self) -> Place {
        self.document.place(self.at)
    }
}

/// A text from a file as a message may quote it: short, and nothing that moves a terminal's cursor.
pub(crate) fn printable(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

//! Reads a TOML file table by table, and remembers on which line everything stood.
//!
//! By hand and not through serde, so that every error of a file is reported at once, each on its
//! line, semantic errors included, and an unknown key with the key that was meant.
//!
//! Values never stand in policies. A file that holds something with the shape of a token is refused
//! before anything in it is quoted in a message.

mod item;

use std::cell::RefCell;
use std::sync::Arc;

use broker_protocol::similar::did_you_mean;
use broker_protocol::token_shape;
use toml::de::DeTable;

pub(super) use self::item::{Item, printable};
use super::PolicyFile;
use super::finding::{Findings, Place};

/// Findings kept for one file. No one reads more, and a hostile file must not make us write them.
const MOST_FINDINGS: usize = 50;

/// One file while it is read: knows its lines and collects what is wrong.
pub(super) struct Document<'d> {
    name: Arc<str>,
    text: &'d str,
    /// Where each line ends.
    newlines: Vec<usize>,
    found: RefCell<Findings>,
}

impl<'d> Document<'d> {
    pub(super) fn new(file: &'d PolicyFile) -> Self {
        Self {
            name: file.name.as_str().into(),
            text: &file.text,
            newlines: file.text.match_indices('\n').map(|(at, _)| at).collect(),
            found: RefCell::default(),
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The file's syntax alone; `None`, and errors, if that is wrong already.
    pub(super) fn parse(&self) -> Option<DeTable<'d>> {
        if let Some(at) = secret_in(self.text) {
            self.error(
                at,
                "this looks like a secret, and values never stand in a policy: remove it, store it \
                 with `tokenctl secret set`, and revoke it if anyone else could read this file",
            );
            return None;
        }
        let (table, mut errors) = DeTable::parse_recoverable(self.text);
        if errors.is_empty() {
            return Some(table.into_inner());
        }
        // One slip makes the parser stumble several times on a line; the first one tells.
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        let mut last = 0;
        for error in errors.into_iter().take(MOST_FINDINGS) {
            let at = error.span().map_or(0, |span| span.start);
            let line = self.place(at).line;
            if line != last {
                self.error(at, error.message());
            }
            last = line;
        }
        None
    }

    /// The line of a byte offset.
    pub(super) fn place(&self, at: usize) -> Place {
        Place {
            file: Arc::clone(&self.name),
            line: self.newlines.partition_point(|newline| *newline < at) + 1,
        }
    }

    pub(super) fn error(&self, at: usize, message: impl Into<String>) {
        let mut found = self.found.borrow_mut();
        if found.errors.len() < MOST_FINDINGS {
            found.error(&self.place(at), message);
        }
    }

    pub(super) fn warn(&self, at: usize, message: impl Into<String>) {
        let mut found = self.found.borrow_mut();
        if found.warnings.len() < MOST_FINDINGS {
            found.warn(&self.place(at), message);
        }
    }

    pub(super) fn into_findings(self) -> Findings {
        self.found.into_inner()
    }
}

/// A table being read.
#[derive(Clone, Copy)]
pub(super) struct Table<'d> {
    pub(super) document: &'d Document<'d>,
    entries: &'d DeTable<'d>,
    at: usize,
    what: &'static str,
}

impl<'d> Table<'d> {
    /// The whole file. `what` completes “… knows no key `x`”.
    pub(super) fn root(
        document: &'d Document<'d>,
        entries: &'d DeTable<'d>,
        what: &'static str,
    ) -> Self {
        Self {
            document,
            entries,
            at: 0,
            what,
        }
    }

    /// The same table, with its own findings on the line of `item`.
    pub(super) fn standing_at(self, item: Item<'d>) -> Self {
        Self {
            at: item.at,
            ..self
        }
    }

    /// Keys that are none are errors; `known` is what the message suggests from.
    pub(super) fn refuse_unknown(self, known: &[&str]) -> Self {
        for (key, _) in self.entries {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let meant = did_you_mean(name, known.iter().copied());
                let name = printable(name);
                let message = format!("{} knows no `{name}`{meant}", self.what);
                self.document.error(key.span().start, message);
            }
        }
        self
    }

    pub(super) fn is_empty(self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn item(self, key: &str) -> Option<Item<'d>> {
        let (key, value) = self.entries.get_key_value(key)?;
        Some(Item::new(self.document, key.get_ref(), value))
    }

    /// The item, or an error at the table's own line.
    pub(super) fn required(self, key: &str) -> Option<Item<'d>> {
        let item = self.item(key);
        if item.is_none() {
            self.error(format!("{} needs `{key}`", self.what));
        }
        item
    }

    /// What is read of a key, or `absent` where the key is not written. `None` only with an error.
    pub(super) fn value_or<T>(
        self,
        key: &str,
        absent: T,
        read: impl FnOnce(Item<'d>) -> Option<T>,
    ) -> Option<T> {
        self.item(key).map_or(Some(absent), read)
    }

    /// The tables of `[[heading]]`, whose last part is `key`, in the order they stand.
    pub(super) fn tables(self, key: &str, what: &'static str, heading: &str) -> Vec<Self> {
        let tables = self.item(key).map(|item| item.tables(what, heading));
        tables.unwrap_or_default()
    }

    /// All entries, in the order of their keys.
    pub(super) fn items(self) -> impl Iterator<Item = Item<'d>> {
        self.entries
            .iter()
            .map(move |(key, value)| Item::new(self.document, key.get_ref(), value))
    }

    pub(super) fn error(self, message: impl Into<String>) {
        self.document.error(self.at, message);
    }

    pub(super) fn warn(self, message: impl Into<String>) {
        self.document.warn(self.at, message);
    }

    pub(super) fn place(self) -> Place {
        self.document.place(self.at)
    }
}

/// Where something with the shape of a GitHub token or of a private key begins.
///
/// The rest of GitHub's tokens is opaque and has changed its length before; twenty characters are more than a name has
/// by chance.
fn secret_in(text: &str) -> Option<usize> {
    let token = |at: usize, prefix: &str| {
        let (before, rest) = text.split_at_checked(at).unwrap_or_default();
        let rest = rest.as_bytes().get(prefix.len()..).unwrap_or_default();
        let tail = rest
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_');
        tail.count() >= 20 && token_shape::may_follow(before)
    };
    let tokens = token_shape::PREFIXES.iter().filter_map(|prefix| {
        let mut places = text.match_indices(prefix);
        places.find(|(at, _)| token(*at, prefix)).map(|(at, _)| at)
    });
    tokens.chain(text.find("PRIVATE KEY-----")).min()
}

//! The policy files on disk: which one has a purpose, and what they say of a secret.
//!
//! They are not necessarily those in force, and what is wrong with them is the broker's to say.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use broker_protocol::names::{Purpose, SecretName};
use broker_protocol::whole_file;
use clap::ValueEnum as _;
use toml_edit::{DocumentMut, Item};

use crate::args::Kind;
use crate::error::Failure;
use crate::policy_file::no_directory;

/// The files that the broker would read.
pub(crate) struct PolicyDir {
    dir: PathBuf,
    files: Vec<PolicyText>,
}

/// A file that is TOML.
pub(crate) struct PolicyText {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) document: DocumentMut,
}

impl PolicyDir {
    /// Reads the directory.
    pub(crate) fn read(dir: &Path) -> Result<Self, Failure> {
        let entries = match fs::read_dir(dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(no_directory(dir));
            }
            entries => entries.map_err(unreadable(dir))?,
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(unreadable(dir))?.path();
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            let is_policy = name.ends_with(b".toml") && !name.ends_with(b".cases.toml");
            if is_policy && !name.starts_with(b".") {
                paths.push(path);
            }
        }
        paths.sort();
        let mut files = Vec::new();
        for path in paths {
            let text = whole_file::open_to_read(&path).and_then(io::read_to_string);
            let text = text.map_err(unreadable(&path))?;
            // The broker names what is wrong with any other.
            if let Ok(document) = text.trim_start_matches('\u{feff}').parse() {
                files.push(PolicyText {
                    path,
                    text,
                    document,
                });
            }
        }
        let dir = dir.to_owned();
        Ok(Self { dir, files })
    }

    /// The file of a purpose.
    pub(crate) fn purpose(&self, purpose: &Purpose) -> Option<&PolicyText> {
        let named = |file: &&PolicyText| file.purpose() == Some(purpose.as_str());
        self.files.iter().find(named)
    }

    /// The file of a purpose that must have one.
    pub(crate) fn require_purpose(&self, purpose: &Purpose) -> Result<&PolicyText, Failure> {
        self.purpose(purpose).ok_or_else(|| {
            let all: Vec<&str> = self.files.iter().filter_map(PolicyText::purpose).collect();
            Failure::with_hint(
                format!(
                    "no file in {} has the purpose `{purpose}`",
                    self.dir.display()
                ),
                match &*all.join(", ") {
                    "" => format!("`tokenctl policy new {purpose}` writes one"),
                    all => format!(
                        "those that have one: {all}; `tokenctl policy new {purpose}` writes one"
                    ),
                },
            )
        })
    }

    /// The kind of a secret that must be declared.
    pub(crate) fn kind(&self, secret: &SecretName) -> Result<Kind, Failure> {
        let mut declared = Vec::new();
        for file in &self.files {
            let tables = file.document.get("secret").and_then(Item::as_table_like);
            for (name, table) in tables.into_iter().flat_map(|tables| tables.iter()) {
                if name == secret.as_str() {
                    let kind = table.get("kind").and_then(Item::as_str);
                    let kind = kind.and_then(|kind| Kind::from_str(kind, false).ok());
                    // The broker refuses any other.
                    return Ok(kind.unwrap_or(Kind::Classic));
                }
                declared.push(name);
            }
        }
        Err(Failure::with_hint(
            format!(
                "no file in {} declares the secret `{secret}`",
                self.dir.display()
            ),
            match &*declared.join(", ") {
                "" => format!("`tokenctl secret add {secret}` does"),
                all => format!("declared are: {all}; `tokenctl secret add {secret}` adds one"),
            },
        ))
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    move |error| match error.kind() {
        ErrorKind::PermissionDenied => Failure::with_hint(
            format!("cannot read {}: {error}", path.display()),
            "a service's policies are edited by their owner: `sudo tokenctl --config FILE policy …`",
        ),
        _ => Failure::file("read", path)(error),
    }
}

impl PolicyText {
    fn purpose(&self) -> Option<&str> {
        self.document.get("purpose").and_then(Item::as_str)
    }

    /// Its file's name, as messages of the broker have it.
    pub(crate) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

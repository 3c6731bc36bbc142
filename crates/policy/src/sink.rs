//! Where a rotated value must also go: `[[secret.NAME.sinks]]`.
//!
//! Only a declaration. Nothing is written from here; `visibility` of an organisation's secret is
//! kept as it is at GitHub and so is nothing a policy could say.

use std::fmt;

use broker_protocol::names::{OrgName, RepoPattern, SecretName};

use super::document::{Item, Table, printable};
use super::finding::Place;

/// One `[[secret.NAME.sinks]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkSpec {
    /// For which of GitHub's products the secret is there.
    pub kind: SinkKind,
    /// Whose secret it is there.
    pub at: SinkPlace,
    /// What it is called there, as declared. GitHub does not tell names apart by case.
    pub name: Box<str>,
    /// The declared secret whose token may write there; `None`: the rotated secret itself.
    pub with: Option<SecretName>,
    /// Where it is declared.
    pub place: Place,
}

impl SinkSpec {
    /// What tells it from other sinks: GitHub does not tell names and environments apart by case.
    #[must_use]
    pub fn identity(&self) -> (SinkKind, String, String) {
        let at = self.at.to_string().to_lowercase();
        (self.kind, at, self.name.to_ascii_uppercase())
    }
}

/// `actions secret SYNC_TOKEN of acme/site, environment production`
impl fmt::Display for SinkSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, at, name, .. } = self;
        write!(f, "{} secret {name} of {at}", kind.as_str())
    }
}

/// GitHub's products that have secrets of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SinkKind {
    /// GitHub Actions.
    Actions,
    /// Dependabot.
    Dependabot,
    /// Codespaces.
    Codespaces,
}

impl SinkKind {
    /// The kind as policies write it, and as it stands in GitHub's paths.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Actions => "actions",
            Self::Dependabot => "dependabot",
            Self::Codespaces => "codespaces",
        }
    }
}

/// Whose secret it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkPlace {
    /// A repository's. Never a pattern.
    Repository(RepoPattern),
    /// An environment's, in a repository.
    Environment {
        /// The repository. Never a pattern.
        repository: RepoPattern,
        /// The environment's name. Any text: to be encoded in a path.
        environment: Box<str>,
    },
    /// An organisation's.
    Organization(OrgName),
}

impl SinkPlace {
    /// The account it belongs to, in lower case.
    #[must_use]
    pub fn owner(&self) -> &str {
        match self {
            Self::Repository(repository) | Self::Environment { repository, .. } => {
                repository.owner()
            }
            Self::Organization(organization) => organization.as_str(),
        }
    }
}

impl fmt::Display for SinkPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(repository) => write!(f, "{repository}"),
            Self::Environment {
                repository,
                environment,
            } => write!(f, "{repository}, environment {environment}"),
            Self::Organization(organization) => write!(f, "organisation {organization}"),
        }
    }
}

const KEYS: &[&str] = &[
    "kind",
    "repository",
    "organization",
    "environment",
    "name",
    "with",
];

/// Reads the sinks of one secret.
pub(super) fn read(secret: Table<'_>) -> Vec<SinkSpec> {
    let tables = secret.tables("sinks", "a sink", "secret.NAME.sinks");
    tables.into_iter().filter_map(sink).collect()
}

fn sink(table: Table<'_>) -> Option<SinkSpec> {
    if let Some(item) = table.item("visibility") {
        return item.refuse(
            "`visibility` cannot be declared: an organisation's secret keeps the one it has",
        );
    }
    let table = table.refuse_unknown(KEYS);
    let kinds = [
        SinkKind::Actions,
        SinkKind::Dependabot,
        SinkKind::Codespaces,
    ];
    let kind = table.required("kind");
    let kind = kind.and_then(|item| item.one_of(kinds, SinkKind::as_str));
    let at = place(table, kind);
    let name = table.required("name").and_then(name);
    let with = table.value_or("with", None, |item| item.parsed().map(Some));
    Some(SinkSpec {
        kind: kind?,
        at: at?,
        name: name?,
        with: with?,
        place: table.place(),
    })
}

fn place(table: Table<'_>, kind: Option<SinkKind>) -> Option<SinkPlace> {
    let environment = table.item("environment");
    match (table.item("repository"), table.item("organization")) {
        (Some(item), None) => {
            let repository: RepoPattern = item.parsed()?;
            if repository.name().is_none() {
                return item.refuse("a sink is one repository: write its name");
            }
            let Some(item) = environment else {
                return Some(SinkPlace::Repository(repository));
            };
            if kind.is_some_and(|kind| kind != SinkKind::Actions) {
                item.error("only Actions have secrets of an environment");
            }
            Some(SinkPlace::Environment {
                repository,
                environment: environment_name(item)?,
            })
        }
        (None, Some(item)) => {
            if let Some(item) = environment {
                item.error("an environment belongs to a repository: name `repository`");
            }
            item.parsed().map(SinkPlace::Organization)
        }
        (Some(_), Some(item)) => {
            item.refuse("a sink is of a repository or of an organisation: name one of the two")
        }
        (None, None) => {
            table.error("a sink needs `repository` or `organization`");
            None
        }
    }
}

fn environment_name(item: Item<'_>) -> Option<Box<str>> {
    let text = item.text()?;
    if text.trim() != text || text.is_empty() || text.contains(char::is_control) {
        return item.refuse("`environment` must be the name of an environment, on one line");
    }
    if text.chars().count() > LONGEST_ENVIRONMENT {
        return item.refuse(format!(
            "`environment` has at most {LONGEST_ENVIRONMENT} characters"
        ));
    }
    Some(text.into())
}

/// Ours: room for any name people give, and an end to those they do not.
const LONGEST_ENVIRONMENT: usize = 255;
/// Ours, likewise.
const LONGEST_NAME: usize = 255;

/// Letters, digits and `_`; neither a digit nor `GITHUB_` in front, in any case.
///
/// Source: GitHub documentation, “Secrets reference”.
fn name(item: Item<'_>) -> Option<Box<str>> {
    let text = item.text()?;
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let reserved = text
        .get(..RESERVED.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(RESERVED));
    let digit = text.starts_with(|c: char| c.is_ascii_digit());
    let sized = (1..=LONGEST_NAME).contains(&text.len());
    if !sized || digit || reserved || !text.bytes().all(good) {
        let text = printable(text);
        return item.refuse(format!(
            "`{text}` is not the name of a secret at GitHub (letters, digits and _; no digit and no \
             `{RESERVED}` in front)"
        ));
    }
    Some(text.into())
}

const RESERVED: &str = "GITHUB_";

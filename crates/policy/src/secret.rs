//! What the broker holds: `[secret.NAME]`, where its value comes from, and when it must change.
//!
//! Only a declaration. The value is nowhere near a policy file, and what GitHub says about it
//! (scopes, owner, end) is compared elsewhere.

use std::borrow::Cow;
use std::time::Duration;

use broker_protocol::names::{ONE_PASSWORD_TOKEN, OrgName, Permissions, RepoPattern, SecretName};
use broker_protocol::source::SourceSpec;

use super::document::{Item, Table, printable};
use super::finding::Place;
use super::sink::{self, SinkSpec};
use super::{known, parts};

/// One `[secret.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretDeclaration {
    /// What it is called.
    pub name: SecretName,
    /// What GitHub calls a thing like it.
    pub kind: SecretKind,
    /// The login that GitHub must report for it.
    pub owner: Option<Box<str>>,
    /// What a classic token must carry, implied scopes included; in the order of their names.
    pub scopes: Box<[Cow<'static, str>]>,
    /// What a fine-grained token is meant to reach, exactly.
    pub repositories: Vec<RepoPattern>,
    /// What a fine-grained token is meant to be allowed, exactly.
    pub permissions: Permissions,
    /// An App's client id.
    pub client_id: Option<Box<str>>,
    /// Its value must change this often.
    pub rotate_every: Option<Duration>,
    /// Warn below this many remaining core requests.
    pub rate_floor: Option<u64>,
    /// Where its value comes from.
    pub source: SourceSpec,
    /// Whether its file is one that a deployment mounts, which may be readable by others.
    pub mounted: bool,
    /// Where a rotated value must also go, in the order in which they stand.
    pub sinks: Vec<SinkSpec>,
    /// Where it is declared.
    pub place: Place,
}

/// The kinds of secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// A classic personal access token.
    Classic,
    /// A fine-grained personal access token.
    FineGrained,
    /// The private key of a GitHub App.
    App,
}

impl SecretKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Classic, Self::FineGrained, Self::App];

    /// The kind with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The kind as policies write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::FineGrained => "fine-grained",
            Self::App => "app",
        }
    }
}

/// Reads one `[secret.NAME]` table; `item.key` is its name.
pub(super) fn read(item: Item<'_>) -> Option<SecretDeclaration> {
    let name: SecretName = item.accept(item.key.parse())?;
    if name.as_str() == ONE_PASSWORD_TOKEN {
        return item.refuse(format!(
            "`{name}` is what tokend itself shows to 1Password: `[onepassword]` in tokend.toml says \
             where it is stored, and no policy declares it"
        ));
    }
    let table = item.table("a secret")?.refuse_unknown(KEYS);
    let kind = table.required("kind");
    let kind = kind.and_then(|item| item.one_of(SecretKind::ALL, SecretKind::as_str));
    if let Some(kind) = kind {
        refuse_keys_of_other_kinds(table, kind);
    }
    let source = table.value_or("source", SourceSpec::Vault, Item::parsed)?;
    let list = |key| table.item(key);
    let repositories = list("repositories").and_then(parts::repositories);
    let permissions = list("permissions").and_then(parts::permissions);
    let mounted = list("mounted").and_then(|item| mounted(item, &source));
    Some(SecretDeclaration {
        name,
        kind: kind?,
        owner: list("owner").and_then(owner),
        scopes: list("scopes").and_then(scopes).unwrap_or_default(),
        repositories: repositories.unwrap_or_default(),
        permissions: permissions.unwrap_or_default(),
        client_id: list("client_id").and_then(client_id),
        rotate_every: list("rotate_every").and_then(Item::duration),
        rate_floor: list("rate_floor").and_then(|item| item.number(u64::from(u32::MAX))),
        mounted: mounted.unwrap_or_default(),
        source,
        sinks: sink::read(table),
        place: table.place(),
    })
}

const KEYS: &[&str] = &[
    "kind",
    "owner",
    "scopes",
    "repositories",
    "permissions",
    "client_id",
    "rotate_every",
    "rate_floor",
    "source",
    "mounted",
    "sinks",
];

/// The keys that mean something for these kinds alone.
const OWN_KEYS: [(&str, &[SecretKind]); 5] = [
    ("owner", &[SecretKind::Classic, SecretKind::FineGrained]),
    ("scopes", &[SecretKind::Classic]),
    ("repositories", &[SecretKind::FineGrained]),
    ("permissions", &[SecretKind::FineGrained]),
    ("client_id", &[SecretKind::App]),
];

fn refuse_keys_of_other_kinds(table: Table<'_>, kind: SecretKind) {
    for (key, kinds) in OWN_KEYS {
        if let Some(item) = table.item(key)
            && !kinds.contains(&kind)
        {
            item.error(format!(
                "`{key}` means nothing for a secret of kind `{}`",
                kind.as_str()
            ));
        }
    }
    if kind == SecretKind::App {
        table.required("client_id");
    }
}

/// A warning where it says nothing: a move changes the line with the source alone.
fn mounted(item: Item<'_>, source: &SourceSpec) -> Option<bool> {
    let mounted = item.flag()?;
    if source.file().is_none() {
        item.warn("`mounted` says nothing of a source that is no file; take the line out");
    }
    Some(mounted)
}

fn owner(item: Item<'_>) -> Option<Box<str>> {
    let login = item.text()?;
    // A user's login follows the rules of an organisation's.
    if login.parse::<OrgName>().is_err() {
        let login = printable(login);
        return item.refuse(format!("`{login}` is not a GitHub login"));
    }
    Some(login.into())
}

fn scopes(item: Item<'_>) -> Option<Box<[Cow<'static, str>]>> {
    let scopes = item.list(|element| {
        let scope = element.text()?;
        let good = |b: u8| b.is_ascii_lowercase() || b == b'_' || b == b':';
        if scope.is_empty() || scope.len() > 64 || !scope.bytes().all(good) {
            let scope = printable(scope);
            return element.refuse(format!("`{scope}` is not a scope (a-z, _ and :)"));
        }
        match known::scope(scope) {
            Ok(known) => Some(Cow::Borrowed(known)),
            Err(odd) => {
                element.warn(odd);
                Some(Cow::Owned(scope.to_owned()))
            }
        }
    });
    scopes.map(Vec::into_boxed_slice)
}

fn client_id(item: Item<'_>) -> Option<Box<str>> {
    let text = item.text()?;
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'.';
    if !(1..=64).contains(&text.len()) || !text.bytes().all(good) {
        return item.refuse("`client_id` must be the App's client id, such as `Iv23liABCDEF`");
    }
    Some(text.into())
}

//! Who and what there is: accounts, repositories, tokens, Apps.
//!
//! A test writes it with the methods of [`World`], a shell or another language as JSON; both are the
//! same types. Unknown fields are errors. Ids are given in the order of making, from 1001.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::app_key::AppKey;
use super::permission::{Level, Permissions};
use super::plans::{IssueOf, ProjectOf};

/// Everything there is at the start.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct World {
    /// People and machine accounts.
    pub users: Vec<String>,
    /// Organisations, with their members, who may write to all of their repositories.
    pub organizations: BTreeMap<String, BTreeSet<String>>,
    /// Repositories.
    pub repositories: Vec<RepositoryOf>,
    /// Personal access tokens.
    pub tokens: Vec<Pat>,
    /// GitHub Apps with their installations.
    pub apps: Vec<App>,
    /// Projects, of issues and pull requests.
    pub projects: Vec<ProjectOf>,
}

/// A repository as a world describes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryOf {
    /// `owner/name`.
    pub full_name: String,
    /// Hidden from those who may not see it.
    #[serde(default = "yes")]
    pub private: bool,
    /// Files by path.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Deployment environments.
    #[serde(default)]
    pub environments: BTreeSet<String>,
    /// Accounts that may work on it besides the owner and its members.
    #[serde(default)]
    pub collaborators: BTreeMap<String, Level>,
    /// The repository that it was forked from, `owner/name`, described before it.
    #[serde(default)]
    pub fork_of: Option<String>,
    /// Issues and pull requests, in the order of their numbers.
    #[serde(default)]
    pub issues: Vec<IssueOf>,
}

/// A personal access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pat {
    /// The token itself.
    pub token: String,
    /// Whose it is.
    pub login: String,
    /// What it may do.
    pub kind: PatKind,
    /// When it ends by itself.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// How GitHub tells that.
    #[serde(default)]
    pub expiry_header: ExpiryHeader,
    /// Dead.
    #[serde(default)]
    pub revoked: bool,
    /// Organisations with single sign-on for which it was not authorised.
    #[serde(default)]
    pub sso_missing: BTreeSet<String>,
}

/// The two kinds of personal access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum PatKind {
    /// With scopes, wherever its user may go.
    Classic {
        /// As ticked.
        #[serde(default)]
        scopes: BTreeSet<String>,
    },
    /// With permissions, on repositories of one owner.
    FineGrained {
        /// Whose resources.
        owner: String,
        /// Which of them.
        #[serde(default)]
        repositories: Repositories,
        /// What it may do there.
        #[serde(default)]
        permissions: Permissions,
        /// Not yet approved by the organisation: public data only.
        #[serde(default)]
        pending: bool,
    },
}

/// Which repositories of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Repositories {
    /// All of them, those made later too.
    #[default]
    All,
    /// These, `owner/name`.
    Selected(BTreeSet<String>),
}

impl Repositories {
    /// These, `owner/name`.
    #[must_use]
    pub fn selected(names: &[&str]) -> Self {
        Self::Selected(names.iter().map(|name| (*name).to_owned()).collect())
    }
}

/// How `github-authentication-token-expiration` is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpiryHeader {
    /// `2023-01-31 23:00:00 UTC`
    #[default]
    Utc,
    /// `2023-04-26 23:23:18 +0200`
    Offset,
    /// Not at all.
    Absent,
    /// The time of the call instead of the end: what one report saw of fine-grained tokens
    /// (google/go-github issue 3708).
    TimeOfCall,
    /// What no one can read.
    Unreadable,
}

/// A GitHub App.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Its name in URLs.
    pub slug: String,
    /// `Iv23…`
    pub client_id: String,
    /// Its numeric id; given when 0.
    #[serde(default)]
    pub id: u64,
    /// The account that made it.
    pub owner: String,
    /// The most that an installation may have.
    pub permissions: Permissions,
    /// Its private keys, PKCS#1 PEM. Several at once: that is how one is replaced.
    #[serde(default, with = "pem_keys")]
    pub keys: Vec<AppKey>,
    /// Where it is installed.
    #[serde(default)]
    pub installations: Vec<Installation>,
}

/// An App on one account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installation {
    /// Given when 0.
    #[serde(default)]
    pub id: u64,
    /// The account, a user's or an organisation's.
    pub account: String,
    /// Which of its repositories.
    #[serde(default)]
    pub repositories: Repositories,
    /// What was granted; the App's own when absent.
    #[serde(default)]
    pub permissions: Option<Permissions>,
    /// Suspended by the account.
    #[serde(default)]
    pub suspended: bool,
}

impl World {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A user.
    #[must_use]
    pub fn user(mut self, login: &str) -> Self {
        self.users.push(login.to_owned());
        self
    }

    /// An organisation; members that are not there yet come with it.
    #[must_use]
    pub fn organization(mut self, login: &str, members: &[&str]) -> Self {
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        self.organizations.insert(login.to_owned(), members);
        self
    }

    /// A private repository, `owner/name`, with a `README.md`.
    #[must_use]
    pub fn repository(self, full_name: &str) -> Self {
        self.repository_with(full_name, |_| {})
    }

    /// A public repository.
    #[must_use]
    pub fn public_repository(self, full_name: &str) -> Self {
        self.repository_with(full_name, |repository| repository.private = false)
    }

    /// A repository, described further.
    #[must_use]
    pub fn repository_with(
        mut self,
        full_name: &str,
        describe: impl FnOnce(&mut RepositoryOf),
    ) -> Self {
        let readme = ("README.md".to_owned(), format!("# {full_name}\n"));
        let mut repository = RepositoryOf {
            full_name: full_name.to_owned(),
            private: true,
            files: [readme].into(),
            environments: BTreeSet::new(),
            collaborators: BTreeMap::new(),
            fork_of: None,
            issues: Vec::new(),
        };
        describe(&mut repository);
        self.repositories.push(repository);
        self
    }

    /// A classic token without an end.
    #[must_use]
    pub fn classic(self, token: &str, login: &str, scopes: &[&str]) -> Self {
        self.pat(Pat::classic(token, login, scopes))
    }

    /// A token, described as a whole.
    #[must_use]
    pub fn pat(mut self, pat: Pat) -> Self {
        self.tokens.push(pat);
        self
    }

    /// An App.
    #[must_use]
    pub fn app(mut self, app: App) -> Self {
        self.apps.push(app);
        self
    }
}

impl Pat {
    /// A classic token without an end.
    #[must_use]
    pub fn classic(token: &str, login: &str, scopes: &[&str]) -> Self {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Self::new(token, login, PatKind::Classic { scopes })
    }

    /// A fine-grained token without an end, for resources of `owner`.
    #[must_use]
    pub fn fine_grained(
        token: &str,
        login: &str,
        owner: &str,
        repositories: Repositories,
        permissions: &[(&str, Level)],
    ) -> Self {
        let kind = PatKind::FineGrained {
            owner: owner.to_owned(),
            repositories,
            permissions: named(permissions),
            pending: false,
        };
        Self::new(token, login, kind)
    }

    /// The same with an end, told in this form.
    #[must_use]
    pub fn expires(mut self, at: Timestamp, header: ExpiryHeader) -> Self {
        self.expires_at = Some(at);
        self.expiry_header = header;
        self
    }

    fn new(token: &str, login: &str, kind: PatKind) -> Self {
        Self {
            token: token.to_owned(),
            login: login.to_owned(),
            kind,
            expires_at: None,
            expiry_header: ExpiryHeader::default(),
            revoked: false,
            sso_missing: BTreeSet::new(),
        }
    }
}

impl App {
    /// An App of `owner` with one key, installed nowhere.
    #[must_use]
    pub fn new(client_id: &str, owner: &str, key: &AppKey, permissions: &[(&str, Level)]) -> Self {
        Self {
            slug: format!("app-{}", client_id.to_lowercase()),
            client_id: client_id.to_owned(),
            id: 0,
            owner: owner.to_owned(),
            permissions: named(permissions),
            keys: vec![key.clone()],
            installations: Vec::new(),
        }
    }

    /// The same, installed on an account with all its permissions.
    #[must_use]
    pub fn installed(mut self, account: &str, repositories: Repositories) -> Self {
        self.installations.push(Installation {
            id: 0,
            account: account.to_owned(),
            repositories,
            permissions: None,
            suspended: false,
        });
        self
    }

    /// Whether an `iss` means this App.
    pub(crate) fn is(&self, issuer: &str) -> bool {
        self.client_id == issuer || self.id.to_string() == issuer
    }
}

fn named(permissions: &[(&str, Level)]) -> Permissions {
    permissions
        .iter()
        .map(|(name, level)| ((*name).to_owned(), *level))
        .collect()
}

fn yes() -> bool {
    true
}

/// Private keys as the PEM texts they are in JSON.
mod pem_keys {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::AppKey;

    pub(super) fn serialize<S: Serializer>(
        keys: &[AppKey],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let texts: Vec<&str> = keys.iter().map(AppKey::pem).collect();
        texts.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<AppKey>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts
            .iter()
            .map(|text| AppKey::parse(text).map_err(D::Error::custom))
            .collect()
    }
}

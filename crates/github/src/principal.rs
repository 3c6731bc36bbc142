//! Whose budget of requests a call draws on.

use std::fmt;

/// Whose budget of requests a call draws on: GitHub counts per account, not per token.
///
/// Source: GitHub REST documentation, “Rate limits for the REST API”.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// A user, by login in lower case. All personal access tokens of a user share one budget.
    User(Box<str>),
    /// An installation of an App, by its id. All its installation tokens share one budget.
    Installation(u64),
    /// An App that speaks for itself, by its client id.
    App(Box<str>),
    /// No one: counted by the address the request comes from.
    Anonymous,
}

impl Principal {
    /// The user with this login. GitHub does not tell logins apart by case.
    #[must_use]
    pub fn user(login: &str) -> Self {
        Self::User(login.to_ascii_lowercase().into())
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(login) => write!(f, "user {login}"),
            Self::Installation(id) => write!(f, "installation {id}"),
            Self::App(client_id) => write!(f, "app {client_id}"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

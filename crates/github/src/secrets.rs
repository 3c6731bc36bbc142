//! GitHub's own secret stores: how a value gets into one, and how it is seen that it did.
//!
//! ```text
//! GET the secret ─ GET the public key ─ seal ─ PUT ─ GET the secret: has `updated_at` moved?
//! ```
//!
//! GitHub never shows a value again, so its date is all the proof there is. Writing an organisation's
//! secret replaces who may see it; so that is read first and sent back as it was. A secret that an
//! organisation does not have yet is made visible to no repository: the operator widens it.
//!
//! Repositories, environments and organisations, and the kinds of secret, differ in their paths alone.
//!
//! Source: GitHub REST documentation, “GitHub Actions secrets” and its siblings for Dependabot and
//! Codespaces. Not here: which value goes where, with whose token, and what is recorded (`rotations`).

use broker_policy::{SinkPlace, SinkSpec};
use broker_secret_memory::token::AccessToken;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::links::encode;
use super::sealed_box::{BoxKey, SealError};
use super::{Call, Credential, GitHub, GitHubError, Method, Outcome, Principal};

/// Whose token writes.
#[derive(Clone, Copy)]
pub struct Writer<'a> {
    /// The token.
    pub token: &'a AccessToken,
    /// Whose budget it draws on, if known.
    pub principal: Option<&'a Principal>,
}

/// A secret that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// When GitHub says it was updated.
    pub updated_at: Timestamp,
    /// Whether it was not there before.
    pub created: bool,
}

/// Why a value is not known to have arrived.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// GitHub refused, or could not be asked.
    #[error("{doing}: {source}")]
    GitHub {
        /// Which of the calls.
        doing: &'static str,
        /// Why.
        #[source]
        source: GitHubError,
    },
    /// The value could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// GitHub took the value, and the secret's date says otherwise.
    #[error("GitHub took the value, but says the secret was last updated {0}, before that")]
    NotUpdated(Timestamp),
    /// GitHub took the value and then knew nothing of the secret.
    #[error("GitHub took the value, and then knew no such secret")]
    Gone,
}

impl SinkError {
    /// Whether the value may have arrived all the same.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::GitHub { doing, source } => match *doing {
                LOOK_AFTER => true,
                WRITE => source.outcome() != Outcome::NotDone,
                _ => false,
            },
            Self::NotUpdated(_) | Self::Gone => true,
            Self::Seal(_) => false,
        }
    }

    /// The refusal behind it, if GitHub was asked.
    #[must_use]
    pub const fn github(&self) -> Option<&GitHubError> {
        match self {
            Self::GitHub { source, .. } => Some(source),
            Self::Seal(_) | Self::NotUpdated(_) | Self::Gone => None,
        }
    }
}

/// `GET …/secrets/{NAME}`.
#[derive(Debug, Deserialize)]
struct Existing {
    updated_at: Timestamp,
    /// Of an organisation's: `all`, `private` or `selected`.
    #[serde(default)]
    visibility: Option<String>,
}

/// `GET …/secrets/public-key`. GitHub writes the id as text.
#[derive(Deserialize)]
struct PublicKey {
    key_id: String,
    key: String,
}

#[derive(Deserialize)]
struct Selected {
    repositories: Vec<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    id: u64,
}

const LOOK: &str = "looking at the secret";
const WHO_SEES: &str = "reading who may see the secret";
const KEY: &str = "reading the public key";
const WRITE: &str = "writing the secret";
const LOOK_AFTER: &str = "looking at the secret after writing it";

/// Dates have whole seconds, and two of GitHub's machines may differ a little.
const SLACK: SignedDuration = SignedDuration::from_secs(5);
/// More pages of selected repositories than any organisation has; 100 on each.
const MOST_PAGES: usize = 100;

impl GitHub {
    /// Writes a value to a secret and sees that its date moved. May be repeated: there is one secret of
    /// a name.
    ///
    /// # Errors
    ///
    /// [`SinkError`]; [`SinkError::may_have_happened`] tells whether the value may be there.
    pub async fn write_secret(
        &self,
        writer: Writer<'_>,
        sink: &SinkSpec,
        value: &AccessToken,
    ) -> Result<Written, SinkError> {
        let all = path_of(sink);
        let one = format!("{all}/{}", encode(&sink.name));
        let before = self.existing(writer, &one, LOOK).await?;

        let mut body = serde_json::Map::new();
        if let SinkPlace::Organization(_) = sink.at {
            let visibility = before.as_ref().and_then(|one| one.visibility.as_deref());
            let visibility = visibility.unwrap_or("selected");
            body.insert("visibility".to_owned(), visibility.into());
            if visibility == "selected" {
                let selected = match before {
                    Some(_) => self.selected(writer, &one).await?,
                    None => Vec::new(),
                };
                body.insert("selected_repository_ids".to_owned(), selected.into());
            }
        }
        let (key, _): (PublicKey, _) = self.read(writer, format!("{all}/public-key"), KEY).await?;
        let sealed = BoxKey::parse(&key.key)?.seal(value)?;
        body.insert("encrypted_value".to_owned(), sealed.into());
        body.insert("key_id".to_owned(), key.key_id.into());
        let put = Call {
            method: Method::PUT,
            path: one.clone(),
            body: Some(body.into()),
            ..writer.call()
        };
        let put = self.call(put).await.map_err(in_step(WRITE))?;

        let after = self.existing(writer, &one, LOOK_AFTER).await?;
        let after = after.ok_or(SinkError::Gone)?;
        let moved = before
            .as_ref()
            .is_none_or(|b| b.updated_at < after.updated_at);
        // Written twice within a second, as after a lost reply: then the date is as new as the answer.
        let said = put.headers.date;
        let fresh = said.is_some_and(|said| said.duration_since(after.updated_at) <= SLACK);
        if !moved && !fresh {
            return Err(SinkError::NotUpdated(after.updated_at));
        }
        Ok(Written {
            updated_at: after.updated_at,
            created: before.is_none(),
        })
    }

    async fn existing(
        &self,
        writer: Writer<'_>,
        path: &str,
        doing: &'static str,
    ) -> Result<Option<Existing>, SinkError> {
        match self.read(writer, path.to_owned(), doing).await {
            Ok((existing, _)) => Ok(Some(existing)),
            Err(SinkError::GitHub {
                source: GitHubError::NotFound { .. },
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn selected(&self, writer: Writer<'_>, one: &str) -> Result<Vec<u64>, SinkError> {
        let mut ids = Vec::new();
        let mut next = Some(format!("{one}/repositories?per_page=100"));
        for _page in 0..MOST_PAGES {
            let Some(path) = next.take() else { break };
            let (page, following): (Selected, _) = self.read(writer, path, WHO_SEES).await?;
            ids.extend(page.repositories.iter().map(|repository| repository.id));
            next = following;
        }
        Ok(ids)
    }

    /// Reads one thing, and the path of the next page.
    async fn read<T: DeserializeOwned>(
        &self,
        writer: Writer<'_>,
        path: String,
        doing: &'static str,
    ) -> Result<(T, Option<String>), SinkError> {
        let call = Call {
            path,
            ..writer.call()
        };
        let reply = self.call(call).await.map_err(in_step(doing))?;
        let read = reply.json().map_err(in_step(doing))?;
        Ok((read, reply.headers.next))
    }
}

impl<'a> Writer<'a> {
    /// A GET of nothing yet.
    fn call(self) -> Call<'a> {
        Call::get("", Credential::Token(self.token)).drawing_on(self.principal.cloned())
    }
}

fn in_step(doing: &'static str) -> impl FnOnce(GitHubError) -> SinkError {
    move |source| SinkError::GitHub { doing, source }
}

/// Where the secrets of a place are.
fn path_of(sink: &SinkSpec) -> String {
    let kind = sink.kind.as_str();
    match &sink.at {
        SinkPlace::Repository(repository) => format!("/repos/{repository}/{kind}/secrets"),
        SinkPlace::Environment {
            repository,
            environment,
        } => format!(
            "/repos/{repository}/environments/{}/secrets",
            encode(environment)
        ),
        SinkPlace::Organization(organization) => format!("/orgs/{organization}/{kind}/secrets"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use broker_policy::{Host, NamesOnly, PolicyFile, PolicySet};

    fn path(sink: &str) -> String {
        let file = PolicyFile {
            name: "s.toml".to_owned(),
            text: format!("[secret.pat]\nkind = 'classic'\n[[secret.pat.sinks]]\n{sink}"),
        };
        let set = PolicySet::parse(&[file], &NamesOnly::default(), &Host::anywhere()).unwrap();
        path_of(&set.secret(&"pat".parse().unwrap()).unwrap().sinks[0])
    }

    #[test]
    fn every_place_has_its_path() {
        for (sink, want) in [
            (
                "kind = 'actions'\nrepository = 'Acme/Site'\nname = 'PAT'",
                "/repos/acme/site/actions/secrets",
            ),
            (
                "kind = 'dependabot'\nrepository = 'acme/site'\nname = 'PAT'",
                "/repos/acme/site/dependabot/secrets",
            ),
            (
                "kind = 'codespaces'\norganization = 'acme'\nname = 'PAT'",
                "/orgs/acme/codespaces/secrets",
            ),
            (
                "kind = 'actions'\nrepository = 'acme/site'\nenvironment = 'prod/eu 1'\nname = 'PAT'",
                "/repos/acme/site/environments/prod%2Feu%201/secrets",
            ),
        ] {
            assert_eq!(path(sink), want);
        }
    }

    #[test]
    fn only_what_came_before_the_writing_surely_changed_nothing() {
        let lost = || {
            GitHubError::Unreachable(broker_https::NotReached {
                why: broker_https::Unreachable::Lost,
                may_have_happened: true,
                cause: "".into(),
            })
        };
        let error = |doing| SinkError::GitHub {
            doing,
            source: lost(),
        };
        for doing in [LOOK, WHO_SEES, KEY] {
            assert!(!error(doing).may_have_happened(), "{doing}");
        }
        for doing in [WRITE, LOOK_AFTER] {
            assert!(error(doing).may_have_happened(), "{doing}");
        }
        assert!(!SinkError::from(SealError::TooLong).may_have_happened());
        let refused = SinkError::GitHub {
            doing: WRITE,
            source: GitHubError::NotFound {
                message: crate::Said::default(),
            },
        };
        assert!(!refused.may_have_happened());
    }
}

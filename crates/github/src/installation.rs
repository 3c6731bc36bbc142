//! Installations of an App, and the tokens minted for them.
//!
//! A mint always names the permissions, and the repositories wherever the lease does: at GitHub leaving
//! one out means all there is. Names change hands and ids do not, so whoever knows a repository's id
//! names that. What GitHub says it granted is compared with what was asked before anybody gets it.
//!
//! Source: GitHub REST documentation, “Apps”; “Generating an installation access token for a GitHub
//! App”.

use std::collections::{BTreeMap, BTreeSet};

use broker_protocol::names::{OrgName, Permissions, RepoPattern};
use broker_secret_memory::token::AccessToken;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use zeroize::Zeroizing;

use super::{AppKey, Call, Credential, GitHub, GitHubError, Method, Principal, Retry};

/// Where an App is installed, as far as it is used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Installation {
    /// Its number.
    pub id: u64,
    /// Set while an owner has suspended it.
    pub suspended_at: Option<Timestamp>,
}

/// Through what an installation is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A repository it reaches, `owner/name`.
    Repository(&'a RepoPattern),
    /// An account, personal or an organisation's.
    Account(&'a str),
    /// An organisation.
    Organization(&'a OrgName),
}

/// What a token is to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MintRequest<'a> {
    /// The repositories.
    pub repositories: Repositories<'a>,
    /// The permissions; never empty.
    pub permissions: &'a Permissions,
}

/// Which repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repositories<'a> {
    /// All of the installation's, or none where the permissions are the organisation's alone.
    All,
    /// These, by the name part, because not all of their ids are known; with those that are.
    Named(Vec<(&'a RepoPattern, Option<u64>)>),
    /// These, by id.
    ById(Vec<(&'a RepoPattern, u64)>),
}

/// What GitHub minted. It holds the token and so has no `Debug`.
pub struct Minted {
    /// The token.
    pub token: AccessToken,
    /// When it ends: one hour from minting.
    pub expires_at: Timestamp,
    /// What it may do, by GitHub's account.
    granted: Granted,
}

/// What GitHub says a token may do.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Granted {
    permissions: Option<BTreeMap<String, String>>,
    /// `full_name` in lower case, and id; `None` for all of the installation's.
    repositories: Option<Vec<(String, u64)>>,
}

/// GitHub granted something else than was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Differs {
    /// More or fewer permissions.
    #[error("GitHub granted other permissions than were asked for: {0}")]
    Permissions(String),
    /// Other repositories.
    #[error("GitHub granted other repositories than were asked for: {0}")]
    Repositories(String),
    /// An id that belonged to one name belongs to another.
    #[error(
        "`{was}` is called `{now}` today: it was renamed or moved. Write the new name into the policy; \
         if another repository has the old name now on purpose, an operator runs `tokenctl repository \
         unpin {was}`"
    )]
    Renamed {
        /// The name in the policy.
        was: String,
        /// The name GitHub gives it.
        now: String,
    },
    /// A name that meant one repository means another.
    #[error(
        "`{name}` has meant repository {was} since an App was first given a token for it, and is \
         repository {now} today; if it was deleted and made again on purpose, an operator runs `tokenctl \
         repository unpin {name}`"
    )]
    Another {
        /// The name.
        name: String,
        /// The id that was kept.
        was: u64,
        /// The id that it has.
        now: u64,
    },
}

impl GitHub {
    /// Finds where an App is installed.
    ///
    /// # Errors
    ///
    /// [`GitHubError::NotFound`] where it is not, or where there is no such thing.
    pub async fn installation(
        &self,
        app: &AppKey,
        target: Target<'_>,
    ) -> Result<Installation, GitHubError> {
        // Names are made of letters, digits, `-`, `_` and `.`: nothing to encode.
        let path = match target {
            Target::Repository(name) => format!("/repos/{name}/installation"),
            Target::Account(login) => format!("/users/{login}/installation"),
            Target::Organization(org) => format!("/orgs/{org}/installation"),
        };
        let call = Call::get(path, Credential::App(app)).drawing_on(Some(app.principal()));
        self.call(call).await?.json()
    }

    /// Mints an installation token. Sent once: of a lost answer nobody knows the token, and a second
    /// one would be alive beside it.
    ///
    /// # Errors
    ///
    /// [`GitHubError`]; its outcome says whether a token may be alive that nobody holds.
    pub async fn mint(
        &self,
        app: &AppKey,
        installation: u64,
        request: &MintRequest<'_>,
    ) -> Result<Minted, GitHubError> {
        let reply = self
            .call(Call {
                method: Method::POST,
                path: format!("/app/installations/{installation}/access_tokens"),
                credential: Credential::App(app),
                principal: Some(app.principal()),
                body: Some(request.body()),
                retry: Retry::Once,
            })
            .await?;
        let MintAnswer {
            mut token,
            expires_at,
            permissions,
            repositories,
        } = reply.json()?;
        // Whatever else is wrong with the answer, the token in it is to be ended and not lost.
        let repositories = repositories.and_then(|all| {
            let all: Vec<RepositoryAnswer> = serde_json::from_value(all).ok()?;
            let named = |one: RepositoryAnswer| (one.full_name.to_ascii_lowercase(), one.id);
            Some(all.into_iter().map(named).collect())
        });
        let permissions = permissions.and_then(|all| serde_json::from_value(all).ok());
        Ok(Minted {
            token: AccessToken::new(std::mem::take(&mut token)),
            expires_at,
            granted: Granted {
                permissions,
                repositories,
            },
        })
    }

    /// Ends an installation token at once.
    ///
    /// # Errors
    ///
    /// [`GitHubError::Unauthorized`] if GitHub no longer accepts it, or not yet: a token is known
    /// everywhere only after some seconds.
    pub async fn end_installation_token(
        &self,
        token: &AccessToken,
        installation: u64,
    ) -> Result<(), GitHubError> {
        let call = Call {
            method: Method::DELETE,
            path: TOKEN.to_owned(),
            credential: Credential::Token(token),
            principal: Some(Principal::Installation(installation)),
            body: None,
            retry: Retry::Repeatable,
        };
        self.call(call).await.map(drop)
    }
}

/// The token a call authenticates with.
pub(super) const TOKEN: &str = "/installation/token";

impl MintRequest<'_> {
    fn body(&self) -> serde_json::Value {
        let permissions = json!(self.permissions);
        match &self.repositories {
            Repositories::All => json!({ "permissions": permissions }),
            Repositories::Named(names) => {
                let names = names.iter().filter_map(|(name, _)| name.name());
                let names: Vec<&str> = names.collect();
                json!({ "permissions": permissions, "repositories": names })
            }
            Repositories::ById(ids) => {
                let ids: Vec<u64> = ids.iter().map(|(_, id)| *id).collect();
                json!({ "permissions": permissions, "repository_ids": ids })
            }
        }
    }
}

impl Minted {
    /// Compares what GitHub granted with what was asked. Gives the ids of the repositories it named.
    ///
    /// # Errors
    ///
    /// [`Differs`]; the token is to be ended.
    pub fn compare(&self, asked: &MintRequest<'_>) -> Result<Vec<(String, u64)>, Differs> {
        self.granted.compare(asked)
    }
}

impl Granted {
    fn compare(&self, asked: &MintRequest<'_>) -> Result<Vec<(String, u64)>, Differs> {
        self.compare_permissions(asked.permissions)?;
        let wanted: Vec<(&RepoPattern, Option<u64>)> = match &asked.repositories {
            Repositories::All => return Ok(Vec::new()),
            Repositories::Named(names) => names.clone(),
            Repositories::ById(ids) => ids.iter().map(|(name, id)| (*name, Some(*id))).collect(),
        };
        let Some(granted) = &self.repositories else {
            let what = "all of the installation's".to_owned();
            return Err(Differs::Repositories(what));
        };
        for (name, id) in &wanted {
            let (name, id) = (name.as_str(), *id);
            if let Some((_, now)) = granted.iter().find(|(granted, _)| granted == name) {
                match id {
                    Some(was) if was != *now => {
                        let (name, now) = (name.to_owned(), *now);
                        return Err(Differs::Another { name, was, now });
                    }
                    _ => continue,
                }
            }
            let by_id = granted.iter().find(|(_, granted)| Some(*granted) == id);
            return Err(match by_id {
                Some((now, _)) => Differs::Renamed {
                    was: name.to_owned(),
                    now: now.clone(),
                },
                None => Differs::Repositories(format!("`{name}` is missing")),
            });
        }
        let wanted: BTreeSet<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
        match granted
            .iter()
            .find(|(name, _)| !wanted.contains(name.as_str()))
        {
            Some((more, _)) => Err(Differs::Repositories(format!("`{more}` as well"))),
            None => Ok(granted.clone()),
        }
    }

    fn compare_permissions(&self, asked: &Permissions) -> Result<(), Differs> {
        let Some(granted) = &self.permissions else {
            let what = "GitHub does not say which".to_owned();
            return Err(Differs::Permissions(what));
        };
        for (name, level) in asked {
            let got = granted.get(name.as_str()).map(String::as_str);
            if got != Some(level.as_str()) {
                let got = got.unwrap_or("nothing");
                let wanted = level.as_str();
                return Err(Differs::Permissions(format!(
                    "`{name}`: {got} instead of {wanted}"
                )));
            }
        }
        let more = granted.iter().find(|(name, level)| {
            // Goes with every access to a repository.
            let always = name.as_str() == "metadata" && level.as_str() == "read";
            !always && !asked.keys().any(|asked| asked.as_str() == name.as_str())
        });
        match more {
            Some((name, level)) => Err(Differs::Permissions(format!("`{name}: {level}` as well"))),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct MintAnswer {
    /// Wiped if it is not taken out.
    #[serde(deserialize_with = "wiped")]
    token: Zeroizing<String>,
    expires_at: Timestamp,
    permissions: Option<serde_json::Value>,
    repositories: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct RepositoryAnswer {
    id: u64,
    full_name: String,
}

fn wiped<'de, D: Deserializer<'de>>(text: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(text).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(text: &str) -> Permissions {
        serde_json::from_str(text).unwrap()
    }

    fn granted(permissions: &str, repositories: Option<&[(&str, u64)]>) -> Granted {
        Granted {
            permissions: serde_json::from_str(permissions).unwrap(),
            repositories: repositories
                .map(|all| all.iter().map(|(n, id)| ((*n).to_owned(), *id)).collect()),
        }
    }

    #[test]
    fn a_mint_names_ids_where_they_are_known_and_permissions_always() {
        let (one, two) = ("acme/one".parse().unwrap(), "acme/two".parse().unwrap());
        let permissions = permissions(r#"{"issues":"write"}"#);
        let body = |repositories| {
            MintRequest {
                repositories,
                permissions: &permissions,
            }
            .body()
        };
        assert_eq!(
            body(Repositories::ById(vec![(&one, 7), (&two, 8)])),
            json!({"permissions": {"issues": "write"}, "repository_ids": [7, 8]})
        );
        assert_eq!(
            body(Repositories::Named(vec![(&one, Some(7)), (&two, None)])),
            json!({"permissions": {"issues": "write"}, "repositories": ["one", "two"]})
        );
        assert_eq!(
            body(Repositories::All),
            json!({"permissions": {"issues": "write"}})
        );
    }

    #[test]
    fn a_name_that_means_another_repository_is_told_where_it_was_asked_for_by_name() {
        let (one, two): (RepoPattern, RepoPattern) =
            ("acme/one".parse().unwrap(), "acme/two".parse().unwrap());
        let none = Permissions::new();
        let asked = MintRequest {
            repositories: Repositories::Named(vec![(&one, Some(7)), (&two, None)]),
            permissions: &none,
        };
        let compare =
            |one| granted("{}", Some(&[("acme/one", one), ("acme/two", 8)])).compare(&asked);
        assert!(compare(7).is_ok());
        let differs = compare(9).unwrap_err().to_string();
        assert!(
            differs.contains("`acme/one` has meant repository 7")
                && differs.contains("repository 9 today")
                && differs.contains("`tokenctl repository unpin acme/one`"),
            "{differs}"
        );
    }

    #[test]
    fn what_github_granted_must_be_what_was_asked_but_for_reading_metadata() {
        let one: RepoPattern = "acme/one".parse().unwrap();
        let permissions = permissions(r#"{"issues":"write"}"#);
        let asked = MintRequest {
            repositories: Repositories::ById(vec![(&one, 7)]),
            permissions: &permissions,
        };
        let good = r#"{"issues":"write","metadata":"read"}"#;
        let exact: &[(&str, u64)] = &[("acme/one", 7)];
        assert_eq!(
            granted(good, Some(exact)).compare(&asked),
            Ok(vec![("acme/one".to_owned(), 7)])
        );
        for (permissions, repositories, why) in [
            (r#"{"issues":"read"}"#, Some(exact), "read instead of write"),
            (r#"{"metadata":"read"}"#, Some(exact), "nothing instead"),
            (
                r#"{"issues":"write","contents":"read"}"#,
                Some(exact),
                "`contents: read` as well",
            ),
            ("null", Some(exact), "does not say which"),
            (good, None, "all of the installation's"),
            (
                good,
                Some(&[("acme/one", 7), ("acme/two", 8)]),
                "`acme/two` as well",
            ),
            (good, Some(&[("acme/two", 8)]), "`acme/one` is missing"),
            (
                good,
                Some(&[("acme/uno", 7)]),
                "`acme/one` is called `acme/uno` today",
            ),
        ] {
            let error = granted(permissions, repositories)
                .compare(&asked)
                .unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}

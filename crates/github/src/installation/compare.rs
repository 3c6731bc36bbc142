//! Whether GitHub granted what was asked: no more, no less, and of the same repositories.

use std::collections::{BTreeMap, BTreeSet};

use broker_protocol::names::Permissions;

use super::{MintRequest, Repositories};

/// What GitHub says a token may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    pub(super) permissions: Option<BTreeMap<String, String>>,
    /// `full_name` in lower case, and id; `None` for all of the installation's.
    pub(super) repositories: Option<Vec<(String, u64)>>,
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

impl Granted {
    /// Compares what GitHub granted with what was asked. Gives the ids of the repositories it named.
    ///
    /// # Errors
    ///
    /// [`Differs`]; the token is to be ended.
    pub fn compare(&self, asked: &MintRequest<'_>) -> Result<Vec<(String, u64)>, Differs> {
        self.compare_permissions(asked.permissions)?;
        let Repositories::These(wanted) = &asked.repositories else {
            return Ok(Vec::new());
        };
        let Some(granted) = &self.repositories else {
            let what = "all of the installation's".to_owned();
            return Err(Differs::Repositories(what));
        };
        for (name, id) in wanted {
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

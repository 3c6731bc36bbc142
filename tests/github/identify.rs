//! Who calls: a user by one of two kinds of token, an installation, an App, no one.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::answer::Answer;
use super::request::{Presented, Request};
use super::state::{InstallationToken, State};
use super::world::Pat;

/// Who calls.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    /// No one in particular.
    Anonymous,
    /// A user, by this personal access token.
    User(Pat),
    /// An installation, by this token, whose text is first.
    Installation(String, InstallationToken),
    /// An App, by its place in the list.
    App(usize),
}

/// Bad credentials of late, per user; what belongs to no user counts together.
#[derive(Debug, Default)]
pub(crate) struct Lockouts {
    failures: BTreeMap<String, Vec<Timestamp>>,
}

/// How long bad credentials are remembered.
const MEMORY: SignedDuration = SignedDuration::from_secs(60);

impl Lockouts {
    fn failed(&mut self, user: &str, now: Timestamp) {
        self.failures.entry(user.to_owned()).or_default().push(now);
    }

    fn locked(&mut self, user: &str, after: usize, now: Timestamp) -> bool {
        let failures = self.failures.entry(user.to_owned()).or_default();
        failures.retain(|at| now.duration_since(*at) < MEMORY);
        failures.len() >= after
    }
}

impl State {
    /// Decides who the caller is by what it presents.
    pub(crate) fn identify(&mut self, request: &Request) -> Result<Who, Answer> {
        let token = match request.presented() {
            Presented::Nothing => return Ok(Who::Anonymous),
            Presented::Unreadable => return Err(Answer::bad_credentials()),
            Presented::Token(token) => token,
        };
        if wants_app(&request.path) {
            return self.app_of(&token).map(Who::App);
        }
        if is_jwt(&token)
            && let Ok(app) = self.app_of(&token)
        {
            return Ok(Who::App(app));
        }
        let now = self.clock.now();
        // A token that is dead still says whose it was.
        let pat = self.pats.get(&token).cloned();
        let login = pat.as_ref().map_or("", |pat| pat.login.as_str()).to_owned();
        let minted = self.installation_tokens.contains_key(&token);
        if !minted
            && self
                .lockouts
                .locked(&login, self.settings.lockout_after, now)
        {
            return Err(Answer::error(
                403,
                "Maximum number of login attempts exceeded. Please try again later.",
            ));
        }
        if let Some(pat) = pat
            && !pat.revoked
            && pat.expires_at.is_none_or(|end| end > now)
        {
            return Ok(Who::User(pat));
        }
        if let Some(minted) = self.installation_tokens.get_mut(&token) {
            // One that is not known everywhere yet is no failed login.
            if minted.blind_calls > 0 {
                minted.blind_calls -= 1;
                return Err(Answer::bad_credentials());
            }
            let known =
                minted.created + SignedDuration::try_from(self.settings.replication_delay).unwrap();
            if now < known {
                return Err(Answer::bad_credentials());
            }
            if !minted.revoked && minted.expires > now {
                let minted = minted.clone();
                return self.unsuspended(token, minted);
            }
        }
        self.lockouts.failed(&login, now);
        Err(Answer::bad_credentials())
    }

    /// Whose budget a caller draws on, as the journal names it, and as a refusal does.
    pub(crate) fn principal(&self, who: &Who) -> (String, String) {
        match who {
            Who::Anonymous => ("anonymous".to_owned(), "127.0.0.1".to_owned()),
            Who::User(pat) => {
                let id = self
                    .account_named(&pat.login)
                    .map_or(0, |account| account.id);
                (
                    format!("user {}", pat.login.to_lowercase()),
                    format!("user ID {id}"),
                )
            }
            Who::Installation(_, minted) => (
                format!("installation {}", minted.installation),
                format!("installation ID {}", minted.installation),
            ),
            Who::App(app) => {
                let app = &self.apps[*app];
                (
                    format!("app {}", app.client_id),
                    format!("app ID {}", app.id),
                )
            }
        }
    }

    fn unsuspended(&self, token: String, minted: InstallationToken) -> Result<Who, Answer> {
        match self.installation(minted.installation) {
            None => Err(Answer::bad_credentials()),
            Some((_, installation)) if installation.suspended => {
                Err(Answer::error(403, "This installation has been suspended"))
            }
            Some(_) => Ok(Who::Installation(token, minted)),
        }
    }
}

/// Whether only an App's JWT counts here.
pub(crate) fn wants_app(path: &str) -> bool {
    path == "/app"
        || path.starts_with("/app/")
        || (path.ends_with("/installation") && path != "/installation")
}

fn is_jwt(token: &str) -> bool {
    token.starts_with("eyJ") && token.matches('.').count() == 2
}

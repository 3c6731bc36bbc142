//! Whether anything is asked at all: limits and breaker, before each attempt and after it.

use std::sync::PoisonError;

use broker_clock::Now;

use super::breaker::{Pass, Told};
use super::{GitHub, GitHubError, Principal, limits};

impl GitHub {
    /// A principal that GitHub limits is not asked for: that has used up this resource, or is held off.
    pub(super) fn refuse_limited(
        &self,
        principal: Option<&Principal>,
        resource: Option<&str>,
    ) -> Result<(), GitHubError> {
        let Some(principal) = principal else {
            return Ok(());
        };
        let now = self.clock.now();
        let limited = match resource {
            Some(resource) => self.limits.limited(principal, resource, now),
            None => self.limits.held_off(principal, now),
        };
        limited.map_or(Ok(()), |limit| {
            Err(GitHubError::Limited {
                kind: limit.kind,
                principal: Some(principal.clone()),
                retry_after: limit.retry_after,
            })
        })
    }

    /// Nor is a host that is down, or that there is not. What is admitted must be accounted for.
    pub(super) fn admit(&self) -> Result<Account<'_>, GitHubError> {
        if let Some(why) = self.base.why_absent() {
            return Err(GitHubError::CannotAsk(why.into()));
        }
        let pass = self
            .breaker()
            .admit(self.clock.now().boot)
            .map_err(|wait| GitHubError::NotTried {
                retry_after: limits::whole_seconds(wait),
            })?;
        Ok(Account {
            github: self,
            pass,
            told: Told::Nothing,
        })
    }
}

/// Accounts for an admitted request however it ends, also if its caller gives up.
pub(super) struct Account<'a> {
    github: &'a GitHub,
    pass: Pass,
    told: Told,
}

impl Account<'_> {
    /// How the request ended: with an answer, if there was no error.
    pub(super) fn tell(&mut self, error: Option<&GitHubError>, now: Now) {
        self.told = match error {
            Some(GitHubError::CannotAsk(_) | GitHubError::CallerBody(_)) => Told::Nothing,
            Some(error) if error.is_hosts_fault() => Told::Failed,
            _ => Told::Reached,
        };
        if self.told == Told::Reached {
            let heard = &self.github.heard;
            *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        }
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        let now = self.github.clock.now().boot;
        self.github.breaker().account(self.pass, self.told, now);
    }
}

//! Who may see and do what: the rules that differ between the kinds of token.

use std::collections::BTreeSet;

use super::super::answer::Answer;
use super::super::identify::Who;
use super::super::permission::{Level, Permissions, allows, scopes_allow};
use super::super::request::Request;
use super::super::state::{Repository, State};
use super::super::world::{Pat, PatKind};

/// What an endpoint wants of fine-grained tokens and Apps; one of the sets is enough.
#[derive(Clone, Copy)]
pub(crate) struct Needs(pub(crate) &'static [(&'static str, Level)]);

impl Needs {
    /// As `X-Accepted-GitHub-Permissions` writes it.
    pub(crate) fn header(self) -> String {
        let sets = self
            .0
            .iter()
            .map(|(name, level)| format!("{name}={}", level.as_str()));
        sets.collect::<Vec<_>>().join("; ")
    }

    fn met(self, held: &Permissions) -> bool {
        self.0
            .iter()
            .any(|(name, level)| allows(held, name, *level))
    }

    fn changes(self) -> bool {
        self.0.iter().all(|(_, level)| *level > Level::Read)
    }

    /// Public data of a public repository, which everybody may read.
    fn public(self) -> bool {
        const PUBLIC: &[&str] = &["metadata", "contents", "issues", "pull_requests"];
        !self.changes() && self.0.iter().any(|(name, _)| PUBLIC.contains(name))
    }
}

/// What a caller may do in one place.
struct Reach<'a> {
    inside: bool,
    permissions: &'a Permissions,
    refusal: &'static str,
}

const TO_PAT: &str = "Resource not accessible by personal access token";
const TO_APP: &str = "Resource not accessible by integration";

impl State {
    /// The repository, if this caller may do this there.
    pub(crate) fn open(
        &self,
        request: &Request,
        who: &Who,
        (owner, name): (&str, &str),
        needs: Needs,
    ) -> Result<&Repository, Answer> {
        let repository = self.find_repository(request, owner, name)?;
        self.may_work_on(who, repository, needs)?;
        Ok(repository)
    }

    /// By `owner/name`; a former name leads to the present one.
    pub(crate) fn find_repository(
        &self,
        request: &Request,
        owner: &str,
        name: &str,
    ) -> Result<&Repository, Answer> {
        let wanted = format!("{owner}/{name}").to_lowercase();
        let mut all = self.repositories.values();
        if let Some(found) = all
            .clone()
            .find(|one| one.full_name().to_lowercase() == wanted)
        {
            return Ok(found);
        }
        let renamed = all.find(|repository| repository.former_names.contains(&wanted));
        let renamed = renamed.ok_or_else(Answer::not_found)?;
        let rest = request
            .path
            .splitn(5, '/')
            .nth(4)
            .map_or(String::new(), |rest| format!("/{rest}"));
        let location = format!("{}/repositories/{}{rest}", request.base, renamed.id);
        let body = serde_json::json!({
            "message": "Moved Permanently",
            "url": location,
            "documentation_url": "https://docs.github.com/rest/guides/best-practices-for-using-the-rest-api#follow-redirects",
        });
        Err(Answer::json(301, body).with("location", location))
    }

    /// Whether this caller may do this with the repository.
    pub(crate) fn may_work_on(
        &self,
        who: &Who,
        repository: &Repository,
        needs: Needs,
    ) -> Result<(), Answer> {
        let reach = match who {
            Who::Anonymous if !repository.private && needs.public() => return Ok(()),
            Who::Anonymous => {
                let hidden = repository.private || !needs.changes();
                return Err(if hidden {
                    Answer::not_found()
                } else {
                    Answer::error(401, "Requires authentication")
                });
            }
            Who::App(_) => return Err(Answer::error(403, TO_APP)),
            Who::User(pat) => {
                sso(pat, &repository.owner)?;
                match &pat.kind {
                    PatKind::Classic { scopes } => {
                        return self.classic_on(pat, scopes, repository, needs);
                    }
                    PatKind::FineGrained {
                        owner,
                        repositories,
                        permissions,
                        pending,
                    } => Reach {
                        inside: !pending
                            && self.works_on(&pat.login, repository) >= Some(Level::Read)
                            && self.within(owner, repositories).contains(&repository.id),
                        permissions,
                        refusal: TO_PAT,
                    },
                }
            }
            Who::Installation(_, minted) => Reach {
                inside: self.token_reach(minted).contains(&repository.id),
                permissions: &minted.permissions,
                refusal: TO_APP,
            },
        };
        let refused = || {
            let header = needs.header();
            Answer::error(403, reach.refusal).with("x-accepted-github-permissions", header)
        };
        match (reach.inside, repository.private) {
            (true, _) if needs.met(reach.permissions) => Ok(()),
            (false, true) => Err(Answer::not_found()),
            (_, false) if needs.public() => Ok(()),
            _ => Err(refused()),
        }
    }

    /// Whether this caller may do this with an organisation.
    pub(crate) fn may_work_in(&self, who: &Who, login: &str, needs: Needs) -> Result<(), Answer> {
        let refuse = |text| {
            let header = needs.header();
            Err(Answer::error(403, text).with("x-accepted-github-permissions", header))
        };
        match who {
            Who::Anonymous => Err(Answer::not_found()),
            Who::App(_) => refuse(TO_APP),
            Who::User(pat) => {
                sso(pat, login)?;
                match &pat.kind {
                    PatKind::Classic { scopes } if scopes_allow(scopes, "admin:org") => Ok(()),
                    PatKind::Classic { .. } => Err(Answer::not_found()),
                    PatKind::FineGrained {
                        owner,
                        permissions,
                        pending: false,
                        ..
                    } if owner.eq_ignore_ascii_case(login) && needs.met(permissions) => Ok(()),
                    PatKind::FineGrained { .. } => refuse(TO_PAT),
                }
            }
            Who::Installation(_, minted) => {
                let installed = self.installation(minted.installation);
                let here = installed.is_some_and(|(_, installation)| {
                    installation.account.eq_ignore_ascii_case(login)
                });
                match here && needs.met(&minted.permissions) {
                    true => Ok(()),
                    false => refuse(TO_APP),
                }
            }
        }
    }

    fn classic_on(
        &self,
        pat: &Pat,
        scopes: &BTreeSet<String>,
        repository: &Repository,
        needs: Needs,
    ) -> Result<(), Answer> {
        let level = self.works_on(&pat.login, repository);
        let whole = scopes_allow(scopes, "repo");
        if repository.private && (level.is_none() || !whole) {
            return Err(Answer::not_found());
        }
        if needs.public() && (!repository.private || level.is_some()) {
            return Ok(());
        }
        let scope = whole || (!repository.private && scopes_allow(scopes, "public_repo"));
        match level {
            Some(level) if scope && (level > Level::Read || !needs.changes()) => Ok(()),
            Some(_) if scope => Err(Answer::error(403, "Must have admin rights to Repository.")),
            _ => Err(Answer::not_found()),
        }
    }

    /// What the account itself may do with the repository, whatever its tokens may.
    fn works_on(&self, login: &str, repository: &Repository) -> Option<Level> {
        if repository.owner.eq_ignore_ascii_case(login) {
            return Some(Level::Admin);
        }
        let members = self.account_named(&repository.owner)?.members.as_ref();
        if members.is_some_and(|members| members.contains(login)) {
            return Some(Level::Admin);
        }
        repository.collaborators.get(login).copied()
    }

    /// Ids of the repositories that an installation token reaches now.
    pub(crate) fn token_reach(
        &self,
        minted: &super::super::state::InstallationToken,
    ) -> BTreeSet<u64> {
        let Some((_, installation)) = self.installation(minted.installation) else {
            return BTreeSet::new();
        };
        let reach = self.reach(installation);
        match &minted.repositories {
            Some(chosen) => reach.intersection(chosen).copied().collect(),
            None => reach,
        }
    }
}

/// Refuses a token that was not authorised for the organisation's single sign-on.
///
/// Source: GitHub documentation, “Authenticating to the REST API”.
fn sso(pat: &Pat, organization: &str) -> Result<(), Answer> {
    if !pat.sso_missing.contains(organization) {
        return Ok(());
    }
    let url = format!(
        "https://github.com/orgs/{organization}/sso?authorization_request=A0B1C2D3E4F5G6H7I8J9"
    );
    Err(Answer::error(
        403,
        "Resource protected by organization SAML enforcement. You must grant your Personal Access \
         token access to this organization.",
    )
    .with("x-github-sso", format!("required; url={url}")))
}

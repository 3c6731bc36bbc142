//! From a path to what answers it, and who may go where.

mod access;
mod app;
mod organization;
mod repository;
mod revoke;
mod secrets;
mod user;

use super::answer::Answer;
use super::identify::Who;
use super::request::Request;
use super::state::State;

pub(crate) use access::Needs;
pub(crate) use repository::hex;

/// A success, or a refusal in GitHub's words.
pub(crate) type Outcome = Result<Answer, Answer>;

impl State {
    /// Finds what answers this call, and lets it.
    pub(crate) fn route(&mut self, request: &Request, who: &Who) -> Outcome {
        let segments = request.segments();
        let path: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (request.verb(), &path[..]) {
            ("GET", ["user"]) => self.get_user(request, who),
            ("GET", ["rate_limit"]) => self.get_rate_limit(request, who),
            ("POST", ["credentials", "revoke"]) => self.revoke_credentials(request),

            ("GET", ["app"]) => self.get_app(request, who),
            ("GET", ["app", "installations"]) => self.list_installations(request, who),
            ("GET", ["app", "installations", id]) => self.get_installation(request, who, id),
            ("POST", ["app", "installations", id, "access_tokens"]) => self.mint(request, who, id),
            ("GET", ["orgs" | "users", account, "installation"]) => {
                self.installation_of_account(request, who, account)
            }
            ("GET", ["repos", owner, name, "installation"]) => {
                self.installation_of_repository(request, who, owner, name)
            }
            ("DELETE", ["installation", "token"]) => self.delete_token(who),
            ("GET", ["installation", "repositories"]) => self.reachable(request, who),

            ("GET", ["orgs", login]) => self.get_organization(request, login),
            ("GET", ["repositories", id]) => self.get_repository_by_id(request, who, id),
            (_, ["repositories", id, rest @ ..]) => {
                self.repository_call_by_id(request, who, id, rest)
            }
            (_, ["orgs", login, kind, "secrets", rest @ ..]) => {
                self.organization_secrets(request, who, (login, kind), rest)
            }
            (
                _,
                [
                    "repos",
                    owner,
                    name,
                    "environments",
                    environment,
                    "secrets",
                    rest @ ..,
                ],
            ) => self.environment_secrets(request, who, (owner, name, environment), rest),
            (_, ["repos", owner, name, kind, "secrets", rest @ ..]) => {
                self.repository_secrets(request, who, (owner, name, kind), rest)
            }
            (_, ["repos", owner, name, rest @ ..]) => {
                self.repository_call(request, who, (owner, name), rest)
            }
            _ => Err(Answer::not_found()),
        }
    }
}

/// One page of a list, with the `Link` to the others.
pub(crate) fn page<T>(request: &Request, all: Vec<T>) -> (Vec<T>, Option<String>) {
    page_at(request, &request.path, all)
}

/// The same, whose links have this path.
pub(crate) fn page_at<T>(request: &Request, path: &str, all: Vec<T>) -> (Vec<T>, Option<String>) {
    let number = |name, least: usize, most: usize, default: usize| {
        request
            .query_value(name)
            .and_then(|text| text.parse().ok())
            .map_or(default, |number: usize| number.clamp(least, most))
    };
    let per_page = number("per_page", 1, 100, 30);
    let page = number("page", 1, usize::MAX, 1);
    let last = all.len().div_ceil(per_page).max(1);
    let link = |page: usize, rel: &str| {
        let url = format!("{}{path}", request.base);
        format!("<{url}?per_page={per_page}&page={page}>; rel=\"{rel}\"")
    };
    let mut links = Vec::new();
    if page > 1 {
        links.push(link(page - 1, "prev"));
    }
    if page < last {
        links.push(link(page + 1, "next"));
        links.push(link(last, "last"));
    }
    if page > 1 {
        links.push(link(1, "first"));
    }
    let items = all.into_iter().skip((page - 1) * per_page).take(per_page);
    let links = (!links.is_empty()).then(|| links.join(", "));
    (items.collect(), links)
}

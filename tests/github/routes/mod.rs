//! From a path to what answers it, and who may go where.

mod access;
mod actions;
mod app;
mod issues;
mod labels;
mod organization;
mod pulls;
mod releases;
mod repository;
mod revoke;
mod root;
mod secrets;
mod user;

use super::answer::Answer;
use super::identify::Who;
use super::request::Request;
use super::state::{Repository, State};

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
            ("GET", [""]) => self.get_root(request, who),
            ("GET", ["meta"]) => Self::get_meta(),
            ("GET", ["user"]) => self.get_user(request, who),
            ("POST", ["graphql"]) => self.post_graphql(request, who),
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
            ("GET", ["orgs", login, "repos"]) => {
                self.list_organization_repositories(request, who, login)
            }
            ("GET", ["organizations", id, "repos"]) => {
                let login = self.organization_of(id)?;
                self.list_organization_repositories(request, who, &login)
            }
            ("GET", ["release-assets", id]) => self.download(request, id),
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

/// What the endpoint wants, as fine-grained tokens and Apps are told.
pub(crate) fn accepted(answer: Answer, needs: Needs) -> Answer {
    answer.with("x-accepted-github-permissions", needs.header())
}

/// The path of a list in a repository, as GitHub's links to its pages have it.
pub(crate) fn by_number(repository: &Repository, rest: &[&str]) -> String {
    format!("/repositories/{}/{}", repository.id, rest.join("/"))
}

pub(crate) fn linked(answer: Answer, link: Option<String>) -> Answer {
    match link {
        Some(link) => answer.with("link", link),
        None => answer,
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
    // What else was asked for holds on the other pages too.
    let pairs = request.query.split('&').filter(|pair| !pair.is_empty());
    let others = pairs.filter(|pair| !pair.starts_with("page="));
    let others: String = others.map(|pair| format!("{pair}&")).collect();
    let link = |page: usize, rel: &str| {
        let url = format!("{}{path}", request.base);
        format!("<{url}?{others}page={page}>; rel=\"{rel}\"")
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

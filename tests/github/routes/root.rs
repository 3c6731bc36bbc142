//! `GET /`: where everything is. `gh auth status` asks it for the scopes in its headers.
//! `GET /meta`: that this is GitHub, to whoever asks.

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::identify::Who;
use super::super::request::Request;
use super::super::state::State;
use super::Outcome;

const URLS: &[(&str, &str)] = &[
    ("current_user_url", "/user"),
    ("authorizations_url", "/authorizations"),
    (
        "code_search_url",
        "/search/code?q={query}{&page,per_page,sort,order}",
    ),
    (
        "commit_search_url",
        "/search/commits?q={query}{&page,per_page,sort,order}",
    ),
    ("emails_url", "/user/emails"),
    ("emojis_url", "/emojis"),
    ("events_url", "/events"),
    ("feeds_url", "/feeds"),
    ("followers_url", "/user/followers"),
    ("following_url", "/user/following{/target}"),
    ("gists_url", "/gists{/gist_id}"),
    (
        "issue_search_url",
        "/search/issues?q={query}{&page,per_page,sort,order}",
    ),
    ("issues_url", "/issues"),
    ("keys_url", "/user/keys"),
    (
        "label_search_url",
        "/search/labels?q={query}&repository_id={repository_id}{&page,per_page}",
    ),
    ("notifications_url", "/notifications"),
    ("organization_url", "/orgs/{org}"),
    (
        "organization_repositories_url",
        "/orgs/{org}/repos{?type,page,per_page,sort}",
    ),
    ("organization_teams_url", "/orgs/{org}/teams"),
    ("public_gists_url", "/gists/public"),
    ("rate_limit_url", "/rate_limit"),
    ("repository_url", "/repos/{owner}/{repo}"),
    (
        "repository_search_url",
        "/search/repositories?q={query}{&page,per_page,sort,order}",
    ),
    (
        "current_user_repositories_url",
        "/user/repos{?type,page,per_page,sort}",
    ),
    ("starred_url", "/user/starred{/owner}{/repo}"),
    ("starred_gists_url", "/gists/starred"),
    (
        "topic_search_url",
        "/search/topics?q={query}{&page,per_page}",
    ),
    ("user_url", "/users/{user}"),
    ("user_organizations_url", "/user/orgs"),
    (
        "user_repositories_url",
        "/users/{user}/repos{?type,page,per_page,sort}",
    ),
    (
        "user_search_url",
        "/search/users?q={query}{&page,per_page,sort,order}",
    ),
];

impl State {
    pub(super) fn get_root(&self, request: &Request, who: &Who) -> Outcome {
        if matches!(who, Who::App(_)) {
            return Err(Answer::error(401, "A JSON web token could not be decoded"));
        }
        let urls = URLS.iter();
        let mut object: Map<String, Value> = urls
            .map(|(name, path)| ((*name).to_owned(), json!(format!("{}{path}", request.base))))
            .collect();
        let settings = "https://github.com/settings/connections/applications{/client_id}";
        let name = "current_user_authorizations_html_url".to_owned();
        object.insert(name, json!(settings));
        Ok(Answer::json(200, Value::Object(object)))
    }

    /// All that every GitHub says; addresses and keys are for github.com alone.
    pub(super) fn get_meta() -> Outcome {
        let said = json!({ "verifiable_password_authentication": false });
        Ok(Answer::json(200, said))
    }
}

//! The JSON objects of the API, complete as its description demands.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::clock::iso;
use super::permission::Permissions;
use super::state::{Account, Repository, State};
use super::world::{App, Installation, Repositories};

/// When everything that was there from the start was made.
pub(crate) const MADE: &str = "2024-01-01T00:00:00Z";

pub(crate) fn permissions(held: &Permissions) -> Value {
    let pairs = held
        .iter()
        .map(|(name, level)| (name.clone(), json!(level)));
    Value::Object(pairs.collect())
}

impl State {
    /// A `simple-user`, also for organisations.
    pub(crate) fn account_object(&self, base: &str, login: &str) -> Value {
        let Some(account) = self.account_named(login) else {
            return Value::Null;
        };
        let url = format!("{base}/users/{}", account.login);
        let mut object = urls(
            &url,
            &[
                ("followers_url", "/followers"),
                ("following_url", "/following{/other_user}"),
                ("gists_url", "/gists{/gist_id}"),
                ("starred_url", "/starred{/owner}{/repo}"),
                ("subscriptions_url", "/subscriptions"),
                ("organizations_url", "/orgs"),
                ("repos_url", "/repos"),
                ("events_url", "/events{/privacy}"),
                ("received_events_url", "/received_events"),
                ("url", ""),
            ],
        );
        object.extend(fields(json!({
            "login": account.login,
            "id": account.id,
            "node_id": account.node_id(),
            "avatar_url": format!("{base}/avatars/u/{}", account.id),
            "gravatar_id": "",
            "html_url": format!("https://github.com/{}", account.login),
            "type": account.kind(),
            "user_view_type": "public",
            "site_admin": false,
        })));
        Value::Object(object)
    }

    /// `GET /user`: with its private part, or without.
    pub(crate) fn own_user(&self, base: &str, login: &str, private: bool) -> Value {
        let mut user = self.account_object(base, login);
        let owned = self
            .repositories
            .values()
            .filter(|repository| repository.owner == login);
        let private_count = owned
            .clone()
            .filter(|repository| repository.private)
            .count();
        merge(
            &mut user,
            json!({
                "name": login, "company": null, "blog": "", "location": null, "email": null,
                "hireable": null, "bio": null, "twitter_username": null,
                "public_repos": owned.count() - private_count, "public_gists": 0,
                "followers": 0, "following": 0, "created_at": MADE, "updated_at": MADE,
            }),
        );
        if private {
            merge(
                &mut user,
                json!({
                    "user_view_type": "private", "private_gists": 0,
                    "total_private_repos": private_count, "owned_private_repos": private_count,
                    "disk_usage": 0, "collaborators": 0, "two_factor_authentication": true,
                    "plan": {
                        "name": "free", "space": 976_562_499, "collaborators": 0,
                        "private_repos": 10_000,
                    },
                }),
            );
        }
        user
    }

    /// `GET /orgs/{org}`.
    pub(crate) fn organization_object(&self, base: &str, account: &Account) -> Value {
        let url = format!("{base}/orgs/{}", account.login);
        let mut object = urls(
            &url,
            &[
                ("url", ""),
                ("repos_url", "/repos"),
                ("events_url", "/events"),
                ("hooks_url", "/hooks"),
                ("issues_url", "/issues"),
                ("members_url", "/members{/member}"),
                ("public_members_url", "/public_members{/member}"),
            ],
        );
        object.extend(fields(json!({
            "login": account.login, "id": account.id, "node_id": account.node_id(),
            "avatar_url": format!("{base}/avatars/u/{}", account.id), "description": null,
            "html_url": format!("https://github.com/{}", account.login),
            "has_organization_projects": true, "has_repository_projects": true,
            "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0,
            "type": "Organization", "created_at": MADE, "updated_at": MADE, "archived_at": null,
        })));
        Value::Object(object)
    }

    /// A repository, with every field that one of the description's three forms demands.
    pub(crate) fn repository_object(&self, base: &str, repository: &Repository) -> Value {
        let full_name = repository.full_name();
        let html = format!("https://github.com/{full_name}");
        let open = self.issues_of(repository.id);
        let open = open.filter(|issue| issue.closed.is_none()).count();
        let forks = self.repositories.values();
        let forks = forks
            .filter(|one| one.fork_of == Some(repository.id))
            .count();
        let mut object = urls(&format!("{base}/repos/{full_name}"), REPOSITORY_URLS);
        object.extend(fields(json!({
            "id": repository.id,
            "node_id": node("R", repository.id),
            "name": repository.name,
            "full_name": full_name,
            "owner": self.account_object(base, &repository.owner),
            "private": repository.private,
            "visibility": if repository.private { "private" } else { "public" },
            "html_url": html,
            "description": null,
            "fork": repository.fork_of.is_some(),
            "archive_url": format!("{base}/repos/{full_name}/{{archive_format}}{{/ref}}"),
            "git_url": format!("git://github.com/{full_name}.git"),
            "ssh_url": format!("git@github.com:{full_name}.git"),
            "clone_url": format!("{html}.git"),
            "svn_url": html,
            "mirror_url": null, "homepage": null, "language": null, "license": null,
            "pushed_at": MADE, "created_at": MADE, "updated_at": MADE,
        })));
        object.extend(fields(json!({
            "forks_count": forks, "forks": forks, "stargazers_count": 0, "watchers_count": 0,
            "watchers": 0, "network_count": 0, "subscribers_count": 0, "size": 1,
            "default_branch": "main",
            "open_issues_count": open, "open_issues": open,
            "is_template": false, "topics": [], "has_issues": true, "has_projects": true,
            "has_wiki": true, "has_pages": false, "has_downloads": true, "has_discussions": false,
            "archived": false, "disabled": false, "allow_forking": true,
            "web_commit_signoff_required": false,
        })));
        Value::Object(object)
    }

    pub(crate) fn app_object(&self, base: &str, app: &App) -> Value {
        json!({
            "id": app.id,
            "slug": app.slug,
            "client_id": app.client_id,
            "node_id": node("A", app.id),
            "owner": self.account_object(base, &app.owner),
            "name": app.slug,
            "description": null,
            "external_url": "https://example.com",
            "html_url": format!("https://github.com/apps/{}", app.slug),
            "created_at": MADE,
            "updated_at": MADE,
            "permissions": permissions(&app.permissions),
            "events": [],
            "installations_count": app.installations.len(),
        })
    }

    pub(crate) fn installation_object(
        &self,
        base: &str,
        app: &App,
        installation: &Installation,
    ) -> Value {
        let account = self.account_named(&installation.account);
        let id = installation.id;
        let suspended = installation.suspended;
        json!({
            "id": id,
            "account": self.account_object(base, &installation.account),
            "repository_selection": selection(&installation.repositories),
            "access_tokens_url": format!("{base}/app/installations/{id}/access_tokens"),
            "repositories_url": format!("{base}/installation/repositories"),
            "html_url": format!(
                "https://github.com/organizations/{}/settings/installations/{id}",
                installation.account
            ),
            "app_id": app.id,
            "client_id": app.client_id,
            "app_slug": app.slug,
            "target_id": account.map_or(0, |account| account.id),
            "target_type": account.map_or("User", Account::kind),
            "permissions": permissions(installation.granted(app)),
            "events": [],
            "created_at": MADE,
            "updated_at": MADE,
            "single_file_name": null,
            "has_multiple_single_files": false,
            "single_file_paths": [],
            "suspended_by": if suspended {
                self.account_object(base, &installation.account)
            } else {
                Value::Null
            },
            "suspended_at": suspended.then_some(MADE),
        })
    }
}

impl Account {
    pub(crate) fn node_id(&self) -> String {
        node(if self.members.is_some() { "O" } else { "U" }, self.id)
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self.members {
            Some(_) => "Organization",
            None => "User",
        }
    }
}

impl Installation {
    /// What the account granted the App.
    pub(crate) fn granted<'a>(&'a self, app: &'a App) -> &'a Permissions {
        self.permissions.as_ref().unwrap_or(&app.permissions)
    }
}

pub(crate) fn selection(repositories: &Repositories) -> &'static str {
    match repositories {
        Repositories::All => "all",
        Repositories::Selected(_) => "selected",
    }
}

pub(crate) fn time(at: Timestamp) -> Value {
    Value::String(iso(at))
}

/// An id for GraphQL. The four letters are GitHub's, and no more.
pub(crate) fn node(kind: &str, id: u64) -> String {
    let letters = match kind {
        "R" | "U" | "O" | "A" => "kgDO",
        _ if kind.starts_with("PVT") && kind != "PVT" => "lADO",
        _ => "kwDO",
    };
    format!("{kind}_{letters}{id:08}")
}

pub(crate) fn urls(url: &str, endings: &[(&str, &str)]) -> Map<String, Value> {
    let full =
        |(name, ending): &(&str, &str)| ((*name).to_owned(), json!(format!("{url}{ending}")));
    endings.iter().map(full).collect()
}

pub(crate) fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn merge(into: &mut Value, more: Value) {
    if let Value::Object(object) = into {
        object.extend(fields(more));
    }
}

const REPOSITORY_URLS: &[(&str, &str)] = &[
    ("url", ""),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    (
        "notifications_url",
        "/notifications{?since,all,participating}",
    ),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
];

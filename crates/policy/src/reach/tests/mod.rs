//! What requests need, sentence by sentence, and what holds for every spelling of a path.

mod git;
mod listed;
mod spellings;

use std::sync::Arc;
use std::time::Duration;

use broker_protocol::names::Delivery;

use super::table::OPERATIONS;
use super::*;
use crate::known;
use crate::request::Terms;

/// The terms of a lease on these repositories, with these permissions, such as `issues=read`.
fn lease(repositories: &[&str], organization: Option<&str>, permissions: &[&str]) -> Terms {
    let permissions = permissions.iter().map(|pair| {
        let (name, level) = pair.split_once('=').unwrap();
        (name.parse().unwrap(), level.parse().unwrap())
    });
    let parsed = repositories.iter().map(|one| one.parse().unwrap());
    Terms {
        purpose: "label-sync".parse().unwrap(),
        rule: "label-sync.toml#1".into(),
        secret: "bot".parse().unwrap(),
        deliver: Delivery::Proxy,
        fallback: None,
        repositories: parsed.collect::<Vec<_>>().into(),
        organization: organization.map(|one| one.parse().unwrap()),
        permissions: Arc::new(permissions.collect()),
        ttl: Duration::from_secs(900),
        ttl_max: Duration::from_secs(3600),
    }
}

/// What a request needs, or why it is refused, as it prints.
fn says(request: &str) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    match needs(GithubHost::Api, method, path, &[]) {
        Ok(needs) => needs
            .iter()
            .map(Need::to_string)
            .collect::<Vec<_>>()
            .join("; "),
        Err(refusal) => format!("refused: {refusal}"),
    }
}

/// What of a request these terms do not hold.
fn beyond(request: &str, terms: &Terms) -> Option<String> {
    let (method, path) = request.split_once(' ').unwrap();
    let scope = Scope::of(terms, &[]);
    let found = match needs(GithubHost::Api, method, path, &[]) {
        Ok(needs) => needs
            .iter()
            .find_map(|need| need.beyond(&scope, "the lease")),
        Err(refusal) => Some(refusal.to_string()),
    };
    let allowed = allow(&scope, GithubHost::Api, method, path);
    assert_eq!(allowed.is_ok(), found.is_none(), "{request}: {allowed:?}");
    found
}

#[test]
fn every_operation_of_the_table_is_mapped_or_refused_with_a_reason() {
    let all: Vec<_> = OPERATIONS.all().collect();
    assert!(all.len() > 1200, "{}", all.len());
    for (operation, said) in all {
        let path: Vec<_> = operation
            .template
            .split('/')
            .map(|segment| match segment {
                number if number.ends_with(":n}") => "7",
                "{basehead}" | "{basehead:+}" => "main...next",
                other if other.starts_with('{') => "acme",
                literal => literal,
            })
            .collect();
        let host = if said.uploads {
            GithubHost::Uploads
        } else {
            GithubHost::Api
        };
        let needs = needs(host, operation.method, &path.join("/"), &[]);
        match (said.needed(), needs) {
            (
                Err(wanted),
                Err(Refusal::Operation {
                    operation: found,
                    why,
                }),
            ) => assert_eq!((found, why), (operation, wanted)),
            (Ok(needed), Ok(needs)) => {
                let [need] = needs.as_slice() else {
                    panic!("{operation} is taken for {needs:?}");
                };
                assert_eq!(need.operation(), operation);
                for (name, level) in needed.any.iter().flatten() {
                    assert_eq!(known::odd_permission(name), None, "{operation}");
                    assert_eq!(known::wrong_level(name, *level), None, "{operation}");
                }
            }
            (said, other) => panic!("{operation} {said:?}: {other:?}"),
        }
    }
}

#[test]
fn an_operation_on_a_repository_needs_any_of_its_sets_of_permissions_there() {
    assert_eq!(
        says("GET /repos/Acme/site/labels"),
        "GET /repos/{owner}/{repo}/labels needs issues: read, or pull_requests: read on acme/site"
    );
    assert_eq!(
        says("HEAD /repos/acme/site/contents/docs/a.md"),
        "GET /repos/{owner}/{repo}/contents/{path} needs contents: read on acme/site"
    );
    assert_eq!(
        says("POST /repos/acme/site/pages"),
        "POST /repos/{owner}/{repo}/pages needs administration: write and pages: write on acme/site"
    );
    assert_eq!(
        says("POST /repos/acme/site/branches/main/rename"),
        "POST /repos/{owner}/{repo}/branches/{branch}/rename needs administration: write and contents: write on acme/site",
        "it may be the default branch"
    );
    let site = lease(&["acme/site"], None, &["issues=write"]);
    assert_eq!(beyond("POST /repos/ACME/Site/labels", &site), None);
    assert_eq!(
        beyond("POST /repos/acme/other/labels", &site).unwrap(),
        "repository `acme/other`; the lease allows `acme/site`"
    );
    assert_eq!(
        beyond("PUT /repos/acme/site/contents/a", &site).unwrap(),
        "permission `contents: write`; the lease does not allow it; \
         to allow it, add `contents = \"write\"` to `permissions` of the purpose (and to `--permission`, where given)"
    );
}

#[test]
fn reaching_a_repository_brings_its_metadata() {
    let site = lease(&["acme/site"], None, &["issues=read"]);
    assert_eq!(beyond("GET /repos/acme/site", &site), None);
    assert!(beyond("GET /repos/acme/other", &site).is_some());
    assert!(beyond("PATCH /repos/acme/site", &site).is_some());
}

#[test]
fn what_is_free_at_github_is_allowed_only_where_it_is_about_no_account() {
    let site = lease(&["acme/site"], None, &["issues=read"]);
    for free in [
        "GET /rate_limit",
        "GET /meta",
        "GET /",
        "GET /gitignore/templates/Rust",
    ] {
        assert_eq!(beyond(free, &site), None, "{free}");
    }
    for filtered in [
        "GET /issues",
        "GET /user/issues",
        "GET /search/code",
        "GET /search/issues",
        "GET /gists",
        "GET /user",
        "GET /user/repos",
        "GET /notifications",
        "GET /events",
        "GET /users/acme/orgs",
        "POST /markdown",
        "POST /graphql",
        "GET /enterprises/acme/teams",
    ] {
        assert!(
            says(filtered).starts_with("refused: "),
            "{filtered}: {}",
            says(filtered)
        );
    }
}

#[test]
fn a_list_over_an_owners_repositories_needs_all_of_them() {
    let all = lease(&["acme/*"], None, &["issues=read", "security_events=read"]);
    let two = lease(
        &["acme/site", "acme/blog"],
        None,
        &["issues=read", "security_events=read"],
    );
    for list in [
        "GET /orgs/acme",
        "GET /orgs/acme/repos",
        "GET /users/acme/repos",
        "GET /orgs/acme/issues",
        "GET /orgs/acme/code-scanning/alerts",
    ] {
        assert_eq!(beyond(list, &all), None, "{list}");
        assert_eq!(
            beyond(list, &two).unwrap(),
            "repository `acme/*`; the lease allows `acme/site` and 1 more"
        );
    }
    let org = lease(
        &[],
        Some("acme"),
        &["members=write", "organization_secrets=write"],
    );
    assert_eq!(beyond("PUT /orgs/acme/memberships/octocat", &org), None);
    assert!(beyond("PUT /orgs/other/memberships/octocat", &org).is_some());
    let secret = "PUT /orgs/acme/actions/secrets/TOKEN";
    assert!(
        beyond(secret, &org).is_some(),
        "its body selects repositories by number"
    );
    let both = lease(&["acme/*"], Some("acme"), &["organization_secrets=write"]);
    assert_eq!(beyond(secret, &both), None);
    for told_by_repository in [
        "GET /orgs/acme/rulesets/rule-suites",
        "GET /orgs/acme/hooks/7/deliveries",
        "GET /organizations/acme/settings/billing/usage",
    ] {
        let needed = says(told_by_repository);
        assert!(needed.ends_with(" on acme/* and acme"), "{needed}");
    }
}

#[test]
fn what_reaches_past_its_path_is_refused_whatever_the_lease_holds() {
    for (why, requests) in [
        (
            Why::OtherRepository,
            &[
                "POST /repos/acme/site/forks",
                "POST /repos/acme/site/transfer",
                "POST /repos/acme/site/generate",
                "GET /repos/acme/site/issues/1/timeline",
                "POST /repos/acme/site/issues/1/sub_issues",
                "GET /repos/acme/site/compare/main...evil:main",
                "GET /repos/acme/site/compare/main...evil%3Amain",
                "GET /repos/acme/site/dependency-graph/compare/a...b%253Ac",
                "PUT /repos/acme/site/pulls/1/update-branch",
                "GET /orgs/acme/projectsV2/1/items",
                "PATCH /orgs/acme/projectsV2/1/items/7",
                "GET /orgs/acme/projectsV2/1/views/1/items",
                "POST /orgs/acme/secret_scanning/enable_all",
                "POST /orgs/acme/hooks/7",
            ][..],
        ),
        (
            Why::Number,
            &[
                "PUT /orgs/acme/actions/variables/X/repositories/7",
                "GET /teams/7",
            ],
        ),
        (
            Why::Credential,
            &[
                "POST /repos/acme/site/keys",
                "PUT /repos/acme/site/collaborators/eve",
                "POST /repos/acme/site/actions/runners/registration-token",
                "GET /repos/acme/site/secret-scanning/alerts/1",
                "POST /repos/acme/site/codespaces",
                "POST /repos/acme/site/pulls/1/codespaces",
            ],
        ),
        (Why::Beyond, &["GET /user/repos"]),
        (Why::NoPermission, &["GET /notifications"]),
    ] {
        for request in requests {
            let (method, path) = request.split_once(' ').unwrap();
            let Err(Refusal::Operation { why: found, .. }) =
                needs(GithubHost::Api, method, path, &[])
            else {
                panic!("{request}: {}", says(request));
            };
            assert_eq!(found, why, "{request}");
        }
    }
    assert!(says("GET /repos/acme/site/compare/main...next").contains("contents: read"));
    assert!(says("GET /repositories/1/issues").starts_with("refused: "));
    assert_eq!(
        says("GET /repos/acme/site/new-thing"),
        "refused: GitHub documents no such operation, or it is newer than this version"
    );
}

#[test]
fn a_label_is_named_as_its_own_url_names_it() {
    assert_eq!(
        says("PATCH /repos/acme/site/labels/kind/bug"),
        "PATCH /repos/{owner}/{repo}/labels/{name} needs issues: write, or pull_requests: write on acme/site"
    );
    assert_eq!(
        says("DELETE /repos/acme/site/issues/1/labels/kind/bug"),
        "DELETE /repos/{owner}/{repo}/issues/{issue_number}/labels/{name} needs issues: write, or \
         pull_requests: write on acme/site"
    );
    for path in [
        "labels/kind/../../../other/labels/bug",
        "labels/kind//bug",
        "labels/kind/%2e%2e",
    ] {
        let refused = says(&format!("PATCH /repos/acme/site/{path}"));
        assert!(refused.starts_with("refused: "), "{refused}");
    }
}

#[test]
fn an_encoded_slash_is_read_both_ways() {
    let label = "GET /repos/{owner}/{repo}/labels/{name} needs issues: read, or pull_requests: read on acme/site";
    assert_eq!(says("GET /repos/acme/site/labels/type%2Fbug"), label);
    assert_eq!(
        says("GET /repos/acme/site/commits/abc%2Fpulls"),
        "GET /repos/{owner}/{repo}/commits/{ref} needs contents: read on acme/site; \
         GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls needs pull_requests: read on acme/site"
    );
    assert_eq!(
        says("PUT /repos/acme/site/actions/secrets/a%2F..%2Fb"),
        "refused: a path has no segment `.` or `..`"
    );
    assert!(says("GET /repos/acme/site/git/ref/heads%2Ffeature%2Fx").contains("contents: read"));
    assert!(says("GET /repos/acme/site/branches/a%2Fb").contains("contents: read"));
    let bot = says("DELETE /repos/acme/site/collaborators/dependabot%5Bbot%5D");
    assert!(bot.ends_with("administration: write on acme/site"), "{bot}");
    assert!(says("GET /repos/acme%2Fsite/labels").starts_with("refused: "));
    assert!(says("GET /repos/acme/s%69te/labels").contains("in plain letters"));
    assert!(says("GET /repos/acme/site/l%61bels").starts_with("refused: "));
    assert!(says("GET /repos/acme/*/labels").contains("in plain letters"));
}

#[test]
fn a_path_that_servers_read_differently_is_refused() {
    for (path, why) in [
        ("repos/acme/site", BadPath::NotAbsolute),
        ("https://api.github.com/user", BadPath::NotAbsolute),
        ("/repos//site", BadPath::Empty),
        ("/repos/acme/site/", BadPath::Empty),
        ("/repos/acme/site/contents/a%2F%2Fb", BadPath::Empty),
        ("/repos/acme/site/../other", BadPath::Dots),
        ("/repos/acme/site/contents/%2e%2E/x", BadPath::Dots),
        ("/repos/acme/site/contents/%252e%252e%252fx", BadPath::Dots),
        ("/repos/acme/site/contents/a\\b", BadPath::Character),
        ("/repos/acme/site/contents/a%5cb", BadPath::Character),
        ("/repos/acme/site/contents/a%00b", BadPath::Character),
        ("/repos/acme/site/contents/%ff", BadPath::Character),
        ("/repos/acme/site/labels?page=2", BadPath::Character),
        ("/repos/acme/site/contents/100%", BadPath::Percent),
        ("/repos/acme/site/contents/%2g", BadPath::Percent),
        (
            "/repos/acme/site/contents/%25252525252525",
            BadPath::TooLong,
        ),
    ] {
        let refused = needs(GithubHost::Api, "GET", path, &[]).unwrap_err();
        assert_eq!(refused, Refusal::Path(why), "{path}");
    }
    let backslash = says("GET /repos/acme/site/contents/a\\b");
    assert!(
        backslash.starts_with("refused: a path holds printable ASCII"),
        "{backslash}"
    );
    assert!(says("GET /repos/acme/site/labels/100%25").contains("issues: read"));
    let deep = format!("GET /repos/acme/site/contents{}", "/a".repeat(80));
    assert!(says(&deep).contains("at most"), "{}", says(&deep));
}

#[test]
fn only_assets_are_uploaded_to_the_host_for_uploads() {
    let path = "/repos/acme/site/releases/1/assets";
    let upload = needs(GithubHost::Uploads, "POST", path, &[]).unwrap();
    let says: Vec<_> = upload.iter().map(Need::to_string).collect();
    let wanted = "POST /repos/{owner}/{repo}/releases/{release_id}/assets needs contents: write on acme/site";
    assert_eq!(says, [wanted]);
    let here = needs(GithubHost::Api, "POST", path, &[]);
    assert_eq!(here, Err(Refusal::Unknown));
    let elsewhere = needs(GithubHost::Uploads, "GET", "/repos/acme/site", &[]);
    assert_eq!(elsewhere, Err(Refusal::Unknown));
}

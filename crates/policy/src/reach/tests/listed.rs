//! What a lease allows, and what the `paths` of its purpose add to that.

use super::*;

/// These operations, as `paths` lists them.
pub(super) fn operations(names: &[&str]) -> Vec<Operation> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// What comes of a request under a lease whose purpose has these `paths`: the operation, or why it is
/// refused.
fn decided(request: &str, terms: &Terms, paths: &[&str]) -> String {
    let (method, path) = request.split_once(' ').unwrap();
    let paths = operations(paths);
    match allow(&Scope::of(terms, &paths), GithubHost::Api, method, path) {
        Ok(allowed) => allowed.operation.to_string(),
        Err(refused) => format!("refused: {refused}"),
    }
}

#[test]
fn a_refusal_says_what_is_missing_and_where_the_table_is_in_the_way_the_line_that_allows_it() {
    let site = lease(&["acme/site"], None, &["issues=write"]);
    for (request, refused) in [
        (
            "GET /repos/acme/other/labels",
            "repository `acme/other`; the lease allows `acme/site`",
        ),
        (
            "PUT /repos/acme/site/contents/a",
            "permission `contents: write`; the lease does not allow it; \
             to allow it, add `contents = \"write\"` to `permissions` of the purpose (and to `--permission`, where given)",
        ),
        (
            "GET /user",
            "GET /user answers with what the stored token reaches, not with what the lease does; \
             to allow it, add `\"GET /user\"` to the list `paths` of the purpose (`paths = [\"GET /user\"]` if it has none)",
        ),
        (
            "POST /repos/acme/site/forks",
            "POST /repos/{owner}/{repo}/forks reaches another repository than the one in its path; \
             to allow it, add `\"POST /repos/{owner}/{repo}/forks\"` to the list `paths` of the purpose \
             (`paths = [\"POST /repos/{owner}/{repo}/forks\"]` if it has none)",
        ),
        (
            "POST /repos/acme/other/forks",
            "repository `acme/other`; the lease allows `acme/site`",
        ),
        (
            "GET /orgs/acme/events",
            "organisation `acme`; the lease allows none",
        ),
        (
            "POST /repos/acme/%2A/forks",
            "POST /repos/{owner}/{repo}/forks names no owner or repository in plain letters",
        ),
        (
            "POST /graphql",
            "GraphQL is served at `/graphql` of the API's host, written so",
        ),
        (
            "GET /usr",
            "GitHub documents no such operation, or it is newer than this version",
        ),
        (
            "GET /user/",
            "a path has no empty segment: remove the doubled or last `/`",
        ),
    ] {
        let decided = decided(request, &site, &[]);
        assert_eq!(decided, format!("refused: {refused}"), "{request}");
    }
}

#[test]
fn a_listed_operation_is_allowed_whatever_table_and_permissions_say() {
    let site = lease(&["acme/site"], Some("acme"), &["issues=write"]);
    for (request, listed) in [
        ("GET /user", "GET /user"),
        ("HEAD /user", "GET /user"),
        ("GET /users/octocat", "GET /users/{username}"),
        (
            "POST /repos/Acme/Site/forks",
            "POST /repos/{owner}/{repo}/forks",
        ),
        (
            "PUT /repos/acme/site/contents/docs/a.md",
            "PUT /repos/{owner}/{repo}/contents/{path}",
        ),
        (
            "PUT /repos/acme/site/contents/docs%2Fa.md",
            "PUT /repos/{owner}/{repo}/contents/{path}",
        ),
        ("GET /orgs/acme/members", "GET /orgs/{org}/members"),
        ("GET /orgs/acme/events", "GET /orgs/{org}/events"),
        (
            "POST /repos/acme/site/generate",
            "POST /repos/{template_owner}/{template_repo}/generate",
        ),
        (
            "GET /repos/acme/site/compare/main...other:main",
            "GET /repos/{owner}/{repo}/compare/{basehead}",
        ),
    ] {
        assert_eq!(decided(request, &site, &[listed]), listed, "{request}");
        let refused = decided(request, &site, &["GET /zen"]);
        assert!(refused.starts_with("refused: "), "{request}: {refused}");
    }
    let upload = "POST /repos/{owner}/{repo}/releases/{release_id}/assets";
    let paths = operations(&[upload]);
    let path = "/repos/acme/site/releases/1/assets";
    let allowed = |host| allow(&Scope::of(&site, &paths), host, "POST", path);
    assert!(allowed(GithubHost::Uploads).is_ok());
    assert_eq!(allowed(GithubHost::Api), Err(Refusal::Unknown.into()));
}

#[test]
fn what_the_path_of_a_listed_operation_names_stays_within_the_lease() {
    let site = lease(&["acme/site"], Some("acme"), &["issues=write"]);
    for (request, listed, refused) in [
        (
            "POST /repos/acme/other/forks",
            "POST /repos/{owner}/{repo}/forks",
            "repository `acme/other`; the lease allows `acme/site`",
        ),
        (
            "PUT /repos/acme/other/contents/a",
            "PUT /repos/{owner}/{repo}/contents/{path}",
            "repository `acme/other`; the lease allows `acme/site`",
        ),
        (
            "POST /repos/acme/other/generate",
            "POST /repos/{template_owner}/{template_repo}/generate",
            "repository `acme/other`; the lease allows `acme/site`",
        ),
        (
            "PUT /user/starred/acme/other",
            "PUT /user/starred/{owner}/{repo}",
            "repository `acme/other`; the lease allows `acme/site`",
        ),
        (
            "GET /orgs/other/events",
            "GET /orgs/{org}/events",
            "organisation `other`; the lease allows `acme`",
        ),
        (
            "GET /users/acme/events/orgs/other",
            "GET /users/{username}/events/orgs/{org}",
            "organisation `other`; the lease allows `acme`",
        ),
        (
            "GET /orgs/acme/repos",
            "GET /orgs/{org}/repos",
            "repository `acme/*`; the lease allows `acme/site`",
        ),
        (
            "GET /users/octocat/repos",
            "GET /users/{username}/repos",
            "repository `octocat/*`; the lease allows `acme/site`",
        ),
        (
            "PUT /orgs/acme/teams/x/repos/acme/other",
            "PUT /orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}",
            "repository `acme/other`; the lease allows `acme/site`",
        ),
        (
            "POST /repos/acme/s%69te/forks",
            "POST /repos/{owner}/{repo}/forks",
            "POST /repos/{owner}/{repo}/forks names no owner or repository in plain letters",
        ),
        (
            "GET /orgs/%61cme/events",
            "GET /orgs/{org}/events",
            "GET /orgs/{org}/events names no owner or repository in plain letters",
        ),
    ] {
        let decided = decided(request, &site, &[listed]);
        assert_eq!(decided, format!("refused: {refused}"), "{request}");
    }
}

#[test]
fn every_reading_of_a_path_must_be_allowed_or_listed() {
    let site = lease(&["acme/site"], None, &["contents=read"]);
    let request = "GET /repos/acme/site/commits/abc%2Fpulls";
    let commit = "GET /repos/{owner}/{repo}/commits/{ref}";
    let pulls = "GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls";
    let missing = "refused: permission `pull_requests: read`; the lease does not allow it; \
     to allow it, add `pull_requests = \"read\"` to `permissions` of the purpose (and to `--permission`, where given)";
    assert_eq!(decided(request, &site, &[]), missing);
    assert_eq!(decided(request, &site, &[commit]), missing);
    assert_eq!(decided(request, &site, &[pulls]), commit);
    let user = ["GET /users/{username}"];
    let both = decided("GET /users/acme%2Frepos", &site, &user);
    assert_eq!(
        both,
        "refused: repository `acme/*`; the lease allows `acme/site`"
    );
    assert_eq!(
        decided("GET /user%2Frepos", &site, &["GET /user/repos"]),
        "refused: GitHub documents no such operation, or it is newer than this version"
    );
}

#[test]
fn an_answer_that_may_hold_a_token_to_clone_with_is_known_beforehand() {
    let all = lease(&["acme/*"], Some("acme"), &["issues=read", "contents=read"]);
    let clone_token = |request: &str, paths: &[&str]| {
        let (method, path) = request.split_once(' ').unwrap();
        let paths = operations(paths);
        let scope = Scope::of(&all, &paths);
        allow(&scope, GithubHost::Api, method, path)
            .unwrap()
            .clone_token
    };
    assert!(clone_token("GET /repos/acme/site", &[]));
    assert!(clone_token("GET /orgs/acme/repos", &[]));
    assert!(clone_token("GET /user/repos", &["GET /user/repos"]));
    assert!(clone_token(
        "POST /repos/acme/site/forks",
        &["POST /repos/{owner}/{repo}/forks"]
    ));
    assert!(clone_token(
        "GET /repos/acme/site/commits/abc%2Fpulls",
        &["GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls"]
    ));
    assert!(!clone_token("GET /repos/acme/site/labels", &[]));
    assert!(!clone_token("GET /repos/acme/site/commits/abc", &[]));
    assert!(!clone_token("GET /rate_limit", &[]));
    let marked = OPERATIONS.all().filter(|(_, said)| said.clone_token);
    assert_eq!(marked.count(), 135);
}

#[test]
fn an_operation_is_read_as_the_description_spells_it_and_nothing_else_is_one() {
    for (operation, _) in OPERATIONS.all() {
        assert_eq!(operation.to_string().parse(), Ok(operation));
    }
    for (text, refused) in [
        (
            "GET /repos/acme/site/forks",
            "GitHub's description has no operation `GET /repos/acme/site/forks` (did you mean \
             `GET /repos/{owner}/{repo}/forks`?)",
        ),
        (
            "GET /repos/{owner}/{repository}/forks",
            "GitHub's description has no operation `GET /repos/{owner}/{repository}/forks` (did you \
             mean `GET /repos/{owner}/{repo}/forks`?)",
        ),
        (
            "GET /repos/{owner}/{repo}/isues",
            "GitHub's description has no operation `GET /repos/{owner}/{repo}/isues` (did you mean \
             `GET /repos/{owner}/{repo}/issues`?)",
        ),
        (
            "HEAD /user",
            "GitHub's description has no operation `HEAD /user` (did you mean `GET /user`?)",
        ),
        (
            "GET /repos/{owner}/{repo}/contents/{path:+}",
            "GitHub's description has no operation `GET /repos/{owner}/{repo}/contents/{path:+}` (did \
             you mean `GET /repos/{owner}/{repo}/contents/{path}`?)",
        ),
        (
            "GET /repos/../secret",
            "GitHub's description has no operation `GET /repos/../secret`",
        ),
        (
            "\u{1b}[2J",
            "GitHub's description has no operation `\\u{1b}[2J`",
        ),
        ("", "GitHub's description has no operation ``"),
        (
            "POST /graphql",
            "GraphQL needs no line: the purpose's permissions say what it may do",
        ),
    ] {
        let error = text.parse::<Operation>().unwrap_err();
        assert_eq!(error.to_string(), refused);
    }
}

//! Where a query may start, and where it may go from there.

use super::*;

#[test]
fn a_query_starts_at_a_repository_of_the_lease_and_follows_no_renaming() {
    let lease = Lease::on("acme/site", "issues=read");
    assert_eq!(
        lease.sends(r#"{ repository(owner: "Acme", name: "SITE") { name } }"#),
        r#"query{repository(owner:"Acme" name:"SITE" followRenames:false){name }}"#
    );
    for follows in ["true", "false", "null"] {
        let query = format!(
            r#"{{ repository(followRenames: {follows}, owner: "acme", name: "site") {{ name }} }}"#
        );
        assert_eq!(
            lease.sends(&query),
            r#"query{repository(owner:"acme" name:"site" followRenames:false){name }}"#
        );
    }
    let follows = r#"query($f: Boolean, $o: String = "acme") { repository(owner: $o, name: "site", followRenames: $f) { name } }"#;
    let allowed = lease.asks(follows, json!({ "f": true })).ok().unwrap();
    assert_eq!(
        sent(&allowed),
        json!({
            "query": "query($o:String=\"acme\" ){repository(owner:$o name:\"site\" followRenames:false){name }}",
            "variables": {},
        })
    );
    let refused = lease.refuses(r#"{ repository(owner: "acme", name: "other") { name } }"#);
    assert_eq!(
        refused,
        "`Query.repository` needs repository `acme/other`; the lease allows `acme/site`"
    );
    for query in [
        r#"{ repository(owner: "acme") { name } }"#,
        r#"{ repository(owner: "acme", name: null) { name } }"#,
        r#"{ repository(owner: "acme", name: 1) { name } }"#,
        r#"{ repository(owner: "acme", name: site) { name } }"#,
        r#"{ repository(owner: "acme", name: ["site"]) { name } }"#,
        r#"{ repository(owner: "acme", name: "*") { name } }"#,
        r#"{ repository(owner: "acme/site", name: "x") { name } }"#,
        r#"{ repository(owner: "acme ", name: "site") { name } }"#,
        r#"{ repository(owner: "acme", name: "site/../other") { name } }"#,
        r#"{ repository(owner: "acme", name: "site", id: "x") { name } }"#,
    ] {
        lease.refuses(query);
    }
}

#[test]
fn every_repository_is_held_whatever_it_is_called() {
    let lease = Lease::on("acme/site", "issues=read");
    for query in [
        r#"{ a: repository(owner: "acme", name: "site") { name } b: repository(owner: "acme", name: "other") { name } }"#,
        r#"{ repository: repository(owner: "acme", name: "other") { name } }"#,
        r#"{ ...F } fragment F on Query { repository(owner: "acme", name: "other") { name } }"#,
        r#"{ ... on Query { repository(owner: "acme", name: "other") { name } } }"#,
        r#"{ ... { repository(owner: "acme", name: "other") { name } } }"#,
        r#"{ repository(owner: "acme", name: "other") @skip(if: true) { name } }"#,
        r#"{ repository(owner: "acme", name: "other") @include(if: false) { name } }"#,
        "{\trepository #x\n ( owner \u{feff}:,,\"acme\", name:\"\"\"\n  other\n\"\"\")\r{ name } }",
        r#"{ repository(owner: "\u0061cme", name: "\u006fther") { name } }"#,
        r#"query A { viewer { login } } query B { repository(owner: "acme", name: "other") { name } }"#,
    ] {
        let body =
            json!({ "query": query, "operationName": query.starts_with("query A").then_some("A") });
        let refused = read(&body).unwrap().allow(&lease.scope());
        let refused = refused
            .err()
            .unwrap_or_else(|| panic!("{query} is allowed"));
        assert!(
            refused.to_string().contains("`acme/other`"),
            "{query}: {refused}"
        );
    }
}

#[test]
fn what_has_no_path_into_the_lease_is_refused() {
    let lease = Lease::on("acme/*", "issues=write contents=write").and_organization("acme");
    for query in [
        r#"{ node(id: "x") { id } }"#,
        r#"{ nodes(ids: ["x"]) { id } }"#,
        r#"{ resource(url: "https://github.com/acme/site") { url } }"#,
        r#"{ search(query: "x", type: ISSUE, first: 1) { issueCount } }"#,
        r#"{ user(login: "alice") { login } }"#,
        r#"{ repositoryOwner(login: "acme") { login } }"#,
        r#"{ enterprise(slug: "acme") { name } }"#,
        "{ viewer { repositories(first: 1) { totalCount } } }",
        "{ viewer { organizations(first: 1) { totalCount } } }",
        "{ relay { viewer { login } } }",
        "{ topic(name: \"x\") { name } }",
        // On another type than the root's.
        r#"{ ... on Repository { issues(first: 1) { totalCount } } }"#,
        r#"mutation { ... on Query { viewer { login } } }"#,
        "{ addComment(input: {subjectId: \"x\", body: \"y\"}) { clientMutationId } }",
        "{ _entities }",
        "{ repositorY }",
    ] {
        let refused = lease.refuses(query);
        assert!(
            refused.contains("is not on the list of what GraphQL may do under a lease"),
            "{query}: {refused}"
        );
    }
    for query in [
        "{ viewer { login } }",
        "{ __typename }",
        "{ rateLimit { remaining } }",
        r#"{ __type(name: "PullRequest") { fields(includeDeprecated: true) { name } } }"#,
        "{ __schema { queryType { name } } }",
    ] {
        lease.sends(query);
    }
}

#[test]
fn permissions_mean_what_they_mean_in_rest() {
    for (permissions, selection, missing) in [
        ("issues=read", "issues(first: 1) { nodes { title } }", None),
        (
            "contents=read",
            "issues(first: 1) { nodes { title } }",
            Some("issues: read"),
        ),
        (
            "pull_requests=read",
            "issueOrPullRequest(number: 1) { __typename }",
            None,
        ),
        (
            "issues=read",
            "issueOrPullRequest(number: 1) { __typename }",
            None,
        ),
        (
            "issues=read",
            "pullRequest(number: 1) { commits { totalCount } }",
            Some("pull_requests: read"),
        ),
        (
            "contents=read",
            "releases(first: 1) { nodes { tagName } }",
            None,
        ),
        (
            "issues=read",
            "releases(first: 1) { nodes { tagName } }",
            Some("contents: read"),
        ),
        (
            "issues=read",
            "object(expression: \"HEAD:x\") { ... on Blob { text } }",
            Some("contents: read"),
        ),
        ("issues=write", "labels(first: 1) { nodes { name } }", None),
        (
            "actions=read",
            "labels(first: 1) { nodes { name } }",
            Some("read`"),
        ),
        (
            "issues=read",
            "name defaultBranchRef { name } hasIssuesEnabled",
            None,
        ),
    ] {
        let lease = Lease::on("acme/site", permissions);
        match missing {
            None => drop(lease.sends(&of_site(selection))),
            Some(missing) => {
                let refused = lease.refuses(&of_site(selection));
                assert!(refused.contains(missing), "{selection}: {refused}");
            }
        }
    }
    let refused = Lease::on("acme/site", "issues=read")
        .refuses(&of_site("releases(first: 1) { totalCount }"));
    assert_eq!(
        refused,
        "`Repository.releases` needs permission `contents: read`; the lease does not allow it; to allow it, add \
         `contents = \"read\"` to `permissions` of the purpose (and to `--permission`, where given)"
    );
}

#[test]
fn nothing_leads_out_of_the_repository() {
    let lease = Lease::on(
        "acme/site",
        "issues=write pull_requests=write contents=write administration=write secrets=write metadata=read",
    );
    for selection in [
        "owner { repositories(first: 1) { totalCount } }",
        "owner { ... on Organization { projectsV2(first: 1) { totalCount } } }",
        "owner { ... on User { email } }",
        "forks(first: 1) { totalCount }",
        "parent { issues(first: 1) { totalCount } }",
        "parent { ...F } }} fragment F on Repository { issues(first: 1) { totalCount } } query X { viewer { login } } query Y { viewer { login",
        "parent { parent { object(expression: \"HEAD\") { oid } } }",
        "templateRepository { object(expression: \"HEAD\") { oid } }",
        "tempCloneToken",
        "deployKeys(first: 1) { nodes { key } }",
        "collaborators(first: 1) { nodes { email } }",
        "vulnerabilityAlerts(first: 1) { totalCount }",
        "issue(number: 1) { parent { title } }",
        "issue(number: 1) { subIssues(first: 1) { totalCount } }",
        "issue(number: 1) { trackedInIssues(first: 1) { totalCount } }",
        "issue(number: 1) { timelineItems(first: 1) { totalCount } }",
        "issue(number: 1) { closedByPullRequestsReferences(first: 1) { totalCount } }",
        "issue(number: 1) { author { ... on User { repositories(first: 1) { totalCount } } } }",
        "issue(number: 1) { author { ... on Organization { repositories(first: 1) { totalCount } } } }",
        "pullRequest(number: 1) { headRepository { issues(first: 1) { totalCount } } }",
        "pullRequest(number: 1) { headRepository { object(expression: \"HEAD\") { oid } } }",
        "ref(qualifiedName: \"refs/heads/main\") { compare(headRef: \"evil:main\") { aheadBy } }",
    ] {
        let query = of_site(selection);
        let body =
            json!({ "query": query, "operationName": query.contains("query X").then_some("X") });
        let refused = read(&body).unwrap().allow(&lease.scope());
        assert!(refused.is_err(), "{selection}");
    }
    // What is named beside it is a name.
    lease.sends(&of_site(
        "owner { login } parent { name owner { login } hasIssuesEnabled defaultBranchRef { name } } \
         issue(number: 1) { author { login } repository { nameWithOwner } }",
    ));
}

#[test]
fn an_organisation_gives_what_the_lease_names() {
    let projects =
        r#"{ organization(login: "acme") { projectsV2(first: 1) { nodes { title } } } }"#;
    let repositories = r#"{ organization(login: "acme") { repositories(first: 1) { nodes { issues { totalCount } } } } }"#;
    let admin = Lease::on("", "organization_projects=read").and_organization("acme");
    admin.sends(projects);
    assert!(admin.refuses(repositories).contains("repository `acme/*`"));
    assert!(
        Lease::on("", "members=read")
            .and_organization("acme")
            .refuses(projects)
            .contains("organization_projects: read")
    );
    let all = Lease::on("acme/*", "issues=read organization_projects=read");
    all.sends(repositories);
    assert_eq!(
        all.refuses(projects),
        "`Organization.projectsV2` needs organisation `acme`; the lease allows none"
    );
    assert!(
        Lease::on("acme/*", "contents=read")
            .refuses(repositories)
            .contains("issues: read")
    );
    let other = r#"{ organization(login: "other") { login } }"#;
    assert_eq!(
        admin.refuses(other),
        "`Query.organization` needs organisation `other`; the lease allows `acme`"
    );
    assert!(
        Lease::on("acme/site", "issues=read")
            .refuses(projects)
            .contains("allows none")
    );
}

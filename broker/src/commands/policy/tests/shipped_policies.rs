//! The policies of this repository: they load, and give what their tables say.

use broker_policy::reach::Scope;
use broker_policy::reach::graphql::Asked;
use broker_policy::{NamesOnly, RequestLine};

use super::*;

/// Promise P4: what no rule allows is denied, as the decision tables say it.
#[test]
fn p4_every_case_of_the_shipped_policies_holds_and_every_rule_is_tried() {
    let files = policy_files::read(&shipped(), None).unwrap();
    let report = cases::run(&files.policies, &files.tables).unwrap();
    let failed = report.outcomes.iter().filter(|o| !o.differences.is_empty());
    assert_eq!(failed.collect::<Vec<_>>(), [] as [&cases::Outcome; 0]);
    assert!(report.untested.is_empty(), "{:?}", report.untested);
    assert!(report.unused.is_empty(), "{:?}", report.unused);
    for said in ["allow", "denied", "too_wide"] {
        let times = report.outcomes.iter().filter(|o| o.said.starts_with(said));
        assert!(times.count() >= 5, "{said}");
    }
}

/// Promise P4: a policy that does not parse allows nothing, and takes the whole set with it.
#[test]
fn p4_one_wrong_line_in_any_shipped_policy_leaves_no_set_at_all() {
    let files = policy_files::read(&shipped(), None).unwrap().policies;
    let parse = |files: &[_]| PolicySet::parse(files, &NamesOnly::default(), &Host::anywhere());
    assert!(parse(&files).is_ok());
    for (n, file) in files.iter().enumerate() {
        let mut files = files.clone();
        files[n].text.push_str("\nalow = 1\n");
        let errors = parse(&files).unwrap_err().to_string();
        assert!(errors.starts_with(&file.name), "{errors}");
    }
}

#[test]
fn the_shipped_policies_load_for_a_system_service_with_no_warning_but_of_missing_accounts() {
    let files = policy_files::read(&shipped(), None).unwrap().policies;
    let service = Host {
        uid: Some(990),
        system_service: true,
    };
    let set = PolicySet::parse(&files, &NamesOnly::default(), &service).unwrap();
    let warnings: Vec<_> = set.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "acme-import.toml:16: where the first secret cannot be used, the caller gets the \
             fallback's stored token itself, and nothing holds it to this purpose"
        ]
    );
    assert_eq!((set.purposes().count(), set.secrets().count()), (6, 8));
}

/// What a full disk or half a copy leaves of a file that the documentation says to copy.
#[test]
fn no_shipped_policy_cut_at_a_line_gives_more_than_its_table_says() {
    let files = policy_files::read(&shipped(), None).unwrap();
    let mut loaded = 0;
    for (n, file) in files.policies.iter().enumerate() {
        assert_eq!(cut::widening(file), [], "{}", file.name);
        let ends = file.text.match_indices('\n').map(|(at, _)| at + 1);
        for end in ends {
            let mut cut = files.policies.clone();
            cut[n].text.truncate(end);
            let set = PolicySet::parse(&cut, &NamesOnly::default(), &Host::anywhere());
            if set.is_ok() {
                loaded += 1;
                let verdict = cases::verdict(&cut, &files.tables);
                assert_eq!(verdict.refused, [], "{} cut at {end}", file.name);
            }
        }
    }
    assert!(loaded > 20, "some cuts load: {loaded}");
}

/// Whether the first rule of a shipped purpose gives a request to GitHub.
fn gives(set: &PolicySet, purpose: &str, request: &str) -> bool {
    let policy = set.purpose(&purpose.parse().unwrap()).unwrap();
    let scope = Scope::of(&policy.rules[0].terms, policy.paths());
    let request: RequestLine = request.parse().unwrap();
    match request.git() {
        Some(git) => git.is_ok_and(|git| git.beyond(&scope, "the rule").is_none()),
        None => request.allow(&scope).is_ok(),
    }
}

#[test]
fn through_the_proxy_a_shipped_purpose_gives_what_it_is_for_and_no_more() {
    let files = policy_files::read(&shipped(), None).unwrap().policies;
    let set = PolicySet::parse(&files, &NamesOnly::default(), &Host::anywhere()).unwrap();
    let fetch = |name: &str| {
        format!("GET https://github.com/acme/{name}.git/info/refs?service=git-upload-pack")
    };
    for (purpose, refused) in [
        ("label-sync", "GET /repos/acme/site/contents/README.md"),
        ("label-sync", "GET /repos/other/site/labels"),
        ("label-sync", "GET /user/repos"),
        ("onboarding", "DELETE /repos/acme/site"),
        ("onboarding", "POST /orgs/other/repos"),
        ("onboarding", "PUT /repos/acme/site/collaborators/mallory"),
        ("repo-analysis", "POST /repos/acme/site/statuses/main"),
        ("repo-analysis", "DELETE /orgs/acme/members/alice"),
        ("project-admin", "POST /repos/acme/site/issues"),
        ("project-admin", "GET /orgs/other/projectsV2"),
        ("project-admin", "DELETE /orgs/acme/members/alice"),
        ("auto-sync", &fetch("payroll")),
        ("auto-sync", "GET /orgs/acme/repos"),
        (
            "auto-sync",
            "POST https://github.com/acme/docs.git/git-receive-pack",
        ),
    ] {
        assert!(!gives(&set, purpose, refused), "{purpose}: {refused}");
    }
    for (purpose, request) in [
        ("label-sync", "GET /orgs/acme"),
        ("label-sync", "GET /orgs/acme/repos"),
        ("label-sync", "GET /repos/acme/site"),
        ("label-sync", "GET /repos/acme/site/labels"),
        ("label-sync", "POST /repos/acme/site/labels"),
        ("label-sync", "PATCH /repos/acme/site/labels/type%2Fbug"),
        ("label-sync", "DELETE /repos/acme/site/labels/type%2Fbug"),
        ("onboarding", "PUT /orgs/acme/memberships/alice"),
        ("onboarding", "POST /orgs/acme/invitations"),
        ("onboarding", "PUT /orgs/acme/teams/staff/memberships/alice"),
        ("onboarding", "POST /orgs/acme/repos"),
        (
            "onboarding",
            "PUT /repos/acme/new/contents/.github/workflows/ci.yml",
        ),
        (
            "onboarding",
            "POST https://github.com/acme/new.git/git-receive-pack",
        ),
        ("repo-analysis", "GET /orgs/acme/repos"),
        ("repo-analysis", "GET /repos/acme/site/commits/main/status"),
        ("repo-analysis", "GET /orgs/acme/members"),
        ("repo-analysis", "GET /orgs/acme/teams/staff/members"),
        ("project-admin", "GET /orgs/acme/projectsV2"),
        ("project-admin", "POST /orgs/acme/projectsV2/7/fields"),
        ("project-admin", "POST /orgs/acme/projectsV2/7/drafts"),
        ("project-admin", "POST /orgs/acme/projectsV2/7/views"),
        ("project-admin", "GET /repos/acme/site/issues/1"),
        ("auto-sync", &fetch("docs")),
        (
            "auto-sync",
            "POST https://github.com/acme/site.git/git-upload-pack",
        ),
    ] {
        assert!(gives(&set, purpose, request), "{purpose}: {request}");
    }
}

#[test]
fn by_graphql_project_admin_makes_projects_and_changes_no_issue() {
    let files = policy_files::read(&shipped(), None).unwrap().policies;
    let set = PolicySet::parse(&files, &NamesOnly::default(), &Host::anywhere()).unwrap();
    let policy = set.purpose(&"project-admin".parse().unwrap()).unwrap();
    let scope = Scope::of(&policy.rules[0].terms, policy.paths());
    let allows = |query: &str| {
        let body = serde_json::json!({ "query": query }).to_string();
        let asked = Asked::read(body.as_bytes()).unwrap();
        asked.allow(&scope).is_ok()
    };
    let changes = |name: &str, input: &str| {
        format!("mutation {{ {name}(input: {{{input}}}) {{ clientMutationId }} }}")
    };
    for query in [
        r#"{ organization(login: "acme") { id projectsV2(first: 1) { nodes { id title } } } }"#,
        r#"{ repository(owner: "acme", name: "site") { id issue(number: 1) { id } } }"#,
        &changes("createProjectV2", r#"ownerId: "O", title: "t""#),
        &changes("updateProjectV2", r#"projectId: "P", closed: true"#),
        &changes(
            "linkProjectV2ToRepository",
            r#"projectId: "P", repositoryId: "R""#,
        ),
        &changes("addProjectV2ItemById", r#"projectId: "P", contentId: "I""#),
        &changes(
            "updateProjectV2ItemFieldValue",
            r#"projectId: "P", itemId: "I", fieldId: "F", value: {text: "x"}"#,
        ),
    ] {
        assert!(allows(query), "{query}");
    }
    for query in [
        r#"{ organization(login: "other") { projectsV2(first: 1) { totalCount } } }"#,
        r#"{ repository(owner: "other", name: "site") { id } }"#,
        &changes("createIssue", r#"repositoryId: "R", title: "t""#),
        &changes("closeIssue", r#"issueId: "I""#),
        &changes("addComment", r#"subjectId: "I", body: "b""#),
    ] {
        assert!(!allows(query), "{query}");
    }
}

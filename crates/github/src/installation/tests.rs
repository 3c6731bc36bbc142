use super::compare::Granted;
use super::*;

fn permissions(text: &str) -> Permissions {
    serde_json::from_str(text).unwrap()
}

fn granted(permissions: &str, repositories: Option<&[(&str, u64)]>) -> Granted {
    Granted {
        permissions: serde_json::from_str(permissions).unwrap(),
        repositories: repositories
            .map(|all| all.iter().map(|(n, id)| ((*n).to_owned(), *id)).collect()),
    }
}

#[test]
fn a_mint_names_ids_where_they_are_known_and_permissions_always() {
    let (one, two) = ("acme/one".parse().unwrap(), "acme/two".parse().unwrap());
    let permissions = permissions(r#"{"issues":"write"}"#);
    let body = |repositories| {
        MintRequest {
            repositories,
            permissions: &permissions,
        }
        .body()
    };
    assert_eq!(
        body(Repositories::These(vec![(&one, Some(7)), (&two, Some(8))])).unwrap(),
        json!({"permissions": {"issues": "write"}, "repository_ids": [7, 8]})
    );
    assert_eq!(
        body(Repositories::These(vec![(&one, Some(7)), (&two, None)])).unwrap(),
        json!({"permissions": {"issues": "write"}, "repositories": ["one", "two"]})
    );
    assert_eq!(
        body(Repositories::All).unwrap(),
        json!({"permissions": {"issues": "write"}})
    );
    let whole: RepoPattern = "acme/*".parse().unwrap();
    for nameless in [
        vec![],
        vec![(&whole, None)],
        vec![(&one, None), (&whole, None)],
    ] {
        let refused = body(Repositories::These(nameless)).unwrap_err();
        assert!(matches!(refused, GitHubError::CannotAsk(_)), "{refused}");
    }
}

#[test]
fn a_name_that_means_another_repository_is_told_where_it_was_asked_for_by_name() {
    let (one, two): (RepoPattern, RepoPattern) =
        ("acme/one".parse().unwrap(), "acme/two".parse().unwrap());
    let none = Permissions::new();
    let asked = MintRequest {
        repositories: Repositories::These(vec![(&one, Some(7)), (&two, None)]),
        permissions: &none,
    };
    let compare = |one| granted("{}", Some(&[("acme/one", one), ("acme/two", 8)])).compare(&asked);
    assert!(compare(7).is_ok());
    let differs = compare(9).unwrap_err().to_string();
    assert!(
        differs.contains("`acme/one` has meant repository 7")
            && differs.contains("repository 9 today")
            && differs.contains("`tokenctl repository unpin acme/one`"),
        "{differs}"
    );
}

#[test]
fn what_github_granted_must_be_what_was_asked_but_for_reading_metadata() {
    let one: RepoPattern = "acme/one".parse().unwrap();
    let permissions = permissions(r#"{"issues":"write"}"#);
    let asked = MintRequest {
        repositories: Repositories::These(vec![(&one, Some(7))]),
        permissions: &permissions,
    };
    let good = r#"{"issues":"write","metadata":"read"}"#;
    let exact: &[(&str, u64)] = &[("acme/one", 7)];
    assert_eq!(
        granted(good, Some(exact)).compare(&asked),
        Ok(vec![("acme/one".to_owned(), 7)])
    );
    for (permissions, repositories, why) in [
        (r#"{"issues":"read"}"#, Some(exact), "read instead of write"),
        (r#"{"metadata":"read"}"#, Some(exact), "nothing instead"),
        (
            r#"{"issues":"write","contents":"read"}"#,
            Some(exact),
            "`contents: read` as well",
        ),
        ("null", Some(exact), "does not say which"),
        (good, None, "all of the installation's"),
        (
            good,
            Some(&[("acme/one", 7), ("acme/two", 8)]),
            "`acme/two` as well",
        ),
        (good, Some(&[("acme/two", 8)]), "`acme/one` is missing"),
        (
            good,
            Some(&[("acme/uno", 7)]),
            "`acme/one` is called `acme/uno` today",
        ),
    ] {
        let error = granted(permissions, repositories)
            .compare(&asked)
            .unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

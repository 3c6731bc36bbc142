//! However a path is spelled: what is allowed stays within the lease, as a careless server reads it.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::listed::operations;
use super::*;

/// What paths are put together from, tricks among them.
const PIECES: &[&str] = &[
    "repos",
    "acme",
    "ACME",
    "site",
    "other",
    "evil",
    "labels",
    "contents",
    "commits",
    "pulls",
    "issues",
    "1",
    "git",
    "refs",
    "heads",
    "compare",
    "main...other:main",
    "main...other%3Amain",
    "actions",
    "secrets",
    "orgs",
    "teams",
    "user",
    "users",
    "rate_limit",
    "gists",
    "graphql",
    "bug",
    "%2e%2e",
    "%2E.",
    "..",
    ".",
    "%252e%252e",
    "%2e%2e%2f..",
    "%61cme",
    "a%2Fb",
    "a%252Fb",
    "%5c..",
    "x%00",
    "site.git",
    "*",
    "%2a",
    "releases",
    "assets",
    "repositories",
    "search",
    "code",
    ";x",
    "a;b",
    "~",
    "%20",
];
const BETWEEN: &[&str] = &[
    "/", "/", "/", "/", "/", "/", "%2F", "%2f", "%252F", "//", "/./", "/../", "\\",
];
const METHODS: &[&str] = &[
    "GET", "GET", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get",
];

fn path() -> impl Strategy<Value = String> {
    let piece = (prop::sample::select(BETWEEN), prop::sample::select(PIECES));
    let begins =
        prop::sample::select(&["", "/repos/acme/site", "/repos/acme/other", "/orgs/acme"][..]);
    (begins, prop::collection::vec(piece, 0..8)).prop_map(|(begins, pieces)| {
        let pieces = pieces
            .into_iter()
            .map(|(between, piece)| format!("{between}{piece}"));
        format!("{begins}{}", pieces.collect::<String>())
    })
}

/// The segments as the most careless server reads them: decoded until nothing changes, backslashes
/// taken for slashes, empty segments dropped, dots resolved.
fn carelessly(path: &str) -> Vec<String> {
    let mut bytes = path.as_bytes().to_vec();
    loop {
        let mut next = Vec::new();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let digits = bytes
                .get(at + 1..at + 3)
                .and_then(|two| std::str::from_utf8(two).ok());
            let value = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
            match (byte, value) {
                (b'%', Some(value)) => {
                    next.push(value);
                    at += 3;
                }
                _ => {
                    next.push(*byte);
                    at += 1;
                }
            }
        }
        if next == bytes {
            break;
        }
        bytes = next;
    }
    let text = String::from_utf8(bytes)
        .unwrap()
        .replace('\\', "/")
        .to_lowercase();
    let mut segments: Vec<String> = Vec::new();
    for segment in text.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other.to_owned()),
        }
    }
    segments
}

/// `compare/main...other:main`. A label or a file may be called so.
fn compares_across_owners(read: &[String]) -> bool {
    read.get(3).is_some_and(|kind| kind == "compare")
        && read.iter().any(|value| value.contains(':'))
}

const NAMES: [&str; 5] = [
    "contents=write",
    "issues=write",
    "pull_requests=write",
    "actions=write",
    "secrets=write",
];

/// What a purpose might list: of no repository, of an organisation, of a repository.
static LISTED: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    operations(&[
        "GET /user",
        "GET /orgs/{org}/teams/{team_slug}",
        "GET /orgs/{org}/events",
        "POST /repos/{owner}/{repo}/forks",
        "GET /repos/{owner}/{repo}/actions/secrets/{secret_name}",
        "GET /repos/{owner}/{repo}/issues/{issue_number}/timeline",
    ])
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_outside_a_lease_is_allowed(path in path(), method in prop::sample::select(METHODS)) {
        let site = lease(&["acme/site"], None, &NAMES);
        if allow(&Scope::of(&site, &[]), GithubHost::Api, method, &path).is_err() {
            return Ok(());
        }
        let read = carelessly(&path);
        let free = [vec![], vec!["rate_limit"]];
        let within = read.starts_with(&["repos".into(), "acme".into(), "site".into()]);
        prop_assert!(within || free.iter().any(|free| *free == read), "{method} {path}: {read:?}");
        prop_assert!(!compares_across_owners(&read), "{method} {path}");
    }

    /// What is listed widens a lease by just that operation, and its path stays within the lease.
    #[test]
    fn nothing_outside_a_lease_is_allowed_but_what_its_paths_list(
        path in path(), method in prop::sample::select(METHODS),
    ) {
        let site = lease(&["acme/site"], Some("acme"), &NAMES);
        let Ok(allowed) = allow(&Scope::of(&site, &LISTED), GithubHost::Api, method, &path) else {
            return Ok(());
        };
        let read = carelessly(&path);
        let without = allow(&Scope::of(&site, &[]), GithubHost::Api, method, &path);
        let began = |begins: &[&str]| read.iter().take(begins.len()).eq(begins);
        let known = [&["repos", "acme", "site"][..], &["user"], &["orgs", "acme"], &["rate_limit"]];
        prop_assert!(read.is_empty() || known.iter().any(|known| began(known)), "{method} {path}: {read:?}");
        // Each further reading may be another operation that the lease allows anyway.
        prop_assert!(
            without.is_ok() || path.contains('%') || LISTED.contains(&allowed.operation),
            "{method} {path}: {allowed:?}"
        );
        prop_assert!(!compares_across_owners(&read), "{method} {path}");
    }

    #[test]
    fn whatever_comes_is_answered(path in "\\PC{0,40}", tail in path(), method in "[A-Z]{0,7}") {
        let site = lease(&["acme/site"], None, &NAMES);
        let scope = Scope::of(&site, &LISTED);
        drop(allow(&scope, GithubHost::Api, &method, &path));
        drop(allow(&scope, GithubHost::Uploads, &method, &format!("{tail}{path}")));
    }
}

proptest! {
    // Each looks for what may have been meant, among all operations.
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_paths_list_is_read_or_refused(path in "\\PC{0,40}", tail in path(), method in "[A-Z]{0,7}") {
        for text in [format!("{method} {path}"), format!("GET {tail}")] {
            if let Ok(operation) = text.parse::<Operation>() {
                prop_assert_eq!(operation.to_string(), text);
            }
        }
    }
}

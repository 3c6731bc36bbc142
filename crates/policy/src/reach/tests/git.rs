//! git and Git LFS: what each request needs, and what is refused however it is spelled.

use proptest::prelude::*;

use super::*;
use crate::reach::git::{self, GitRequest, NotGit};

fn parse(request: &str) -> Result<GitRequest, NotGit> {
    let (method, target) = request.split_once(' ').unwrap();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    GitRequest::parse(method, path, query)
}

fn needs_of(request: &str) -> String {
    match parse(request) {
        Ok(request) => request.to_string(),
        Err(refusal) => format!("refused: {refusal}"),
    }
}

#[test]
fn what_is_not_a_request_of_gits_is_refused_with_a_reason() {
    use NotGit::{Dumb, Encoded, Method, Name, Other, Path, Query, Service, Wiki};
    for (request, why) in [
        ("GET /acme/site.git/info/refs", Service),
        ("GET /acme/site.git/info/refs?", Service),
        ("GET /acme/site.git/info/refs?service=", Service),
        (
            "GET /acme/site.git/info/refs?service=git-upload-archive",
            Service,
        ),
        (
            "GET /acme/site.git/info/refs?service=git%2Dupload-pack",
            Service,
        ),
        (
            "GET /acme/site.git/info/refs?service=git-upload-pack&x=1",
            Service,
        ),
        (
            "GET /acme/site.git/info/refs?service=git-upload-pack&service=git-receive-pack",
            Service,
        ),
        (
            "GET /acme/site.git/info/refs?Service=git-upload-pack",
            Service,
        ),
        (
            "POST /acme/site.git/info/refs?service=git-upload-pack",
            Method,
        ),
        (
            "HEAD /acme/site.git/info/refs?service=git-upload-pack",
            Method,
        ),
        ("GET /acme/site.git/git-upload-pack", Method),
        ("GET /acme/site.git/git-receive-pack", Method),
        ("PUT /acme/site.git/git-receive-pack", Method),
        (
            "POST /acme/site.git/git-upload-pack?service=git-receive-pack",
            Query,
        ),
        ("POST /acme/site.git/git-upload-pack?", Query),
        ("GET /acme/site.git/info/lfs/objects/batch", Method),
        ("PUT /acme/site.git/info/lfs/locks", Method),
        ("GET /acme/site.git/info/lfs/locks/verify", Method),
        ("DELETE /acme/site.git/info/lfs/locks/7/unlock", Method),
        ("POST /acme/site.git/info/lfs/locks/7;x/unlock", Dumb),
        ("GET /acme/site.git/info/lfs/objects/abc", Dumb),
        ("GET /acme/site.git/HEAD", Dumb),
        ("GET /acme/site.git/objects/info/packs", Dumb),
        ("GET /acme/site.git/objects/ab/cdef", Dumb),
        ("GET /acme/site.git/info/alternates", Dumb),
        (
            "GET /acme/site.wiki.git/info/refs?service=git-upload-pack",
            Wiki,
        ),
        (
            "GET /acme/site.wiki/info/refs?service=git-upload-pack",
            Wiki,
        ),
        ("POST /acme/site.WIKI.git/git-receive-pack", Wiki),
        ("POST /acme/site.wiki.GIT/git-receive-pack", Wiki),
        ("POST /acme/site.wiki.git.git/git-receive-pack", Wiki),
        ("POST /acme/site.git.git/git-receive-pack", Name),
        ("POST /acme/site.GIT/git-receive-pack", Name),
        ("POST /acme/.git/git-receive-pack", Name),
        ("POST /acme/*/git-receive-pack", Name),
        ("POST /acme/*.git/git-receive-pack", Name),
        ("POST /ac.me/site/git-receive-pack", Name),
        ("POST /%61cme/site.git/git-receive-pack", Encoded),
        ("POST /acme/sit%65.git/git-receive-pack", Encoded),
        ("POST /acme/site%2Egit/git-receive-pack", Encoded),
        ("POST /acme/site.git%2Fgit-receive-pack", Other),
        (
            "GET /acme/site.git/info%2Frefs?service=git-upload-pack",
            Other,
        ),
        (
            "POST /acme/other/../site.git/git-receive-pack",
            Path(BadPath::Dots),
        ),
        (
            "POST /acme/%2e%2e/site.git/git-receive-pack",
            Path(BadPath::Dots),
        ),
        (
            "POST /acme/other%5C../git-receive-pack",
            Path(BadPath::Character),
        ),
        (
            r"POST /acme\site.git/git-receive-pack",
            Path(BadPath::Character),
        ),
        (
            "POST //acme/site.git/git-receive-pack",
            Path(BadPath::Empty),
        ),
        (
            "POST /acme/site.git/git-receive-pack/",
            Path(BadPath::Empty),
        ),
        (
            "POST acme/site.git/git-receive-pack",
            Path(BadPath::NotAbsolute),
        ),
        (
            "POST /acme/site.git%/git-receive-pack",
            Path(BadPath::Percent),
        ),
        ("GET /", Other),
        ("GET /acme", Other),
        ("GET /acme/site", Other),
        ("GET /acme/site/releases/download/v1/site.zip", Other),
        ("GET /acme/site/archive/refs/heads/main.zip", Other),
        ("GET /acme/site/raw/main/README", Other),
        ("GET /git-upload-pack", Other),
        ("POST /site.git/git-upload-pack", Other),
        ("POST /acme/site.git/x/git-upload-pack", Other),
        ("POST /acme/site.git/git-upload-pack/x", Other),
        ("POST /acme/site.git/GIT-UPLOAD-PACK", Other),
        ("POST /login/oauth/access_token", Other),
    ] {
        assert_eq!(parse(request), Err(why), "{request}");
    }
    assert_eq!(
        needs_of("GET /acme/site/releases"),
        "refused: it is neither git nor Git LFS, and nothing else on this host is covered by a permission"
    );
}

#[test]
fn each_request_needs_contents_on_its_repository() {
    for (request, needs) in [
        (
            "GET /Acme/Site.git/info/refs?service=git-upload-pack",
            "git-upload-pack needs contents: read on acme/site",
        ),
        (
            "GET /acme/site/info/refs?service=git-receive-pack",
            "git-receive-pack needs contents: write on acme/site",
        ),
        (
            "POST /acme/site.git/git-upload-pack",
            "git-upload-pack needs contents: read on acme/site",
        ),
        (
            "POST /acme/.github/git-receive-pack",
            "git-receive-pack needs contents: write on acme/.github",
        ),
        (
            "POST /acme/site.git/info/lfs/objects/batch",
            "a Git LFS batch needs contents: read on acme/site, and for an upload contents: write",
        ),
        (
            "GET /acme/site.git/info/lfs/locks?path=a%2Fb&cursor=x",
            "a Git LFS lock needs contents: read on acme/site",
        ),
        (
            "POST /acme/site.git/info/lfs/locks",
            "a Git LFS lock needs contents: write on acme/site",
        ),
        (
            "POST /acme/site/info/lfs/locks/verify",
            "a Git LFS lock needs contents: write on acme/site",
        ),
        (
            "POST /acme/site.git/info/lfs/locks/some-uuid_7/unlock",
            "a Git LFS lock needs contents: write on acme/site",
        ),
    ] {
        assert_eq!(needs_of(request), needs, "{request}");
    }
}

#[test]
fn a_lease_is_held_to_its_repositories_and_its_level() {
    let beyond = |request: &str, terms: &Terms| {
        let scope = Scope::of(terms, &[]);
        parse(request).unwrap().beyond(&scope, "the lease")
    };
    let fetch = "POST /ACME/Site.git/git-upload-pack";
    let push = "GET /acme/site.git/info/refs?service=git-receive-pack";
    let batch = "POST /acme/site.git/info/lfs/objects/batch";
    let reads = lease(&["acme/site"], None, &["contents=read"]);
    assert_eq!(beyond(fetch, &reads), None);
    assert_eq!(beyond(batch, &reads), None, "as far as is known");
    assert_eq!(
        beyond(push, &reads).as_deref(),
        Some(
            "permission `contents: write`; the lease allows `read`; \
         to allow it, add `contents = \"write\"` to `permissions` of the purpose (and to `--permission`, where given)"
        )
    );
    let writes = lease(&["acme/*"], None, &["contents=write"]);
    assert_eq!(beyond(fetch, &writes), None);
    assert_eq!(beyond(push, &writes), None);
    assert_eq!(
        beyond("POST /other/site.git/git-upload-pack", &writes).as_deref(),
        Some("repository `other/site`; the lease allows `acme/*`")
    );
    let issues = lease(&["acme/site"], None, &["issues=write", "metadata=read"]);
    assert_eq!(
        beyond(fetch, &issues).as_deref(),
        Some(
            "permission `contents: read`; the lease does not allow it; \
         to allow it, add `contents = \"read\"` to `permissions` of the purpose (and to `--permission`, where given)"
        )
    );
}

#[test]
fn a_batch_says_once_and_in_one_spelling_whether_it_reads_or_writes() {
    let batch = || parse("POST /acme/site.git/info/lfs/objects/batch").unwrap();
    assert!(batch().is_said_in_body() && batch().is_read());
    for body in [
        "",
        "{}",
        "[]",
        "\"download\"",
        "{\"operation\":null}",
        "{\"operation\":\"Download\"}",
        "{\"operation\":\"verify\"}",
        "{\"operation\":[\"download\"]}",
        "{\"Operation\":\"download\"}",
        "{\"operation\":\"download\",\"operation\":\"download\"}",
        "{\"operation\":\"download\",\"OPERATION\":\"upload\"}",
        "{\"operation\":\"download\",\"\\u006fperation\":\"upload\"}",
        "{\"operation\":\"download\"} {\"operation\":\"upload\"}",
        "{\"operation\":\"download\",}",
        "{\"objects\":[{\"operation\":\"download\"}]}",
        "\u{feff}{\"operation\":\"download\"}",
    ] {
        assert_eq!(
            batch().with_body(body.as_bytes()),
            Err(NotGit::Batch),
            "{body}"
        );
    }
    let objects = r#""objects":[{"oid":"ab","size":7,"operation":"upload"}]"#;
    let download = format!(r#"{{"operation":"download",{objects}}}"#);
    let download = batch().with_body(download.as_bytes()).unwrap();
    assert_eq!(
        download.to_string(),
        "a Git LFS download needs contents: read on acme/site"
    );
    let upload = format!("{{{objects} , \"operation\" : \"upload\"}}");
    let upload = batch().with_body(upload.as_bytes()).unwrap();
    assert!(!upload.is_said_in_body() && !upload.is_read());
    assert_eq!(
        upload.to_string(),
        "a Git LFS upload needs contents: write on acme/site"
    );
}

#[test]
fn only_what_reads_and_is_not_gits_is_a_read_of_the_web_site() {
    for (request, is_read) in [
        ("GET /acme/site/releases/download/v1%2B1/site.zip", true),
        ("HEAD /acme/site/archive/v1.tar.gz", true),
        ("POST /acme/site/issues", false),
        ("DELETE /acme/site", false),
        (
            "GET /acme/site.wiki.git/info/refs?service=git-upload-pack",
            false,
        ),
        ("GET /acme/site.git/HEAD", false),
        ("GET /acme/../site", false),
        ("GET /acme/site.git/info/refs", false),
    ] {
        let (method, _) = request.split_once(' ').unwrap();
        let refusal = parse(request).unwrap_err();
        assert_eq!(git::is_web_read(method, refusal), is_read, "{request}");
    }
}

/// How a careless server finds the repository: it decodes, takes segments apart, drops `.git`, compares without case.
fn carelessly(path: &str) -> Option<String> {
    let decoded = path
        .replace("%2F", "/")
        .replace("%2e", ".")
        .replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    let [owner, name, ..] = segments.as_slice() else {
        return None;
    };
    let name = name.to_lowercase();
    let name = name.strip_suffix(".git").unwrap_or(&name);
    Some(format!("{}/{name}", owner.to_lowercase()))
}

proptest! {
    #[test]
    fn whatever_is_allowed_is_about_the_leases_repository(
        pieces in prop::collection::vec(
            prop::sample::select(&[
                "acme", "ACME", "site", "site.git", "SITE.git", "other", "site.wiki.git", "*", "..", ".", "%2e%2e",
                "%2F", "a%2Fb", "\\", "", "info", "refs", "lfs", "locks", "git-upload-pack", "git-receive-pack",
            ][..]),
            0..7,
        ),
        tail in prop::sample::select(&["/git-upload-pack", "/git-receive-pack", "/info/refs", "", "/info/lfs/locks"][..]),
        method in prop::sample::select(&["GET", "POST"][..]),
        query in prop::sample::select(&[None, Some("service=git-upload-pack")][..]),
    ) {
        let path = format!("/{}{tail}", pieces.join("/"));
        let terms = lease(&["acme/site"], None, &["contents=write"]);
        let parsed = GitRequest::parse(method, &path, query);
        if let Ok(request) = parsed
            && request.beyond(&Scope::of(&terms, &[]), "the lease").is_none()
        {
            let read = carelessly(&path);
            prop_assert_eq!(read.as_deref(), Some("acme/site"));
        }
    }
}

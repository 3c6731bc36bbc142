use super::*;

#[test]
fn the_three_forms_are_known_with_their_web_hosts_and_versions() {
    for (given, web, version) in [
        ("https://api.github.com", "https://github.com", "2026-03-10"),
        (
            "https://api.github.com/",
            "https://github.com",
            "2026-03-10",
        ),
        (
            "https://api.acme.ghe.com",
            "https://acme.ghe.com",
            "2026-03-10",
        ),
        (
            "https://git.acme.example/api/v3",
            "https://git.acme.example",
            "2022-11-28",
        ),
        (
            "https://git.acme.example:8443/api/v3/",
            "https://git.acme.example:8443",
            "2022-11-28",
        ),
        (
            "http://127.0.0.1:4010",
            "http://127.0.0.1:4010",
            "2026-03-10",
        ),
        ("http://[::1]:4010", "http://[::1]:4010", "2026-03-10"),
        (
            "https://localhost:4010",
            "https://localhost:4010",
            "2026-03-10",
        ),
    ] {
        let base = BaseUrl::parse(given).unwrap();
        assert_eq!(base.web(), web, "of {given}");
        assert_eq!(base.api_version(), version, "of {given}");
    }
    assert_eq!(BaseUrl::default().host(), "api.github.com");
}

#[test]
fn git_reaches_the_web_host_and_a_stand_in_that_answers_like_github_has_none() {
    for (given, git) in [
        ("https://api.github.com", Some("https://github.com")),
        ("https://api.acme.ghe.com", Some("https://acme.ghe.com")),
        (
            "https://git.acme.example:8443/api/v3/",
            Some("https://git.acme.example:8443"),
        ),
        (
            "http://127.0.0.1:4010/api/v3",
            Some("http://127.0.0.1:4010"),
        ),
        ("http://127.0.0.1:4010", None),
    ] {
        let base = BaseUrl::parse(given).unwrap();
        assert_eq!(base.git().as_deref(), git, "of {given}");
    }
}

#[test]
fn anything_else_is_refused_with_what_to_do() {
    for (given, fix) in [
        ("http://api.github.com", "write https://"),
        ("http://git.acme.example/api/v3", "write https://"),
        ("https://github.com", "write https://api.github.com"),
        ("https://github.com/acme", "write https://api.github.com"),
        ("https://www.github.com", "write https://api.github.com"),
        ("https://GitHub.com./", "write https://api.github.com"),
        ("https://github.com/api/v3", "write https://api.github.com"),
        (
            "https://api.github.com/api/v3",
            "write https://api.github.com",
        ),
        (
            "https://api.github.com/graphql",
            "write https://api.github.com",
        ),
        ("https://uploads.github.com", "write https://api.github.com"),
        (
            "https://raw.githubusercontent.com",
            "write https://api.github.com",
        ),
        ("https://acme.ghe.com", "write https://api.acme.ghe.com"),
        (
            "https://acme.ghe.com/api/v3",
            "write https://api.acme.ghe.com",
        ),
        (
            "https://api.acme.ghe.com/api/v3",
            "write https://api.acme.ghe.com",
        ),
        (
            "https://uploads.acme.ghe.com/",
            "write https://api.acme.ghe.com",
        ),
        ("https://a.b.acme.ghe.com", "write https://api.acme.ghe.com"),
        ("https://ghe.com", "write https://api.TENANT.ghe.com"),
        ("https://api.ghe.com", "write https://api.TENANT.ghe.com"),
        (
            "https://git.acme.example",
            "write https://git.acme.example/api/v3",
        ),
        (
            "https://git.acme.example:8443/api",
            "write https://git.acme.example:8443/api/v3",
        ),
        (
            "https://git.acme.example/api/v3/user",
            "write https://git.acme.example/api/v3",
        ),
        (
            "https://git.acme.example/api/graphql",
            "write https://git.acme.example/api/v3",
        ),
        (
            "https://notgithub.com/acme",
            "write https://notgithub.com/api/v3",
        ),
        ("ftp://api.github.com", "write https://api.github.com"),
        ("api.github.com", "write https://api.github.com"),
        ("https://api.github.com?x=1", "write the base URL only"),
        ("", "write https://api.github.com"),
    ] {
        let error = BaseUrl::parse(given).unwrap_err().to_string();
        assert!(error.contains(fix), "{given}: {error}");
    }
    let error = BaseUrl::parse("https://me:ghp_canary@api.github.com").unwrap_err();
    assert!(!error.to_string().contains("canary"), "{error}");
}

#[test]
fn a_path_never_leads_away_from_the_base() {
    let base = BaseUrl::parse("https://git.acme.example/api/v3").unwrap();
    let url = base.join("/repos/acme/site?per_page=1").unwrap();
    assert_eq!(
        url.as_str(),
        "https://git.acme.example/api/v3/repos/acme/site?per_page=1"
    );
    for path in [
        "user",
        "@evil.example/user",
        ".evil.example/user",
        "/../admin",
        "/repos/acme/%2e%2e/x",
        "/a\\..\\..\\b",
        "/user#x",
        "",
    ] {
        assert_eq!(base.join(path), None, "{path}");
    }
    let root = BaseUrl::default();
    assert_eq!(
        root.join("//evil.example/user").unwrap().host_str(),
        Some("api.github.com")
    );
}

#[test]
fn of_a_link_only_the_path_below_the_base_is_taken() {
    let base = BaseUrl::parse("https://git.acme.example/api/v3").unwrap();
    assert_eq!(
        base.relative("https://git.acme.example/api/v3/user/repos?page=2")
            .as_deref(),
        Some("/user/repos?page=2")
    );
    assert_eq!(
        base.relative("/api/v3/repositories/7").as_deref(),
        Some("/repositories/7")
    );
    assert_eq!(base.relative("https://git.acme.example/login"), None);
    assert_eq!(base.relative("https://git.acme.example/api/v35"), None);
}

#[test]
fn a_redirect_leads_below_the_base_or_to_another_server() {
    let below = |path: &str| Some(Redirect::Below(path.into()));
    let elsewhere = |host: &str| Some(Redirect::Elsewhere(host.into()));
    let cloud = BaseUrl::default();
    let server = BaseUrl::parse("https://git.acme.example/api/v3").unwrap();
    for (base, location, want) in [
        (
            &cloud,
            "https://api.github.com/repositories/7?x=1",
            below("/repositories/7"),
        ),
        (&cloud, "/repositories/7", below("/repositories/7")),
        (
            &server,
            "https://git.acme.example/api/v3/repositories/7",
            below("/repositories/7"),
        ),
        // By the name that the server has for itself.
        (
            &server,
            "https://github.acme.example/api/v3/repositories/7",
            below("/repositories/7"),
        ),
        (&server, "https://git.acme.example/login", None),
        (
            &cloud,
            "http://portal.example/login?from=x",
            elsewhere("portal.example"),
        ),
        (
            &cloud,
            "https://api.github.com:8443/login",
            elsewhere("api.github.com"),
        ),
        (
            &server,
            "https://portal.example/api/v3/user",
            elsewhere("portal.example"),
        ),
        (&cloud, "mailto:x@portal.example", None),
        (&cloud, "https://", None),
    ] {
        assert_eq!(base.redirect(location), want, "{location}");
    }
}

#[test]
fn what_is_forwarded_goes_out_as_it_came_or_not_at_all() {
    use GithubHost::{Api, Uploads, Web};
    let (cloud, server) = (
        BaseUrl::default(),
        BaseUrl::parse("https://git.acme.example:8443/api/v3").unwrap(),
    );
    let stand_in = BaseUrl::parse("http://127.0.0.1:4010").unwrap();
    for (base, host, path, query, want) in [
        (&cloud, Api, "/user", None, "https://api.github.com/user"),
        (
            &cloud,
            Api,
            "/repos/a/b/labels/type%2Fbug%C3%BC",
            Some("q=a%20b+c&x[]=%2f|^"),
            "https://api.github.com/repos/a/b/labels/type%2Fbug%C3%BC?q=a%20b+c&x[]=%2f|^",
        ),
        (
            &cloud,
            Api,
            "/user",
            Some(""),
            "https://api.github.com/user?",
        ),
        (
            &cloud,
            Api,
            "/user",
            Some("q='a'"),
            "https://api.github.com/user?q=%27a%27",
        ),
        (
            &cloud,
            Uploads,
            "/repos/a/b/releases/1/assets",
            Some("name=x"),
            "https://uploads.github.com/repos/a/b/releases/1/assets?name=x",
        ),
        (
            &cloud,
            Api,
            "//evil.example/x",
            None,
            "https://api.github.com//evil.example/x",
        ),
        (
            &server,
            Api,
            "/user",
            None,
            "https://git.acme.example:8443/api/v3/user",
        ),
        (
            &server,
            Api,
            "/graphql",
            None,
            "https://git.acme.example:8443/api/graphql",
        ),
        (
            &server,
            Uploads,
            "/repos/a",
            None,
            "https://git.acme.example:8443/api/uploads/repos/a",
        ),
        (
            &cloud,
            Web,
            "/acme/site.git/info/refs",
            Some("service=git-upload-pack"),
            "https://github.com/acme/site.git/info/refs?service=git-upload-pack",
        ),
        (
            &server,
            Web,
            "/acme/site.git/git-upload-pack",
            None,
            "https://git.acme.example:8443/acme/site.git/git-upload-pack",
        ),
        (
            &stand_in,
            Api,
            "/graphql",
            None,
            "http://127.0.0.1:4010/graphql",
        ),
    ] {
        let url = base.address(host, path, query);
        assert_eq!(url.unwrap().as_str(), want, "{path}");
    }
    for host in [Uploads, Web] {
        assert_eq!(stand_in.address(host, "/x", None), None);
    }
    for (path, query) in [
        ("", None),
        ("user", None),
        ("@evil.example/", None),
        (":80/", None),
        ("/a/../b", None),
        ("/a/%2e%2E/b", None),
        ("/a/.", None),
        (r"/a\b", None),
        ("/a b", None),
        ("/a	b", None),
        ("/{a}", None),
        ("/ü", None),
        ("/a#b", None),
        ("/a?b", None),
        ("/a?b", Some("c")),
        ("/a", Some("b#c")),
        ("/a", Some("b c")),
        (
            "/a",
            Some(
                "b
c",
            ),
        ),
        ("/a", Some("ü")),
    ] {
        for (base, host) in [
            (&cloud, Api),
            (&cloud, Uploads),
            (&cloud, Web),
            (&server, Api),
        ] {
            let url = base.address(host, path, query);
            assert_eq!(url, None, "{path} {query:?}");
        }
    }
}

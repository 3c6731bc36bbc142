//! Paths, hosts and methods that one server reads one way and another one another way.

use super::*;

/// Request targets, with the status of the answer. Those that are passed on are within the lease however they are
/// read.
const TARGETS: &[(&str, u16)] = &[
    ("/repos/acme/site/../docs/labels", 400),
    ("/repos/acme/site/./labels", 400),
    ("/repos/acme/site/%2e%2e/docs/labels", 400),
    ("/repos/acme/site/%2E./docs/labels", 400),
    ("/repos/acme/site/%252e%252e/docs/labels", 400),
    ("/repos/acme/site/..%2Fdocs/labels", 400),
    ("/repos/acme/site%2F..%2Fdocs/labels", 400),
    ("/repos/acme/site%252F..%252Fdocs/labels", 400),
    ("/repos/acme/site/labels/..%2f..%2fdocs%2flabels", 400),
    ("/repos/acme/site/labels/%2e%2e%5c%2e%2e%5cdocs", 400),
    ("/repos/acme%2Fsite/labels", 403),
    ("/repos%2Facme%2Fsite%2Flabels", 403),
    ("/repos/acme/%73ite/labels", 403),
    ("/repos/acme/%64ocs/labels", 403),
    ("//repos/acme/site/labels", 400),
    ("/repos//acme/site/labels", 400),
    ("/repos/acme/site//labels", 400),
    ("/repos/acme/site/labels/", 400),
    ("/repos/acme/site/%2Flabels", 400),
    ("/repos/acme/site;/labels", 403),
    ("/repos/acme/site;x=/../docs/labels", 400),
    ("/repos/acme/site/..;/docs/labels", 403),
    ("/repos/acme\\site/labels", 400),
    ("/repos/acme/site\\..\\docs/labels", 400),
    ("/repos/acme/site%00/labels", 400),
    ("/repos/acme/site%0a/labels", 400),
    ("/repos/acme/site%zz/labels", 400),
    ("/repos/acme/site.git/labels", 403),
    ("/repos/acme/site%20/labels", 403),
    ("/repos/acme/docs/labels?/repos/acme/site/labels", 403),
    ("/repos/acme/docs/labels%3F/repos/acme/site", 403),
    ("/REPOS/acme/site/labels", 403),
    ("/api/v3/repos/acme/site/labels", 403),
    ("/repos/acme/site/labels\u{a0}", 400),
    ("/repos/acme/site/labels\t/x", 400),
    ("repos/acme/site/labels", 400),
    ("*", 400),
    ("?", 400),
    ("http://HOST/repos/acme/site/labels", 400),
    ("http://HOST/repos/acme/docs/labels", 400),
    ("http://evil.example/repos/acme/site/labels", 400),
    ("https://x@HOST/repos/acme/site/labels", 400),
    ("/repos/ACME/Site/labels", 200),
    ("/repos/acme/site/labels?page=../../docs", 200),
    ("/repos/acme/site/labels/type%2Fbug", 404),
];

/// What stands in `Host`, of a broker for `HOST`.
const HOSTS: &[(&str, u16)] = &[
    ("host: HOST\r\nhost: HOST\r\n", 400),
    ("host: HOST\r\nHost: evil.example\r\n", 400),
    ("", 400),
    ("host:\r\n", 403),
    ("host: evil.example\r\n", 403),
    ("host: 127.0.0.1\r\n", 403),
    ("host: 127.0.0.1:1\r\n", 403),
    ("host: HOST0\r\n", 403),
    ("host: HOST, evil.example\r\n", 403),
    ("host: evil.example@HOST\r\n", 403),
    ("host: HOST/evil\r\n", 403),
    ("host: localhost\r\n", 403),
    (
        "host: HOST\r\nx-forwarded-host: evil.example\r\nforwarded: host=evil.example\r\n",
        200,
    ),
];

const METHODS: &[(&str, u16)] = &[
    ("OPTIONS /repos/acme/site/labels", 400),
    ("TRACE /repos/acme/site/labels", 400),
    ("get /repos/acme/site/labels", 400),
    ("CONNECT HOST", 400),
    ("CONNECT evil.example:443", 400),
    ("PURGE /repos/acme/site/labels", 400),
];

impl Scene {
    /// The status of the answer to a head that is sent as it is.
    #[track_caller]
    fn status(&self, head: &str, token: &str) -> u16 {
        let head = head.replace("HOST", &self.host());
        let head = format!("{head}authorization: Bearer {token}\r\nuser-agent: x\r\n\r\n");
        let answer = http::read_answer(&mut self.send(head.as_bytes()));
        answer.unwrap_or_else(|| panic!("no answer: {head}")).status
    }
}

#[test]
fn p8_no_trick_with_a_path_a_host_or_a_method_reaches_what_the_lease_does_not_hold() {
    let scene = Scene::new();
    let lease = scene.lease();
    let lines = TARGETS
        .iter()
        .map(|(target, want)| (format!("GET {target}"), *want));
    let methods = METHODS
        .iter()
        .map(|(line, want)| ((*line).to_owned(), *want));
    let lines = lines.chain(methods);
    let mut heads: Vec<_> = lines
        .map(|(line, want)| (format!("{line} HTTP/1.1\r\nhost: HOST\r\n"), want))
        .collect();
    let line = format!("GET {LABELS} HTTP/1.1\r\n");
    heads.extend(
        HOSTS
            .iter()
            .map(|(host, want)| (format!("{line}{host}"), *want)),
    );
    heads.push((format!("GET {LABELS} HTTP/1.0\r\n"), 400));
    let wrong: Vec<_> = heads
        .iter()
        .map(|(head, want)| (head, *want, scene.status(head, &lease.token)))
        .filter(|(_, want, status)| want != status)
        .collect();
    assert!(wrong.is_empty(), "wanted, answered: {wrong:#?}");
    scene.assert_all_within();
    let passed = heads
        .iter()
        .filter(|(_, want)| [200, 404].contains(want))
        .count();
    assert_eq!(scene.github.journal().len(), passed);
    scene.assert_serves(&lease);
}

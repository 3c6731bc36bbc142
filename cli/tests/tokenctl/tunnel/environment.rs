//! What the command finds in its environment.

use super::*;

#[test]
fn every_client_of_the_command_is_led_to_the_relay_with_what_it_needs_to_trust_it() {
    let broker = broker();
    let named = broker.home.path().join("corp.pem");
    fs::write(&named, ROOT).unwrap();
    let mut exec = exec(&broker, &["labels", "--env", "MINE"]);
    exec.env("NODE_EXTRA_CA_CERTS", &named)
        .env("NO_PROXY", "localhost, .github.com,corp.test")
        .env("no_proxy", "*")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "user.name")
        .env("GIT_CONFIG_VALUE_0", "me");
    let running = Running::start(exec);

    for name in ["GH_TOKEN", "GITHUB_TOKEN", "MINE"] {
        assert_eq!(running.var(name), Some("tkp_l"), "{name}");
    }
    assert_eq!(running.var("GH_ENTERPRISE_TOKEN"), None);
    let relay = running.var("https_proxy").unwrap();
    assert!(relay.starts_with("http://127.0.0.1:"), "{relay}");
    assert_eq!(running.var("HTTPS_PROXY"), Some(relay));
    assert_eq!(running.var("TOKEND_EXEC_PROXY"), Some(relay));
    assert_eq!(running.var("HTTP_PROXY"), None);
    assert_eq!(running.var("NO_PROXY"), Some("localhost,corp.test"));
    assert_eq!(running.var("no_proxy"), Some(""));
    assert_eq!(running.var("NODE_USE_ENV_PROXY"), Some("1"));
    assert_eq!(running.var("GIT_CONFIG_COUNT"), Some("10"));
    assert_eq!(running.var("GIT_CONFIG_KEY_0"), Some("user.name"));
    assert_eq!(
        running.var("GIT_CONFIG_KEY_7"),
        Some("http.https://github.com/.proxy")
    );
    assert_eq!(running.var("GIT_CONFIG_VALUE_7"), Some(relay));

    let bundle = running.var("SSL_CERT_FILE").unwrap();
    for name in [
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "GIT_SSL_CAINFO",
    ] {
        assert_eq!(running.var(name), Some(bundle), "{name}");
    }
    let text = fs::read_to_string(bundle).unwrap();
    assert!(
        text.starts_with(&authority("labels")) && text.ends_with(ROOT),
        "{text}"
    );
    let mode = fs::metadata(bundle).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(
        lines(&broker),
        [
            "GET /v1/purposes/labels".to_owned(),
            "POST /v1/leases".to_owned(),
            format!("POST /v1/leases/{}/tunnel", id("labels")),
        ]
    );
    running.end();
}

#[test]
fn another_server_than_github_com_has_a_token_where_gh_looks_for_it() {
    let broker = FakeBroker::answering(|seen| usual(seen, &["ghe.test:8443"]));
    let running = Running::start(exec(&broker, &["labels"]));
    for name in ["GH_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"] {
        assert_eq!(running.var(name), Some("tkp_l"), "{name}");
    }
    assert_eq!(
        running.var("GIT_CONFIG_KEY_0"),
        Some("http.https://ghe.test:8443/.proxy")
    );
    running.end();
}

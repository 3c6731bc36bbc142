//! What is left where the command does not run: nothing.

use super::*;

#[test]
fn what_the_environment_names_and_cannot_be_used_is_said_before_a_lease_is_taken() {
    for (name, value) in [
        ("https_proxy", "socks5://user:secret@proxy:1080"),
        ("ALL_PROXY", "https://proxy:443"),
        ("GIT_CONFIG_COUNT", "x"),
        ("REQUESTS_CA_BUNDLE", "/nonexistent/ca.pem"),
        ("CURL_CA_BUNDLE", "/dev/null"),
    ] {
        let broker = broker();
        let mut exec = exec(&broker, &["labels"]);
        exec.env(name, value);
        let said = refused(&broker, exec);
        assert!(said.contains(&format!("`{name}`")), "{said}");
        assert!(
            said.contains("tokenctl: hint: ") && !said.contains("secret"),
            "{said}"
        );
        assert_eq!(lines(&broker), ["GET /v1/purposes/labels"]);
    }
}

#[test]
fn without_a_tunnel_the_lease_is_given_back() {
    let tunnels = [
        problem("locked", 503),
        (200, "{}".to_owned()),
        (
            200,
            json!({"lease": id("labels"), "hosts": [], "authority": authority("labels")}).to_string(),
        ),
        (
            200,
            json!({"lease": id("labels"), "hosts": ["github.com"], "authority": authority("labels")})
                .to_string(),
        ),
        (
            200,
            json!({"lease": id("labels"), "hosts": ["github.com:443"], "authority": "x"})
                .to_string(),
        ),
    ];
    for tunnel in tunnels {
        let broker = FakeBroker::answering(move |seen| {
            if seen.line.ends_with("/tunnel") {
                return tunnel.clone();
            }
            usual(seen, &[])
        });
        refused(&broker, exec(&broker, &["labels"]));
        let ended = format!("DELETE /v1/leases/{}", id("labels"));
        assert_eq!(lines(&broker)[3..], [ended]);
    }
}

#[test]
fn of_a_command_that_cannot_run_nothing_is_left() {
    let broker = broker();
    for (command, code) in [("no-such-command-here", 127), ("/", 126)] {
        let got = exec(&broker, &["labels", "--", command]).output().unwrap();
        assert_eq!(got.status.code(), Some(code), "{got:?}");
        until(|| bundles(&broker) == 0);
    }
}

#[test]
fn an_account_that_looks_like_those_without_a_number_gets_no_tunnel() {
    let broker = broker();
    let Some(exec) = unshared(&broker, &["--user"]) else {
        return;
    };
    let said = refused(&broker, exec);
    assert!(
        said.contains("this user namespace shows every account"),
        "{said}"
    );
    assert_eq!(lines(&broker), ["GET /v1/purposes/labels"]);
    let mapped = unshared(&broker, &["--user", "--map-root-user"]).unwrap();
    Running::start(mapped).end();
}

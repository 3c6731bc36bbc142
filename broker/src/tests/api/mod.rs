//! HTTP API v1 as `docs/openapi.json` has it.

mod bodies;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::canary;
use support::described::{DOCUMENT, ask, check, document, resolved};

use super::InProcess;
use super::in_process::ready;

fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods
            .filter(|method| *method != "parameters")
            .map(|method| (method.to_uppercase(), path.clone()))
    });
    all.collect()
}

#[test]
fn every_documented_operation_answers_as_documented() {
    let broker = InProcess::with_label_sync();
    let lease = broker.lease(r#"{"purpose":"label-sync"}"#).json();
    let id = lease["lease"].as_str().unwrap();
    let none = "0".repeat(32);
    let secret = "org-label-sync-token";
    let repository = "/v1/repositories/{owner}/{name}";
    let value = json!({"value": canary::CLASSIC_TWO, "expires_at": "2099-01-01T00:00:00Z"});
    let value = value.to_string();
    let wide = r#"{"purpose":"label-sync","ttl":99999}"#;
    let full = r#"{"purpose":"label-sync","repositories":["acme/site"],"organization":null,
        "permissions":{"issues":"read"},"ttl":900,"reason":"nightly","until":"caller_exit"}"#;
    let passphrase = r#"{"passphrase":"correct horse battery staple"}"#;
    let mut seen = BTreeSet::new();
    let to_vault = r#"{"to":"vault"}"#;
    let to_file = r#"{"to":"file:/nowhere/at/all","dry_run":true}"#;
    let no_account = r#"{"purpose":"label-sync","caller":{"uid":4000000001}}"#;
    let to_nowhere = r#"{"to":"nowhere"}"#;
    for (method, template, name, body, status) in [
        ("POST", "/v1/leases", "", full, 201),
        ("POST", "/v1/leases", "", r#"{"purpose":"label-sync"}"#, 201),
        ("POST", "/v1/leases", "", r#"{"purpose":"none"}"#, 403),
        ("POST", "/v1/leases", "", wide, 403),
        ("POST", "/v1/leases", "", "{", 400),
        ("GET", "/v1/leases", "", "", 200),
        ("GET", "/v1/leases", "?after=nonsense", "", 400),
        ("GET", "/v1/leases", "?before=1", "", 400),
        ("GET", "/v1/leases/{id}", id, "", 200),
        ("GET", "/v1/leases/{id}", &none, "", 404),
        ("GET", "/v1/leases/{id}", "nonsense", "", 400),
        ("POST", "/v1/leases/{id}/renew", id, "", 200),
        ("POST", "/v1/leases/{id}/renew", id, r#"{"ttl":60}"#, 200),
        ("POST", "/v1/leases/{id}/renew", id, r#"{"ttl":99999}"#, 403),
        ("POST", "/v1/leases/{id}/renew", id, r#"{"ttl":-1}"#, 400),
        ("POST", "/v1/leases/{id}/renew", &none, "", 404),
        ("POST", "/v1/leases/{id}/tunnel", id, "", 400),
        ("POST", "/v1/leases/{id}/tunnel", &none, "", 404),
        ("GET", "/v1/purposes", "", "", 200),
        ("GET", "/v1/purposes/{purpose}", "label-sync", "", 200),
        ("GET", "/v1/purposes/{purpose}", "none", "", 403),
        ("GET", "/v1/purposes/{purpose}", "No_Name", "", 400),
        ("GET", "/v1/status", "", "", 200),
        ("GET", "/v1/openapi.json", "", "", 200),
        ("GET", "/v1/secrets", "", "", 200),
        ("PUT", "/v1/secrets/{name}", secret, &value, 200),
        ("PUT", "/v1/secrets/{name}", secret, r#"{"value":""}"#, 400),
        ("GET", "/v1/secrets/{name}", secret, "", 200),
        ("GET", "/v1/secrets/{name}", "none", "", 404),
        ("POST", "/v1/secrets/{name}/undo", secret, "", 200),
        (
            "POST",
            "/v1/secrets/{name}/undo",
            secret,
            r#"{"to":1}"#,
            400,
        ),
        ("POST", "/v1/secrets/{name}/undo", "none", "", 404),
        ("PUT", "/v1/secrets/{name}", "other", &value, 200),
        ("POST", "/v1/secrets/{name}/undo", "other", "", 409),
        ("POST", "/v1/secrets/{name}/check", secret, "", 503),
        ("POST", "/v1/secrets/{name}/check", "none", "", 404),
        ("GET", "/v1/secrets/{name}", secret, "", 200),
        ("GET", "/v1/rotations", "", "", 200),
        ("GET", "/v1/rotations/{name}", secret, "", 200),
        ("GET", "/v1/rotations/{name}", "none", "", 404),
        ("POST", "/v1/rotations/{name}", secret, &value, 409),
        (
            "POST",
            "/v1/rotations/{name}",
            secret,
            r#"{"value":""}"#,
            400,
        ),
        ("POST", "/v1/rotations/{name}", "none", &value, 404),
        ("POST", "/v1/rotations/{name}/next", secret, "", 404),
        ("POST", "/v1/rotations/{name}/confirm", secret, "", 404),
        ("POST", "/v1/rotations/{name}/rollback", secret, "", 404),
        ("POST", "/v1/secrets/{name}/move", secret, to_vault, 409),
        ("POST", "/v1/secrets/{name}/move", secret, to_file, 200),
        ("POST", "/v1/secrets/{name}/move", secret, to_nowhere, 400),
        ("POST", "/v1/secrets/{name}/move", "none", to_vault, 404),
        ("POST", "/v1/secrets/{name}/move/back", secret, "", 404),
        ("POST", "/v1/secrets/{name}/move/finish", secret, "", 404),
        ("GET", "/v1/secrets/{name}/sinks", secret, "", 200),
        ("POST", "/v1/secrets/{name}/sinks/push", secret, "", 200),
        ("POST", "/v1/secrets/{name}/revoke", "none", "", 404),
        ("GET", "/v1/repositories", "", "", 200),
        ("DELETE", repository, "acme/site", "", 404),
        ("DELETE", repository, "acme/site%20x", "", 400),
        ("GET", "/v1/audit/head", "", "", 200),
        ("GET", "/v1/audit/records", "", "", 200),
        ("GET", "/v1/audit/records", "?from=x", "", 400),
        ("GET", "/v1/audit/records", "?nonsense=1", "", 400),
        ("GET", "/healthz", "", "", 200),
        ("GET", "/readyz", "", "", 200),
        ("GET", "/metrics", "", "", 200),
        ("POST", "/v1/policies/reload", "", "", 200),
        (
            "POST",
            "/v1/policies/explain",
            "",
            r#"{"purpose":"label-sync"}"#,
            200,
        ),
        ("POST", "/v1/policies/explain", "", wide, 200),
        (
            "POST",
            "/v1/policies/explain",
            "",
            r#"{"purpose":"none"}"#,
            404,
        ),
        ("POST", "/v1/policies/explain", "", no_account, 400),
        ("POST", "/v1/sources/probe", "", "", 200),
        ("POST", "/v1/rekey", "", "", 200),
        ("POST", "/v1/rekey", "", r#"{"root_key":"hsm"}"#, 400),
        ("POST", "/v1/rekey", "", r#"{"root_key":"credential"}"#, 202),
        ("POST", "/v1/backup", "", passphrase, 200),
        ("POST", "/v1/backup", "", r#"{"passphrase":"short"}"#, 400),
        ("POST", "/v1/backup", "", "", 400),
        ("POST", "/v1/lock", "", "", 200),
        ("POST", "/v1/backup", "", passphrase, 503),
        ("POST", "/v1/rekey", "", "", 503),
        ("POST", "/v1/sources/probe", "", "", 503),
        ("GET", "/readyz", "", "", 503),
        ("GET", "/v1/status", "", "", 200),
        ("POST", "/v1/leases", "", r#"{"purpose":"label-sync"}"#, 503),
        ("POST", "/v1/leases/{id}/renew", id, "", 503),
        ("POST", "/v1/leases/{id}/tunnel", id, "", 503),
        ("PUT", "/v1/secrets/{name}", secret, &value, 503),
        ("POST", "/v1/secrets/{name}/undo", secret, "", 503),
        ("POST", "/v1/secrets/{name}/move", secret, to_file, 503),
        ("POST", "/v1/unlock", "", r#"{"passphrase":"wrong"}"#, 503),
        ("POST", "/v1/unlock", "", "", 200),
        ("DELETE", "/v1/leases/{id}", id, "", 200),
        ("DELETE", "/v1/leases/{id}", id, "", 404),
        ("DELETE", "/v1/secrets/{name}", secret, "", 204),
        ("DELETE", "/v1/secrets/{name}", secret, "", 404),
        ("POST", "/v1/leases", "", r#"{"purpose":"label-sync"}"#, 409),
        ("POST", "/v1/lock", "", r#"{"revoke":"all"}"#, 400),
        ("POST", "/v1/lock", "", r#"{"revoke":true}"#, 200),
    ] {
        let path = match template.split_once('{') {
            Some((before, rest)) => format!("{before}{name}{}", rest.rsplit_once('}').unwrap().1),
            None => format!("{template}{name}"),
        };
        let (got, body) = ask(&broker, method, template, &path, body);
        assert_eq!(got, status, "{method} {path}: {body}");
        seen.insert((method.to_owned(), template.to_owned()));
    }
    assert_eq!(seen, operations(&document()), "each of them was tried");
    broker.home.policy("broken.toml", "nonsense = 1\n");
    let (status, _) = ask(
        &broker,
        "POST",
        "/v1/policies/reload",
        "/v1/policies/reload",
        "",
    );
    assert_eq!(status, 400);
}

#[test]
fn what_is_malformed_of_a_request_for_a_lease_is_so_of_its_explanation() {
    let broker = InProcess::with_label_sync();
    for body in [
        r#"{"purpose":"label-sync","ttl":0}"#,
        r#"{"purpose":"label-sync","ttl":-1}"#,
        r#"{"purpose":"label-sync","repositories":["acme"]}"#,
        r#"{"purpose":"label-sync","permissions":{"issues":"all"}}"#,
    ] {
        let refused = |path| {
            let (status, problem) = ask(&broker, "POST", path, path, body);
            assert_eq!(status, 400, "{path} {body}: {problem}");
            problem["detail"].clone()
        };
        assert_eq!(refused("/v1/policies/explain"), refused("/v1/leases"));
    }
}

#[test]
fn every_list_comes_in_pages() {
    let document = document();
    let lists: Vec<_> = operations(&document)
        .into_iter()
        .filter(|(method, path)| method == "GET" && !path.contains('{'))
        .filter_map(|(_, path)| {
            let operation = &document["paths"][&path]["get"];
            let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
            let schema = resolved(&document, schema);
            let required = schema["required"].as_array()?;
            let [only] = &required[..] else { return None };
            let list = &schema["properties"][only.as_str()?];
            (list["type"] == "array").then(|| (path.clone(), only.clone(), schema.clone()))
        })
        .collect();
    assert!(lists.len() >= 5, "{lists:?}");
    let broker = InProcess::with_label_sync();
    broker.lease(r#"{"purpose":"label-sync"}"#);
    for (path, list, schema) in lists {
        assert!(schema["properties"]["next"].is_object(), "{path}");
        // The cursor is the place of the last item: nothing comes after the highest.
        let highest = format!("{}.{}", i64::MAX, "f".repeat(32));
        let after = if path == "/v1/leases" {
            highest
        } else {
            "~".to_owned()
        };
        let (status, page) = ask(&broker, "GET", &path, &format!("{path}?after={after}"), "");
        assert_eq!(
            (status, &page[list.as_str().unwrap()]),
            (200, &json!([])),
            "{path}"
        );
    }
}

#[test]
fn every_example_in_the_document_is_one_of_its_schema() {
    let document = document();
    let mut checked = 0;
    let mut look = |content: &Value, place: &str| {
        for body in content.as_object().unwrap().values() {
            let named = body["examples"]
                .as_object()
                .into_iter()
                .flat_map(|examples| examples.values());
            let examples = named
                .map(|example| &example["value"])
                .chain(body.get("example"));
            for example in examples {
                check(&document, &body["schema"], example, place);
                checked += 1;
            }
        }
    };
    for (method, path) in operations(&document) {
        let operation = &document["paths"][&path][method.to_lowercase()];
        if let Some(request) = operation.get("requestBody") {
            look(&request["content"], &format!("{method} {path}"));
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            let response = resolved(&document, response);
            if let Some(content) = response.get("content") {
                look(content, &format!("{method} {path} -> {status}"));
            }
        }
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn the_broker_serves_the_document_it_was_built_with() {
    let broker = InProcess::start(ready());
    assert_eq!(
        broker.http("GET", "/v1/openapi.json", "").body,
        DOCUMENT.as_bytes()
    );
}

#[test]
fn what_is_not_there_and_what_is_not_done_are_told_apart() {
    let broker = InProcess::start(ready());
    for path in ["/", "/v1", "/v1/leases/", "/v2/leases", "/v1/leases/a/b/c"] {
        let answer = broker.http("GET", path, "");
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json()["code"], "not_found");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
    for (method, path) in [
        ("PUT", "/v1/leases"),
        ("DELETE", "/v1/status"),
        ("GET", "/v1/lock"),
        ("PATCH", "/v1/secrets/a"),
        ("POST", "/metrics"),
    ] {
        let answer = broker.http(method, path, "");
        assert_eq!(answer.status, 405, "{method} {path}");
        assert_eq!(answer.json()["code"], "bad_request");
        assert!(answer.header("allow").is_some(), "{}", answer.head);
    }
}

#[test]
fn the_figures_count_what_happened() {
    let broker = InProcess::with_label_sync();
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 201);
    assert_eq!(broker.lease(r#"{"purpose":"none"}"#).status, 403);
    let metrics = broker.http("GET", "/metrics", "");
    assert_eq!(metrics.status, 200);
    let text = String::from_utf8(metrics.body).unwrap();
    for line in [
        r#"tokend_leases_granted_total{purpose="label-sync",deliver="raw"} 1"#,
        r#"tokend_refusals_total{code="denied"} 1"#,
    ] {
        assert!(
            text.lines().any(|other| other == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(!canary::is_in(text.as_bytes(), canary::CLASSIC));
}

//! HTTP API v1 as `docs/openapi.json` has it, and the edges of HTTP itself.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use jiff::Timestamp;
use serde_json::{Value, json};
use support::{Home, TestBroker, canary, http};

const DOCUMENT: &str = include_str!("../../docs/openapi.json");
const ROUTER: &str = include_str!("../../broker/src/api/mod.rs");

fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

/// Follows `$ref`s.
fn resolved<'a>(document: &'a Value, mut node: &'a Value) -> &'a Value {
    while let Some(reference) = node.get("$ref") {
        let pointer = reference.as_str().unwrap().trim_start_matches('#');
        node = document
            .pointer(pointer)
            .expect("a reference leads somewhere");
    }
    node
}

/// Every documented method and path.
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

/// Every method and path that the router takes, read out of its source.
fn routes() -> BTreeSet<(String, String)> {
    let router = ROUTER.split("pub fn metrics_router").next().unwrap();
    let mut found = BTreeSet::new();
    for route in router.split(".route(").skip(1) {
        let path = route.split('"').nth(1).unwrap();
        let handlers = route.split(".fallback").next().unwrap();
        for method in ["get", "post", "put", "delete"] {
            let called = [format!(" {method}("), format!(".{method}(")];
            if called.iter().any(|call| handlers.contains(call)) {
                found.insert((method.to_uppercase(), path.to_owned()));
            }
        }
    }
    found
}

#[test]
fn every_route_is_documented_and_nothing_else_is() {
    let (documented, routed) = (operations(&document()), routes());
    assert!(routed.len() > 15, "{routed:?}");
    assert_eq!(documented, routed);
}

/// Says where a value is not what a schema describes. A keyword it does not know is a failure, so
/// that none is passed over.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    let whole = schema;
    let schema = resolved(document, schema).as_object().unwrap();
    for (keyword, rule) in schema {
        match keyword.as_str() {
            "description" | "examples" | "default" | "example" => {}
            // The broker's own types hold names to these; here only that it is text.
            "pattern" => assert!(value.is_null() || value.is_string(), "{place}"),
            "type" => {
                let is = |kind: &Value| match kind.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    other => panic!("{other}"),
                };
                let one_of = rule
                    .as_array()
                    .cloned()
                    .unwrap_or_else(|| vec![rule.clone()]);
                assert!(one_of.iter().any(is), "{place} is {value}, not {rule}");
            }
            "enum" => assert!(rule.as_array().unwrap().contains(value), "{place}: {value}"),
            "const" => assert_eq!(rule, value, "{place}"),
            "format" => {
                assert_eq!(rule, "date-time", "{place}");
                if let Some(text) = value.as_str() {
                    assert!(
                        text.ends_with('Z') && text.parse::<Timestamp>().is_ok(),
                        "{text}"
                    );
                }
            }
            "minimum" if value.is_number() => assert!(value.as_i64() >= rule.as_i64(), "{place}"),
            "maximum" if value.is_number() => assert!(value.as_i64() <= rule.as_i64(), "{place}"),
            "minLength" if value.is_string() => {
                assert!(
                    value.as_str().unwrap().len() as u64 >= rule.as_u64().unwrap(),
                    "{place}"
                );
            }
            "maxLength" if value.is_string() => {
                assert!(
                    value.as_str().unwrap().len() as u64 <= rule.as_u64().unwrap(),
                    "{place}"
                );
            }
            "minimum" | "maximum" | "minLength" | "maxLength" => {}
            "required" if value.is_object() => {
                for field in rule.as_array().unwrap() {
                    let field = field.as_str().unwrap();
                    assert!(value.get(field).is_some(), "{place} lacks {field}: {value}");
                }
            }
            "properties" if value.is_object() => {
                for (field, value) in value.as_object().unwrap() {
                    let place = format!("{place}.{field}");
                    match rule.get(field) {
                        Some(schema) => check(document, schema, value, &place),
                        None => assert!(
                            schema.contains_key("additionalProperties"),
                            "{place} is not documented: {whole}"
                        ),
                    }
                }
            }
            "additionalProperties" if value.is_object() => {
                let known = schema.get("properties");
                for (field, value) in value.as_object().unwrap() {
                    if known.and_then(|known| known.get(field)).is_none() {
                        assert_ne!(rule, false, "{place}.{field}");
                        check(document, rule, value, &format!("{place}.{field}"));
                    }
                }
            }
            "items" if value.is_array() => {
                for (index, value) in value.as_array().unwrap().iter().enumerate() {
                    check(document, rule, value, &format!("{place}[{index}]"));
                }
            }
            "propertyNames" | "required" | "properties" | "additionalProperties" | "items" => {}
            other => panic!("{place}: the keyword `{other}` is not checked"),
        }
    }
}

/// Sends a request and holds the answer to what the document says of it.
fn ask(broker: &TestBroker, method: &str, template: &str, path: &str, body: &str) -> (u16, Value) {
    let document = document();
    let answer = broker.http(method, path, body);
    let place = format!("{method} {path} -> {}", answer.status);
    let operation = &document["paths"][template][method.to_lowercase()];
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{place} is not documented");
    let response = resolved(&document, response);
    let Some(content) = response.get("content") else {
        assert!(answer.body.is_empty(), "{place}");
        return (answer.status, Value::Null);
    };
    let kind = answer.header("content-type").unwrap();
    let kind = kind.split(';').next().unwrap();
    let schema = &content[kind]["schema"];
    assert!(schema.is_object(), "{place}: {kind} is not documented");
    let value = if kind.ends_with("json") {
        answer.json()
    } else {
        Value::String(String::from_utf8(answer.body).unwrap())
    };
    check(&document, schema, &value, &place);
    (answer.status, value)
}

#[test]
fn every_documented_operation_answers_as_documented() {
    let broker = TestBroker::with_label_sync();
    let lease = broker.lease(r#"{"purpose":"label-sync"}"#).json();
    let id = lease["lease"].as_str().unwrap();
    let none = "0".repeat(32);
    let secret = "org-label-sync-token";
    let value = json!({"value": canary::CLASSIC_TWO, "expires_at": "2099-01-01T00:00:00Z"});
    let value = value.to_string();
    let wide = r#"{"purpose":"label-sync","ttl":99999}"#;
    let full = r#"{"purpose":"label-sync","repositories":["acme/site"],"organization":null,
        "permissions":{"issues":"read"},"ttl":900,"reason":"nightly","until":"caller_exit"}"#;
    let mut seen = BTreeSet::new();
    for (method, template, name, body, status) in [
        ("POST", "/v1/leases", "", full, 201),
        ("POST", "/v1/leases", "", r#"{"purpose":"label-sync"}"#, 201),
        ("POST", "/v1/leases", "", r#"{"purpose":"none"}"#, 403),
        ("POST", "/v1/leases", "", wide, 403),
        ("POST", "/v1/leases", "", "{", 400),
        ("GET", "/v1/leases", "", "", 200),
        ("GET", "/v1/leases/{id}", id, "", 200),
        ("GET", "/v1/leases/{id}", &none, "", 404),
        ("GET", "/v1/leases/{id}", "nonsense", "", 400),
        ("POST", "/v1/leases/{id}/renew", id, "", 200),
        ("POST", "/v1/leases/{id}/renew", id, r#"{"ttl":60}"#, 200),
        ("POST", "/v1/leases/{id}/renew", id, r#"{"ttl":99999}"#, 403),
        ("POST", "/v1/leases/{id}/renew", id, r#"{"ttl":-1}"#, 400),
        ("POST", "/v1/leases/{id}/renew", &none, "", 404),
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
        ("GET", "/v1/audit/head", "", "", 200),
        ("GET", "/v1/audit/records", "", "", 200),
        ("GET", "/v1/audit/records", "?from=x", "", 400),
        ("GET", "/v1/audit/records", "?nonsense=1", "", 400),
        ("GET", "/healthz", "", "", 200),
        ("GET", "/readyz", "", "", 200),
        ("GET", "/metrics", "", "", 200),
        ("POST", "/v1/policies/reload", "", "", 200),
        ("POST", "/v1/lock", "", "", 200),
        ("GET", "/readyz", "", "", 503),
        ("GET", "/v1/status", "", "", 200),
        ("POST", "/v1/leases", "", r#"{"purpose":"label-sync"}"#, 503),
        ("POST", "/v1/leases/{id}/renew", id, "", 503),
        ("PUT", "/v1/secrets/{name}", secret, &value, 503),
        ("POST", "/v1/unlock", "", r#"{"passphrase":"wrong"}"#, 503),
        ("POST", "/v1/unlock", "", "", 200),
        ("DELETE", "/v1/leases/{id}", id, "", 200),
        ("DELETE", "/v1/leases/{id}", id, "", 404),
        ("DELETE", "/v1/secrets/{name}", secret, "", 204),
        ("DELETE", "/v1/secrets/{name}", secret, "", 404),
        ("POST", "/v1/leases", "", r#"{"purpose":"label-sync"}"#, 409),
    ] {
        let path = match template.split_once('{') {
            Some((before, rest)) => format!("{before}{name}{}", rest.split_once('}').unwrap().1),
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
    let broker = Home::ready().start();
    assert_eq!(
        broker.http("GET", "/v1/openapi.json", "").body,
        DOCUMENT.as_bytes()
    );
}

#[test]
fn a_request_with_an_unknown_field_is_refused_wherever_a_body_is_taken() {
    let broker = TestBroker::with_label_sync();
    let document = document();
    let lease = broker.lease(r#"{"purpose":"label-sync"}"#).json();
    let mut tried = 0;
    for (method, template) in operations(&document) {
        let operation = &document["paths"][&template][method.to_lowercase()];
        let Some(request) = operation.get("requestBody") else {
            continue;
        };
        let schema = &request["content"]["application/json"]["schema"];
        assert_eq!(resolved(&document, schema)["additionalProperties"], false);
        let path = template
            .replace("{id}", lease["lease"].as_str().unwrap())
            .replace("{name}", "org-label-sync-token");
        let body = r#"{"purpose":"label-sync","value":"x","nonsense":1}"#;
        let (status, problem) = ask(&broker, &method, &template, &path, body);
        assert_eq!((status, &problem["code"]), (400, &json!("bad_request")));
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("unknown field"), "{detail}");
        tried += 1;
    }
    assert_eq!(tried, 4);
}

#[test]
fn a_body_that_is_no_json_is_refused_by_line_and_column_and_never_quoted() {
    let broker = TestBroker::with_label_sync();
    let token = canary::CLASSIC_TWO;
    let bodies = [
        format!("{{\n \"value\": {token}}}"),
        format!("{{\n \"value\": \"{token}"),
        format!("{{\n \"value\": [\"{token}\"]}}"),
        format!("{{\n \"value\": \"x\", \"expires_at\": \"{token}\"}}"),
        format!("{{\n \"value\": \"x\", \"{token}\": 1}}"),
        format!("\n\"{token}\""),
    ];
    for body in bodies {
        let answer = broker.http("PUT", "/v1/secrets/org-label-sync-token", &body);
        assert_eq!(answer.status, 400, "{body}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("at line 2 column"), "{detail}");
        assert!(!canary::is_in(&answer.body, token), "{detail}");
    }
    for path in [format!("/v1/leases/{token}"), format!("/{token}")] {
        let answer = broker.http("GET", &path, "");
        assert!(!canary::is_in(&answer.body, token), "{path}");
    }
    let body = json!({"purpose": "label-sync", "until": token}).to_string();
    assert!(!canary::is_in(&broker.lease(&body).body, token));
    assert_eq!(canary::files_with(broker.home.path(), token), [""; 0]);
}

#[test]
fn what_is_not_there_and_what_is_not_done_are_told_apart() {
    let broker = Home::ready().start();
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

fn send(broker: &TestBroker, bytes: &[u8]) -> UnixStream {
    let mut stream = http::connect(&broker.socket());
    // It may be closed before all is written.
    stream.write_all(bytes).ok();
    stream
}

#[test]
fn a_body_is_at_most_64_kib_long() {
    let broker = TestBroker::with_label_sync();
    let padded = |length: usize| {
        let body = r#"{"purpose":"label-sync"}"#;
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    assert_eq!(broker.lease(&padded(64 * 1024)).status, 201);
    let answer = broker.lease(&padded(64 * 1024 + 1));
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (413, &json!("bad_request"))
    );
    // Nor may it grow unannounced.
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let head = "POST /v1/leases HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut stream = send(&broker, format!("{head}{chunk}{chunk}").as_bytes());
    assert_eq!(http::read_answer(&mut stream).unwrap().status, 413);
}

#[test]
fn a_head_has_its_limits_too() {
    let broker = Home::ready().start();
    let many = "x: y\r\n".repeat(65);
    let long = format!("x: {}\r\n", "y".repeat(17 * 1024));
    for headers in [many, long] {
        let head = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        let mut stream = send(&broker, head.as_bytes());
        assert_eq!(http::read_answer(&mut stream).unwrap().status, 431);
    }
    let fits = format!(
        "GET /healthz HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "x: y\r\n".repeat(60)
    );
    let mut stream = send(&broker, fits.as_bytes());
    assert_eq!(http::read_answer(&mut stream).unwrap().status, 200);
}

#[test]
fn a_client_that_never_finishes_its_head_is_cut_off() {
    let broker = Home::ready().start();
    let mut stream = send(&broker, b"GET /healthz HTTP/1.1\r\nhost: x\r\nslow");
    // The read times out after a minute; the broker's own limit is shorter.
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the broker closes it");
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
}

#[test]
fn what_is_not_http_is_refused_and_the_broker_goes_on() {
    let broker = Home::ready().start();
    let garbage: [&[u8]; 4] = [
        b"\0\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\0",
        b"GET / HTTP/9\r\n\r\n",
    ];
    for bytes in garbage {
        let mut stream = send(&broker, bytes);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        // A reset is an answer too.
        stream.read_to_end(&mut rest).ok();
        assert!(
            rest.is_empty() || rest.starts_with(b"HTTP/1.1 400"),
            "{rest:?}"
        );
    }
    assert_eq!(broker.http("GET", "/healthz", "").status, 200);
}

#[test]
fn http_1_0_is_understood() {
    let broker = Home::ready().start();
    let mut stream = send(&broker, b"GET /healthz HTTP/1.0\r\n\r\n");
    let mut text = String::new();
    stream
        .read_to_string(&mut text)
        .expect("closed after the answer");
    assert!(text.starts_with("HTTP/1.0 200"), "{text}");
    assert!(text.ends_with(r#"{"status":"ok"}"#), "{text}");
}

#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let broker = TestBroker::with_label_sync();
    let body = r#"{"purpose":"label-sync"}"#;
    let lease = format!(
        "POST /v1/leases HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let health = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut stream = send(&broker, format!("{lease}{lease}{health}").as_bytes());
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let statuses: Vec<_> = text
        .matches("HTTP/1.1 201")
        .chain(text.matches("HTTP/1.1 200"))
        .collect();
    assert_eq!(statuses.len(), 3, "{text}");
    assert!(text.ends_with(r#"{"status":"ok"}"#), "{text}");
    assert_eq!(broker.home.records_of("lease.granted").len(), 2);
}

#[test]
fn the_figures_count_what_happened() {
    let broker = TestBroker::with_label_sync();
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

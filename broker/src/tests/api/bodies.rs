//! Bodies that are refused, wherever one is taken.

use serde_json::{Value, json};
use support::canary;
use support::described::{ask, document, resolved};

use super::{InProcess, operations};

#[test]
fn a_request_with_an_unknown_field_is_refused_wherever_a_body_is_taken() {
    let broker = InProcess::with_label_sync();
    wherever_one_is_taken(&broker, |operation, schema| {
        assert_eq!(schema["additionalProperties"], false);
        let body = r#"{"purpose":"label-sync","value":"x","nonsense":1}"#;
        let detail = refused(&broker, operation, body);
        assert!(detail.starts_with("the body is refused"), "{detail}");
    });
}

#[test]
fn a_body_that_two_readers_may_read_differently_is_refused_wherever_one_is_taken() {
    let broker = InProcess::with_label_sync();
    wherever_one_is_taken(&broker, |operation, schema| {
        let fields = schema["properties"].as_object().unwrap();
        let first = fields.keys().next().unwrap();
        let array = json!(vec![Value::Null; fields.len()]).to_string();
        for body in [array, format!(r#"{{"{first}":null,"{first}":null}}"#)] {
            refused(&broker, operation, &body);
        }
    });

    let detail = |body: &str| {
        let refused = broker.lease(body);
        assert_eq!(refused.status, 400, "{body}");
        refused.json()["detail"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        detail(r#"{"purpose":"label-sync","permissions":{"issues":"read","issues":"write"}}"#),
        "the body is refused: the key `issues` stands there twice at line 1 column 63"
    );
    let array = detail(r#"["label-sync",null,null,null,900,null,null]"#);
    assert!(
        array.starts_with("the body is refused: invalid type: sequence, expected a JSON object"),
        "{array}"
    );
}

#[test]
fn a_body_that_is_no_json_is_refused_by_line_and_column_and_never_quoted() {
    let broker = InProcess::with_label_sync();
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
        assert!(detail.contains("at line 2, column"), "{detail}");
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

/// Method, path as described, path as asked for.
type Operation<'a> = (&'a str, &'a str, &'a str);

/// Every operation that takes a body, with what the description says of it.
fn wherever_one_is_taken(broker: &InProcess, mut check: impl FnMut(Operation<'_>, &Value)) {
    let document = document();
    let lease = broker.lease(r#"{"purpose":"label-sync"}"#).json();
    let mut tried = 0;
    for (method, template) in operations(&document) {
        let operation = &document["paths"][&template][method.to_lowercase()];
        let Some(request) = operation.get("requestBody") else {
            continue;
        };
        let schema = &request["content"]["application/json"]["schema"];
        let path = template
            .replace("{id}", lease["lease"].as_str().unwrap())
            .replace("{name}", "org-label-sync-token");
        check((&method, &template, &path), resolved(&document, schema));
        tried += 1;
    }
    assert_eq!(tried, 12);
}

/// Has the body refused, and returns why.
fn refused(broker: &InProcess, (method, template, path): Operation<'_>, body: &str) -> String {
    let (status, problem) = ask(broker, method, template, path, body);
    let answer = (status, &problem["code"]);
    assert_eq!(answer, (400, &json!("bad_request")), "{path} {body}");
    problem["detail"].as_str().unwrap().to_owned()
}

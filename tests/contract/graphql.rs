//! What the broker sends in place of a GraphQL document, read by GraphQL's reference implementation.

use std::path::Path;

use broker_policy::reach::Scope;
use broker_policy::reach::graphql::Asked;
use serde_json::{Value, json};
use support::documents::{Documents, Names};
use support::needs;

use crate::script;

/// What parsers may read differently, in the place of a text.
const TEXTS: [&str; 17] = [
    r#""""#,
    r#""a \" b \\ c \/ d \b\f\n\r\t e""#,
    r#""\u0041\u00e9\u2028\u0000""#,
    r#""\uD83D\uDE00 😀 é \u007f""#,
    r##""# no comment, { no brace } $no ...variable @no""##,
    r#""""""""#,
    r#""""a""""#,
    "\"\"\"\n    a\n      b\n\n    c\n  \"\"\"",
    "\"\"\"\r\n  a\r\n\tb\r  c\r\n\"\"\"",
    r#""""a \""" b""""#,
    r#""""a \n \u0041 \\ " "" b""""#,
    "\"\"\" \t \n \t \"\"\"",
    "\"\"\"\ta\n\t\tb\"\"\"",
    "\"\"\"a\u{2028}b\u{85}c\u{feff}\"\"\"",
    r#""\u{1F600}""#,
    r#""\\u0041""#,
    r#""""\""" """"#,
];

#[test]
fn what_goes_on_means_what_came_to_the_reference_implementation() {
    let Some(tools) = needs::conformance_tools() else {
        return;
    };
    let schema = tools.join("node_modules/@octokit/graphql-schema/schema.graphql");
    let list =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/policy/src/reach/graphql/list");
    let names = Names {
        repository: "acme/site".to_owned(),
        organization: "acme".to_owned(),
        ids: vec!["I_kwDOsome".to_owned()],
        other_repositories: vec!["acme/docs".to_owned()],
        other_organization: "other".to_owned(),
        other_ids: vec!["I_kwDOother".to_owned()],
    };
    let documents = Documents::new(&schema, &list, names);
    let written = (0..600).map(|number| documents.write(number).body);
    let texts = TEXTS.map(|text| {
        let query = format!(
            "query T($t: String = {text}) {{ repository(owner: \"acme\", name: \"site\", followRenames: true) {{ \
             object(expression: {text}) {{ oid }} labels(first: 1, query: $t) {{ totalCount }} }} }}"
        );
        json!({ "query": query })
    });
    let texts: Vec<_> = texts.iter().filter_map(pair).collect();
    assert_eq!(texts.len(), TEXTS.len(), "each goes on");
    let written: Vec<_> = written.filter_map(|body| pair(&body)).collect();
    assert!(written.len() > 300, "{} went on", written.len());
    let pairs = [texts, written].concat();
    let different = script::run(&tools, "graphql_same.mjs", &json!(pairs));
    assert_eq!(different, json!([]));
}

/// A document and what goes on of it, if the lease allows it.
fn pair(body: &Value) -> Option<Value> {
    let permissions = [
        "issues",
        "pull_requests",
        "contents",
        "organization_projects",
    ];
    let permissions = permissions.map(|name| (name.parse().unwrap(), "write".parse().unwrap()));
    let scope = Scope {
        repositories: &["acme/*".parse().unwrap()],
        organization: Some(&"acme".parse().unwrap()),
        permissions: &permissions.into_iter().collect(),
        paths: &[],
    };
    let asked = Asked::read(body.to_string().as_bytes()).ok()?;
    let allowed = asked.allow(&scope).ok()?;
    let sent: Value = serde_json::from_slice(&allowed.body).unwrap();
    Some(json!({ "came": body["query"], "sent": sent["query"] }))
}

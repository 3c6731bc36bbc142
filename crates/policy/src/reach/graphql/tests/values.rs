//! Variables, and what goes on in the place of a document.

use super::*;

const BY_VARIABLES: &str = "query($owner: String!, $name: String = \"site\") { repository(owner: $owner, name: $name) { name } }";

#[test]
fn a_variable_is_what_was_sent_or_else_its_default() {
    let lease = Lease::on("acme/site", "issues=read");
    let allowed = lease.asks(
        BY_VARIABLES,
        json!({ "owner": "acme", "unused": { "a": 1 } }),
    );
    let sent = sent(&allowed.ok().unwrap());
    assert_eq!(sent["variables"], json!({ "owner": "acme" }));
    assert_eq!(
        sent["query"],
        "query($owner:String! $name:String=\"site\" ){repository(owner:$owner name:$name followRenames:false){name }}"
    );
    for (variables, why) in [
        (json!({ "owner": "acme", "name": "other" }), "`acme/other`"),
        (
            json!({ "owner": "acme", "name": null }),
            "Query.repository(name:)",
        ),
        (json!({ "owner": ["acme"] }), "Query.repository(owner:)"),
        (
            json!({ "owner": { "login": "acme" } }),
            "Query.repository(owner:)",
        ),
        (json!({ "Owner": "acme" }), "Query.repository(owner:)"),
        (json!({}), "Query.repository(owner:)"),
    ] {
        let refused = lease.refuses_with(BY_VARIABLES, variables.clone());
        assert!(refused.contains(why), "{variables}: {refused}");
    }
}

#[test]
fn a_variable_of_another_type_or_of_another_operation_is_refused() {
    let lease = Lease::on("acme/site", "issues=read");
    for query in [
        "query($n: ID!) { repository(owner: \"acme\", name: $n) { name } }",
        "query($n: Int) { repository(owner: \"acme\", name: $n) { name } }",
        "query { repository(owner: \"acme\", name: $n) { name } }",
        "query($n: String, $f: ID) { repository(owner: \"acme\", name: $n) { issues(first: $f) { totalCount } } }",
    ] {
        let refused = lease.refuses_with(query, json!({ "n": "site", "f": 1 }));
        assert!(
            refused.contains("is not a variable of the type"),
            "{query}: {refused}"
        );
    }
    // A fragment has the variables of the operation that it is in.
    let query = "query A($n: String!) { ...F } query B($n: String = \"other\") { ...F } \
         fragment F on Query { repository(owner: \"acme\", name: $n) { name } }";
    let body = |variables| json!({ "query": query, "operationName": "A", "variables": variables });
    let allowed = |variables| read(&body(variables)).unwrap().allow(&lease.scope());
    assert!(allowed(json!({ "n": "site" })).is_ok());
    let refused = allowed(json!({})).err().unwrap().to_string();
    assert!(
        refused.contains("`acme/other`"),
        "B is evaluated, too: {refused}"
    );
}

#[test]
fn what_goes_on_means_what_came() {
    let lease = Lease::on("acme/site", "issues=read contents=read");
    let sent = lease.sends(
        "query Q { r: repository(owner: \"acme\", name: \"site\") { ...F \
         issues(first: 1, states: [OPEN, CLOSED], orderBy: {field: CREATED_AT, direction: DESC}) \
           @include(if: true) { totalCount } \
         o: object(expression: \"\"\"\n  a \"b\" \\\"\"\" \\n\n    c\n\"\"\") { ...on Blob { text } } } } \
         fragment F on Repository { ... @skip(if: false) { id } x: issue(number: -1) { title } }",
    );
    assert_eq!(
        sent,
        "query Q{r:repository(owner:\"acme\" name:\"site\" followRenames:false){...on Repository{...@skip(if:false){id }\
         x:issue(number:-1 ){title }}issues(first:1 states:[OPEN CLOSED ] orderBy:{field:CREATED_AT direction:DESC } )\
         @include(if:true){totalCount }o:object(expression:\"a \\\"b\\\" \\\"\\\"\\\" \\\\n\\n  c\" ){...on Blob{text }}}}"
    );
    // Written again, it is read as the same.
    assert_eq!(lease.sends(&sent), sent);
    for text in [
        "\"\\\\\\n\\u0000\\u007f\\u2028 é\"",
        "\"\\ud83d\\ude00\"",
        "\"\"",
        "\"\"\"\"\"\"",
    ] {
        let query = of_site(&format!("object(expression: {text}) {{ oid }}"));
        let sent = lease.sends(&query);
        assert_eq!(lease.sends(&sent), sent, "{text}");
    }
}

#[test]
fn an_argument_or_an_input_that_is_not_listed_is_refused() {
    let lease = Lease::on("acme/site", "issues=read");
    let with = |argument: &str| of_site(&format!("issues({argument}) {{ totalCount }}"));
    lease.sends(&with("first: 1, filterBy: {labels: [\"bug\"]}"));
    assert!(
        lease
            .refuses(&with("first: 1, everywhere: true"))
            .contains("`Repository.issues(everywhere:)`")
    );
    assert!(
        lease
            .refuses(&with("filterBy: {repository: \"x\"}"))
            .contains("`IssueFilters.repository`")
    );
    assert!(
        lease
            .refuses(&with("filterBy: \"x\""))
            .contains("of another type")
    );
    assert!(
        lease
            .refuses(&with("first: {a: 1}"))
            .contains("of another type")
    );
    let query = "query($f: IssueFilters) { repository(owner: \"acme\", name: \"site\") \
         { issues(filterBy: $f) { totalCount } } }";
    assert!(
        lease
            .asks(query, json!({ "f": { "labels": ["bug"] } }))
            .is_ok()
    );
    let refused = lease.refuses_with(query, json!({ "f": { "repository": "x" } }));
    assert!(refused.contains("`IssueFilters.repository`"), "{refused}");
}

#[test]
fn where_null_was_sent_the_default_is_held_too() {
    let lease = Lease::on("acme/site", "contents=write");
    let query = "mutation($r: String = \"acme/other\") { createCommitOnBranch(input: {branch: \
         {repositoryNameWithOwner: $r, branchName: \"main\"}, message: {headline: \"x\"}, expectedHeadOid: \"0\", \
         fileChanges: {}}) { clientMutationId } }";
    for variables in [json!({}), json!({ "r": null })] {
        assert!(lease.refuses_with(query, variables).contains("acme/other"));
    }
    assert!(lease.asks(query, json!({ "r": "acme/site" })).is_ok());
}

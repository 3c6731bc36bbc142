//! What is read as a request, and how large it may be.

use super::*;
use crate::reach::graphql::LONGEST_BODY;

fn reason(body: &str) -> String {
    match Asked::read(body.as_bytes()) {
        Ok(_) => panic!("{body} was read"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_body_is_one_json_object_of_three_members_each_once() {
    for body in [
        "",
        "[{\"query\":\"{viewer{login}}\"}]",
        "{}",
        r#"{"query":1}"#,
        r#"{"query":"{a}","query":"{b}"}"#,
        r#"{"query":"{a}","variables":{},"variables":{}}"#,
        r#"{"query":"{a}","Query":"{a}"}"#,
        r#"{"query":"{a}","extensions":{}}"#,
        r#"{"query":"{a}","variables":[]}"#,
        r#"{"query":"{a}","variables":"{\"secret\":1}"}"#,
        r#"{"query":"{a}"} {"query":"{a}"}"#,
    ] {
        let why = reason(body);
        assert!(
            why.contains("one JSON object") && why.contains("line 1"),
            "{body}: {why}"
        );
        assert!(
            !why.contains("secret") && !why.contains("extensions"),
            "{why}"
        );
    }
    let long = format!(r#"{{"query":"{{a}}{}"}}"#, " ".repeat(LONGEST_BODY));
    assert!(reason(&long).contains("262144 bytes"));
}

#[test]
fn a_document_holds_queries_mutations_and_fragments_and_each_name_once() {
    for (query, why) in [
        ("", "is not GraphQL from its line 1"),
        ("{", "is not GraphQL from its line 1"),
        ("{ }", "is not GraphQL from its line 1"),
        ("{a} b", "is not GraphQL from its line 1"),
        ("{a(x:)}", "is not GraphQL from its line 1"),
        ("{a(x: \"...)}", "is not GraphQL from its line 1"),
        ("subscription { a }", "a subscription"),
        ("type A { a: Int }", "a definition of a type"),
        ("{a} extend schema @x", "a definition of a type"),
        ("fragment F on A {a}", "none of the document's operations"),
        ("{a} {b}", "twice"),
        ("query A {a} query A {b}", "twice"),
        ("{a} fragment F on A {a} fragment F on A {b}", "twice"),
        ("{a(x: 1, x: 2)}", "argument `x` stands there twice"),
        ("{a(x: {y: 1, y: 2})}", "input field `y` stands there twice"),
        (
            "query($x: Int, $x: String) {a}",
            "variable `x` stands there twice",
        ),
        ("query($x: ID = $x) {a}", "is not GraphQL from its line 1"),
        (
            "query($x: [ID] = [$y]) {a}",
            "is not GraphQL from its line 1",
        ),
        ("query @skip(if: false) {a}", "`@skip` is not served there"),
        (
            "query($x: Int @deprecated) {a}",
            "`@deprecated` is not served",
        ),
        ("{a @live}", "`@live` is not served"),
        ("{a @include}", "`@include` is not served"),
        ("{a @include(if: true) @include(if: false)}", "twice"),
        ("{a @include(unless: true)}", "`@include` is not served"),
        ("{a} fragment F on A @defer {a}", "`@defer` is not served"),
    ] {
        let body = json!({ "query": query }).to_string();
        assert!(reason(&body).contains(why), "{query}: {}", reason(&body));
    }
}

#[test]
fn an_operation_name_names_one_of_several() {
    let lease = Lease::on("acme/site", "issues=read");
    let query = "query A { viewer { login } } query B { rateLimit { cost } }";
    for name in [json!(null), json!(""), json!("C")] {
        let body = json!({ "query": query, "operationName": name }).to_string();
        assert!(
            reason(&body).contains("`operationName` names none"),
            "{name}"
        );
    }
    let body = json!({ "query": query, "operationName": "B", "variables": null });
    let allowed = read(&body).unwrap().allow(&lease.scope());
    let sent = sent(&allowed.ok().unwrap());
    assert_eq!(sent["query"], "query B{rateLimit{cost }}");
    assert_eq!(sent["operationName"], "B");
}

#[test]
fn what_is_too_deep_or_too_much_is_refused_before_it_costs_anything() {
    let deep = |open: &str, close: &str, levels: usize| {
        format!("{}a{}", open.repeat(levels), close.repeat(levels))
    };
    for query in [
        deep("{a ", "}", 10_000),
        format!("{{a(x: {}) }}", deep("[", "]", 10_000)),
        format!("{{a(x: {}) }}", deep("{a: ", "}", 10_000)),
        format!("query($x: {}) {{a}}", deep("[", "]", 10_000)),
        deep("{... ", "}", 10_000),
        "{".repeat(100_000),
        "{a".repeat(80_000),
        format!("{{{}}}", "a ".repeat(100_000)),
        format!("{{ a {} }}", "#\n".repeat(80_000)),
    ] {
        let start: String = query.chars().take(20).collect();
        match read(&json!({ "query": query })) {
            Err(NotRead::TooLarge | NotRead::Syntax { .. }) => {}
            Err(error) => panic!("{start}: {error}"),
            Ok(_) => panic!("{start} was read"),
        }
    }
}

#[test]
fn levels_fields_aliases_and_length_have_a_most() {
    let lease = Lease::on("acme/site", "issues=read");
    let types = |levels: usize| {
        let inner = format!("{}name{}", "ofType { ".repeat(levels), " }".repeat(levels));
        format!("{{ __type(name: \"A\") {{ {inner} }} }}")
    };
    lease.sends(&types(18));
    assert_eq!(lease.refuses(&types(19)), "more than 20 levels deep");

    let aliases = |count: usize| {
        let fields: String = (0..count)
            .map(|number| format!("a{number}: cost "))
            .collect();
        format!("{{ rateLimit {{ {fields} }} }}")
    };
    lease.sends(&aliases(50));
    assert_eq!(
        lease.refuses(&aliases(51)),
        "more than 50 aliases on one level"
    );
    // A fragment's count on the level where it is put.
    let half = |letter: char| -> String {
        let fields = (0..26).map(|number| format!("{letter}{number}: cost "));
        format!(
            "fragment {letter} on RateLimit {{ {} }} ",
            fields.collect::<String>()
        )
    };
    let spread = format!("{{ rateLimit {{ ...a ...b }} }} {}{}", half('a'), half('b'));
    assert_eq!(lease.refuses(&spread), "more than 50 aliases on one level");

    let fields = |count: usize| format!("{{ rateLimit {{ {} }} }}", "cost ".repeat(count));
    lease.sends(&fields(4_999));
    assert!(
        lease
            .refuses(&fields(5_000))
            .starts_with("more than 5000 fields")
    );

    // All operations of a document together.
    let several: String = (0..51)
        .map(|number| format!("query Q{number} {{ ...F }} "))
        .collect();
    let several = format!(
        "{several} fragment F on Query {{ rateLimit {{ {} }} }}",
        "cost ".repeat(99)
    );
    let asked = read(&json!({ "query": several, "operationName": "Q0" })).unwrap();
    let refused = asked.allow(&lease.scope()).err().unwrap().to_string();
    assert!(refused.starts_with("more than 5000 fields"), "{refused}");

    // Each fragment holds the next twice: a million fields out of twenty lines.
    let doubled: String = (0..20)
        .map(|number| {
            format!(
                "fragment F{number} on RateLimit {{ ...F{} ...F{} }} ",
                number + 1,
                number + 1
            )
        })
        .collect();
    let doubled =
        format!("{{ rateLimit {{ ...F0 }} }} {doubled} fragment F20 on RateLimit {{ cost }}");
    assert!(lease.refuses(&doubled).starts_with("more than 5000 fields"));

    // One after the other, without a field between.
    let chained: String = (0..200)
        .map(|number| format!("fragment F{number} on RateLimit {{ ...F{} }} ", number + 1))
        .collect();
    let chained =
        format!("{{ rateLimit {{ ...F0 }} }} {chained} fragment F200 on RateLimit {{ cost }}");
    assert_eq!(
        lease.refuses(&chained),
        "more than 100 fields and fragments in each other"
    );
    // One that may stand there, and stands there often.
    let shorter: String = (0..90)
        .map(|number| format!("fragment F{number} on RateLimit {{ ...F{} }} ", number + 1))
        .collect();
    let often = format!(
        "{{ rateLimit {{ {} }} }} {shorter} fragment F90 on RateLimit {{ cost }}",
        "...F0 ".repeat(60)
    );
    assert!(lease.refuses(&often).starts_with("more than 5000 fields"));

    let long = format!(
        "{{ {} }} fragment F on Query {{ __type(name: \"{}\") {{ name }} }}",
        "...F ".repeat(100),
        "x".repeat(20_000)
    );
    assert!(lease.refuses(&long).starts_with("more than 1048576 bytes"));
}

#[test]
fn values_are_counted_wherever_they_stand() {
    let lease = Lease::on("acme/site", "issues=write");
    let labels = |count: usize| {
        format!(
            "issues(labels: [{}]) {{ totalCount }}",
            "\"x\" ".repeat(count)
        )
    };
    lease.sends(&of_site(&labels(19_000)));
    let more = of_site(&labels(10_000).repeat(2));
    assert!(lease.refuses(&more).starts_with("more than 20000 values"));
    // A short document, whose fragment is put in place often.
    let uses = format!(
        "query($z: String) {} fragment F on Repository {{ issues(labels: [{}]) {{ totalCount }} }}",
        of_site(&"...F ".repeat(180)),
        "$z ".repeat(1_000)
    );
    assert!(lease.refuses(&uses).starts_with("more than 20000 values"));
    let body = json!({ "query": "{ viewer { login } }", "variables": { "a": vec![0; 20_001] } });
    assert_eq!(read(&body).err(), Some(NotRead::TooLarge));
    let many: String = (0..600).map(|number| format!("\"I_{number}\" ")).collect();
    let many = format!(
        "mutation {{ addLabelsToLabelable(input: {{labelableId: \"x\", labelIds: [{many}]}}) {{ clientMutationId }} }}"
    );
    assert!(lease.refuses(&many).starts_with("more than 500 ids"));
}

#[test]
fn a_fragment_in_itself_is_refused() {
    let lease = Lease::on("acme/site", "issues=read");
    let refused = lease.refuses("{ rateLimit { ...F } } fragment F on RateLimit { ...F }");
    assert_eq!(refused, "fragment `F` holds itself");
    let refused = lease.refuses(
        "{ rateLimit { ...F } } fragment F on RateLimit { ... @skip(if: true) { ...G } } \
         fragment G on RateLimit { cost ...F }",
    );
    assert_eq!(refused, "fragment `F` holds itself");
    assert_eq!(lease.refuses("{ ...F }"), "there is no fragment `F`");
}

//! Deciding on GraphQL documents, in this process: those that `gh` sends, and the costliest that the limits let in.
//!
//! The raw limit is a library's parser alone, over the same text.

use std::fs;
use std::path::Path;
use std::time::Instant;

use apollo_compiler::parser::Parser;
use broker_policy::reach::Scope;
use broker_policy::reach::graphql::{Asked, LONGEST_BODY};
use serde_json::{Value, json};

use crate::machine;
use crate::table::{Row, Spread, Table, highest, median, micros};

const TIMES: usize = 500;
const GH: &str = "../crates/policy/src/reach/graphql/tests/gh";

pub(crate) fn measure(rounds: usize, table: &mut Table) {
    let largest = largest_of_gh();
    evaluate(&json!({ "query": "{ __typename }" }).to_string());
    let own = i32::try_from(std::process::id()).unwrap();
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = machine::kilobytes(own, "VmRSS");
    evaluate(&largest);
    let memory = (machine::kilobytes(own, "VmHWM") - before).max(0.0);

    let of_gh: Vec<_> = (0..rounds)
        .map(|_| (parsed(&largest), spread(&largest)))
        .collect();
    let ours = median(of_gh.iter().map(|(_, ours)| ours.p50));
    table.push(Row {
        what: "GraphQL: the largest document of `gh`, decided on, p50",
        goal: "≤ 200 µs, ≤ 1 MB".to_owned(),
        raw: format!(
            "parsed {:.0} µs",
            median(of_gh.iter().map(|(raw, _)| raw.p50))
        ),
        median: format!("{ours:.0} µs, {:.2} MB", memory / 1000.0),
        worst: format!("{:.0} µs", highest(of_gh.iter().map(|(_, ours)| ours.p50))),
        met: Some(ours <= 200.0 && memory <= 1000.0),
    });

    let mut worst: (f64, f64, &str) = (0.0, 0.0, "");
    for (name, body) in costly() {
        assert!(body.len() <= LONGEST_BODY, "{name}: {}", body.len());
        assert_eq!(evaluate(&body), !REFUSED.contains(&name), "{name}");
        let times = (0..rounds.max(3)).map(|_| once(&body));
        let time = median(times);
        if time > worst.0 {
            worst = (time, parsed(&body).p50, name);
        }
    }
    let (time, raw, name) = worst;
    table.push(Row {
        what: "GraphQL: the costliest document within the limits",
        goal: "≤ 10 ms".to_owned(),
        raw: format!("parsed {:.1} ms", raw / 1000.0),
        median: format!("{:.1} ms ({name})", time / 1000.0),
        worst: String::new(),
        met: Some(time <= 10_000.0),
    });
}

/// Of the requests that `gh` was seen to send.
fn largest_of_gh() -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(GH);
    let files = fs::read_dir(directory).unwrap();
    let files = files.map(|file| file.unwrap().path());
    // The others ask for what no lease allows.
    let files = files.filter(|file| !file.to_string_lossy().contains("/refused-"));
    let bodies = files.map(|file| fs::read_to_string(file).unwrap());
    bodies.max_by_key(String::len).unwrap()
}

fn evaluate(body: &str) -> bool {
    let permissions = "issues=write pull_requests=write contents=write checks=read statuses=read members=read \
         organization_projects=write";
    let pairs = permissions
        .split_whitespace()
        .filter_map(|pair| pair.split_once('='));
    let permissions = pairs.map(|(name, level)| (name.parse().unwrap(), level.parse().unwrap()));
    let scope = Scope {
        repositories: &["acme/site".parse().unwrap()],
        organization: Some(&"acme".parse().unwrap()),
        permissions: &permissions.collect(),
        paths: &[],
    };
    Asked::read(body.as_bytes()).is_ok_and(|asked| asked.allow(&scope).is_ok())
}

fn once(body: &str) -> f64 {
    let began = Instant::now();
    evaluate(body);
    micros(began.elapsed())
}

fn spread(body: &str) -> Spread {
    assert!(evaluate(body), "it is allowed");
    let times = (0..TIMES).map(|_| {
        let began = Instant::now();
        evaluate(body);
        began.elapsed()
    });
    Spread::of(times.collect())
}

fn parsed(body: &str) -> Spread {
    let body: Value = serde_json::from_str(body).unwrap();
    let text = body["query"].as_str().unwrap();
    let times = (0..TIMES.min(50)).map(|_| {
        let began = Instant::now();
        let parsed = Parser::new().parse_ast(text, "");
        drop(std::hint::black_box(parsed));
        began.elapsed()
    });
    Spread::of(times.collect())
}

/// Those of [`costly`] that are over a limit, after all that comes before it.
const REFUSED: [&str; 7] = [
    "tokens",
    "mutations",
    "deep values",
    "chains",
    "lists",
    "lines",
    "variables",
];

/// Documents that are large in one way each.
fn costly() -> Vec<(&'static str, String)> {
    let of_site =
        |selection: &str| format!("{{repository(owner:\"acme\",name:\"site\"){{{selection}}}}}");
    let query = |text: String| json!({ "query": text }).to_string();
    let label = "labels(first:1){nodes{name}}";
    vec![
        ("fields", query(of_site(&"id ".repeat(4_900)))),
        ("tokens", query(of_site(&"id,".repeat(59_000)))),
        ("objects", query(of_site(&label.repeat(1_500)))),
        (
            "arguments",
            query(of_site(&"labels(first:1,after:\"x\",query:\"y\"){totalCount}".repeat(2_000))),
        ),
        (
            "fragments",
            query(format!(
                "{} fragment F on Repository{{{}}}",
                of_site(&"...F ".repeat(49)),
                label.repeat(30)
            )),
        ),
        (
            "chains",
            query(format!(
                "{} {} fragment F90 on Repository{{id}}",
                of_site(&"...F0 ".repeat(1_000)),
                (0..90)
                    .map(|number| format!("fragment F{number} on Repository{{...F{}}}", number + 1))
                    .collect::<String>()
            )),
        ),
        (
            "operations",
            query(format!(
                "{} query Z{}",
                (0..1_500).map(|number| format!("query Q{number}{}", of_site("id"))).collect::<String>(),
                of_site("id")
            ))
            .replace("}\"}", "}\",\"operationName\":\"Z\"}"),
        ),
        ("lists", query(of_site(&format!("issues(labels:[{}]){{totalCount}}", "\"x\" ".repeat(25_000))))),
        ("comments", query(format!("#{}\n{}", "x".repeat(250_000), of_site("id")))),
        ("spaces", query(format!("{}{}", " ".repeat(250_000), of_site("id")))),
        ("lines", query(format!("{}{}", "#\n".repeat(80_000), of_site("id")))),
        (
            "variables",
            json!({
                "query": format!(
                    "query($f:IssueFilters){}",
                    of_site(&"issues(filterBy:$f){totalCount}".repeat(2_000))
                ),
                "variables": { "f": { "labels": vec!["x"; 40_000] } },
            })
            .to_string(),
        ),
        (
            "mutations",
            query(format!(
                "mutation{{{}}}",
                (0..50)
                    .map(|number| format!(
                        "m{number}:addLabelsToLabelable(input:{{labelableId:\"a{number}\",labelIds:[{}]}}){{clientMutationId}}",
                        "\"x\" ".repeat(700)
                    ))
                    .collect::<String>()
            )),
        ),
        ("deep values", query(of_site(&format!("issues(filterBy:{}1{}){{totalCount}}", "{labels:".repeat(20), "}".repeat(20)).repeat(800)))),
    ]
}

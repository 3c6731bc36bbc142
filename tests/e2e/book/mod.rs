//! The book in `docs/`: each code, finding, key and metric has its line in the reference, no line names something
//! that does not exist, and every link leads somewhere.
//!
//! In process: what exists is read from the code itself, or from its text where it is not public.

mod code;
mod commands;
mod links;
mod named;
mod page;
mod scripts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use broker_protocol::check::Verdict;
use broker_protocol::error::ErrorCode;
use broker_protocol::source::SOURCES;
use serde_json::{Value, json};

use self::page::Section;

/// The top of the source tree.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    let text = std::fs::read_to_string(root().join(path));
    text.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Fails with each name that has no line in the section, and each line that names nothing.
fn same(section: &Section, exists: &BTreeSet<String>) {
    assert!(!exists.is_empty(), "the code has nothing for {section}");
    let documented = section.names();
    let undocumented = exists.difference(&documented);
    let undocumented = undocumented.map(|name| format!("`{name}` has no line in {section}"));
    let unknown = documented.difference(exists);
    let unknown = unknown.map(|name| format!("{section} names `{name}`, which does not exist"));
    let wrong: Vec<_> = undocumented.chain(unknown).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn error_codes() -> Vec<ErrorCode> {
    let words = code::variants("crates/protocol/src/error.rs", "ErrorCode");
    let code = |word| serde_json::from_value(Value::String(word)).unwrap();
    words.into_iter().map(code).collect()
}

#[test]
fn each_error_code_has_a_line_with_its_status_and_its_exit_code() {
    let section = Section::of("docs/reference/errors.md", "Error codes");
    let exists = error_codes();
    same(
        &section,
        &exists.iter().map(|code| code.as_str().to_owned()).collect(),
    );
    for row in section.rows() {
        let code: ErrorCode = serde_json::from_value(json!(row.names()[0])).unwrap();
        let facts = [code.status().to_string(), code.exit_code().to_string()];
        assert_eq!(row.cells[1..3], facts, "status and exit code of {code:?}");
        assert!(
            row.cells.len() == 5 && row.cells.iter().all(|cell| !cell.is_empty()),
            "{code:?}: what it means, and what to do"
        );
    }
}

#[test]
fn each_exit_code_has_a_line() {
    let mut exists = code::numbers_in("cli/src/error.rs", "fn exit_code");
    exists.extend(error_codes().iter().map(|code| u16::from(code.exit_code())));
    exists.insert(0);
    let exists = exists.iter().map(u16::to_string).collect();
    same(
        &Section::of("docs/reference/exit-codes.md", "`tokenctl`"),
        &exists,
    );
    let exec = code::numbers_in("cli/src/commands/exec/mod.rs", "");
    let exec = exec.range(125..=127).map(u16::to_string).collect();
    same(
        &Section::of("docs/reference/exit-codes.md", "`tokenctl exec`"),
        &exec,
    );
}

#[test]
fn each_word_of_an_error_in_json_has_a_line() {
    let section = Section::of("docs/reference/exit-codes.md", "Errors as JSON");
    same(&section, &code::snake_words("cli/src/error.rs"));
}

#[test]
fn each_finding_has_a_line_with_what_to_do() {
    let section = Section::of("docs/reference/findings.md", "Findings of a check");
    let mut exists = code::words_of("broker/src/checks/finding.rs");
    exists.extend(Verdict::ALL.map(|verdict| verdict.as_str().to_owned()));
    same(&section, &exists);
    let doctor = Section::of("docs/reference/findings.md", "Findings of `doctor`");
    same(&doctor, &code::doctor_findings());
    for row in section.rows().chain(doctor.rows()) {
        let empty = row.cells.iter().any(String::is_empty);
        assert!(!empty, "{}: {}", section, row.cells.join(" | "));
    }
}

#[test]
fn each_source_is_explained_and_is_in_the_reference() {
    let explained = read("docs/explanation/sources.md");
    let reference = read("docs/reference/policies.md");
    for source in SOURCES {
        let (scheme, form) = (source.scheme, source.form);
        let row = format!("\n| `{scheme}:");
        assert!(explained.contains(&row), "{form} has no row in sources.md");
        let key = format!("`{form}`");
        assert!(reference.contains(&key), "policies.md lacks {form}");
    }
}

#[test]
fn each_message_that_has_a_line_is_in_the_code() {
    let said = code::text();
    let mut wrong = Vec::new();
    let messages = "docs/reference/messages.md";
    for (page, heading) in [
        (messages, "The audit log cannot be written"),
        (messages, "The broker does not start"),
        (messages, "The socket is gone"),
        (messages, "`tokenctl` cannot reach the broker"),
        (messages, "`tokenctl exec` leads no command to the broker"),
        (messages, "A GraphQL request is refused"),
        (messages, "git gets no token"),
        (messages, "`secret add` and `import` write nothing"),
        ("docs/how-to/change-root-key.md", "Troubleshooting"),
        ("docs/how-to/use-keyring.md", "Troubleshooting"),
    ] {
        let section = Section::of(page, heading);
        assert!(section.rows().count() > 0, "{section} has no table");
        for message in section.rows().flat_map(|row| row.names()) {
            let parts = page::fixed_parts(&message);
            if let Some(part) = parts.iter().find(|part| !said.contains(*part)) {
                wrong.push(format!("{section}: `{message}`: no message has “{part}”"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_metric_has_a_line() {
    let section = Section::of("docs/reference/metrics.md", "Metrics");
    let list = read("broker/src/status/figures/metrics.tsv");
    let listed = list.lines().map(|line| {
        let mut cells = line.split('\t');
        let mut cell = || cells.next().unwrap().to_owned();
        let (name, kind, labels) = (cell(), cell(), cell());
        let labels = labels.split_whitespace().map(|label| format!("`{label}`"));
        let labels: Vec<String> = labels.collect();
        (name, (kind, labels.join(", ")))
    });
    let listed: BTreeMap<String, (String, String)> = listed.collect();
    same(&section, &listed.keys().cloned().collect());
    for row in section.rows() {
        let (kind, labels) = &listed[&row.names()[0]];
        assert_eq!(
            [&row.cells[1], &row.cells[2]],
            [kind, labels],
            "{}",
            row.cells[0]
        );
    }
}

#[test]
fn each_environment_variable_of_ours_has_a_line() {
    let section = Section::of("docs/reference/files.md", "Environment variables");
    same(&section, &code::literals("TOKEND_"));
}

#[test]
fn each_key_of_the_configuration_has_a_line_and_its_default_is_the_default() {
    let page = "docs/reference/configuration.md";
    let tables = code::configuration();
    let headings: BTreeSet<_> = tables.keys().map(|name| format!("[{name}]")).collect();
    same(&Section::headings(page), &headings);
    let config = Path::new("tokend.toml");
    let parse = |text: &str| broker::config::Config::parse(text, config, 1000).unwrap();
    let mut defaults = 0;
    for (table, keys) in &tables {
        let section = Section::of(page, &format!("`[{table}]`"));
        same(&section, keys);
        for row in section.rows() {
            let Some(value) = row.cells[1].strip_prefix('`') else {
                continue;
            };
            let line = format!("{} = {}", row.names()[0], value.trim_end_matches('`'));
            let with = parse(&format!("[{table}]\n{line}\n"));
            assert_eq!(with, parse(""), "`{line}` is not the default of [{table}]");
            defaults += 1;
        }
    }
    assert!(defaults > 15, "only {defaults} defaults were compared");
}

#[test]
fn the_configuration_that_init_writes_names_every_key_with_its_default() {
    let written = read("broker/src/commands/init/tokend.toml");
    let mut wrong = Vec::new();
    for (table, keys) in code::configuration() {
        let heading = format!("\n[{table}]\n");
        let own = written.split_once(&heading);
        let (_, own) = own.unwrap_or_else(|| panic!("it has no [{table}]"));
        let own = own.split("\n[").next().unwrap();
        let offered = own.lines().filter_map(|line| line.strip_prefix("# "));
        let offered: BTreeMap<&str, &str> =
            offered.filter_map(|line| line.split_once(" = ")).collect();
        let names: BTreeSet<String> = offered.keys().map(|key| (*key).to_owned()).collect();
        assert_eq!(names, keys, "[{table}]");
        let section = Section::of("docs/reference/configuration.md", &format!("`[{table}]`"));
        for row in section.rows().filter(|row| row.cells[1].starts_with('`')) {
            let key = row.names().remove(0);
            let default = row.cells[1].trim_matches('`');
            let value = offered[&*key].split(" #").next().unwrap().trim();
            if value != default {
                wrong.push(format!(
                    "[{table}] {key} = {value}, and the default is {default}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_key_of_policy_files_has_a_line() {
    let page = "docs/reference/policies.md";
    let keys = |module: &str, list: &str| code::list(&format!("crates/policy/src/{module}"), list);
    same(&Section::of(page, "Secrets"), &keys("secret", "KEYS"));
    same(&Section::of(page, "Sinks"), &keys("sink", "KEYS"));
    same(&Section::of(page, "Purposes"), &keys("purpose", "KEYS"));
    same(&Section::of(page, "Rules"), &keys("purpose", "RULE_KEYS"));
    let attributes = Section::of(page, "How far to trust each attribute");
    same(&attributes, &keys("who", "ATTRIBUTES"));
}

#[test]
fn each_route_that_the_guide_shows_exists() {
    let described: Value = serde_json::from_str(&read("docs/openapi.json")).unwrap();
    let paths = described["paths"].as_object().unwrap();
    let mut shown = BTreeSet::new();
    for line in read("docs/reference/http-api.md").lines() {
        let Some((command, url)) = line.split_once("http://localhost/") else {
            continue;
        };
        let named = command.split_once("-X ").map(|(_, rest)| rest);
        let method = match named.and_then(|rest| rest.split(' ').next()) {
            Some(method) => method.to_lowercase(),
            None if command.contains("-d ") => "post".to_owned(),
            None => "get".to_owned(),
        };
        let path = url.split(['?', ' ', '\'']).next().unwrap();
        let is_shown = |pattern: &str| {
            let parts = pattern.trim_start_matches('/').split('/');
            let same = |(part, own): (&str, &str)| part == own || part.starts_with('{');
            parts.clone().count() == path.split('/').count() && parts.zip(path.split('/')).all(same)
        };
        let route = paths
            .iter()
            .find(|(pattern, methods)| is_shown(pattern) && methods.get(&method).is_some());
        let (pattern, _) = route.unwrap_or_else(|| panic!("there is no such route: {line}"));
        shown.insert(format!("{method} {pattern}"));
    }
    assert!(shown.len() > 30, "only {shown:?}");
}

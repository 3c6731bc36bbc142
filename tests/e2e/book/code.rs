//! What exists, read from the text of the code. Each function fails if it finds nothing, so that code that moves
//! takes these places with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::{read, root};

/// Where the tests at the foot of a file begin.
const TESTS: &str = "#[cfg(test)]\nmod tests {";

/// A file without its tests.
fn without_tests(path: &str) -> String {
    let text = read(path);
    text.split(TESTS).next().unwrap().to_owned()
}

/// The variants of an enum, in snake case.
pub(super) fn variants(file: &str, name: &str) -> Vec<String> {
    let text = without_tests(file);
    let body = between(&text, &format!("enum {name} {{\n"), "\n}");
    let lines = body.lines().map(str::trim);
    let variants = lines.filter(|line| line.starts_with(char::is_uppercase));
    variants
        .map(|line| snake_case(line.trim_end_matches(',')))
        .collect()
}

/// The words of a type's constants: `const OWNER: Self = Self("owner");`.
pub(super) fn words_of(file: &str) -> BTreeSet<String> {
    let text = without_tests(file);
    let constants = text.split(" = Self(\"").skip(1);
    let words = constants.filter_map(|rest| rest.split_once('"'));
    words.map(|(word, _)| word.to_owned()).collect()
}

/// The texts in the list of this name of a module: `const KEYS: &[&str] = &["…"];`.
pub(super) fn list(module: &str, name: &str) -> BTreeSet<String> {
    let mut text = String::new();
    let file = root().join(format!("{module}.rs"));
    match fs::read_to_string(file) {
        Ok(file) => text = file,
        Err(_) => rust_files(&root().join(module), &mut |file| text.push_str(file)),
    }
    let text = text.replace("\npub(crate) const ", "\nconst ");
    let list = between(&text, &format!("\nconst {name}: &[&str] = &["), "]");
    quoted(list).into_iter().collect()
}

/// The numbers that a function, or a whole file, mentions.
pub(super) fn numbers_in(file: &str, function: &str) -> BTreeSet<u16> {
    let text = without_tests(file);
    let body = match function {
        "" => &text,
        function => between(&text, function, "\n    }\n"),
    };
    let words = body.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter_map(|word| word.parse().ok()).collect()
}

/// The texts of a file that are one word, such as `try_later`.
pub(super) fn snake_words(file: &str) -> BTreeSet<String> {
    let is_word = |text: &String| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    };
    let texts = quoted(&without_tests(file)).into_iter();
    texts.filter(is_word).collect()
}

/// Every text of the programs that is a name with this beginning.
pub(super) fn literals(prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let start = format!("\"{prefix}");
    programs(&mut |text| {
        let rest = text.split(&start).skip(1);
        let names = rest.filter_map(|rest| rest.split_once('"'));
        let names = names.map(|(name, _)| name).filter(|name| !name.is_empty());
        let names = names.filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'));
        found.extend(names.map(|name| format!("{prefix}{name}")));
    });
    found
}

/// All code of the programs, its texts as they are when it runs, with `…` for what varies.
pub(super) fn text() -> String {
    let mut all = String::new();
    programs(&mut |text| {
        let mut inside = false;
        let joined = text.split("\\\n").map(str::trim_start).collect::<String>();
        for character in joined.replace("\\\"", "\"").chars() {
            match character {
                '{' => inside = true,
                '}' | '\n' => {
                    inside = false;
                    all.push('…');
                }
                _ if inside => {}
                other => all.push(other),
            }
        }
    });
    all
}

/// Calls for the text of each file of the programs.
fn programs(found: &mut impl FnMut(&str)) {
    let crates = fs::read_dir(root().join("crates")).unwrap();
    let crates = crates.map(|entry| entry.unwrap().path().join("src"));
    let programs = ["broker/src", "cli/src"].map(|path| root().join(path));
    for directory in crates.chain(programs) {
        rust_files(&directory, found);
    }
}

/// The tables of `tokend.toml` and their keys: the fields of `File`, and those of their types.
pub(super) fn configuration() -> BTreeMap<String, BTreeSet<String>> {
    let mut structs = BTreeMap::new();
    rust_files(&root().join("broker/src/config"), &mut |text| {
        for part in text.split("struct ").skip(1) {
            let Some((name, body)) = part.split_once(" {\n") else {
                continue;
            };
            let body = body.split("\n}").next().unwrap();
            structs.insert(name.to_owned(), fields(body));
        }
    });
    let file = structs.get("File").expect("the configuration is a `File`");
    let table = |(name, kind): &(String, String)| {
        let keys = structs.get(kind).expect("each table is a struct");
        let keys = keys.iter().map(|(key, _)| key.clone()).collect();
        (name.clone(), keys)
    };
    file.iter().map(table).collect()
}

/// What `tokenctl doctor` may say: the first text of each call of `wrong` and `look`, with `…` for what varies.
pub(super) fn doctor_findings() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    rust_files(&root().join("cli/src/commands/doctor"), &mut |text| {
        let calls = text.split(".wrong(").flat_map(|part| part.split(".look("));
        for call in calls.skip(1) {
            let arguments = call.split(");").next().unwrap();
            let first = quoted(arguments).into_iter().next().unwrap_or_default();
            if !first.is_empty() {
                found.insert(pattern(&first));
            }
        }
    });
    found
}

/// A format string with `…` for each run of arguments, and for what is between two backticks of them.
fn pattern(format: &str) -> String {
    let mut pattern = String::new();
    let mut inside = false;
    for character in format.chars() {
        match character {
            '{' => inside = true,
            '}' => {
                inside = false;
                if !pattern.ends_with('…') {
                    pattern.push('…');
                }
            }
            '`' => {}
            _ if inside => {}
            other => pattern.push(other),
        }
    }
    pattern
}

/// The texts in quotes of Rust code, as they are when it runs. Comments have none.
fn quoted(code: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let uncommented = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = uncommented.collect::<Vec<_>>().join("\n");
    let mut characters = code.chars().peekable();
    let mut text: Option<String> = None;
    while let Some(character) = characters.next() {
        match (character, &mut text) {
            ('"', Some(_)) => texts.extend(text.take()),
            ('"', None) => text = Some(String::new()),
            // A quote as a character.
            ('\'', None) if characters.peek() == Some(&'"') => drop(characters.next()),
            ('\\', Some(text)) => match characters.next() {
                Some('\n') => while characters.next_if(|next| next.is_whitespace()).is_some() {},
                Some(escaped) => text.push(escaped),
                None => {}
            },
            (other, Some(text)) => text.push(other),
            (_, None) => {}
        }
    }
    texts
}

fn fields(body: &str) -> Vec<(String, String)> {
    let lines = body.lines().map(str::trim);
    let lines = lines.filter(|line| !line.starts_with(['/', '#']));
    let fields = lines.filter_map(|line| line.trim_end_matches(',').split_once(": "));
    fields
        .map(|(name, kind)| {
            let name = name.rsplit(' ').next().unwrap();
            (name.to_owned(), kind.to_owned())
        })
        .collect()
}

/// Calls for the text of each file below, without its tests.
fn rust_files(directory: &Path, found: &mut impl FnMut(&str)) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" {
            rust_files(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = fs::read_to_string(&path).unwrap();
            found(text.split(TESTS).next().unwrap());
        }
    }
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let rest = text.split_once(start);
    let (_, rest) = rest.unwrap_or_else(|| panic!("there is no `{}`", start.trim()));
    rest.split_once(end).unwrap().0
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(character.to_lowercase());
    }
    snake
}

#[test]
fn texts_are_read_as_they_are_when_the_code_runs() {
    let code = "f('\"', \"a \\\n   b \\\"c\\\"\", // no\n// \"comment\"\n\"{x}{y}: `{z}`\")";
    assert_eq!(quoted(code), ["a b \"c\"", "{x}{y}: `{z}`"]);
    assert_eq!(pattern("{x}{y}: `{z}`"), "…: …");
}

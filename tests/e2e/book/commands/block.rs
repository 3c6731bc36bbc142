//! The blocks of a page that show commands, and what an HTML comment in front of one says about its test.
//!
//! ```text
//! <!-- not run: systemd -->                            it needs what no test has
//! <!-- test: purposes; NAME=site-token; exit 3 -->     what it presumes, what a word stands for, how it ends
//! <!-- test: file ~/setup.sh -->                       a block of any kind: the reader saves it there
//! <!-- shown by cargo demo -->                         an excerpt of what that prints
//! ```

use super::super::read;

/// What a machine that runs tests lacks, or what only a reader has.
pub(super) const REASONS: [&str; 8] = [
    "1password",
    "another machine",
    "build",
    "container",
    "desktop",
    "root",
    "systemd",
    "your program",
];

/// A block of commands.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::book) struct Block {
    /// The line of its first command, counted from 1.
    pub(super) line: usize,
    /// As it stands there, without the indentation of a list.
    pub(in crate::book) text: String,
    /// Whether it shows what the commands print: ```` ```console ````.
    pub(super) shows: bool,
    /// What its comment says.
    pub(super) test: Test,
}

/// What is to be done with a block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// It is not run, for one of [`REASONS`].
    NotRun(String),
    /// It is an excerpt of what `cargo demo` prints.
    Demo,
    /// It is run.
    Run(Run),
}

/// How a block is run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    /// Files of `scenes/` to run before it.
    pub(super) scenes: Vec<String>,
    /// What the reader puts in place of a word.
    pub(super) words: Vec<(String, String)>,
    /// The exit code of its last command.
    pub(super) exit: i32,
    /// Where the reader saves it, instead of running it.
    pub(super) file: Option<String>,
}

/// The blocks of commands of a page, in order.
pub(in crate::book) fn of(page: &str) -> Vec<Block> {
    parse(&read(page)).unwrap_or_else(|wrong| panic!("{page}:{wrong}"))
}

fn parse(text: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut comment: Option<(usize, Test)> = None;
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let is_block = match &comment {
            Some((_, Test::Run(run))) if run.file.is_some() => line.trim().starts_with("```"),
            _ => is_commands(line),
        };
        if let Some((at, _)) = comment.take_if(|_| !is_block) {
            return Err(format!("{at}: no block of commands follows"));
        }
        if let Some(said) = comment_of(line) {
            let test = test(said).map_err(|wrong| format!("{number}: {wrong}"))?;
            comment = Some((number, test));
        }
        let Some(language) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let indented = line.len() - line.trim_start().len();
        let body = lines.by_ref().map(|(_, line)| line);
        let body = body.take_while(|line| line.trim() != "```");
        let body = body.map(|line| format!("{}\n", line.get(indented..).unwrap_or_default()));
        let text: String = body.collect();
        if is_block {
            blocks.push(Block {
                line: number + 1,
                text,
                shows: language == "console",
                test: comment
                    .take()
                    .map_or_else(|| Test::Run(Run::default()), |(_, test)| test),
            });
        }
    }
    Ok(blocks)
}

fn is_commands(line: &str) -> bool {
    matches!(line.trim_start(), "```sh" | "```console")
}

fn comment_of(line: &str) -> Option<&str> {
    let inner = line.trim().strip_prefix("<!--")?.strip_suffix("-->")?;
    Some(inner.trim())
}

fn test(comment: &str) -> Result<Test, String> {
    if let Some(reason) = comment.strip_prefix("not run: ") {
        return match REASONS.contains(&reason) {
            true => Ok(Test::NotRun(reason.to_owned())),
            false => Err(format!("`{reason}` is no reason; there are {REASONS:?}")),
        };
    }
    if comment == "shown by cargo demo" {
        return Ok(Test::Demo);
    }
    let Some(items) = comment.strip_prefix("test: ") else {
        return Err(format!(
            "`{comment}` is neither `not run: …` nor `test: …` nor `shown by cargo demo`"
        ));
    };
    let mut run = Run::default();
    for item in items.split("; ") {
        if let Some(code) = item.strip_prefix("exit ") {
            let parsed = code.parse().ok();
            run.exit = parsed.ok_or_else(|| format!("`{item}` names no exit code"))?;
        } else if let Some(file) = item.strip_prefix("file ") {
            run.file = Some(file.to_owned());
        } else if let Some((word, value)) = item.split_once('=') {
            run.words.push((word.to_owned(), value.to_owned()));
        } else {
            run.scenes.push(item.to_owned());
        }
    }
    Ok(Test::Run(run))
}

#[test]
fn a_block_has_the_line_of_its_page_and_what_the_comment_before_it_says() {
    let page = "one\n\n- a list\n\n  <!-- test: broker; NAME=site token; exit 3 -->\n  ```sh\n  \
                a NAME\n    b\n  ```\n\n```toml\n# <!-- no comment -->\n```\n<!-- not run: root -->\n\
                ```console\n$ c\nd\n```\n<!-- test: file a.toml -->\n```toml\nb = 1\n```\n";
    let run = Run {
        scenes: vec!["broker".to_owned()],
        words: vec![("NAME".to_owned(), "site token".to_owned())],
        exit: 3,
        file: None,
    };
    let first = Block {
        line: 7,
        text: "a NAME\n  b\n".to_owned(),
        shows: false,
        test: Test::Run(run),
    };
    let second = Block {
        line: 16,
        text: "$ c\nd\n".to_owned(),
        shows: true,
        test: Test::NotRun("root".to_owned()),
    };
    let third = Block {
        line: 21,
        text: "b = 1\n".to_owned(),
        shows: false,
        test: Test::Run(Run {
            file: Some("a.toml".to_owned()),
            ..Run::default()
        }),
    };
    assert_eq!(parse(page), Ok(vec![first, second, third]));
}

#[test]
fn a_comment_that_says_something_else_or_stands_elsewhere_is_an_error_with_its_line() {
    for (page, wrong) in [
        ("<!-- not run: rain -->\n```sh\n", "1: `rain` is no reason"),
        (
            "\n<!-- tset: broker -->\n```sh\n",
            "2: `tset: broker` is neither",
        ),
        ("<!-- test: exit one -->\n```sh\n", "1: `exit one` names no"),
        (
            "<!-- test: broker -->\n```toml\n",
            "1: no block of commands",
        ),
        (
            "<!-- test: broker -->\n\n```sh\n",
            "1: no block of commands",
        ),
    ] {
        let error = parse(page).unwrap_err();
        assert!(error.starts_with(wrong), "{page:?}: {error}");
    }
}

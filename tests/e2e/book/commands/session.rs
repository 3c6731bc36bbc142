//! A page's blocks, run one after another in one shell: Alice's, in an empty home, at a terminal of 80 columns.
//!
//! ```text
//!   page ──blocks──▶ page/LINE.sh …, page/run.sh ──▶ machine.sh: namespaces, accounts, GitHub's names ──▶ bash
//!        ◀─────────── what the terminal showed, cut where each block begins ◀──────────────────────────────┘
//! ```
//!
//! GitHub is the stand-in, at its own names and with a certificate that this machine trusts; or an Enterprise Server,
//! whose certificate it does not trust. What a page presumes is made by a file of `scenes/`, in the same shell.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use support::binaries;
use support::github::schema;
use support::github_com::{self, GithubCom};
use support::needs;
use support::terminal::{Answer, Terminal};
use tempfile::TempDir;

use super::block::{Block, Run, Test};
use super::shown;
use super::world::{self, Values};
use crate::book::{read, root};

/// What makes the machine, as root.
const MACHINE: &str = "tests/e2e/book/commands/machine.sh";
/// What each session begins with.
const PRELUDE: &str = "tests/e2e/book/commands/prelude.sh";
/// What pages presume.
const SCENES: &str = "tests/e2e/book/commands/scenes";

/// The scene of pages on which GitHub is an Enterprise Server, whose CA the machine does not trust.
const SERVER: &str = "enterprise-server";

/// What the machine trusts, where `machine.sh` puts another.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Runs what is to be run of a page, and fails at the first block that does not do what it should.
pub(super) fn run(page: &str, blocks: &[Block]) {
    let runs = blocks.iter().filter_map(|block| match &block.test {
        Test::Run(run) => Some((block, run)),
        Test::NotRun(_) | Test::Demo => None,
    });
    let runs: Vec<_> = runs.collect();
    if runs.is_empty() || !github_com::can_be_played() || !needs::path(CERTIFICATES) {
        return;
    }
    let Some(schema) = schema() else { return };
    let (world, values) = world::made();
    let is_server = runs
        .iter()
        .any(|(_, run)| run.scenes.contains(&SERVER.to_owned()));
    let start = match is_server {
        true => GithubCom::server,
        false => GithubCom::start,
    };
    let com = start(world, values.of("site-token"));
    for name in world::FOR_GIT {
        com.git.honour(values.of(name));
    }
    com.github
        .change(|state| state.settings.graphql_schema = Some(schema));
    let trusted = match is_server {
        true => CERTIFICATES.into(),
        false => com.ca(),
    };
    let scratch = scratch(&com, &trusted, &values);
    let name = Path::new(page).file_name().unwrap().to_str().unwrap();
    write(&scratch.path().join("page"), name, &runs);
    let mut session = Command::new("unshare");
    session
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["sh", "-c", &read(MACHINE), "sh"])
        .args([scratch.path(), &root().canonicalize().unwrap()])
        .arg(binaries::directory())
        .env("PATH", std::env::var_os("PATH").unwrap());
    let (printed, _) = Terminal::start(&session).answer(&answers(&values));
    let printed = Printed::parse(&printed);
    for (block, run) in &runs {
        if let Err(wrong) = check(block, run, &printed) {
            panic!("{page}:{}: {wrong}", block.line);
        }
    }
    assert!(printed.has_ended, "{page}: {}", printed.whole);
}

/// What commands of the pages ask at the terminal, and what Alice types there.
fn answers(values: &Values) -> Vec<Answer<'_>> {
    let hidden = [
        ("Value of site-token: ", values.of("site-token")),
        ("Value of github-token: ", values.of("site-token")),
        ("Value of new-token: ", values.of("new-site-token")),
        (
            "New value of org-label-sync-token: ",
            values.of("new-label-sync-token"),
        ),
        ("Passphrase: ", PASSPHRASE),
        ("Passphrase for the backup: ", PASSPHRASE),
        ("Passphrase for the backup again: ", PASSPHRASE),
        ("Passphrase of the backup: ", PASSPHRASE),
        ("Recovery passphrase: ", PASSPHRASE),
        ("Recovery passphrase again: ", PASSPHRASE),
    ];
    let shown = [
        ("Revoke the old value now? It works until then [y/N] ", "y"),
        ("A name for your token [github-token]: ", ""),
        ("(OWNER/NAME or OWNER/*) [acme-bot/*]: ", "acme/site"),
        ("Permissions it gives [contents=read issues=read]: ", ""),
    ];
    let answer = |seen| move |(prompt, text)| Answer { prompt, text, seen };
    let hidden = hidden.into_iter().map(answer(false));
    hidden.chain(shown.into_iter().map(answer(true))).collect()
}

const PASSPHRASE: &str = "correct horse battery staple";

/// What the machine is made of, for `machine.sh`.
fn scratch(com: &GithubCom, trusted: &Path, values: &Values) -> TempDir {
    let scratch = tempfile::Builder::new().prefix("book-").tempdir().unwrap();
    let path = scratch.path();
    // Alice is to reach what is mounted below it.
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    for directory in ["etc", "page"] {
        fs::create_dir(path.join(directory)).unwrap();
    }
    for (from, over) in com.name_files() {
        let name = Path::new(over).file_name().unwrap();
        fs::copy(from, path.join("etc").join(name)).unwrap();
    }
    let accounts = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000:Alice:/home/alice:/bin/bash\n\
                    bob:x:1001:1001:Bob:/home/bob:/bin/bash\n";
    fs::write(path.join("etc/passwd"), accounts).unwrap();
    fs::write(
        path.join("etc/group"),
        "root:x:0:\nalice:x:1000:\nbob:x:1001:\n",
    )
    .unwrap();
    fs::copy(trusted, path.join("etc/ca-certificates.crt")).unwrap();
    fs::copy(com.ca(), path.join("page/ca.pem")).unwrap();
    values.write(&path.join("values"));
    scratch
}

/// Writes the scripts of a page.
fn write(directory: &Path, page: &str, runs: &[(&Block, &Run)]) {
    let mut main = format!("{}\n", read(PRELUDE));
    for (block, run) in runs {
        let line = block.line;
        writeln!(main, "at {line}").unwrap();
        for scene in &run.scenes {
            let exists = scenes().contains(scene);
            assert!(exists, "{page}:{line}: there is no scene `{scene}`");
            writeln!(main, ". /home/tree/{SCENES}/{scene}.sh").unwrap();
        }
        if let Some(file) = &run.file {
            fs::write(directory.join(format!("{line}")), &block.text).unwrap();
            writeln!(main, "install -D -m 755 ~/page/{line} {file}\nat 'code 0'").unwrap();
            continue;
        }
        // Its own lines have the numbers that they have on the page.
        let text = "\n".repeat(line - 1) + &script(block, run);
        let own = directory.join(format!("{line}"));
        fs::create_dir(&own).unwrap();
        fs::write(own.join(page), text).unwrap();
        let source = format!(". ~/page/{line}/{page}");
        let unchecked = block.shows || run.exit != 0;
        if unchecked {
            writeln!(main, "set +e; {source}\nat \"code $?\"; set -e").unwrap();
        } else {
            writeln!(main, "{source}\nat 'code 0'").unwrap();
        }
    }
    fs::write(directory.join("run.sh"), main).unwrap();
    // So that what GitHub or the broker refuses is a failure.
    fs::write(directory.join(".curlrc"), "fail-with-body\n").unwrap();
}

/// The commands of a block, without what it shows of their output, and with what the reader puts in.
fn script(block: &Block, run: &Run) -> String {
    let mut text = block.text.clone();
    if block.shows {
        let lines = commands_and_output(&text).into_iter();
        let commands = lines.map(|(command, output)| {
            let shown = "\n".repeat(output.lines().count());
            format!("at shown; {command}{shown}")
        });
        text = commands.collect();
    }
    for (word, value) in &run.words {
        assert!(
            text.contains(word.as_str()),
            "line {}: it has no `{word}`",
            block.line
        );
        text = text.replace(word, value);
    }
    text
}

/// Each command of a block that shows output, and what it shows.
pub(super) fn commands_and_output(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            found.push((format!("{command}\n"), String::new()));
        } else {
            let (command, output) = found.last_mut().expect("a command comes first");
            let to = if goes_on { command } else { output };
            to.push_str(&format!("{line}\n"));
        }
        goes_on = line.ends_with('\\');
    }
    found
}

/// What the terminal showed.
struct Printed {
    whole: String,
    /// By the line of the block.
    blocks: BTreeMap<usize, Vec<String>>,
    codes: BTreeMap<usize, i32>,
    has_ended: bool,
}

impl Printed {
    fn parse(text: &str) -> Self {
        let text = text.replace("\r\n", "\n");
        let mut parts = text.split('\u{1e}');
        let mut printed = Self {
            whole: parts.next().unwrap().to_owned(),
            blocks: BTreeMap::new(),
            codes: BTreeMap::new(),
            has_ended: false,
        };
        let mut line = 0;
        for part in parts {
            let (mark, said) = part.split_once('\u{1f}').unwrap_or((part, ""));
            if let Ok(number) = mark.parse() {
                line = number;
            }
            if let Some(code) = mark.strip_prefix("code ") {
                printed.codes.insert(line, code.parse().unwrap());
            }
            printed.has_ended |= mark == "end";
            printed.whole.push_str(said);
            printed
                .blocks
                .entry(line)
                .or_default()
                .push(said.to_owned());
        }
        printed
    }
}

fn check(block: &Block, run: &Run, printed: &Printed) -> Result<(), String> {
    let Some(said) = printed.blocks.get(&block.line) else {
        return Err(format!("it was never reached\n{}", printed.whole));
    };
    let Some(code) = printed.codes.get(&block.line) else {
        return Err(said.concat());
    };
    if !block.shows && *code != run.exit {
        return Err(format!("it ended with {code}\n{}", said.concat()));
    }
    if !block.shows {
        return Ok(());
    }
    let outputs = said.iter().skip(1);
    for ((command, output), said) in commands_and_output(&block.text).iter().zip(outputs) {
        shown::compare(output, said)
            .map_err(|wrong| format!("of `{}`: {wrong}. It was:\n{said}", command.trim_end()))?;
    }
    Ok(())
}

/// The scenes that there are.
pub(super) fn scenes() -> BTreeSet<String> {
    let files = fs::read_dir(root().join(SCENES)).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let scenes = names.filter_map(|name| Some(name.strip_suffix(".sh")?.to_owned()));
    scenes.collect()
}

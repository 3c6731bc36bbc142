//! The tokens in an environment file, and what the vault holds of them.

use std::path::Path;

use broker_protocol::api::SecretView;
use broker_protocol::names::SecretName;
use broker_protocol::token_shape::{self, Shape};
use broker_protocol::{as_read, value_form};

use crate::args::Kind;
use crate::env_file::{self, EnvFile, OddLine, Variable};
use crate::error::Failure;
use crate::secret_text::{self, SecretText};

/// A token found in the file.
pub(super) struct EnvToken {
    pub(super) variable: String,
    line: usize,
    pub(super) name: SecretName,
    pub(super) kind: Kind,
    pub(super) value: SecretText,
}

pub(super) enum InVault {
    No,
    Same,
    Another,
    Elsewhere(String),
}

/// What a file holds.
pub(super) struct Found {
    pub(super) tokens: Vec<EnvToken>,
    /// A line for each variable or line that is left out.
    pub(super) notes: Vec<String>,
}

/// Reads a file, or stdin if it is `-`.
pub(super) fn read(path: &Path, all: bool) -> Result<Found, Failure> {
    parse(&env_file::read(path)?, path, all)
}

fn parse(text: &str, path: &Path, all: bool) -> Result<Found, Failure> {
    let place = |line: usize| format!("{}:{line}", path.display());
    let EnvFile {
        variables,
        skipped,
        problems,
    } = env_file::parse(text);
    let mut problems: Vec<(usize, String)> = problems
        .into_iter()
        .map(|odd| (odd.line, odd.why))
        .collect();
    let mut notes = skipped_lines(&skipped, path);
    let mut tokens: Vec<EnvToken> = Vec::new();
    for variable in variables {
        let (line, at) = (variable.line, place(variable.line));
        let kind = match kind_of(&variable.value, all) {
            Ok(kind) => kind,
            Err(why) => {
                notes.push((line, format!("{at}: {} skipped: {why}", variable.name)));
                continue;
            }
        };
        match EnvToken::beside(&tokens, variable, kind) {
            Ok(Named::New(token)) => tokens.push(token),
            Ok(Named::Again { variable, first }) => {
                let said = "holds the same value as";
                let note = format!("{at}: `{variable}` {said} `{first}`; not stored twice");
                notes.push((line, note));
            }
            Err(why) => problems.push((line, why)),
        }
    }
    if problems.is_empty() {
        notes.sort();
        let notes = notes.into_iter().map(|(_, note)| note).collect();
        return Ok(Found { tokens, notes });
    }
    problems.sort();
    let lines = problems.iter();
    let lines = lines.map(|(line, why)| format!("\n  {}: {why}", place(*line)));
    Err(Failure::with_hint(
        format!("nothing was imported:{}", lines.collect::<String>()),
        "correct these lines, or take them out of a copy of the file, and import that",
    ))
}

/// What kind of token a value is, or why it is none that lasts.
fn kind_of(value: &str, all: bool) -> Result<Kind, String> {
    let value = as_read::cleaned(value);
    match token_shape::of(value) {
        Shape::Classic => Ok(Kind::Classic),
        Shape::FineGrained => Ok(Kind::FineGrained),
        Shape::Unknown if all && !value.is_empty() => Ok(Kind::Classic),
        Shape::ShortLived => Err("a token that expires within hours".to_owned()),
        Shape::PrivateKey => {
            Err("a private key: `tokenctl secret add --kind app` takes it".to_owned())
        }
        Shape::Unknown | Shape::Proxy if value.is_empty() => Err("empty".to_owned()),
        Shape::Unknown | Shape::Proxy => Err(match value_form::check(value) {
            Ok(()) => "not the shape of a GitHub token; --all imports it".to_owned(),
            Err(fault) => format!("no value: it {fault}"),
        }),
    }
}

/// A note for each run of lines that were left out for the same reason.
fn skipped_lines(skipped: &[OddLine], path: &Path) -> Vec<(usize, String)> {
    let follows = |one: &OddLine, next: &OddLine| one.why == next.why && one.line + 1 == next.line;
    let runs = skipped.chunk_by(follows);
    let note = |run: &[OddLine]| {
        let (first, last) = (run.first()?, run.last()?);
        let lines = match run.len() {
            1 => first.line.to_string(),
            _ => format!("{}-{}", first.line, last.line),
        };
        let path = path.display();
        let note = format!("{path}:{lines}: skipped: {}", first.why);
        Some((first.line, note))
    };
    runs.filter_map(note).collect()
}

/// A variable with a token beside those above it.
enum Named {
    New(EnvToken),
    /// A second name of one value: as two secrets, a rotation of the one would end the other.
    Again {
        variable: String,
        first: String,
    },
}

impl EnvToken {
    fn beside(above: &[Self], variable: Variable, kind: Kind) -> Result<Named, String> {
        let Variable { line, name, value } = variable;
        let variable = name;
        let value = SecretText::parse(value).map_err(|error| format!("{variable}: {error}"))?;
        if let Some(same) = above.iter().find(|f| f.value.expose() == value.expose()) {
            let first = same.variable.clone();
            return Ok(Named::Again { variable, first });
        }
        let name = secret_name(&variable).map_err(|why| format!("{variable}: {why}"))?;
        if let Some(before) = above.iter().find(|f| f.name == name) {
            return Err(format!(
                "{variable} and {} (line {}) would both be called `{name}`; rename one",
                before.variable, before.line
            ));
        }
        Ok(Named::New(Self {
            variable,
            line,
            name,
            kind,
            value,
        }))
    }

    /// Compares the hash of its value with what the vault stores.
    pub(super) fn compared(&self, stored: Option<&SecretView>) -> InVault {
        let Some(view) = stored else {
            return InVault::No;
        };
        if view.declared && view.source != "vault" {
            return InVault::Elsewhere(view.source.clone());
        }
        match &view.hashed_credential {
            None => InVault::No,
            Some(hash) if *hash == secret_text::hashed(self.value.expose()) => InVault::Same,
            Some(_) => InVault::Another,
        }
    }

    /// The secret of another name that has this value already.
    pub(super) fn other_name<'s>(
        &self,
        mut stored: impl Iterator<Item = &'s SecretView>,
    ) -> Option<&'s SecretName> {
        let own = secret_text::hashed(self.value.expose());
        let same = |view: &&SecretView| view.hashed_credential.as_ref() == Some(&own);
        let other = stored.find(|view| view.name != self.name && same(view))?;
        Some(&other.name)
    }
}

/// `ORG_LABEL_SYNC_TOKEN` is called `org-label-sync-token`.
fn secret_name(variable: &str) -> Result<SecretName, String> {
    let lower = variable.to_ascii_lowercase();
    let words: Vec<&str> = lower.split('_').filter(|word| !word.is_empty()).collect();
    let name = words.join("-").parse::<SecretName>();
    name.map_err(|error| error.to_string())
}

impl InVault {
    pub(super) fn describe(&self) -> String {
        match self {
            Self::No => "not stored".to_owned(),
            Self::Same => "is stored already".to_owned(),
            Self::Another => {
                "ANOTHER value is stored; not changed (`tokenctl secret set` replaces it)"
                    .to_owned()
            }
            Self::Elsewhere(source) => format!("comes from {source}; not changed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_gives_its_secret_its_name() {
        for (variable, secret) in [
            ("ORG_LABEL_SYNC_TOKEN", "org-label-sync-token"),
            ("SOURCE_PAT", "source-pat"),
            ("_A__B_", "a-b"),
        ] {
            assert_eq!(secret_name(variable).unwrap().as_str(), secret);
        }
        assert!(secret_name("___").is_err());
    }

    fn read(text: &str, all: bool) -> Result<Found, Failure> {
        parse(text, Path::new("tokens"), all)
    }

    fn names(found: &Found) -> Vec<&str> {
        found.tokens.iter().map(|f| f.name.as_str()).collect()
    }

    #[test]
    fn only_what_looks_like_a_token_that_lasts_is_taken() {
        let text = "A_TOKEN=ghp_1\nB_PAT=github_pat_2\nEDITOR=vi\nCI=ghs_3\nP=tkp_4\nEMPTY=\n";
        let found = read(text, false).ok().unwrap();
        assert_eq!(names(&found), ["a-token", "b-pat"]);
        let kinds: Vec<Kind> = found.tokens.iter().map(|f| f.kind).collect();
        assert!(kinds == [Kind::Classic, Kind::FineGrained]);
        assert_eq!(found.notes.len(), 4);
        assert!(found.notes.iter().all(|line| !line.contains("ghs_")));
        assert!(found.notes[2].contains("P skipped: no value: it is a proxy token"));
        let found = read(text, true).ok().unwrap();
        assert_eq!((found.tokens.len(), found.notes.len()), (3, 3));
    }

    #[test]
    fn lines_without_a_token_are_left_out_by_their_numbers_and_without_their_text() {
        let text = "if canary; then\nalias canary=x\nA=ghp_1\nfi; canary\nPATH=$PATH:canary\n";
        let found = read(text, false).ok().unwrap();
        assert_eq!(names(&found), ["a"]);
        assert_eq!(
            found.notes,
            [
                "tokens:1-2: skipped: it is not of the form NAME=value",
                "tokens:4: skipped: it is not of the form NAME=value",
                "tokens:5: skipped: a shell would run a command there, or read a variable that is not set above",
            ]
        );
    }

    #[test]
    fn a_second_name_of_one_value_is_said_and_is_no_second_secret() {
        let found = read("A=ghp_1\nB=$A\nA__=ghp_1\nC=ghp_2\n", false)
            .ok()
            .unwrap();
        assert_eq!(names(&found), ["a", "c"]);
        assert_eq!(
            found.notes[0],
            "tokens:2: `B` holds the same value as `A`; not stored twice"
        );
    }

    #[test]
    fn all_problems_are_listed_in_one_run_in_the_order_of_their_lines() {
        let text = "A_B=ghp_1\nA__B=ghp_2\nC=ghp_canary cmd\n___=ghp_3\nD='ghp_4 canary'\n";
        let error = read(text, false).err().unwrap().to_string();
        let lines: Vec<&str> = error.lines().skip(1).map(str::trim).collect();
        assert_eq!(lines.len(), 4, "{error}");
        for (line, place) in lines.iter().zip([
            "tokens:2: A__B and A_B",
            "tokens:3: ",
            "tokens:4: ",
            "tokens:5: D: ",
        ]) {
            assert!(line.starts_with(place), "{line}");
        }
        assert!(!error.contains("canary"), "{error}");
    }
}

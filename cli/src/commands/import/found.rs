//! The tokens in an environment file, and what the vault holds of them.

use std::fs::File;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_protocol::api::SecretView;
use broker_protocol::names::SecretName;
use broker_protocol::token_shape::{self, Shape};
use broker_protocol::{as_read, value_form};
use sha2::{Digest as _, Sha256};

use crate::args::Kind;
use crate::env_file;
use crate::error::Failure;
use crate::secret_text::{SecretText, read_to_end};

/// A token found in the file.
pub(super) struct EnvToken {
    pub(super) variable: String,
    line: usize,
    pub(super) name: SecretName,
    pub(super) kind: Kind,
    pub(super) value: SecretText,
}

impl EnvToken {
    /// Compares its value with what the vault stores.
    pub(super) fn compared(&self, stored: Option<&SecretView>) -> InVault {
        let Some(view) = stored else {
            return InVault::No;
        };
        if view.declared && view.source != "vault" {
            return InVault::Elsewhere(view.source.clone());
        }
        // Only its hash is compared, as GitHub's audit log has it.
        let own = STANDARD.encode(Sha256::digest(self.value.expose()));
        match &view.hashed_credential {
            None => InVault::No,
            Some(hash) if *hash == own => InVault::Same,
            Some(_) => InVault::Another,
        }
    }
}

pub(super) enum InVault {
    No,
    Same,
    Another,
    Elsewhere(String),
}

/// The tokens in the file, and one line for each variable that is left out.
pub(super) fn read(path: &Path, all: bool) -> Result<(Vec<EnvToken>, Vec<String>), Failure> {
    let mut file = File::open(path).map_err(Failure::file("read", path))?;
    let text = read_to_end(&mut file)?;
    let place = |line: usize| format!("{}:{line}", path.display());
    let variables = env_file::parse(&text)
        .map_err(|error| Failure::new(format!("{}: {}", place(error.line), error.why)))?;
    let (mut found, mut skipped): (Vec<EnvToken>, Vec<String>) = (Vec::new(), Vec::new());
    for variable in variables {
        let (line, at) = (variable.line, place(variable.line));
        let kind = match token_shape::of(as_read::cleaned(&variable.value)) {
            Shape::Classic => Kind::Classic,
            Shape::FineGrained => Kind::FineGrained,
            Shape::Unknown if all && !variable.value.is_empty() => Kind::Classic,
            shape => {
                let why = match shape {
                    Shape::ShortLived => "a token that expires within hours".to_owned(),
                    Shape::PrivateKey => {
                        "a private key: `tokenctl secret add --kind app` takes it".to_owned()
                    }
                    _ if variable.value.is_empty() => "empty".to_owned(),
                    _ => match value_form::check(as_read::cleaned(&variable.value)) {
                        Ok(()) => "not the shape of a GitHub token; --all imports it".to_owned(),
                        Err(fault) => format!("no value: it {fault}"),
                    },
                };
                skipped.push(format!("{at}: {} skipped: {why}", variable.name));
                continue;
            }
        };
        let name = secret_name(&variable.name)
            .map_err(|why| Failure::new(format!("{at}: {}: {why}", variable.name)))?;
        if let Some(before) = found.iter().find(|f| f.name == name) {
            return Err(Failure::new(format!(
                "{at}: {} and {} (line {}) would both be called `{name}`; rename one",
                variable.name, before.variable, before.line
            )));
        }
        let value = SecretText::parse(variable.value)
            .map_err(|error| Failure::new(format!("{at}: {}: {error}", variable.name)))?;
        found.push(EnvToken {
            variable: variable.name,
            line,
            name,
            kind,
            value,
        });
    }
    Ok((found, skipped))
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

    #[test]
    fn only_what_looks_like_a_token_that_lasts_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        let text = "A_TOKEN=ghp_1\nB_PAT=github_pat_2\nEDITOR=vi\nCI=ghs_3\nP=tkp_4\nEMPTY=\n";
        std::fs::write(&path, text).unwrap();
        let (found, skipped) = read(&path, false).ok().unwrap();
        let names: Vec<&str> = found.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["a-token", "b-pat"]);
        assert!(found[0].kind == Kind::Classic && found[1].kind == Kind::FineGrained);
        assert_eq!(skipped.len(), 4);
        assert!(skipped.iter().all(|line| !line.contains("ghs_")));
        assert!(skipped[2].contains("P skipped: no value: it is a proxy token"));
        let (found, skipped) = read(&path, true).ok().unwrap();
        assert_eq!((found.len(), skipped.len()), (3, 3));
    }

    #[test]
    fn two_variables_cannot_become_one_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        std::fs::write(&path, "A_B=ghp_1\nA__B=ghp_2\n").unwrap();
        let error = read(&path, false).err().unwrap().to_string();
        assert!(error.contains(":2:") && error.contains("A_B"), "{error}");
    }
}

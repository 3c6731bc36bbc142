//! The three commands, by what they print and the code they end with.

use std::fmt::Debug;

use super::*;

mod check;
mod decision_tables;
mod explain;
mod shipped_policies;

/// The policies this repository ships.
fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies")
}

/// A scratch directory with these files.
fn checkout(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn output<E: Debug>(run: impl FnOnce(&mut dyn Write) -> Result<u8, E>) -> (u8, String) {
    let mut out = Vec::new();
    let code = run(&mut out).unwrap();
    (code, String::from_utf8(out).unwrap())
}

const SECRET: (&str, &str) = ("s.toml", "[secret.bot]\nkind = 'classic'\n");
const PURPOSE: &str = "purpose = 'p'\nsecret = 'bot'\nrepositories = ['acme/*']\n\
                       permissions = { issues = 'read' }\ndeliver = 'raw'\n";

//! The files of certificate authorities that `tokend.toml` names: which, on which line, and whether they can
//! be used. Programs (`hook`, `op`) are not among them.

use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use toml::de::DeTable;

use broker_https as https;

use crate::looks::Looks;

/// A file of certificate authorities, where the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityFile {
    /// `github` or `onepassword`: the table with the key `ca`.
    pub table: &'static str,
    /// Where it is; a relative path starts beside the configuration.
    pub path: PathBuf,
    /// The configuration, and the line in it, from 1.
    pub named_at: (PathBuf, usize),
    /// Where its name is in the text, quotes included.
    span: Range<usize>,
}

impl AuthorityFile {
    /// All that this text of a configuration at `config` names. Of a text that is not understood, none.
    #[must_use]
    pub fn named_in(text: &str, config: &Path) -> Vec<Self> {
        let Ok(root) = DeTable::parse(text) else {
            return Vec::new();
        };
        let directory = config.parent().unwrap_or(config);
        let file = |table: &'static str| {
            let value = root.get_ref().get(table)?.get_ref().get("ca")?;
            let path = value.get_ref().as_str()?;
            let span = value.span();
            Some(Self {
                table,
                path: directory.join(path),
                named_at: (config.to_owned(), super::read::line_at(text, span.start)),
                span,
            })
        };
        TABLES.into_iter().filter_map(file).collect()
    }

    /// What is in it. Blocks for as long as the disk does.
    ///
    /// # Errors
    ///
    /// Why it cannot be used, with the line that names it and what to do.
    pub fn read(&self) -> Result<Vec<u8>, String> {
        let why = match https::authorities(&self.path) {
            Ok((pem, _certificates)) => return Ok(pem),
            Err(https::CannotBuild::Authorities(why) | https::CannotBuild::Tls(why)) => why,
        };
        let (config, line) = &self.named_at;
        let table = self.table;
        let who = match table {
            "github" => "GitHub",
            _ => "1Password",
        };
        Err(format!(
            "{}:{line}: `[{table}] ca`: {why}; until it can be used, {who} is not asked, and leases that need it \
             fail: put the file there, or remove the line and restart tokend",
            config.display()
        ))
    }

    /// Whether it is below this directory by its name alone.
    #[must_use]
    pub fn is_below(&self, directory: &Path) -> bool {
        let below = self.path.strip_prefix(directory);
        below.is_ok_and(|rest| {
            rest.components()
                .all(|part| matches!(part, Component::Normal(_)))
        })
    }

    /// The text that this was found in, with another name for it.
    #[must_use]
    pub fn renamed_in(&self, text: &str, name: &str) -> Option<String> {
        let (before, after) = (text.get(..self.span.start)?, text.get(self.span.end..)?);
        Some(format!("{before}\"{name}\"{after}"))
    }
}

/// What is wrong with the files that a running broker is configured to use.
#[derive(Debug)]
pub struct NamedFiles {
    files: Arc<[AuthorityFile]>,
    faults: Looks<Vec<String>>,
}

impl NamedFiles {
    /// Reads no file yet.
    #[must_use]
    pub fn new(files: Vec<AuthorityFile>) -> Self {
        Self {
            files: files.into(),
            faults: Looks::default(),
        }
    }

    /// Reads them. A disk that does not answer is waited for by one thread, and here for a moment only.
    pub async fn look(&self) {
        if self.files.is_empty() {
            return;
        }
        let files = Arc::clone(&self.files);
        let faults = move || files.iter().filter_map(|file| file.read().err()).collect();
        self.faults.look(faults).await;
    }

    /// What was wrong when they were last read, with the line that names each and what to do.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.faults.seen()
    }
}

const TABLES: [&str; 2] = ["github", "onepassword"];

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# mine\n[onepassword]\nca = '/etc/ssl/op.pem'  # theirs\n\n[github]\nca = \"acme.pem\"\n";

    fn named(text: &str) -> Vec<AuthorityFile> {
        AuthorityFile::named_in(text, Path::new("/etc/tokend/tokend.toml"))
    }

    #[test]
    fn each_file_is_found_with_its_line_and_its_place() {
        let found = named(TEXT);
        let seen: Vec<_> = found
            .iter()
            .map(|file| (file.table, file.path.to_str().unwrap(), file.named_at.1))
            .collect();
        assert_eq!(
            seen,
            [
                ("github", "/etc/tokend/acme.pem", 6),
                ("onepassword", "/etc/ssl/op.pem", 3)
            ]
        );
        let directory = Path::new("/etc/tokend");
        assert!(found[0].is_below(directory) && !found[1].is_below(directory));
        assert!(!named("github.ca = \"../acme.pem\"")[0].is_below(directory));
        assert_eq!(named("[github]\nca = 1\n"), []);
        assert_eq!(named("[github\n"), []);
    }

    #[test]
    fn a_name_is_changed_and_nothing_else() {
        let renamed = named(TEXT)[1].renamed_in(TEXT, "op.pem").unwrap();
        assert_eq!(renamed, TEXT.replace("'/etc/ssl/op.pem'", "\"op.pem\""));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_the_line_that_names_it() {
        let scratch = tempfile::tempdir().unwrap();
        let config = scratch.path().join("tokend.toml");
        let found = AuthorityFile::named_in("\n[github]\nca = \"ca.pem\"\n", &config);
        let fault = || found[0].read().unwrap_err();
        let line = format!("{}:3: `[github] ca`: ", config.display());
        assert!(fault().starts_with(&line), "{}", fault());
        assert!(fault().contains("No such file"), "{}", fault());
        std::fs::write(&found[0].path, "not PEM\n").unwrap();
        assert!(
            fault().contains("holds no certificate in PEM"),
            "{}",
            fault()
        );
        std::fs::remove_file(&found[0].path).unwrap();
        std::fs::create_dir(&found[0].path).unwrap();
        assert!(fault().contains("a directory"), "{}", fault());
    }

    #[tokio::test]
    async fn a_running_broker_sees_that_a_file_is_there_now() {
        let scratch = tempfile::tempdir().unwrap();
        let config = scratch.path().join("tokend.toml");
        let text = "[github]\nca = \"ca.pem\"\n";
        let named = NamedFiles::new(AuthorityFile::named_in(text, &config));
        named.look().await;
        assert_eq!(named.faults().len(), 1);
        let pem = "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----\n";
        std::fs::write(scratch.path().join("ca.pem"), pem).unwrap();
        named.look().await;
        assert_eq!(named.faults(), [""; 0]);
    }
}

//! Reads the policies of a directory into a set that can be put in force.

use std::collections::BTreeMap;
use std::path::Path;

use broker_policy::cases::{self, Verdict};
use broker_policy::{Finding, Host, PolicyErrors, PolicySet};

use crate::accounts::SystemAccounts;
use crate::policy_files::{self, PolicyFilesError};

/// A set that was accepted, and what it was read from.
pub(crate) struct Loaded {
    /// The set.
    pub(crate) set: PolicySet,
    /// SHA-256 of every file, hexadecimal, by its name.
    pub(crate) files: BTreeMap<String, String>,
    /// What is not as the decision tables beside the policies say, and gives no more than they do.
    pub(crate) table_warnings: Vec<Finding>,
}

/// Why a set was refused, whole.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The files cannot be read, or others could change them.
    #[error(transparent)]
    Files(#[from] PolicyFilesError),
    /// What they say is refused.
    #[error(transparent)]
    Refused(#[from] PolicyErrors),
    /// They give more than the decision tables beside them say.
    #[error("{0}")]
    GivesMore(#[source] PolicyErrors),
}

/// Reads every policy of a directory, and runs the decision tables beside them.
///
/// # Errors
///
/// [`LoadError`] with everything that is wrong, by file and line.
pub(crate) fn load(directory: &Path, host: &Host) -> Result<Loaded, LoadError> {
    let files = policy_files::read_live(directory)?;
    let set = PolicySet::parse(&files.policies, &SystemAccounts, host)?;
    let Verdict { refused, warnings } = cases::verdict(&files.policies, &files.tables);
    PolicyErrors::none_in(refused).map_err(LoadError::GivesMore)?;
    Ok(Loaded {
        set,
        files: files.digests(),
        table_warnings: warnings,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const SECRET: &str = "[secret.bot]\nkind = 'classic'\n[secret.other]\nkind = 'classic'\n";
    const PURPOSE: &str = "purpose = 'p'\nsecret = 'bot'\nrepositories = ['acme/*']\n\
                           permissions = { issues = 'write' }\ndeliver = 'raw'\n\
                           ttl = { default = '20m' }\n";
    const RULE: &str = "[[allow]]\npermissions = { issues = 'read' }\nttl = { default = '5m' }\n\
                        caller = { user = 'a' }\n";

    /// What loading this purpose beside a table with this one case gives.
    fn load_with(purpose: &str, case: &str) -> Result<Vec<String>, String> {
        let scratch = tempfile::tempdir().unwrap();
        let table = format!("[[case]]\nname = 'one'\n{case}\n");
        for (name, text) in [
            ("s.toml", SECRET),
            ("p.toml", purpose),
            ("p.cases.toml", &table),
        ] {
            let path = scratch.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        match load(scratch.path(), &Host::anywhere()) {
            Ok(loaded) => Ok(loaded
                .table_warnings
                .iter()
                .map(ToString::to_string)
                .collect()),
            Err(error @ LoadError::GivesMore(_)) => Err(error.to_string()),
            Err(error) => panic!("{error}"),
        }
    }

    const ASK: &str = "ask = { purpose = 'p' }\ncaller = { user = 'a' }\n";

    #[test]
    fn a_set_that_gives_more_than_a_case_says_is_not_loaded() {
        let purpose = format!("{PURPOSE}{RULE}");
        for (expect, differs) in [
            ("'denied'", "expected denied, got allow by p.toml#1"),
            ("'too_wide'", "expected too_wide, got allow by p.toml#1"),
            (
                "'allow'\npermissions = { metadata = 'read' }",
                "expected permissions {metadata: read}, got {issues: read}",
            ),
            (
                "'allow'\nrepositories = ['acme/site']",
                "expected repositories [acme/site], got [acme/*]",
            ),
            ("'allow'\nttl = '4m'", "expected ttl 4m, got 5m"),
            (
                "'allow'\nsecret = 'other'",
                "expected secret other, got bot",
            ),
            (
                "'allow'\ndeliver = 'installation'",
                "expected deliver installation, got raw",
            ),
        ] {
            let refused = load_with(&purpose, &format!("{ASK}expect = {expect}"));
            assert_eq!(
                refused.unwrap_err(),
                format!(
                    "p.cases.toml:1: policy gives more than the case “one” says: {differs}; correct \
                     the policy, or the case if that is meant"
                )
            );
        }
        // To be told that an ask is too wide is more than to be told nothing.
        let wide =
            "ask = { purpose = 'p', ttl = '9h' }\ncaller = { user = 'a' }\nexpect = 'denied'";
        let refused = load_with(&purpose, wide).unwrap_err();
        assert!(refused.contains("got too_wide by p.toml#1"), "{refused}");
    }

    #[test]
    fn taking_access_away_waits_for_no_table() {
        let purpose = &*format!("{PURPOSE}{RULE}");
        let less = [
            // Nothing left of it.
            (PURPOSE, "'allow'"),
            (PURPOSE, "'too_wide'"),
            // Less of it.
            (purpose, "'allow'\npermissions = { issues = 'write' }"),
            (purpose, "'allow'\nrepositories = ['acme/*', 'x/y']"),
            (purpose, "'allow'\norganization = 'acme'"),
            (purpose, "'allow'\nttl = '6m'"),
            (purpose, "'allow'\nfallback = 'other'"),
            // As much, by another rule.
            (purpose, "'allow'\nrule = 2"),
        ];
        for (purpose, expect) in less {
            let warnings = load_with(purpose, &format!("{ASK}expect = {expect}")).unwrap();
            assert_eq!(warnings.len(), 1, "{expect}: {warnings:?}");
            let begins = "p.cases.toml:1: policy is not as the case “one” says: expected ";
            assert!(warnings[0].starts_with(begins), "{warnings:?}");
        }
        // The purpose itself is gone, or the table is broken.
        for (case, warning) in [
            (
                "ask = { purpose = 'gone' }\ncaller = {}\nexpect = 'allow'",
                "p.cases.toml:3: there is no purpose `gone`",
            ),
            ("ask = {", "p.cases.toml:3: "),
            ("alow = 1", "p.cases.toml:3: a case knows no `alow`"),
        ] {
            let warnings = load_with(purpose, case).unwrap();
            assert!(warnings[0].starts_with(warning), "{warnings:?}");
        }
    }

    #[test]
    fn a_case_that_holds_says_nothing() {
        let purpose = format!("{PURPOSE}{RULE}");
        let warnings = load_with(&purpose, &format!("{ASK}expect = 'allow'\nttl = '5m'"));
        assert_eq!(warnings.unwrap(), [""; 0]);
    }

    #[test]
    fn a_table_for_a_whole_file_refuses_the_cuts_of_it_that_give_more() {
        // As the narrowing keys should not stand.
        let rule = "[[allow]]\ncaller = { user = 'a' }\nttl = { default = '5m' }\n";
        let case = format!("{ASK}expect = 'allow'\nttl = '5m'");
        let whole = format!("{PURPOSE}{rule}");
        load_with(&whole, &case).unwrap();
        let cut = whole.lines().count() - 1;
        let cut: Vec<&str> = whole.lines().take(cut).collect();
        let refused = load_with(&cut.join("\n"), &case).unwrap_err();
        assert!(refused.contains("expected ttl 5m, got 20m"), "{refused}");
    }
}

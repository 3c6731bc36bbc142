//! What is sealed: a manifest in JSON, and after it the parts that it lists, one after the other.
//!
//! ```text
//! u32, big endian   length of the manifest
//! manifest          what the backup holds, from which log, and its parts in their order
//! parts             root.key   vault.db   tokend.toml, where there is one   policies/NAME
//!                   ca/github.pem, ca/onepassword.pem, where the configuration names them (format 2)
//! ```
//!
//! Pure. Not here: whether the parts are any good.

use broker_policy::PolicyFile;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::BackupError;

/// What a backup holds, as its first lines say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// When it was made.
    pub made_at: Timestamp,
    /// The version of the tokend that made it.
    pub tokend: String,
    /// The vault's own name, which it keeps on every machine.
    pub vault: String,
    /// Secrets that have a value.
    pub secrets: u64,
    /// Versions of all secrets together.
    pub versions: u64,
    /// The audit log it belonged to.
    pub log: LogAtBackup,
    /// In the order in which they follow.
    pub(super) parts: Vec<Part>,
}

/// The audit log of the broker that made a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAtBackup {
    /// 32 hexadecimal digits.
    pub log_id: String,
    /// Ed25519 public key, base64.
    pub public_key: String,
    /// How many records it had; what they tell is in the backup.
    pub records: u64,
    /// The hash of the last of them, hexadecimal.
    pub head: String,
}

/// One part of the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    name: String,
    bytes: u64,
}

/// A file of certificate authorities that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorities {
    /// `github` or `onepassword`: the table of the configuration with the key `ca`.
    pub table: &'static str,
    /// What is in it.
    pub pem: Vec<u8>,
}

/// The files that belong to a vault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupFiles {
    /// The configuration, where there is a file.
    pub config: Option<String>,
    /// The policies in force, and their decision tables.
    pub policies: Vec<PolicyFile>,
    /// The files of certificate authorities that the configuration names.
    pub authorities: Vec<Authorities>,
}

/// The content of a backup: `manifest`, whose list of parts is made here, and the parts.
pub(super) fn write(
    manifest: Manifest,
    root_key: &[u8; 32],
    vault: &[u8],
    files: &BackupFiles,
) -> Result<Zeroizing<Vec<u8>>, BackupError> {
    let mut all: Vec<(String, &[u8])> =
        vec![(ROOT_KEY.to_owned(), root_key), (VAULT.to_owned(), vault)];
    if let Some(config) = &files.config {
        all.push((CONFIG.to_owned(), config.as_bytes()));
    }
    for policy in &files.policies {
        all.push((format!("{POLICIES}{}", policy.name), policy.text.as_bytes()));
    }
    for file in &files.authorities {
        all.push((format!("ca/{}.pem", file.table), &file.pem));
    }
    let part = |(name, bytes): &(String, &[u8])| Part {
        name: name.clone(),
        bytes: bytes.len() as u64,
    };
    let manifest = Manifest {
        parts: all.iter().map(part).collect(),
        ..manifest
    };
    let manifest = serde_json::to_vec(&manifest).map_err(BackupError::Manifest)?;
    let length = u32::try_from(manifest.len()).map_err(|_long| BackupError::Content("manifest"))?;
    let size: usize = all.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(4 + manifest.len() + size));
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&manifest);
    for (_, bytes) in all {
        out.extend_from_slice(bytes);
    }
    Ok(out)
}

/// A content taken apart.
pub(super) struct Contents<'a> {
    pub(super) manifest: Manifest,
    pub(super) root_key: &'a [u8; 32],
    pub(super) vault: &'a [u8],
    pub(super) files: BackupFiles,
}

/// Takes a content of this format apart. Whoever made it had the passphrase, and is not trusted to have made
/// sense.
pub(super) fn read(content: &[u8], format: u16) -> Result<Contents<'_>, BackupError> {
    let missing = |what| move || BackupError::Content(what);
    let (length, rest) = content
        .split_first_chunk()
        .ok_or_else(missing("manifest"))?;
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let (manifest, mut rest) = rest
        .split_at_checked(length)
        .ok_or_else(missing("manifest"))?;
    let manifest: Manifest = serde_json::from_slice(manifest).map_err(BackupError::Manifest)?;
    let (mut root_key, mut vault) = (None, None);
    let mut files = BackupFiles::default();
    for Part { name, bytes } in &manifest.parts {
        let bytes = usize::try_from(*bytes).unwrap_or(usize::MAX);
        let (part, after) = rest.split_at_checked(bytes).ok_or_else(missing("part"))?;
        rest = after;
        let text = || str::from_utf8(part).map_err(|_cause| BackupError::Content("text"));
        match name.as_str() {
            ROOT_KEY if root_key.is_none() => {
                let key = part.try_into();
                root_key = Some(key.map_err(|_cause| BackupError::Content("root key"))?);
            }
            VAULT if vault.is_none() => vault = Some(part),
            CONFIG if files.config.is_none() => files.config = Some(text()?.to_owned()),
            name if format >= WITH_AUTHORITIES && name.starts_with(AUTHORITIES) => {
                let table = table_of(name).ok_or_else(missing("list of parts"))?;
                if files.authorities.iter().any(|other| other.table == table) {
                    return Err(BackupError::Content("list of parts"));
                }
                let pem = part.to_vec();
                files.authorities.push(Authorities { table, pem });
            }
            name => {
                let policy = name.strip_prefix(POLICIES).filter(|name| is_policy(name));
                let policy = policy.ok_or_else(missing("list of parts"))?;
                if files.policies.iter().any(|other| other.name == policy) {
                    return Err(BackupError::Content("list of parts"));
                }
                files.policies.push(PolicyFile {
                    name: policy.to_owned(),
                    text: text()?.to_owned(),
                });
            }
        }
    }
    if !rest.is_empty() {
        return Err(BackupError::Content("list of parts"));
    }
    Ok(Contents {
        root_key: root_key.ok_or_else(missing("root key"))?,
        vault: vault.ok_or_else(missing("vault"))?,
        files,
        manifest,
    })
}

/// The table of the configuration that a part of authorities belongs to.
fn table_of(name: &str) -> Option<&'static str> {
    let name = name.strip_prefix(AUTHORITIES)?.strip_suffix(".pem")?;
    ["github", "onepassword"]
        .into_iter()
        .find(|table| *table == name)
}

/// The name of a file that may be among the policies, and leads nowhere else.
fn is_policy(name: &str) -> bool {
    let bad = |c: char| c == '/' || c.is_control();
    name.ends_with(".toml") && !name.starts_with('.') && !name.contains(bad)
}

const ROOT_KEY: &str = "root.key";
const VAULT: &str = "vault.db";
const CONFIG: &str = "tokend.toml";
const POLICIES: &str = "policies/";
const AUTHORITIES: &str = "ca/";
/// The format from which on there are authorities.
const WITH_AUTHORITIES: u16 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            made_at: "2026-11-21T07:00:00Z".parse().unwrap(),
            tokend: "0.0.0".to_owned(),
            vault: "00112233445566778899aabbccddeeff".to_owned(),
            secrets: 1,
            versions: 2,
            log: LogAtBackup {
                log_id: "ffeeddccbbaa99887766554433221100".to_owned(),
                public_key: "AAAA".to_owned(),
                records: 3,
                head: "00".repeat(32),
            },
            parts: Vec::new(),
        }
    }

    fn policy(name: &str) -> PolicyFile {
        PolicyFile {
            name: name.to_owned(),
            text: format!("# {name}\n"),
        }
    }

    fn written(policies: &[PolicyFile]) -> Vec<u8> {
        written_with(policies, &[])
    }

    fn written_with(policies: &[PolicyFile], authorities: &[Authorities]) -> Vec<u8> {
        let files = BackupFiles {
            config: Some("# configuration\n".to_owned()),
            policies: policies.to_vec(),
            authorities: authorities.to_vec(),
        };
        let content = write(manifest(), &[9; 32], b"a database", &files);
        content.unwrap().to_vec()
    }

    fn read(content: &[u8]) -> Result<Contents<'_>, BackupError> {
        super::read(content, 2)
    }

    #[test]
    fn authorities_are_read_in_format_2_and_refused_where_there_were_none_or_by_another_name() {
        let authorities = ["github", "onepassword"].map(|table| Authorities {
            table,
            pem: table.as_bytes().to_vec(),
        });
        let content = written_with(&[policy("a.toml")], &authorities);
        assert_eq!(read(&content).unwrap().files.authorities, authorities);
        assert!(super::read(&content, 1).is_err());
        let other = Authorities {
            table: "../github",
            pem: Vec::new(),
        };
        assert!(read(&written_with(&[], &[other])).is_err());
        let twice = [authorities[0].clone(), authorities[0].clone()];
        assert!(read(&written_with(&[], &twice)).is_err());
    }

    #[test]
    fn what_was_written_is_read() {
        let content = written(&[policy("a.toml"), policy("a.cases.toml")]);
        let found = read(&content).unwrap();
        assert_eq!(found.root_key, &[9; 32]);
        assert_eq!(found.vault, b"a database");
        assert_eq!(found.files.config.as_deref(), Some("# configuration\n"));
        let names: Vec<_> = found
            .files
            .policies
            .iter()
            .map(|p| p.name.as_str())
            .collect();
        assert_eq!(names, ["a.toml", "a.cases.toml"]);
        let bare = Manifest {
            parts: Vec::new(),
            ..found.manifest
        };
        assert_eq!(bare, manifest());
    }

    #[test]
    fn a_name_that_leads_out_of_the_policies_or_comes_twice_is_refused() {
        for name in ["../x.toml", "a/b.toml", ".x.toml", "a\nb.toml", "x", ""] {
            let content = written(&[policy(name)]);
            assert!(read(&content).is_err(), "{name:?}");
        }
        assert!(read(&written(&[policy("a.toml"), policy("a.toml")])).is_err());
    }

    #[test]
    fn a_content_that_is_cut_or_goes_on_is_refused() {
        let content = written(&[policy("a.toml")]);
        for length in 0..content.len() {
            assert!(read(&content[..length]).is_err(), "{length}");
        }
        assert!(read(&[&content[..], b"x"].concat()).is_err());
    }
}

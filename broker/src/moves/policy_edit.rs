//! What has to change in a policy file before it names another source for a secret.
//!
//! The broker never writes a policy: a caller who could make it do so could allow itself anything. It names
//! the file and the value of `source`, and refuses to go on if another edit would come into force with the move.

use broker_protocol::moving::PolicyChange;
use broker_protocol::names::SecretName;
use broker_protocol::source::SourceSpec;
use broker_vault::move_state::Edited;
use toml::{Table, Value};

use super::MoveError;
use crate::moves::Moves;
use crate::policies::InForce;
use crate::policy_files::{self, PolicyFiles};
use crate::secrets::UpkeepError;

/// What is to be done before policies name another source.
pub(super) enum PolicyEdit {
    /// The file is changed, then loaded.
    Change(PolicyChange, Edited),
    /// It is changed, and nothing else is: the policies are loaded.
    Load,
    /// It is changed, and more may be: the operator reviews it and loads it.
    Review {
        /// The file and the line that declares the secret.
        at: String,
    },
}

impl Moves {
    /// What to do so that policies take this secret from `to`. `edited` describes the change that was last
    /// asked for.
    pub(super) async fn edit_towards(
        &self,
        name: &SecretName,
        to: &SourceSpec,
        edited: Option<&Edited>,
    ) -> Result<PolicyEdit, MoveError> {
        let in_force = self.policies.in_force();
        let on_disk = self.policies_on_disk().await?;
        let file = self.declaring_file(name, &in_force, &on_disk)?;
        let digests = on_disk.digests();
        let mut others = digests.keys().chain(in_force.files.keys());
        let differs = |name: &&String| digests.get(*name) != in_force.files.get(*name);
        if let Some(other) = others.find(|name| **name != file.name && differs(name)) {
            return Err(MoveError::NotInForce(other.clone()));
        }
        if in_force.files.get(file.name) == Some(&file.digest) {
            return Ok(PolicyEdit::Change(file.change(to), file.edited()));
        }
        if file.source().as_ref() != Some(to) {
            return Err(file.not_in_force());
        }
        Ok(match edited {
            Some(edited) if file.is_as_asked(edited) => PolicyEdit::Load,
            _ => PolicyEdit::Review {
                at: format!("{}:{}", file.path, file.line),
            },
        })
    }

    /// The change after which the file names `to` again, as policies in force do; `None` if it does.
    pub(super) async fn edit_back(
        &self,
        name: &SecretName,
        to: &SourceSpec,
    ) -> Result<Option<PolicyEdit>, MoveError> {
        let in_force = self.policies.in_force();
        let on_disk = self.policies_on_disk().await?;
        let file = self.declaring_file(name, &in_force, &on_disk)?;
        match file.source() {
            None => Err(file.not_in_force()),
            Some(source) if source == *to => Ok(None),
            Some(_) => {
                let change = PolicyChange {
                    changed_sha256: in_force.files.get(file.name).cloned(),
                    ..file.change(to)
                };
                Ok(Some(PolicyEdit::Change(change, file.edited())))
            }
        }
    }

    async fn policies_on_disk(&self) -> Result<PolicyFiles, MoveError> {
        let directory = self.policies.directory.clone();
        let reading = tokio::task::spawn_blocking(move || policy_files::read_live(&directory));
        reading
            .await
            .map_err(|panic| UpkeepError::Broken("the policies", panic))?
            .map_err(MoveError::Files)
    }

    fn declaring_file<'f>(
        &self,
        secret: &'f SecretName,
        in_force: &'f InForce,
        on_disk: &PolicyFiles,
    ) -> Result<DeclaringFile<'f>, MoveError> {
        let declared = in_force.set.secret(secret);
        let declared = declared.ok_or_else(|| MoveError::Undeclared(secret.clone()))?;
        let name = &*declared.place.file;
        let mut files = on_disk.policies.iter();
        let text = files.find(|file| file.name == name).map(|file| &*file.text);
        Ok(DeclaringFile {
            secret,
            name,
            path: self.policies.directory.join(name).display().to_string(),
            line: declared.place.line,
            digest: policy_files::digest(text.unwrap_or_default()),
            table: text.and_then(|text| text.parse().ok()).unwrap_or_default(),
        })
    }
}

/// The file that declares the secret, as it is on disk.
struct DeclaringFile<'f> {
    secret: &'f SecretName,
    name: &'f str,
    path: String,
    line: usize,
    digest: String,
    /// Empty if it is not TOML.
    table: Table,
}

impl DeclaringFile<'_> {
    /// What it names as the source; `None` if it does not declare the secret.
    fn source(&self) -> Option<SourceSpec> {
        let declared = self.table.get("secret")?.get(self.secret.as_str())?;
        match declared.get("source") {
            None => Some(SourceSpec::Vault),
            Some(source) => source.as_str()?.parse().ok(),
        }
    }

    fn change(&self, to: &SourceSpec) -> PolicyChange {
        PolicyChange {
            file: self.path.clone(),
            line: u64::try_from(self.line).unwrap_or(u64::MAX),
            source: to.to_string(),
            sha256: self.digest.clone(),
            changed_sha256: None,
        }
    }

    fn edited(&self) -> Edited {
        Edited {
            file: self.name.into(),
            digest: self.digest_of_the_rest().into(),
        }
    }

    /// Whether nothing but the source has changed since that change was asked for. Up to version 0.1.0 the
    /// vault held the digest of the whole text.
    fn is_as_asked(&self, edited: &Edited) -> bool {
        *edited.file == *self.name
            && (*edited.digest == *self.digest || *edited.digest == *self.digest_of_the_rest())
    }

    /// SHA-256 of all that the file means but the secret's source.
    fn digest_of_the_rest(&self) -> String {
        let mut table = self.table.clone();
        let secrets = table.get_mut("secret");
        let declared = secrets.and_then(|secrets| secrets.get_mut(self.secret.as_str()));
        if let Some(declared) = declared.and_then(Value::as_table_mut) {
            declared.remove("source");
        }
        policy_files::digest(&table.to_string())
    }

    fn not_in_force(&self) -> MoveError {
        MoveError::NotInForce(self.name.to_owned())
    }
}

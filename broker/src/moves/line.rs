//! The line of a policy file that names a secret's source, as it is on disk and as it should be.
//!
//! The broker never writes a policy: whoever could make it do so could allow itself anything. It says which
//! line becomes what, and what the file will then be, so that nothing else comes into force with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker_policy::{LineChange, SourceSpec, change_of_source, source_line};
use broker_protocol::names::SecretName;
use broker_vault::move_state::Edited;

use super::MoveError;
use crate::moves::Moves;
use crate::policy_files::{self, PolicyFiles};
use crate::secrets::UpkeepError;

/// What is to be done that policies name another place.
pub(super) enum Line {
    /// This line is to be changed; the file is then as said.
    Change(LineChange, Edited),
    /// It is changed, and nothing else: the policies are to be loaded.
    Load,
    /// It is changed, and perhaps more: a person looks and loads.
    Look(Place),
    /// It stands in a way that only a person changes.
    ByHand(Place),
}

/// Where it stands.
pub(super) struct Place {
    pub(super) file: Arc<str>,
    pub(super) line: usize,
}

impl Moves {
    /// What is to be done that the file still says `to`, as policies in force do, when they are loaded next;
    /// `None` if it does.
    pub(super) async fn line_left(
        &self,
        name: &SecretName,
        to: &SourceSpec,
    ) -> Result<Option<Line>, MoveError> {
        let in_force = self.policies.in_force();
        let declared = in_force.set.secret(name);
        let declared = declared.ok_or_else(|| MoveError::Undeclared(name.clone()))?;
        let file = &declared.place.file;
        let on_disk = self.policies_on_disk().await?;
        let text = text_of(&on_disk, file).unwrap_or_default();
        let says_so = source_line(text, name).is_some_and(|line| line.names == *to);
        if says_so {
            return Ok(None);
        }
        let loaded = in_force.files.get(&**file).map(String::as_str);
        match changed(text, name, to, file) {
            Some((change, edited)) if Some(&*edited.digest) == loaded => {
                Ok(Some(Line::Change(change, edited)))
            }
            _ => Err(MoveError::NotInForce(file.as_ref().to_owned())),
        }
    }

    async fn policies_on_disk(&self) -> Result<PolicyFiles, MoveError> {
        let directory = self.policies.directory().to_owned();
        let reading = tokio::task::spawn_blocking(move || policy_files::read_live(&directory));
        reading
            .await
            .map_err(|panic| UpkeepError::Broken("the policies", panic))?
            .map_err(MoveError::Files)
    }

    /// What is to be done that policies take this secret from `to`. `edited` is the file as it was to be
    /// after the change that was last asked for.
    pub(super) async fn line_towards(
        &self,
        name: &SecretName,
        to: &SourceSpec,
        edited: Option<&Edited>,
    ) -> Result<Line, MoveError> {
        let in_force = self.policies.in_force();
        let declared = in_force.set.secret(name);
        let declared = declared.ok_or_else(|| MoveError::Undeclared(name.clone()))?;
        let on_disk = self.policies_on_disk().await?;
        let file = Arc::clone(&declared.place.file);
        let digests = on_disk.digests();
        if let Some(other) = differing(&digests, &in_force.files, &file) {
            return Err(MoveError::NotInForce(other));
        }
        let text = text_of(&on_disk, &file).unwrap_or_default();
        let digest = digests.get(&*file).map(String::as_str);
        let place = |line| Place {
            file: Arc::clone(&file),
            line,
        };
        if digest == in_force.files.get(&*file).map(String::as_str) {
            return Ok(match changed(text, name, to, &file) {
                None => Line::ByHand(place(declared.place.line)),
                Some((change, edited)) => Line::Change(change, edited),
            });
        }
        let as_asked = |edited: &Edited| *edited.file == *file && digest == Some(&*edited.digest);
        match source_line(text, name) {
            Some(line) if line.names == *to => Ok(match edited {
                Some(edited) if as_asked(edited) => Line::Load,
                _ => Line::Look(place(line.line)),
            }),
            _ => Err(MoveError::NotInForce(file.as_ref().to_owned())),
        }
    }
}

/// The change after which this file says `to`, and what the file then is.
fn changed(
    text: &str,
    name: &SecretName,
    to: &SourceSpec,
    file: &str,
) -> Option<(LineChange, Edited)> {
    let change = change_of_source(text, name, to)?;
    let edited = Edited {
        file: file.into(),
        digest: policy_files::digest(&change.apply(text)?).into(),
    };
    Some((change, edited))
}

/// The first file but this one that is not what is in force.
fn differing(
    on_disk: &BTreeMap<String, String>,
    in_force: &BTreeMap<String, String>,
    but: &str,
) -> Option<String> {
    let mut names = on_disk.keys().chain(in_force.keys());
    names
        .find(|name| name.as_str() != but && on_disk.get(*name) != in_force.get(*name))
        .cloned()
}

fn text_of<'f>(files: &'f PolicyFiles, name: &str) -> Option<&'f str> {
    let file = files.policies.iter().find(|file| file.name == name)?;
    Some(&file.text)
}

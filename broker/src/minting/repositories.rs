//! Which repository a name means: shown, and forgotten when an operator says so.
//!
//! An App's tokens are minted for ids, and the id that a name had at the first mint is kept. So a name
//! that changes hands (a repository renamed, moved or deleted, and another one put in its place) never
//! gives a lease another owner's repository. Only an operator knows whether that other one is meant.

use broker_audit::record::GitHubEvent;
use broker_policy::Caller;
use broker_protocol::api::PinnedRepository;
use broker_protocol::names::RepoPattern;

use super::Minting;
use crate::lease_record;
use crate::secrets::UpkeepError;

impl Minting {
    /// Every name for which an id is kept, by name.
    pub(crate) fn pinned_repositories(&self) -> Vec<PinnedRepository> {
        let pinned = self.vault.pinned_repositories().into_iter();
        let parsed = pinned.filter_map(|(name, id)| {
            let repository = name.parse().ok()?;
            Some(PinnedRepository { repository, id })
        });
        parsed.collect()
    }

    /// Forgets which repository a name means: the next mint asks for it by name and keeps the id it has
    /// then. No token that was minted for the old one is shared any more. Its caller sees to it
    /// that no other is unpinned, and no backup made, meanwhile.
    ///
    /// # Errors
    ///
    /// [`UpkeepError`], also while the store is locked; the id is kept.
    pub(crate) async fn unpin_repository(
        &self,
        by: &Caller,
        repository: &RepoPattern,
    ) -> Result<PinnedRepository, UpkeepError> {
        if self.vault.is_locked() {
            return Err(UpkeepError::Locked);
        }
        let name = repository.as_str();
        let id = self.vault.repository_id(name);
        let id = id.ok_or_else(|| UpkeepError::NotPinned(repository.clone()))?;
        let event = GitHubEvent::RepositoryUnpinned {
            by: lease_record::caller(by),
            repository: name,
            id,
        };
        let announced = self.journal.record(&event).await?;
        if let Err(error) = self.vault.unpin_repository(name).await {
            let why = error.to_string();
            self.journal
                .record_or_trace(&GitHubEvent::RepositoryFailed {
                    repository: name,
                    announced,
                    why: &why,
                })
                .await;
            return Err(UpkeepError::Vault(error));
        }
        self.tokens.stop_sharing_for(repository);
        Ok(PinnedRepository {
            repository: repository.clone(),
            id,
        })
    }
}

//! Names of repositories in process.

use super::*;
use crate::app::scratch::{Scratch, caller};
use crate::secrets::UpkeepError;

#[tokio::test]
async fn a_name_is_unpinned_on_record_and_only_where_an_id_is_kept() {
    let scratch = Scratch::new("");
    let (minting, by) = (&scratch.app.minting, caller(0));
    let name: RepoPattern = "acme/site".parse().unwrap();
    let nothing = minting.unpin_repository(&by, &name).await.unwrap_err();
    assert!(matches!(nothing, UpkeepError::NotPinned(_)), "{nothing}");
    let pinned = scratch.app.vault.pin_repositories([("Acme/Site", 7)]);
    pinned.await.unwrap();
    assert_eq!(minting.pinned_repositories().len(), 1);
    scratch.app.vault.lock();
    let locked = minting.unpin_repository(&by, &name).await.unwrap_err();
    assert!(matches!(locked, UpkeepError::Locked), "{locked}");
    scratch.unlock();
    let unpinned = minting.unpin_repository(&by, &name).await.unwrap();
    assert_eq!(unpinned.id, 7);
    assert_eq!(scratch.recorded().last().unwrap(), "repository.unpinned");
    assert!(minting.pinned_repositories().is_empty());
}

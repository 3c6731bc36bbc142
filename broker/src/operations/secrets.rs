//! Stores and erases secrets. A change is recorded before it is made.

use broker_policy::Caller;
use broker_protocol::names::SecretName;

use crate::leases::issue::SECRET_REMOVED;
use crate::operations::Operations;
use crate::secrets::{SecretTurn, UpkeepError};

impl Operations {
    /// Erases every version of a secret, and revokes the leases on them.
    ///
    /// # Errors
    ///
    /// [`UpkeepError`]; nothing was erased.
    pub(crate) async fn remove_secret(
        &self,
        by: &Caller,
        name: &SecretName,
    ) -> Result<(), UpkeepError> {
        let turn = self.secrets.turn(name).await?;
        if self.vault.held(name).is_none() {
            return Err(UpkeepError::NotFound(name.clone()));
        }
        self.erase(Some(by), &turn).await
    }

    /// With the leases on it, also those taken between an unlock and this.
    pub(super) async fn erase(
        &self,
        by: Option<&Caller>,
        turn: &SecretTurn,
    ) -> Result<(), UpkeepError> {
        self.secrets.erase_value(by, turn).await?;
        let live = self.leases.list(None);
        let over = live
            .iter()
            .filter(|lease| lease.version.is_some() && lease.secret == *turn.name());
        self.leases
            .end_leases(over.map(|lease| &lease.id), by, SECRET_REMOVED)
            .await;
        Ok(())
    }
}

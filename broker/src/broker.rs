//! The broker: its parts, put together once at start.
//!
//! What it does lies in `impl` blocks by idea: [`crate::leases::issue`] hands out leases, [`crate::leases::end`]
//! ends them, [`crate::upkeep`] looks after secrets, policies and the lock.

use std::sync::Arc;

use broker_protocol::places::Places;

use crate::check::Checks;
use crate::config::Config;
use crate::github::GitHub;
use crate::journal::Journal;
use crate::leases::Leases;
use crate::mint::Minting;
use crate::moving::Moves;
use crate::policies::Policies;
use crate::principals::Limits;
use crate::rotation::Rotations;
use crate::secrets::Secrets;
use crate::source::Sources;
use crate::status::Status;
use crate::upkeep::Operations;
use crate::vault::Vault;
use crate::warn::Warnings;

/// Everything a request can reach.
pub struct Broker {
    /// The audit log and the clock.
    pub(crate) journal: Arc<Journal>,
    /// Where things lie.
    pub(crate) places: Arc<Places>,
    /// What the operator configured.
    pub(crate) config: Arc<Config>,
    /// The policies in force.
    pub(crate) policies: Arc<Policies>,
    /// The values of secrets.
    pub(crate) secrets: Arc<Secrets>,
    /// What operators do.
    pub(crate) operations: Arc<Operations>,
    /// What is shown of all of it.
    pub(crate) status: Arc<Status>,
    /// The secrets.
    pub(crate) vault: Arc<Vault>,
    /// Values that do not lie in the vault.
    pub(crate) sources: Arc<Sources>,
    /// GitHub: asked for the first time when something is wanted of it.
    pub(crate) github: Arc<GitHub>,
    /// Who holds what until when.
    pub(crate) leases: Arc<Leases>,
    /// What GitHub says of secrets.
    pub(crate) checks: Arc<Checks>,
    /// Secrets on their way to another place.
    pub(crate) moves: Arc<Moves>,
    /// Secrets that get a new value.
    pub(crate) rotations: Arc<Rotations>,
    /// What budgets at GitHub allow.
    pub(crate) limits: Arc<Limits>,
    /// Installation tokens: who holds which, and where Apps are installed.
    pub(crate) minting: Arc<Minting>,
    /// What people were warned of, and who has yet to hear.
    pub(crate) warnings: Arc<Warnings>,
}

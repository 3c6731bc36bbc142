//! The services, and how they are put together once at start.
//!
//! An app has no methods: code that needs a service gets that one. Each service lists what it needs in its
//! constructor, and all of that is below it.

#[cfg(test)]
pub(crate) mod scratch;

use std::sync::Arc;

use axum::extract::FromRef;
use broker_audit_writer::{AuditLog, LogState};
use broker_clock::Clock;
use broker_github::GitHub;
use broker_policy::Host;
use broker_protocol::paths::Paths;
use broker_secret_memory::nonblocking_stderr::NonblockingStderr;
use broker_sources::Sources;
use broker_vault::Vault;

use crate::checks::Checks;
use crate::config::Config;
use crate::forwarding::Forwarding;
use crate::journal::Journal;
use crate::leases::Leases;
use crate::limits::Limits;
use crate::minting::Minting;
use crate::moves::Moves;
use crate::operations::Operations;
use crate::policies::{Loaded, Policies};
use crate::rotations::Rotations;
use crate::secrets::Secrets;
use crate::status::{Process, Status};
use crate::warnings::Warnings;

/// Every service, each above those it needs, and what they are built on.
#[derive(Clone, FromRef)]
pub struct App {
    /// What is shown of all of it.
    pub(crate) status: Arc<Status>,
    pub(crate) operations: Arc<Operations>,
    /// Requests to GitHub under leases whose token only the broker honours.
    pub(crate) forwarding: Arc<Forwarding>,
    /// Secrets that get a new value.
    pub(crate) rotations: Arc<Rotations>,
    /// Secrets on their way to another place.
    pub(crate) moves: Arc<Moves>,
    /// What GitHub says of secrets.
    pub(crate) checks: Arc<Checks>,
    /// Who holds what until when.
    pub(crate) leases: Arc<Leases>,
    /// What budgets at GitHub allow.
    pub(crate) limits: Arc<Limits>,
    /// What operators were warned of, and who has yet to hear.
    pub(crate) warnings: Arc<Warnings>,
    /// Installation tokens: who holds which, and where Apps are installed.
    pub(crate) minting: Arc<Minting>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) policies: Arc<Policies>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) vault: Arc<Vault>,
    /// What the operator configured.
    pub(crate) config: Arc<Config>,
    pub(crate) places: Arc<Paths>,
}

/// What a start opened for them.
pub(crate) struct AppParts {
    /// The audit log, and what was found in it.
    pub(crate) log: AuditLog,
    pub(crate) audit: LogState,
    pub(crate) vault: Arc<Vault>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) policies: Loaded,
    pub(crate) host: Host,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Arc<Config>,
    pub(crate) places: Paths,
    pub(crate) traces: NonblockingStderr,
}

impl App {
    /// Puts them together, each over those it needs.
    pub(crate) fn new(opened: AppParts) -> Self {
        let AppParts {
            log,
            audit,
            vault,
            sources,
            policies,
            host,
            clock,
            config,
            places,
            traces,
        } = opened;
        let now = clock.now();
        let policies = Policies::new(places.policies.clone(), host, policies, now.wall);
        let policies = Arc::new(policies);
        let journal = Arc::new(Journal::new(log, places.audit.clone(), Arc::clone(&clock)));
        let base = || (Arc::clone(&journal), Arc::clone(&policies));
        let secrets = Arc::new(Secrets::new(
            base(),
            (Arc::clone(&vault), Arc::clone(&sources)),
            Arc::clone(&config),
        ));
        let stores = || {
            let (vault, sources) = (Arc::clone(&vault), Arc::clone(&sources));
            (Arc::clone(&secrets), vault, sources)
        };
        let (api, ca) = (config.github.api.clone(), config.github.ca.clone());
        let github = GitHub::new(api, ca, Arc::clone(&clock));
        let github = Arc::new(github);
        let minting = Minting::new(base(), stores(), Arc::clone(&github));
        let minting = Arc::new(minting);
        let warnings = Arc::new(Warnings::new(
            base(),
            (Arc::clone(&secrets), Arc::clone(&vault)),
            config.warnings.clone(),
        ));
        let limits = Arc::new(Limits::new(
            base(),
            (Arc::clone(&secrets), Arc::clone(&vault)),
            Arc::clone(&github),
            Arc::clone(&minting),
            Arc::clone(&warnings),
        ));
        let leases = Arc::new(Leases::new(
            base(),
            stores(),
            (Arc::clone(&minting), Arc::clone(&limits)),
            Arc::clone(&config),
            audit,
        ));
        let checks = Arc::new(Checks::new(
            base(),
            stores(),
            (Arc::clone(&github), Arc::clone(&limits)),
            Arc::clone(&warnings),
            Arc::clone(&config),
        ));
        let moves = Arc::new(Moves::new(base(), stores(), Arc::clone(&config)));
        let rotations = Arc::new(Rotations::new(
            base(),
            (Arc::clone(&secrets), Arc::clone(&vault)),
            (Arc::clone(&github), Arc::clone(&minting)),
            (Arc::clone(&checks), Arc::clone(&leases)),
            Arc::clone(&config),
        ));
        let places = Arc::new(places);
        let forwarding = Arc::new(Forwarding::new(
            base(),
            (Arc::clone(&secrets), Arc::clone(&github)),
            Arc::clone(&checks),
            (Arc::clone(&limits), Arc::clone(&leases)),
            (Arc::clone(&config), Arc::clone(&places)),
        ));
        let operations = Arc::new(Operations::new(
            base(),
            stores(),
            (Arc::clone(&minting), Arc::clone(&leases)),
            (Arc::clone(&config), Arc::clone(&places)),
        ));
        let process = Process {
            traces,
            started: now.wall,
        };
        let status = Arc::new(Status::new(
            base(),
            stores(),
            (
                Arc::clone(&leases),
                Arc::clone(&minting),
                Arc::clone(&limits),
            ),
            (
                Arc::clone(&warnings),
                Arc::clone(&checks),
                Arc::clone(&moves),
                Arc::clone(&rotations),
            ),
            (Arc::clone(&config), process),
        ));
        Self {
            status,
            operations,
            forwarding,
            rotations,
            moves,
            checks,
            leases,
            limits,
            warnings,
            minting,
            secrets,
            policies,
            journal,
            vault,
            config,
            places,
        }
    }
}

//! What is shown of the broker: status, secrets, purposes, figures. Never a value. It only reads.

mod figures;
mod root_key;
mod secrets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use broker_policy::Caller;
use broker_protocol::api::{self, BrokerStatus, CallerView, FallbackView, PurposeView};
use broker_protocol::names::{Delivery, Permissions, Purpose};
use broker_secret_memory::nonblocking_stderr::NonblockingStderr;
use broker_sources::Sources;
use broker_vault::Vault;
use jiff::Timestamp;

use crate::checks::Checks;
use crate::config::{Config, NamedFiles};
use crate::journal::Journal;
use crate::leases::Leases;
use crate::limits::Limits;
use crate::minting::Minting;
use crate::moves::Moves;
use crate::policies::Policies;
use crate::rotations::Rotations;
use crate::secrets::Secrets;
use crate::warnings::Warnings;

pub(crate) struct Status {
    journal: Arc<Journal>,
    policies: Arc<Policies>,
    secrets: Arc<Secrets>,
    vault: Arc<Vault>,
    sources: Arc<Sources>,
    warnings: Arc<Warnings>,
    limits: Arc<Limits>,
    leases: Arc<Leases>,
    minting: Arc<Minting>,
    checks: Arc<Checks>,
    moves: Arc<Moves>,
    rotations: Arc<Rotations>,
    config: Arc<Config>,
    process: Process,
    /// What is wrong with files that the configuration names.
    pub(crate) named_files: NamedFiles,
    /// The sockets that no caller can connect to, and why.
    socket_faults: Mutex<BTreeMap<PathBuf, String>>,
}

/// What is shown of the process itself.
pub(crate) struct Process {
    /// Where traces leave, for how many of them did not.
    pub(crate) traces: NonblockingStderr,
    pub(crate) started: Timestamp,
}

impl Status {
    pub(crate) fn new(
        (journal, policies): (Arc<Journal>, Arc<Policies>),
        (secrets, vault, sources): (Arc<Secrets>, Arc<Vault>, Arc<Sources>),
        (leases, minting, limits): (Arc<Leases>, Arc<Minting>, Arc<Limits>),
        (warnings, checks, moves, rotations): (
            Arc<Warnings>,
            Arc<Checks>,
            Arc<Moves>,
            Arc<Rotations>,
        ),
        (config, process): (Arc<Config>, Process),
    ) -> Self {
        let named_files = NamedFiles::new(config.authority_files.clone());
        Self {
            journal,
            policies,
            secrets,
            vault,
            sources,
            warnings,
            limits,
            leases,
            minting,
            checks,
            moves,
            rotations,
            config,
            process,
            named_files,
            socket_faults: Mutex::default(),
        }
    }

    /// Why the broker is of no use to new callers now; empty if it is.
    pub(crate) fn not_ready(&self) -> Vec<String> {
        let mut reasons = self.grants_nothing_because();
        reasons.extend(self.socket_faults());
        reasons
    }

    /// Why a request would not be granted now; empty if it would.
    pub(crate) fn grants_nothing_because(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.leases.gate.is_draining() {
            reasons.push("the broker is stopping".to_owned());
        }
        if self.vault.is_locked() {
            reasons.push("the store is locked; run `tokenctl unlock`".to_owned());
        }
        if let Some(why) = self.journal.fault() {
            reasons.push(format!("the audit log cannot be written: {why}"));
        }
        reasons
    }

    /// Why no caller can connect to a socket, for each where none can; connections that are open go on.
    pub(crate) fn socket_faults(&self) -> Vec<String> {
        let faults = self.socket_faults.lock();
        let faults = faults.unwrap_or_else(PoisonError::into_inner);
        faults.values().cloned().collect()
    }

    /// Notes that no caller can connect to a socket, or that they can again. `true` if that is news.
    pub(crate) fn note_socket_fault(&self, socket: &Path, fault: Option<String>) -> bool {
        let known = self.socket_faults.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        let is_lost = fault.is_some();
        let was_lost = match fault {
            Some(fault) => known.insert(socket.to_owned(), fault),
            None => known.remove(socket),
        };
        is_lost != was_lost.is_some()
    }

    /// The status as this caller may see it.
    pub(crate) fn status(&self, caller: &Caller) -> api::Status {
        let operator = self.config.is_operator(caller);
        let not_ready = self.not_ready();
        api::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            dev: self.config.is_dev(),
            locked: self.vault.is_locked(),
            ready: not_ready.is_empty(),
            not_ready: if operator { not_ready } else { Vec::new() },
            caller: caller_view(caller),
            operator,
            own_leases: self.leases.list(Some(caller.uid)).len() as u64,
            broker: operator.then(|| self.broker_status()),
        }
    }

    fn broker_status(&self) -> BrokerStatus {
        let leases = self.leases.list(None);
        let raw = leases
            .iter()
            .filter(|lease| lease.deliver == Delivery::Raw)
            .count();
        let head = self.journal.head();
        let policies = self.policies.in_force();
        let secrets = self.secrets();
        let mut warnings: Vec<String> = policies
            .set
            .warnings()
            .iter()
            .map(ToString::to_string)
            .collect();
        let now = self.journal.now().wall;
        warnings.extend(secrets.iter().flat_map(|secret| secret.warnings.clone()));
        warnings.extend(self.named_files.faults());
        warnings.extend(self.warnings.of_last_day(now));
        warnings.extend(self.rotations.rotation_warnings());
        warnings.extend(self.moves.move_warnings(now));
        warnings.extend(self.root_key_warnings(now));
        warnings.extend(self.process.traces.warning());
        BrokerStatus {
            started_at: self.process.started,
            pid: std::process::id(),
            root_key: self.vault.root_key_in_force().source.as_str().to_owned(),
            root_key_in_force: self.root_key_view(),
            live_leases: leases.len() as u64,
            raw_leases: raw as u64,
            audit_records: head.records,
            audit_head: head.hash.to_string(),
            audit_key: self.vault.log_identity().public_key,
            audit_fault: self.journal.fault(),
            purposes: policies.set.purposes().count() as u64,
            policies_loaded_at: policies.since,
            policy_fault: self.policies.fault(),
            policy_files_changed: self.policies.changed_files(),
            memory_locked: self.vault.keys_are_in_locked_memory().unwrap_or(true),
            github: self.limits.github_status(),
            secrets,
            warnings,
            warning_channels: self.warnings.channel_states(),
        }
    }

    /// The purposes this caller may know of.
    pub(crate) fn purposes(&self, caller: &Caller) -> Vec<PurposeView> {
        let policies = self.policies.in_force();
        let all = self.config.is_operator(caller);
        let git = self.config.github.api.git();
        let views = policies.set.purposes().filter_map(|purpose| {
            let rule = purpose.rule_for(caller);
            let terms = rule.map_or(&purpose.whole, |rule| &rule.terms);
            (all || rule.is_some()).then(|| PurposeView {
                purpose: purpose.purpose().clone(),
                about: purpose.about.clone(),
                secret: terms.secret.clone(),
                deliver: terms.deliver,
                fallback: terms.fallback.as_ref().map(|fallback| FallbackView {
                    secret: fallback.secret.clone(),
                    deliver: fallback.deliver,
                }),
                rule: rule.map(|rule| rule.terms.rule.as_ref().to_owned()),
                repositories: terms.repositories.to_vec(),
                organization: terms.organization.clone(),
                permissions: Permissions::clone(&terms.permissions),
                ttl_default: terms.ttl.as_secs(),
                ttl_max: terms.ttl_max.as_secs(),
                git: git.clone(),
            })
        });
        views.collect()
    }

    /// One purpose, if this caller may know of it.
    pub(crate) fn purpose(&self, caller: &Caller, name: &Purpose) -> Option<PurposeView> {
        self.purposes(caller)
            .into_iter()
            .find(|view| view.purpose == *name)
    }
}

/// The caller as the API shows it.
pub(crate) fn caller_view(caller: &Caller) -> CallerView {
    CallerView {
        uid: caller.uid,
        gid: caller.gid,
        pid: caller.pid,
        unit: caller.unit.clone(),
        user_unit: caller.user_unit.clone(),
        exe: caller.exe.clone(),
    }
}

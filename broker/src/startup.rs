//! Startup order: configuration, lock, vault, audit log, policies, sockets.
//!
//! Each step fails with a message that says what to do, and nothing is handed out before the
//! last. Hardening comes before all of this, in `main`.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use broker_audit::record::{BrokerEvent, PolicyEvent, VaultEvent};
use broker_audit_writer::{self as audit_log, AuditLog, AuditLogError};
use broker_clock::Clock;
use broker_protocol::holder::Holder;
use broker_protocol::paths::Paths;
use broker_secret_memory::nonblocking_stderr::NonblockingStderr;
use broker_sources::Sources;
use broker_sources::one_password::{Backend, Connect, OnePassword, Op};
use broker_vault::root_key::{KeyLocations, RootKeySource};
use broker_vault::{Vault, VaultError};
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Gid;

use crate::app::{App, AppParts};
use crate::config::{Config, ConfigError, OnePasswordConfig, Through};
use crate::harden::Hardened;
use crate::life;
use crate::operations::root_key_locations;
use crate::policies::{LoadError, load};
use crate::policy_files::{PolicyFilesError, refuse_exposed};
use crate::socket::{Sockets, SocketsError, refuse_same_name};

/// Why the broker did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Someone else may write the configuration.
    #[error(transparent)]
    ExposedConfig(#[from] PolicyFilesError),
    /// There is no vault yet.
    #[error("{}: there is no vault yet; run `tokenctl init`", .0.display())]
    NoVault(PathBuf),
    /// Another broker has this store.
    #[error(
        "{}: another broker has this store open{}; use that one, or stop it first",
        data.display(), which(holder.as_ref())
    )]
    StoreInUse {
        /// The store.
        data: PathBuf,
        /// Who has it, as far as that is noted.
        holder: Option<Holder>,
    },
    /// The directory of the store.
    #[error("{}: the store cannot be opened", .0.display())]
    Store(PathBuf, #[source] io::Error),
    /// The vault is refused.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The audit log is refused.
    #[error(transparent)]
    AuditLog(#[from] AuditLogError),
    /// The policies are refused.
    #[error("the policies are refused:\n{0}")]
    Policies(#[from] LoadError),
    /// The sockets could not be opened.
    #[error(transparent)]
    Sockets(#[from] SocketsError),
    /// A record could not be written as JSON: a fault of the broker's own.
    #[error("a record could not be written")]
    Record(#[from] serde_json::Error),
    /// The system refused something else.
    #[error("{what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl StartError {
    /// Says what was tried where the system refused something.
    pub(crate) fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

/// Runs the broker until it is stopped.
///
/// # Errors
///
/// [`StartError`]; nothing was served.
pub async fn run(
    places: Paths,
    clock: Arc<dyn Clock>,
    traces: NonblockingStderr,
    _hardened: &Hardened,
) -> Result<(), StartError> {
    refuse_same_name(&places)?;
    let (app, _lock) = assemble(places, clock, traces).await?;
    let sockets = Sockets::open(&app.places, &app.config.socket)?;
    life::run(app, sockets).await
}

/// Everything up to the sockets. No one else has the store open while the lock is held.
pub(crate) async fn assemble(
    places: Paths,
    clock: Arc<dyn Clock>,
    traces: NonblockingStderr,
) -> Result<(App, Flock<File>), StartError> {
    let config = configured(&places)?;
    open(places, config, clock, traces).await
}

/// The configuration that is to be in force.
pub(crate) fn configured(places: &Paths) -> Result<Config, StartError> {
    refuse_exposed(&places.config)?;
    let own_uid = nix::unistd::geteuid().as_raw();
    Ok(Config::read(&places.config, own_uid)?)
}

/// The same as [`assemble`], with a configuration that was read.
pub(crate) async fn open(
    places: Paths,
    config: Config,
    clock: Arc<dyn Clock>,
    traces: NonblockingStderr,
) -> Result<(App, Flock<File>), StartError> {
    let config = Arc::new(config);
    if !places.vault.exists() {
        return Err(StartError::NoVault(places.vault.clone()));
    }
    let lock = lock_store(&places)?;
    let sources = Arc::new(sources(&config));
    let vault = Arc::new(Vault::open(&places.vault)?);
    let from = unlock_at_start(&vault, &root_key_locations(&config, &places));

    let (log, opened) = AuditLog::open(
        audit_log::Options {
            dir: places.audit.clone(),
            read_group: config.audit_read_group.map(Gid::from_raw),
            identity: vault.log_identity(),
            noted: vault.noted_head(),
            authenticated: vault.authenticated_head(),
            ahead: config.audit_ahead,
            segment_limit: audit_log::SEGMENT_LIMIT,
        },
        Arc::clone(&clock),
    )?;

    let created = opened.created;
    vault.check_not_put_back(&opened.since_noted.secret_versions)?;

    let host = config.host(&places);
    let policies = load(&places.policies, &host)?;
    for warning in &policies.table_warnings {
        tracing::warn!(cause = %warning, "the policies differ from their decision tables");
    }
    let app = App::new(AppParts {
        log,
        audit: opened,
        vault,
        sources: Arc::clone(&sources),
        policies,
        host,
        clock,
        config,
        places,
        traces,
    });
    let set = &app.policies.in_force().set;
    sources.file.set_mounted(set.mounted_files());
    sources.load(set.sources(), &*app.secrets).await;
    // Noted at once, so that a later start reads the log's end only, and misses a log that is gone.
    app.minting.find_tokens();
    app.leases.replay_usage();
    app.leases.note_head();
    if created {
        app.vault.settle().await?;
    }
    app.secrets.recall_requests().await?;
    announce(&app, from).await?;
    app.status.named_files.look().await;
    for cause in app.status.named_files.faults() {
        tracing::error!(cause, "a file that the configuration names cannot be used");
    }
    if !app.vault.is_locked() {
        app.operations.resume().await;
    }
    Ok((app, lock))
}

/// Where values come from besides the vault.
fn sources(config: &Config) -> Sources {
    if config.is_dev() {
        return Sources::none(
            "this is `tokend --dev`: it has no value but those that it made up, in its own vault, and reads and \
             writes no other place",
        );
    }
    Sources::new(
        |name| std::env::var_os(name),
        config.source_times,
        one_password(&config.one_password),
    )
}

/// What 1Password is asked through, as configuration says.
fn one_password(config: &OnePasswordConfig) -> OnePassword {
    let backend: Box<dyn Backend> = match &config.through {
        Through::Op { program, account } => {
            Box::new(Op::new(program.clone(), account.clone(), config.wait))
        }
        Through::Connect { address, ca } => {
            Box::new(Connect::new(address.clone(), ca.clone(), config.wait))
        }
    };
    OnePassword::new(backend, config.plan)
}

fn which(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |holder| format!(" ({holder})"))
}

/// One broker a store: a second one would write its own records over the first one's.
fn lock_store(places: &Paths) -> Result<Flock<File>, StartError> {
    let data = &places.data;
    let directory = File::open(data).map_err(|error| StartError::Store(data.clone(), error))?;
    let locked = Flock::lock(directory, FlockArg::LockExclusiveNonblock);
    let locked = locked.map_err(|_taken| StartError::StoreInUse {
        data: data.clone(),
        holder: Holder::noted(data),
    })?;
    if let Err(error) = Holder::this(&places.socket).note(data) {
        tracing::debug!(cause = %error, "a second broker will not be able to name this one");
    }
    Ok(locked)
}

/// Unlocks without a human, where the root key's source allows it. A failure leaves the store locked, with
/// an error in the trace: a broker that runs can be unlocked, and its status says what is missing.
fn unlock_at_start(vault: &Vault, at: &KeyLocations) -> Option<&'static str> {
    let source = vault.root_key_in_force().source;
    if matches!(source, RootKeySource::Passphrase) {
        tracing::warn!("the store is locked; run `tokenctl unlock`");
        return None;
    }
    let unlocked = vault
        .fetch_root_key(at)
        .map_err(|error| error.to_string())
        .and_then(|key| vault.unlock(key).map_err(|error| error.to_string()));
    match unlocked {
        Ok(()) => Some(source.as_str()),
        Err(cause) => {
            tracing::error!(cause, "the store stays locked");
            None
        }
    }
}

/// The records every start leaves before anything is served.
async fn announce(app: &App, root_key: Option<&'static str>) -> Result<(), StartError> {
    let started = BrokerEvent::Started {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        uid: nix::unistd::geteuid().as_raw(),
        boot_id: app.journal.boot_id().as_str(),
    };
    app.journal.record(&started).await?;
    let loaded = PolicyEvent::Loaded {
        by: None,
        on: Some("start"),
        files: &app.policies.in_force().files,
    };
    app.journal.record(&loaded).await?;
    if let Some(root_key) = root_key {
        let unlocked = VaultEvent::Unlocked { by: None, root_key };
        app.journal.record(&unlocked).await?;
    }
    Ok(())
}

//! All services over a scratch vault and a scratch log, by a clock that a test moves. GitHub and slow
//! places are not to be asked.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use broker_audit_writer::{self as audit_log, AuditLog};
use broker_clock::{Clock as _, ManualClock};
use broker_policy::{Caller, Host, Request};
use broker_protocol::names::SecretName;
use broker_protocol::paths::Paths;
use broker_secret_memory::nonblocking_stderr::NonblockingStderr;
use broker_secret_memory::token::AccessToken;
use broker_sources::one_password::{OnePassword, Op, Plan};
use broker_sources::{CacheTimes, Sources};
use broker_vault::root_key::{RootKey, RootKeySource};
use broker_vault::{NewVault, Vault, new_id};
use tempfile::TempDir;

use super::{App, AppParts};
use crate::config::Config;
use crate::policies::load;

/// The account that the policy below allows.
pub(crate) const CALLER: u32 = 1000;

const POLICY: &str = "[secret.bot]\nkind = 'classic'\n";
const PURPOSE: &str = "purpose = 'sync'\nsecret = 'bot'\ndeliver = 'raw'\n\
                       repositories = ['acme/*']\npermissions = { issues = 'write' }\n\
                       ttl = { default = '15m', max = '1h' }\n\
                       [[allow]]\ncaller = { uid = 1000 }\n";

pub(crate) struct Scratch {
    pub(crate) app: App,
    pub(crate) clock: ManualClock,
    root: RootKey,
    directory: TempDir,
}

impl Scratch {
    /// With this configuration; unlocked, without a value.
    pub(crate) fn new(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let places = places(directory.path());
        for directory in [&places.policies, &places.data] {
            fs::create_dir(directory).unwrap();
            fs::set_permissions(directory, Permissions::from_mode(0o700)).unwrap();
        }
        for (name, text) in [("s.toml", POLICY), ("p.toml", PURPOSE)] {
            write(&places.policies.join(name), text);
        }
        let clock = ManualClock::at("2026-11-30T07:00:00Z".parse().unwrap());
        let root = RootKey::generate().unwrap();
        let id = new_id().unwrap();
        let new = NewVault {
            id: &id,
            root: &root,
            source: RootKeySource::File,
            passphrase: None,
            recovery: None,
        };
        Vault::create(&places.vault, new, clock.now().wall).unwrap();
        let app = opened(&places, &clock, config);
        app.vault.unlock(root.copy().unwrap()).unwrap();
        Self {
            app,
            clock,
            root,
            directory,
        }
    }

    /// The same store after a start, locked; what was there of it is gone first.
    pub(crate) fn started_again(self) -> Self {
        let Self {
            app,
            clock,
            root,
            directory,
        } = self;
        app.journal.close();
        drop(app);
        let app = opened(&places(directory.path()), &clock, "");
        Self {
            app,
            clock,
            root,
            directory,
        }
    }

    pub(crate) fn unlock(&self) {
        self.app.vault.unlock(self.root.copy().unwrap()).unwrap();
    }

    /// Writes a policy file, which is in force once it is loaded.
    pub(crate) fn policy(&self, name: &str, text: &str) {
        write(&places(self.directory.path()).policies.join(name), text);
    }

    pub(crate) async fn set(&self, value: &str) {
        let value = AccessToken::new(value.to_owned());
        let (by, name) = (caller(0), bot());
        let stored = self.app.secrets.set_secret(&by, &name, value, None);
        stored.await.unwrap();
    }

    /// The kinds of the records so far, oldest first.
    pub(crate) fn recorded(&self) -> Vec<String> {
        let directory = places(self.directory.path()).audit;
        let range = audit_log::read::range(&directory, 0, u64::MAX, usize::MAX).unwrap();
        let lines = String::from_utf8(range.bytes).unwrap();
        let records = lines.lines().map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            record["kind"].as_str().unwrap().to_owned()
        });
        records.collect()
    }
}

pub(crate) fn bot() -> SecretName {
    "bot".parse().unwrap()
}

pub(crate) fn caller(uid: u32) -> Arc<Caller> {
    Arc::new(Caller {
        uid,
        gid: uid,
        groups: Vec::new(),
        subordinate_of: None,
        pid: None,
        started: None,
        unit: None,
        user_unit: None,
        exe: None,
        sha256: None,
    })
}

/// This account asks for `sync`, for all that its rule gives.
pub(crate) fn request(uid: u32) -> Request {
    Request {
        caller: caller(uid),
        purpose: "sync".parse().unwrap(),
        repositories: None,
        organization: None,
        permissions: None,
        ttl: None,
    }
}

fn places(directory: &Path) -> Paths {
    let at = |name: &str| directory.join(name);
    Paths {
        config: at("tokend.toml"),
        policies: at("policies"),
        root_key: at("root.key"),
        data: at("data"),
        vault: at("data/vault.db"),
        audit: at("data/audit"),
        socket: at("tokend.sock"),
        proxy_socket: at("proxy.sock"),
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Sources that read files; no test asks a program.
fn no_sources() -> Sources {
    let op = Op::new("/nonexistent/op".into(), None, Duration::from_secs(1));
    let one_password = OnePassword::new(Box::new(op), Plan::default());
    Sources::new(|_| None, CacheTimes::default(), one_password)
}

fn opened(places: &Paths, clock: &ManualClock, config: &str) -> App {
    let config = Config::parse(config, &places.config, nix::unistd::geteuid().as_raw()).unwrap();
    let vault = Vault::open(&places.vault).unwrap();
    let options = audit_log::Options {
        dir: places.audit.clone(),
        read_group: None,
        identity: vault.log_identity(),
        noted: vault.noted_head(),
        authenticated: vault.authenticated_head(),
        ahead: true,
        segment_limit: audit_log::SEGMENT_LIMIT,
    };
    let (log, audit) = AuditLog::open(options, Arc::new(clock.clone())).unwrap();
    let host = Host::anywhere();
    App::new(AppParts {
        log,
        audit,
        vault: Arc::new(vault),
        sources: Arc::new(no_sources()),
        policies: load(&places.policies, &host).unwrap(),
        host,
        clock: Arc::new(clock.clone()),
        config: Arc::new(config),
        places: places.clone(),
        traces: NonblockingStderr::to_standard_error().unwrap(),
    })
}

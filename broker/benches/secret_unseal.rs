//! Opening one secret of a thousand, beside AES-256-GCM alone on as many bytes in the same run.
//!
//! `taskset -c 0 cargo bench -p broker --bench secret_unseal`. The record that each opening takes is
//! written before the clock runs: `audit_log` measures that.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark: it prints, takes the time, and stops at the first error"
)]

mod print;

use std::fs::{self, Permissions};
use std::hint::black_box;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use broker_audit::record::{Body, SecretEvent};
use broker_audit_writer::{AuditLog, Effect, LogIdentity, Options, Recorded, SEGMENT_LIMIT, Use};
use broker_clock::SystemClock;
use broker_protocol::names::SecretName;
use broker_secret_memory::cipher::{Cipher, NONCE, TAG};
use broker_secret_memory::token::AccessToken;
use broker_vault::root_key::{RootKey, RootKeySource};
use broker_vault::{NewValue, NewVault, ValueRole, Vault, new_id};
use futures_util::future::join_all;
use jiff::Timestamp;

use crate::print::{print_latency, timed};

const SECRETS: usize = 1000;
/// Each is opened so often.
const EACH: usize = 20;
/// As long as a classic token.
const VALUE: &str = "ghp_notATokenNotATokenNotATokenNotAToken";
/// Length of what is bound to a value and to its key, about: vault, name, hash, times.
const BOUND: usize = 180;

fn main() {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o700)).unwrap();
    let (vault, log) = filled(home.path());
    let runtime = runtime();
    let names: Vec<SecretName> = (0..SECRETS).map(name).collect();
    let (mut ours, mut value, mut both) = (Vec::new(), Vec::new(), Vec::new());
    let mut raw = Raw::new();
    for _ in 0..EACH {
        // Not in the order of the names, so that what is next is in no cache.
        let order = (0..SECRETS).map(|nth| nth * 617 % SECRETS);
        let uses = order.map(|nth| recorded(&log, &names[nth], 1));
        for usage in runtime.block_on(join_all(uses)) {
            ours.push(timed(|| drop(black_box(vault.unseal(usage).unwrap()))));
            value.push(timed(|| raw.open_value()));
            both.push(timed(|| {
                raw.open_key();
                raw.open_value();
            }));
        }
    }
    log.close();
    println!("one secret of {SECRETS}, {} bytes", VALUE.len());
    print_latency("  AES-256-GCM on the value alone", value);
    print_latency("  the same on its data key and the value", both);
    print_latency("  Vault::unseal", ours);
}

/// A vault of a thousand secrets, unlocked, and the log that belongs to it.
fn filled(home: &Path) -> (Vault, AuditLog) {
    let (path, root) = (home.join("vault.db"), RootKey::generate().unwrap());
    let id = new_id().unwrap();
    let new = NewVault {
        id: &id,
        root: &root,
        source: RootKeySource::File,
        passphrase: None,
        recovery: None,
    };
    let identity = Vault::create(&path, new, Timestamp::UNIX_EPOCH).unwrap();
    let vault = Vault::open(&path).unwrap();
    vault.unlock(root).unwrap();
    let log = open(&home.join("audit"), identity);
    runtime().block_on(async {
        for name in (0..SECRETS).map(name) {
            let now = Timestamp::UNIX_EPOCH;
            let version = vault.reserve_version(&name, now).await.unwrap();
            let usage = recorded(&log, &name, version).await;
            let value = AccessToken::new(VALUE.to_owned());
            let new = NewValue {
                value,
                expires_at: None,
            };
            let stored = vault.store(usage, new, ValueRole::InForce, now).await;
            stored.unwrap();
        }
    });
    (vault, log)
}

fn name(nth: usize) -> SecretName {
    format!("org-label-sync-{nth:04}").parse().unwrap()
}

async fn recorded(log: &AuditLog, name: &SecretName, version: u64) -> Recorded<Use> {
    let usage = Use {
        secret: name.clone(),
        version: Some(version),
    };
    let body = Body::of(&SecretEvent::Used {
        by: None,
        secret: name.as_str(),
        version: Some(version),
        what_for: "check",
        source: None,
    });
    let recorded = log.record_use(usage, body.unwrap(), Effect::Nothing);
    recorded.await.unwrap()
}

/// What the cipher takes by itself, key schedule included: each secret has a data key of its own.
struct Raw {
    key: [u8; 32],
    sealed: (Vec<u8>, [u8; TAG]),
    sealed_key: (Vec<u8>, [u8; TAG]),
    bound: Vec<u8>,
}

impl Raw {
    fn new() -> Self {
        let (key, bound) = ([7; 32], vec![b'x'; BOUND]);
        let seal = |text: &[u8]| {
            let mut sealed = text.to_vec();
            let tag = Cipher::new(&key).seal([1; NONCE], &bound, &mut sealed);
            (sealed, tag)
        };
        Self {
            sealed: seal(VALUE.as_bytes()),
            sealed_key: seal(&[9; 32]),
            key,
            bound,
        }
    }

    fn open_value(&mut self) {
        let opened = self.open(&self.sealed);
        assert_eq!(black_box(opened).len(), VALUE.len());
    }

    fn open_key(&mut self) {
        let opened = self.open(&self.sealed_key);
        assert_eq!(black_box(opened).len(), 32);
    }

    fn open(&self, (sealed, tag): &(Vec<u8>, [u8; TAG])) -> Vec<u8> {
        let mut text = sealed.clone();
        Cipher::new(&black_box(self.key))
            .open([1; NONCE], &self.bound, &mut text, *tag)
            .unwrap();
        text
    }
}

fn open(dir: &Path, identity: LogIdentity) -> AuditLog {
    let options = Options {
        dir: dir.to_owned(),
        read_group: None,
        identity,
        noted: None,
        authenticated: None,
        ahead: true,
        segment_limit: SEGMENT_LIMIT,
    };
    let clock = Arc::new(SystemClock::new().unwrap());
    AuditLog::open(options, clock).unwrap().0
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

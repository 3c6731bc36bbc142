//! Sources against real files, and against places that do as they are told.

mod cached;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use broker_protocol::source::SOURCES;

pub(crate) use self::cached::ManualContext;
use self::cached::World;
use super::*;
use crate::one_password::Plan;

pub(super) fn recorded() -> Recorded<Use> {
    broker_scratch::recorded("org-label-sync-token", None)
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Sources whose 1Password is not asked.
fn sources(lookup: fn(&str) -> Option<OsString>) -> Sources {
    let one_password = OnePassword::new(Box::new(World::default()), Plan::default());
    Sources::new(lookup, CacheTimes::default(), one_password)
}

fn now() -> Now {
    ManualContext::default().now()
}

async fn load(sources: &Sources, spec: &SourceSpec) {
    sources.load([spec], &ManualContext::default()).await;
}

fn at(path: &Path) -> SourceSpec {
    format!("file:{}", path.display()).parse().unwrap()
}

#[test]
fn every_name_in_the_table_has_its_source_and_the_other_way_round() {
    let sources = sources(|_| None);
    let named: Vec<_> = SOURCES.iter().map(|source| source.scheme).collect();
    let here: Vec<_> = sources.all.iter().map(|source| source.scheme()).collect();
    assert_eq!(here, named);
}

async fn take(sources: &Sources, source: &SourceSpec) -> Result<String, SourceError> {
    let context = ManualContext::default();
    let taken = sources.read(recorded(), source, ReadOptions::UPKEEP, &context);
    let taken = taken.await;
    taken.map(|taken| taken.value.expose().to_owned())
}

#[tokio::test]
async fn a_file_is_read_for_each_use() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("token");
    let (sources, source) = (sources(|_| None), at(&path));
    write(&path, "ghp_one\n");
    load(&sources, &source).await;
    let first = sources.hashed(&source);
    assert_eq!(first, Some(HashedToken::of(b"ghp_one")));
    assert_eq!(take(&sources, &source).await, Ok("ghp_one".to_owned()));
    write(&path, "ghp_two\n");
    assert_eq!(sources.hashed(&source), first, "nothing was read meanwhile");
    assert_eq!(take(&sources, &source).await, Ok("ghp_two".to_owned()));
    assert_eq!(sources.hashed(&source), Some(HashedToken::of(b"ghp_two")));
    assert_eq!(sources.fault(&source, now()), None);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_with_the_fix() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("token");
    let (sources, source) = (sources(|_| None), at(&path));
    let fault = |error: Result<String, SourceError>| error.unwrap_err().to_string();
    load(&sources, &source).await;
    let missing = fault(take(&sources, &source).await);
    assert!(missing.contains("token: No such file"), "{missing}");
    assert_eq!(sources.fault(&source, now()).unwrap().to_string(), missing);
    write(&path, "ghp_one\n");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let open = fault(take(&sources, &source).await);
    assert!(open.contains("run: chmod 0600 /"), "{open}");
    write(&path, "");
    let empty = fault(take(&sources, &source).await);
    assert!(
        empty.ends_with("/token is empty; put the value there, alone"),
        "{empty}"
    );
    fs::remove_file(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let fifo = fault(take(&sources, &source).await);
    assert!(
        fifo.contains("is not a file"),
        "no writer is waited for: {fifo}"
    );
}

#[tokio::test]
async fn each_source_is_asked_for_its_own() {
    let sources = sources(|name| (name == "TOKEN").then(|| "ghp_one".into()));
    let source: SourceSpec = "env:TOKEN".parse().unwrap();
    assert_eq!(sources.hashed(&source), None, "not read yet");
    load(&sources, &source).await;
    assert_eq!(take(&sources, &source).await, Ok("ghp_one".to_owned()));
    assert_eq!(sources.hashed(&source), Some(HashedToken::of(b"ghp_one")));
    let vault = take(&sources, &SourceSpec::Vault).await;
    assert_eq!(vault, Err(SourceError::NotHere));
}

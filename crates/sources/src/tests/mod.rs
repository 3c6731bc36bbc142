//! Sources against real files, and against slow places that do as they are told.

mod slow;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use self::slow::{Still, World};
use super::*;

pub(super) fn recorded() -> Recorded<Use> {
    broker_scratch::recorded("org-label-sync-token", None)
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Sources whose slow places are not to be asked.
fn sources(lookup: fn(&str) -> Option<OsString>) -> Sources {
    let world = World::default();
    Sources::new(lookup, Times::default(), Plan::default(), Box::new(world))
}

fn now() -> Now {
    Still::default().now()
}

async fn take(sources: &Sources, source: &SourceSpec) -> Result<String, SourceError> {
    let around = Still::default();
    let taken = sources.take(recorded(), source, None, &around).await;
    taken.map(|taken| taken.value.expose().to_owned())
}

#[tokio::test]
async fn a_file_is_read_anew_for_each_use() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("token");
    let (sources, source) = (sources(|_| None), SourceSpec::File(path.clone()));
    write(&path, "ghp_one\n");
    sources.look_at([&source]);
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
async fn a_file_that_will_not_do_is_named_with_its_mend() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("token");
    let (sources, source) = (sources(|_| None), SourceSpec::File(path.clone()));
    let fault = |error: Result<String, SourceError>| error.unwrap_err().to_string();
    sources.look_at([&source]);
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
        "nobody is waited for: {fifo}"
    );
}

#[tokio::test]
async fn each_source_is_asked_for_its_own() {
    let sources = sources(|name| (name == "TOKEN").then(|| "ghp_one".into()));
    let source = SourceSpec::Env("TOKEN".to_owned());
    assert!(sources.fault(&source, now()).is_some(), "not looked at yet");
    sources.look_at([&source, &SourceSpec::Vault]);
    assert_eq!(take(&sources, &source).await, Ok("ghp_one".to_owned()));
    assert_eq!(sources.hashed(&source), Some(HashedToken::of(b"ghp_one")));
    let vault = take(&sources, &SourceSpec::Vault).await;
    assert_eq!(vault, Err(SourceError::NotHere));
}

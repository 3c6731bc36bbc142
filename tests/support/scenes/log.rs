//! The audit log's files, as someone changes them who may write them.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use broker_audit::files::Extent;

use crate::scenes::leases::{ASK, live};
use crate::{AnyBroker, Home, canary, wait};

/// The last segment.
#[must_use]
pub fn last_segment(home: &Home) -> PathBuf {
    files_ending(&home.places.audit, ".jsonl").pop().unwrap()
}

/// What a segment holds, without the zero bytes that a broker may have written behind it.
#[must_use]
pub fn content(segment: &Path) -> Vec<u8> {
    let file = File::open(segment).unwrap();
    let extent = Extent::of(&file).unwrap();
    let mut bytes = Vec::new();
    file.take(extent.content).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The files of a directory whose names end so, in order.
#[must_use]
pub fn files_ending(directory: &Path, end: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(end))
        .collect();
    found.sort();
    found
}

/// Writes to the end of the log, in the place of zeros that were written ahead.
pub fn append(home: &Home, bytes: &[u8]) {
    let segment = last_segment(home);
    let end = content(&segment).len();
    let file = OpenOptions::new().write(true).open(segment).unwrap();
    file.write_all_at(bytes, end as u64).unwrap();
}

/// Leaves a file its first `size` bytes.
pub fn cut(path: &Path, size: usize) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(size as u64).unwrap();
}

/// Fails unless all these words are in the text.
#[track_caller]
pub fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not said: {text}");
    }
}

/// While the log of a broker with one live lease cannot be written, nothing is handed out and an end takes
/// effect all the same; after `fix` all is as it was.
#[track_caller]
pub fn refuses_until_fixed(broker: &impl AnyBroker, fix: impl FnOnce()) {
    let [lease] = &live(broker)[..] else {
        panic!("one live lease");
    };
    let revoked = || broker.home().records_of("lease.revoked");
    let before = revoked().len();
    let answer = broker.http("POST", "/v1/leases", ASK);
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["code"], "audit_unavailable");
    assert!(answer.json().get("token").is_none());
    assert!(!canary::is_in(&answer.body, canary::CLASSIC));
    let ready = broker.http("GET", "/readyz", "");
    assert_eq!(ready.status, 503);
    says(&ready.json()["reasons"].to_string(), &["the audit log"]);
    let status = broker.http("GET", "/v1/status", "").json();
    assert!(status["broker"]["audit_fault"].is_string());
    assert_eq!(broker.http("GET", "/healthz", "").status, 200);

    let path = format!("/v1/leases/{lease}");
    let renewed = broker.http("POST", &format!("{path}/renew"), "");
    assert_eq!(renewed.json()["code"], "audit_unavailable");
    let kept = broker.http("GET", &path, "");
    assert_eq!(kept.status, 200, "it keeps its end");
    let ended = broker.http("DELETE", &path, "");
    assert_eq!(ended.status, 200);
    assert_eq!(ended.json()["recorded"], false);
    let ended = broker.http("GET", &path, "");
    assert_eq!(ended.status, 404, "it has ended all the same");

    fix();
    wait::until(|| broker.http("GET", "/readyz", "").status == 200);
    let revoked = revoked();
    assert_eq!(revoked.len(), before + 1);
    assert_eq!(revoked[before]["lease"], lease.as_str());
    let answer = broker.http("POST", "/v1/leases", ASK);
    assert_eq!(answer.status, 201);
    let token = &answer.json()["token"];
    assert_eq!(token, canary::CLASSIC, "what was refused did not happen");
}

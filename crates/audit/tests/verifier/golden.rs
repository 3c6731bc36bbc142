//! The format, pinned by records that were computed some other way.

use broker_audit::chain::{Head, LineHash};
use broker_audit::record::{Body, BrokerEvent, Lease, LeaseEvent, LogEvent, write_line};
use broker_audit::segment;
use broker_audit::verify::verify;
use sha2::{Digest as _, Sha256};

const VECTOR: &str = include_str!("../../../../tests/vectors/audit-chain-v1.txt");
const DOCUMENT: &str = include_str!("../../../../docs/audit-format.md");

/// The records of the vector, and the hash of each.
fn vector() -> Vec<(&'static str, &'static str)> {
    let lines = VECTOR.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.map(|line| line.split_once('\t').expect("record, tab, hash"));
    pairs.collect()
}

/// If this fails, the encoding has changed and every log in the field would stop verifying: give
/// the new encoding a new version and a new vector, and keep this one.
#[test]
fn v1_chain_matches_the_published_vector() {
    for (record, want) in vector() {
        assert_eq!(
            LineHash::of(record.as_bytes()).to_string(),
            want,
            "of record {record}"
        );
    }
    let log: String = vector()
        .iter()
        .map(|(record, _)| format!("{record}\n"))
        .collect();
    let report = verify([(&*segment::name(0), log.as_bytes())]).unwrap();
    assert_eq!(
        (report.records(), &*report.head.hash.to_string()),
        (3, vector()[2].1)
    );
}

/// The same for what is written: bytes, order of fields, digits of a second. If this fails, records
/// written from now on would look different from those that the document describes.
#[test]
fn v1_records_are_written_as_in_the_published_vector() {
    let opened = LogEvent::Opened {
        log_id: "0123456789abcdef0123456789abcdef",
        public_key: "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        format: "tokend-audit-v1",
    };
    let stopped = BrokerEvent::Stopped { why: "SIGTERM" };
    let (text, mac) = Body::split_mac(body(vector()[2].0)).expect("a MAC at its end");
    let text = format!("{{{text}");
    let lease: Lease<'_> = serde_json::from_str(&text).unwrap();
    let bodies = [
        ("2026-11-21T07:00:00Z", Body::of(&opened).unwrap()),
        (
            "2026-11-21T07:00:00.123456789Z",
            Body::of(&stopped).unwrap(),
        ),
        (
            "2026-11-21T07:00:01Z",
            Body::of(&LeaseEvent::Granted(lease))
                .unwrap()
                .with_mac(&mac),
        ),
    ];
    let mut head = Head::EMPTY;
    for ((time, body), (record, hash)) in bodies.iter().zip(vector()) {
        let mut line = Vec::new();
        head = write_line(&mut line, head, time.parse().unwrap(), body);
        assert_eq!(String::from_utf8(line).unwrap(), format!("{record}\n"));
        assert_eq!(head.hash.to_string(), hash);
    }
}

#[test]
fn the_mac_covers_the_log_and_the_body_without_itself() {
    let (covered, mac) = Body::split_mac(body(vector()[2].0)).expect("a MAC at its end");
    let log_id = "0123456789abcdef0123456789abcdef";
    let message = format!("tokend lease v1\0{log_id}\0{covered}");
    let key: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
    assert_eq!(hmac(&key, message.as_bytes()), mac);
}

#[test]
fn the_format_document_spells_out_the_first_two_records_of_the_vector() {
    for (record, hash) in &vector()[..2] {
        assert!(DOCUMENT.contains(&format!("\n{record}\n")), "{record}");
        assert!(DOCUMENT.contains(hash), "{hash}");
    }
}

#[test]
fn the_format_document_names_every_kind_a_broker_writes() {
    let nouns = concat!(env!("CARGO_MANIFEST_DIR"), "/src/record/event");
    let mut kinds = 0;
    for noun in std::fs::read_dir(nouns).unwrap() {
        let source = std::fs::read_to_string(noun.unwrap().path()).unwrap();
        for rest in source.split("#[serde(rename = \"").skip(1) {
            let (kind, _) = rest.split_once('"').unwrap();
            assert!(DOCUMENT.contains(&format!("`{kind}`")), "{kind} is missing");
            kinds += 1;
        }
    }
    assert_eq!(kinds, 60, "the source is no longer read right");
}

/// A record from its `"kind"` on.
fn body(record: &str) -> &str {
    &record[record.find("\"kind\"").expect("a kind")..]
}

/// RFC 2104, written out so that the vector is not checked by the crate the broker uses.
fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let keyed = |pad: u8, message: &[u8]| {
        let mut block = [pad; 64];
        block
            .iter_mut()
            .zip(key)
            .for_each(|(byte, key)| *byte ^= key);
        let mut hash = Sha256::new();
        hash.update(block);
        hash.update(message);
        hash.finalize()
    };
    keyed(0x5c, &keyed(0x36, message)).into()
}

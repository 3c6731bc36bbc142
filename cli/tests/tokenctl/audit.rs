//! `audit`: verifying needs nothing but files, and reading gives the very bytes.

use std::path::{Path, PathBuf};

use broker_audit::chain::Head;
use broker_audit::record::{Body, BrokerEvent, write_line};
use broker_audit::segment;

use crate::fake_broker::{FakeBroker, err, out};

/// A log of five records in two segments, in the broker's own place.
fn log(broker: &FakeBroker) -> (PathBuf, Head, Vec<u8>) {
    let dir = broker.home.path().join("audit");
    std::fs::create_dir(&dir).unwrap();
    let (mut head, mut all) = (Head::EMPTY, Vec::new());
    for lines in [3, 2] {
        let mut bytes = Vec::new();
        let name = segment::name(head.records);
        for _ in 0..lines {
            let why = format!("stop {}", head.records);
            let body = Body::of(&BrokerEvent::Stopped { why: &why }).unwrap();
            let time = format!("2026-11-21T07:00:0{}Z", head.records);
            head = write_line(&mut bytes, head, time.parse().unwrap(), &body);
        }
        std::fs::write(dir.join(name), &bytes).unwrap();
        all.extend(bytes);
    }
    (dir, head, all)
}

fn no_broker() -> FakeBroker {
    FakeBroker::answering(|_| (500, String::new()))
}

fn verify(broker: &FakeBroker, paths: &[&Path]) -> std::process::Output {
    let mut args = vec!["audit", "verify"];
    args.extend(paths.iter().map(|path| path.to_str().unwrap()));
    broker.run(&args)
}

#[test]
fn a_whole_log_verifies_without_a_broker() {
    let broker = no_broker();
    let (dir, head, _) = log(&broker);
    let want = format!("5 records, head {}, not anchored\n", head.hash);
    for paths in [&[][..], &[&*dir]] {
        let got = verify(&broker, paths);
        assert_eq!(out(&got), want);
        assert!(err(&got).contains("note: not anchored: "), "{}", err(&got));
        assert!(got.status.success());
    }
    let json = broker.run(&["audit", "verify", "--json"]);
    let json: serde_json::Value = serde_json::from_str(out(&json)).unwrap();
    assert_eq!(json["head"], head.hash.to_string());
    assert!(broker.seen().is_empty());
}

#[test]
fn a_changed_byte_is_exit_code_8_and_names_segment_and_record() {
    let broker = no_broker();
    let (dir, ..) = log(&broker);
    let first = dir.join(segment::name(0));
    let text = std::fs::read_to_string(&first).unwrap();
    std::fs::write(&first, text.replace("stop 1", "stop 7")).unwrap();
    let got = verify(&broker, &[&dir]);
    assert_eq!((got.status.code(), out(&got)), (Some(8), ""));
    let place = format!("segment {}, record 1", segment::name(0));
    assert!(err(&got).contains(&place), "{}", err(&got));
}

#[test]
fn zeros_written_ahead_of_the_next_record_are_neither_verified_nor_printed() {
    let broker = no_broker();
    let (dir, head, all) = log(&broker);
    let last = std::fs::OpenOptions::new()
        .append(true)
        .open(dir.join(segment::name(3)))
        .unwrap();
    let end = last.metadata().unwrap().len();
    last.set_len(end + (1 << 20)).unwrap();
    let want = format!("5 records, head {}, not anchored\n", head.hash);
    for paths in [&[][..], &[&*dir]] {
        let got = verify(&broker, paths);
        assert_eq!(out(&got), want);
        assert_eq!(err(&got).lines().count(), 1, "{}", err(&got));
    }
    let dir = dir.to_str().unwrap();
    let export = broker.run(&["audit", "export", "--dir", dir]);
    assert_eq!(export.stdout, all);
    let tail = broker.run(&["audit", "tail", "-n", "1", "--dir", dir, "--json"]);
    assert!(all.ends_with(&tail.stdout) && !tail.stdout.is_empty());
}

#[test]
fn a_log_that_is_gone_does_not_verify() {
    let broker = no_broker();
    std::fs::create_dir(broker.home.path().join("audit")).unwrap();
    assert_eq!(verify(&broker, &[]).status.code(), Some(8));
}

#[test]
fn records_are_read_from_files_byte_for_byte() {
    let broker = no_broker();
    let (dir, _, all) = log(&broker);
    let dir = dir.to_str().unwrap();
    let export = broker.run(&["audit", "export", "--dir", dir]);
    assert_eq!(export.stdout, all);
    let tail = broker.run(&["audit", "tail", "-n", "2", "--dir", dir]);
    let lines: Vec<&str> = out(&tail).lines().collect();
    assert_eq!(
        lines,
        [
            "     3  2026-11-21T07:00:03Z  broker.stopped    why=\"stop 3\"",
            "     4  2026-11-21T07:00:04Z  broker.stopped    why=\"stop 4\"",
        ]
    );
    let last = broker.run(&["audit", "search", "--limit", "2", "--dir", dir]);
    assert_eq!(last.stdout, tail.stdout);
    let since = ["--since", "2026-11-21T07:00:04Z", "--kind", "broker"];
    let search = ["audit", "search", "--dir", dir, "--json"];
    let found = broker.run(&[&search[..], &since[..]].concat());
    assert_eq!(out(&found).lines().count(), 1);
}

#[test]
fn records_are_asked_of_the_broker_page_by_page_up_to_the_end_there_was() {
    // Reading is itself recorded, so the log grows under the reader.
    let broker = FakeBroker::answering(|seen| {
        let Some(query) = seen.line.strip_prefix("GET /v1/audit/records?") else {
            let head = serde_json::json!({
                "records": 1500, "head": "00", "key": "KEY", "directory": "/d"
            });
            return (200, head.to_string());
        };
        let number = |name: &str| -> u64 {
            let value = query.split('&').find_map(|part| part.strip_prefix(name));
            value.unwrap().parse().unwrap()
        };
        let from = number("from=");
        let lines = (from..from + number("limit=")).map(|seq| format!("{{\"seq\":{seq}}}\n"));
        (200, lines.collect())
    });
    let export = broker.run(&["audit", "export", "--from", "2"]);
    let lines: Vec<&str> = out(&export).lines().collect();
    assert_eq!(lines.len(), 1498);
    assert_eq!((lines[0], lines[1497]), ("{\"seq\":2}", "{\"seq\":1499}"));
    assert_eq!(out(&broker.run(&["audit", "key"])), "KEY\n");
}

/// A broker with a log of one refusal, by root, whose reason tries to be another line.
fn broker_with_a_refusal() -> FakeBroker {
    FakeBroker::answering(|seen| {
        if seen.line.starts_with("GET /v1/audit/head") {
            let head = serde_json::json!({
                "records": 1, "head": "00", "key": "KEY", "directory": "/d"
            });
            return (200, head.to_string());
        }
        let record = serde_json::json!({
            "seq": 0, "time": "2026-11-21T07:00:00.000000Z", "kind": "lease.denied",
            "caller": {"uid": 0, "gid": 0}, "purpose": "p", "reason": "\u{202e}ylthgin\n\u{200b}"
        });
        (200, format!("{record}\n"))
    })
}

#[test]
fn accounts_have_names_and_text_that_a_caller_chose_cannot_change_its_order() {
    let broker = broker_with_a_refusal();
    let line = "     0  2026-11-21T07:00:00Z  lease.denied      caller=root  purpose=p  \
                reason=\"\\u{202e}ylthgin\\n\\u{200b}\"\n";
    for command in [&["tail"][..], &["search"], &["search", "--caller", "root"]] {
        let shown = broker.run(&[&["audit"], command].concat());
        assert_eq!((out(&shown), err(&shown)), (line, ""), "{command:?}");
    }
    let json = broker.run(&["audit", "tail", "--json"]);
    let json: serde_json::Value = serde_json::from_str(out(&json)).unwrap();
    assert_eq!(json["caller"]["uid"], 0);
}

#[test]
fn a_search_for_what_cannot_be_there_is_an_error() {
    let broker = broker_with_a_refusal();
    for (option, value, why) in [
        ("--kind", "lease.grant", "close to it: `lease.granted`"),
        (
            "--caller",
            "no-such-account",
            "there is no account `no-such-account` on this machine",
        ),
        ("--since", "yesterday", "how long ago (`1h`)"),
    ] {
        let refused = broker.run(&["audit", "search", option, value]);
        assert_eq!(refused.status.code(), Some(2), "{option}");
        assert!(err(&refused).contains(why), "{}", err(&refused));
    }
    assert!(broker.seen().is_empty());
}

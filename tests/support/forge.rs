//! Records and rows as someone would write them who has the files and not the vault's key.

use broker_audit::chain::{Head, LineHash};
use broker_audit::record::{Body, Issued, Lease, LeaseEvent, SecretEvent, write_line};

use rusqlite::Connection;

use crate::Home;

/// A well-chained `lease.granted` for the end of this log, and its lease: the last genuine grant
/// with another id and the genuine MAC.
pub fn forged_grant(home: &Home) -> (Vec<u8>, String) {
    let records = home.records();
    let genuine = last_grant(&records);
    let forged: String = "f0".repeat(16);
    let mut lease: Lease<'_> = serde_json::from_str(genuine).unwrap();
    lease.lease = forged.as_str().into();
    let (_, mac) = Body::split_mac(genuine).unwrap();
    let body = Body::of(&LeaseEvent::Granted(lease)).unwrap();
    (chained(&records, &body.with_mac(&mac)), forged)
}

/// The last genuine grant again, MAC and all, for the end of this log.
pub fn repeated_grant(home: &Home) -> Vec<u8> {
    let records = home.records();
    let genuine = last_grant(&records);
    let lease: Lease<'_> = serde_json::from_str(genuine).unwrap();
    let (_, mac) = Body::split_mac(genuine).unwrap();
    let body = Body::of(&LeaseEvent::Granted(lease)).unwrap();
    chained(&records, &body.with_mac(&mac))
}

/// A well-chained `lease.issued` for the last granted lease that names this token, for the end of this
/// log: with that lease's own genuine MAC, or none.
pub fn forged_issue(home: &Home, hashed: &str, mac: Mac) -> Vec<u8> {
    let records = home.records();
    let genuine = last_grant(&records);
    let lease: Lease<'_> = serde_json::from_str(genuine).unwrap();
    let issued = Issued {
        lease: lease.lease,
        hashed_token: hashed.into(),
        hashed_credential: hashed.into(),
        installation: Some(4711),
        expires_at: None,
        stale_since: None,
    };
    let body = Body::of(&LeaseEvent::Issued(issued)).unwrap();
    let body = match mac {
        Mac::OfTheGrant => body.with_mac(&Body::split_mac(genuine).unwrap().1),
        Mac::Absent => body,
    };
    chained(&records, &body)
}

/// A well-chained `lease.expired` of this lease, for the end of this log.
pub fn forged_end(home: &Home, lease: &str) -> Vec<u8> {
    let body = Body::of(&LeaseEvent::Expired {
        lease,
        purpose: "label-sync",
        secret: "org-label-sync-token",
        why: "made up",
    });
    chained(&home.records(), &body.unwrap())
}

/// A well-chained `secret.removed` without a MAC, for the end of this log.
pub fn forged_removal(home: &Home, secret: &str) -> Vec<u8> {
    let body = Body::of(&SecretEvent::Removed {
        by: None,
        secret,
        version: 99,
    });
    chained(&home.records(), &body.unwrap())
}

/// The last genuine record of this kind again, MAC and all, for the end of this log.
pub fn repeated(home: &Home, kind: &str) -> Vec<u8> {
    let records = home.records();
    let of_kind = format!(r#""kind":"{kind}""#);
    let genuine = records.iter().rev().find(|line| line.contains(&of_kind));
    let genuine = genuine.unwrap();
    let (_, body) = genuine.split_at(genuine.find(r#""kind":"#).unwrap());
    let last = records.last().unwrap();
    let seq = records.len();
    let prev = LineHash::of(last.as_bytes());
    format!(
        "{{\"v\":1,\"seq\":{seq},\"time\":\"2026-11-21T07:00:00.000000Z\",\"prev\":\"{prev}\",{body}\n"
    )
    .into_bytes()
}

/// What a forged record has in place of its MAC.
#[derive(Debug, Clone, Copy)]
pub enum Mac {
    /// The MAC of the last grant.
    OfTheGrant,
    /// None.
    Absent,
}

fn last_grant(records: &[String]) -> &str {
    let is_grant = |line: &&String| line.contains(r#""kind":"lease.granted""#);
    records.iter().rev().find(is_grant).unwrap()
}

fn chained(records: &[String], body: &Body) -> Vec<u8> {
    let head = Head {
        records: records.len() as u64,
        hash: LineHash::of(records.last().unwrap().as_bytes()),
    };
    let time = "2026-11-21T07:00:00Z".parse().unwrap();
    let mut line = Vec::new();
    write_line(&mut line, head, time, body);
    line
}

/// Runs SQL on the vault of a stopped broker. In it, `RECORDS` and `HASH` are how many records these are, and
/// the hash of the last.
pub fn edit_vault(home: &Home, sql: &str, records: &[String]) {
    let head = LineHash::of(records.last().unwrap().as_bytes());
    let sql = sql
        .replace("RECORDS", &records.len().to_string())
        .replace("HASH", &format!("x'{head}'"));
    let vault = Connection::open(&home.places.vault).unwrap();
    vault.execute_batch(&sql).unwrap();
}

//! `/v1/audit`: the log's bytes for operators who may not read its files. Reading is recorded.
//!
//! The bytes are returned as they are, so that an auditor who verifies them need not trust the broker.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::Response;
use broker_audit::record::LogEvent;
use broker_protocol::api::{AuditHead, AuditRange, MAX_PAGE};
use broker_protocol::error::{ErrorCode, Problem};
use broker_protocol::paths::Paths;
use broker_vault::Vault;

use super::error::Refusal;
use super::extract::{Operator, Query};
use crate::app::App;
use crate::journal::Journal;
use crate::lease_record;
use axum::response::IntoResponse as _;
use axum::routing::get;
use axum::{Json, Router};

/// The most records in one answer, if they are short: an answer has at most [`MAX_PAGE`] bytes, or one
/// record.
const MAX_RECORDS: u64 = 1000;
/// The longest wait for a first record, in seconds.
const MAX_WAIT: u64 = 30;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/audit/head", get(audit_head))
        .route("/v1/audit/records", get(audit_records))
}

/// Shows the head of the audit log.
///
/// # Answers
///
/// - 200: number of records, and the hash of the last
async fn audit_head(
    State(journal): State<Arc<Journal>>,
    State(vault): State<Arc<Vault>>,
    State(places): State<Arc<Paths>>,
    _operator: Operator,
) -> Json<AuditHead> {
    let head = journal.head();
    Json(AuditHead {
        records: head.records,
        head: head.hash.to_string(),
        key: vault.log_identity().public_key,
        directory: places.audit.display().to_string(),
    })
}

/// Reads the audit log.
///
/// The records themselves, byte for byte, one a line. A reading is recorded as `audit.read` when it
/// begins; calls that continue it belong to it.
///
/// # Answers
///
/// - 200 `application/jsonl`: records; empty if there are none there yet
/// - 500 `Internal`, 503 `NotRecorded`
async fn audit_records(
    State(journal): State<Arc<Journal>>,
    Operator(by): Operator,
    Query(range): Query<AuditRange>,
) -> Result<Response, Refusal> {
    let limit = range.limit.unwrap_or(MAX_RECORDS).min(MAX_RECORDS);
    let from = range.from;
    let from = from.unwrap_or_else(|| journal.head().records.saturating_sub(limit));
    let mut following = journal.subscribe(from);
    let wait = Duration::from_secs(range.wait.unwrap_or(0).min(MAX_WAIT));
    if tokio::time::timeout(wait, following.more()).await.is_err() {
        tracing::trace!("nothing new in the audit log");
    }
    // Without the record of this reading.
    let count = following.behind().min(limit);
    if count == 0 {
        return Ok(jsonl(Vec::new()));
    }
    if journal.readers.begins(by.uid, from) {
        let event = LogEvent::Read {
            by: lease_record::caller(&by),
            from,
        };
        journal.record(&event).await.map_err(|error| {
            Problem::new(
                ErrorCode::AuditUnavailable,
                "reading the audit log could not be recorded",
            )
            .with_hint(error.to_string())
        })?;
    }
    let read = following.read(count, MAX_PAGE).await;
    let range = read.map_err(|error| Problem::new(ErrorCode::Internal, error.to_string()))?;
    journal.readers.has_read(by.uid, from + range.records);
    Ok(jsonl(range.bytes))
}

fn jsonl(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/jsonl")], bytes).into_response()
}

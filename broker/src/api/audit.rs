//! `/v1/audit`: the log's bytes for operators who may not read its files. Reading is recorded.
//!
//! The broker hands the bytes over as they are: whoever verifies them need not trust it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::Response;
use broker_audit::record::Event;
use broker_protocol::api::{AuditHead, AuditRange, MAX_PAGE};
use broker_protocol::error::{ErrorCode, Problem};
use broker_protocol::places::Places;
use broker_vault::Vault;

use super::error::Refusal;
use super::extract::Operator;
use crate::journal::Journal;
use crate::lease_record;
use axum::response::IntoResponse as _;

/// The most records in one answer, if they are short: an answer has at most [`MAX_PAGE`] bytes, or one
/// record.
const MAX_RECORDS: u64 = 1000;
/// The longest wait for a first record, in seconds.
const MAX_WAIT: u64 = 30;

pub(super) async fn head(
    State(journal): State<Arc<Journal>>,
    State(vault): State<Arc<Vault>>,
    State(places): State<Arc<Places>>,
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

pub(super) async fn records(
    State(journal): State<Arc<Journal>>,
    Operator(by): Operator,
    range: Result<Query<AuditRange>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(range) = range
        .map_err(|error| Refusal::from(Problem::new(ErrorCode::BadRequest, error.body_text())))?;
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
    if journal.readers().begins(by.uid, from) {
        let event = Event::AuditRead {
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
    journal.readers().has_read(by.uid, from + range.records);
    Ok(jsonl(range.bytes))
}

fn jsonl(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/jsonl")], bytes).into_response()
}

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

use super::error::Refusal;
use super::extract::Operator;
use crate::audit_log::read;
use crate::journal::Journal;
use crate::lease_record;
use crate::vault::Vault;
use axum::response::IntoResponse as _;

/// The most records in one answer, if they are short: an answer has at most [`MAX_PAGE`] bytes, or one
/// record.
const MAX_RECORDS: u64 = 1000;
/// How often `tail -f` looks; the log's writer has nobody to tell, which keeps it fast.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
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
    State(places): State<Arc<Places>>,
    Operator(by): Operator,
    range: Result<Query<AuditRange>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(range) = range
        .map_err(|error| Refusal::from(Problem::new(ErrorCode::BadRequest, error.body_text())))?;
    let limit = range.limit.unwrap_or(MAX_RECORDS).min(MAX_RECORDS);
    let mut records = journal.head().records;
    let from = range.from.unwrap_or_else(|| records.saturating_sub(limit));
    if from >= records {
        let wait = Duration::from_secs(range.wait.unwrap_or(0).min(MAX_WAIT));
        records = records_beyond(&journal, from, wait).await;
    }
    let count = records.saturating_sub(from).min(limit);
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
    let directory = places.audit.clone();
    let read = move || read::range(&directory, from, count, MAX_PAGE);
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(range)) => {
            journal.readers().has_read(by.uid, from + range.records);
            Ok(jsonl(range.bytes))
        }
        Ok(Err(error)) => Err(Problem::new(ErrorCode::Internal, error.to_string()).into()),
        Err(error) => Err(Problem::new(ErrorCode::Internal, error.to_string()).into()),
    }
}

/// Waits until the log holds more than `from` records, but no longer than `wait`.
async fn records_beyond(journal: &Journal, from: u64, wait: Duration) -> u64 {
    let grown = async {
        let mut look = tokio::time::interval(LOOK_AGAIN);
        while journal.head().records <= from {
            look.tick().await;
        }
    };
    if tokio::time::timeout(wait, grown).await.is_err() {
        tracing::trace!("nothing new in the audit log");
    }
    journal.head().records
}

fn jsonl(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/jsonl")], bytes).into_response()
}

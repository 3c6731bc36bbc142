//! The outcome of a request that was passed on: counted while it streams, recorded when it is over, however
//! it ends.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use broker_audit::record::{GraphqlRequest, ProxyEvent};
use broker_github::{AnswerBody, AnswerCut, Method, RequestBody};
use broker_policy::reach::graphql::Kind;
use broker_protocol::names::LeaseId;
use futures_util::{Stream, StreamExt as _};
use reqwest::header::{CONTENT_LENGTH, HeaderMap};

use super::ProxyRequest;
use super::decide::Passage;
use super::graphql::Graphql;
use crate::journal::Journal;
use crate::lease::Lease;
use crate::leases::proxied::UnderWay;

/// Why a request is cut off whose lease ended meanwhile.
pub(super) const LEASE_OVER: &str = "the lease ended";
/// The longest record of an outcome, but for its method and path: what is paid for before.
const LONGEST: usize = 400;
/// The longest text of why there is no answer, in characters.
const LONGEST_WHY: usize = 160;

/// What the records say of a request that is passed on.
pub(super) struct ForwardedRequest {
    lease: LeaseId,
    method: Method,
    path: Box<str>,
    /// Whether it goes on without a credential.
    public: bool,
    graphql: Option<Graphql>,
}

impl ForwardedRequest {
    /// Takes out of `passage` what only records say.
    pub(super) fn new(lease: &Lease, request: &ProxyRequest, passage: &mut Passage) -> Self {
        let (public, graphql) = match passage {
            Passage::Public { .. } => (true, None),
            Passage::Lease { graphql, .. } => (false, graphql.take()),
        };
        Self {
            lease: lease.id.clone(),
            method: request.method.clone(),
            path: request.path.clone(),
            public,
            graphql,
        }
    }

    /// Whether it changes nothing at GitHub.
    pub(super) fn is_read(&self) -> bool {
        match &self.graphql {
            Some(graphql) => graphql.kind == Kind::Query,
            None => matches!(self.method, Method::GET | Method::HEAD),
        }
    }

    fn graphql(&self) -> Option<GraphqlRequest<'_>> {
        let holding = &self.graphql.as_ref()?.holding;
        Some(GraphqlRequest {
            fields: &holding.fields,
            touches: &holding.touches,
        })
    }

    /// The record before it is.
    pub(super) fn announced(&self) -> ProxyEvent<'_> {
        ProxyEvent::Request {
            lease: self.lease.as_str(),
            method: self.method.as_str(),
            path: &self.path,
            public: self.public,
            graphql: self.graphql(),
        }
    }

    /// What the record of its outcome takes of the log at the most, in bytes.
    pub(super) fn longest_outcome(&self) -> usize {
        let names = self.graphql.iter();
        let names = names.flat_map(|graphql| {
            graphql
                .holding
                .fields
                .iter()
                .chain(&graphql.holding.touches)
        });
        // In quotes, with a comma.
        let names: usize = names.map(|name| name.len() + 3).sum();
        // In JSON, each byte of a path may become two.
        LONGEST + self.method.as_str().len() + 2 * self.path.len() + names
    }
}

/// Recorded when it is dropped.
pub(super) struct Outcome {
    journal: Arc<Journal>,
    forwarded: ForwardedRequest,
    /// The number of its `proxy.request`, where it has one.
    request: Option<u64>,
    pub(super) status: Option<u16>,
    sent: Arc<AtomicU64>,
    received: u64,
    why: Option<String>,
    /// Has its lease renewed for as long as this lasts.
    pub(super) under_way: Option<UnderWay>,
}

impl Outcome {
    /// `request` is the number of its `proxy.request`, where it has one.
    pub(super) fn new(
        journal: Arc<Journal>,
        forwarded: ForwardedRequest,
        request: Option<u64>,
    ) -> Self {
        Self {
            journal,
            forwarded,
            request,
            status: None,
            sent: Arc::default(),
            received: 0,
            why: None,
            under_way: None,
        }
    }

    pub(super) fn is_read(&self) -> bool {
        self.forwarded.is_read()
    }

    /// There was no answer, for this reason.
    pub(super) fn failed(&mut self, why: &impl Display) {
        self.why = Some(why.to_string().chars().take(LONGEST_WHY).collect());
    }

    /// The body of the request, counted as it is passed on.
    pub(super) fn counting(&self, body: Body, length: Option<u64>) -> RequestBody {
        let sent = Arc::clone(&self.sent);
        // Of the last try.
        sent.store(0, Ordering::Relaxed);
        let pieces = body.into_data_stream().map(move |piece| {
            let piece = piece?;
            sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
            Ok(piece)
        });
        RequestBody {
            pieces: pieces.boxed(),
            length,
        }
    }

    /// The body of the answer with this head, counted as it is passed on; it is cut off when the lease is over.
    pub(super) fn passing<O: Future<Output = ()> + Send + 'static>(
        self,
        headers: &HeaderMap,
        answer: AnswerBody,
        over: Pin<Box<O>>,
    ) -> Body {
        Body::from_stream(Passing {
            answer,
            over,
            length: self.length(headers),
            outcome: self,
            is_over: false,
        })
    }

    /// How long the body of the answer with this head is, where that is said.
    fn length(&self, headers: &HeaderMap) -> Option<u64> {
        if self.forwarded.method == Method::HEAD || matches!(self.status, Some(204 | 304)) {
            return Some(0);
        }
        headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        if self.status.is_none() && self.why.is_none() {
            self.failed(&"the caller did not wait for an answer");
        }
        let event = ProxyEvent::Response {
            lease: self.forwarded.lease.as_str(),
            request: self.request,
            method: self.forwarded.method.as_str(),
            path: &self.forwarded.path,
            public: self.forwarded.public,
            graphql: self.forwarded.graphql(),
            status: self.status,
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received,
            why: self.why.as_deref().map(Into::into),
        };
        self.journal.note(&event);
    }
}

/// An answer that is being passed on.
struct Passing<O> {
    answer: AnswerBody,
    over: Pin<Box<O>>,
    /// How many bytes there are. Once the caller has them, no one asks whether there are more.
    length: Option<u64>,
    outcome: Outcome,
    is_over: bool,
}

/// Why an answer is cut off.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("{LEASE_OVER}")]
    LeaseOver,
    #[error(transparent)]
    Answer(#[from] AnswerCut),
}

impl<O: Future<Output = ()>> Stream for Passing<O> {
    type Item = Result<Bytes, Cut>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        let piece = if this.over.as_mut().poll(cx).is_ready() {
            Some(Err(Cut::LeaseOver))
        } else {
            let piece = ready!(Pin::new(&mut this.answer).poll_next(cx));
            piece.map(|piece| piece.map_err(Cut::from))
        };
        match &piece {
            Some(Ok(bytes)) => this.outcome.received += bytes.len() as u64,
            Some(Err(cut)) => {
                this.is_over = true;
                this.outcome.failed(cut);
            }
            None => this.is_over = true,
        }
        Poll::Ready(piece)
    }
}

impl<O> Drop for Passing<O> {
    fn drop(&mut self) {
        if !self.is_over && self.length != Some(self.outcome.received) {
            self.outcome
                .failed(&"the caller did not wait for all of it");
        }
    }
}

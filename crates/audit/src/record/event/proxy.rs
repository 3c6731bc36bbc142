//! Requests to GitHub under a proxy lease: passed on, answered, refused.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Serialize;

use crate::record::Caller;

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub enum ProxyEvent<'a> {
    /// A request is about to be passed on to GitHub.
    #[serde(rename = "proxy.request")]
    Request {
        /// The lease.
        lease: &'a str,
        /// The method.
        method: &'a str,
        /// The path as it was sent, without its query.
        path: &'a str,
        /// Whether it goes on without a credential, as everyone may make it.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        public: bool,
        /// What it asks for, if it is GraphQL.
        #[serde(skip_serializing_if = "Option::is_none")]
        graphql: Option<GraphqlRequest<'a>>,
    },
    /// A request was passed on, and this is the outcome.
    #[serde(rename = "proxy.response")]
    Response {
        /// The lease.
        lease: &'a str,
        /// The number of its `proxy.request`, where it has one.
        #[serde(skip_serializing_if = "Option::is_none")]
        request: Option<u64>,
        /// The method.
        method: &'a str,
        /// The path as it was sent, without its query.
        path: &'a str,
        /// Whether it went on without a credential, as everyone may make it.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        public: bool,
        /// What it asks for, if it is GraphQL.
        #[serde(skip_serializing_if = "Option::is_none")]
        graphql: Option<GraphqlRequest<'a>>,
        /// GitHub's status; absent where there was no answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Bytes of the request's body that were passed on.
        sent: u64,
        /// Bytes of the answer's body that were passed on.
        received: u64,
        /// Why it has no answer, or not all of it, in plain words.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<Cow<'a, str>>,
    },
    /// A request was not passed on.
    #[serde(rename = "proxy.refused")]
    Refused {
        /// Who sent it.
        caller: Caller<'a>,
        /// The lease, where its token is a live lease's.
        #[serde(skip_serializing_if = "Option::is_none")]
        lease: Option<&'a str>,
        /// The method.
        method: &'a str,
        /// The path as it was sent, without its query.
        path: &'a str,
        /// The word of the answer's `tokend-error`.
        code: &'a str,
        /// In plain words.
        why: &'a str,
    },
}

/// What a GraphQL request asks for: names alone, no document and no variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GraphqlRequest<'a> {
    /// The fields that it starts with, as GitHub's schema names them: of a mutation, what it does.
    pub fields: &'a BTreeSet<String>,
    /// The repositories (`acme/site`), organisations (`acme`) and projects (`orgs/acme/projects/7`) that it names,
    /// and those that what it names by an id belongs to.
    pub touches: &'a BTreeSet<String>,
}

//! Leases: asked for, granted, ended; and the live ones at the beginning of a segment.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Serialize;

use crate::record::{Caller, Issued, Lease};

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub enum LeaseEvent<'a> {
    /// Live leases were rebuilt from the log after an unlock.
    #[serde(rename = "leases.rebuilt")]
    Rebuilt {
        /// Honoured again.
        honoured: u64,
        /// Ended meanwhile, revoked, or never handed out.
        ended: u64,
        /// Records of leases whose MAC was not this vault's. Anything but 0 means that someone else
        /// wrote into the log.
        refused: u64,
    },
    /// Opens a segment: leases live at this point, as the MACed bodies of their own records.
    #[serde(rename = "leases.open")]
    Open {
        /// This part, counted from 1.
        part: u64,
        /// How many parts follow each other, perhaps over several segments.
        parts: u64,
        /// The number of each record.
        seqs: Vec<u64>,
        /// The exact text of each body, MAC included: a lease's grant or last renewal, and after it
        /// whatever `lease.issued` followed that.
        leases: Vec<Cow<'a, str>>,
    },
    /// Opens a segment that goes on with what an earlier one began: leases live at this point are listed
    /// from there on.
    #[serde(rename = "leases.continued")]
    Continued {
        /// First record of the segment whose `leases.open` still counts.
        since: u64,
    },
    /// Policy said yes. Carries a MAC.
    #[serde(rename = "lease.granted")]
    Granted(Lease<'a>),
    /// A live lease was prolonged. Carries a MAC.
    #[serde(rename = "lease.renewed")]
    Renewed(Lease<'a>),
    /// A value that was not known at the grant is about to be handed out. Carries a MAC.
    #[serde(rename = "lease.issued")]
    Issued(Issued<'a>),
    /// A granted lease could not be honoured; nothing was handed out.
    #[serde(rename = "lease.failed")]
    Failed {
        /// The lease.
        lease: &'a str,
        /// The stable error code.
        code: &'a str,
        /// In plain words.
        why: &'a str,
    },
    /// Policy said no.
    #[serde(rename = "lease.denied")]
    Denied {
        /// Who asked.
        caller: Caller<'a>,
        /// What for.
        purpose: &'a str,
        /// The rule that spoke, if one did.
        #[serde(skip_serializing_if = "Option::is_none")]
        rule: Option<&'a str>,
        /// `denied`, `too_wide`, `secret_missing` or `secret_expired`.
        code: &'a str,
        /// In plain words, for operators.
        why: &'a str,
        /// The caller's own words.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// More refusals of one account than are recorded one by one.
    #[serde(rename = "lease.denied_more")]
    DeniedMore {
        /// The account.
        uid: u32,
        /// How many were not recorded one by one.
        count: u64,
        /// When counting began.
        since: Timestamp,
    },
    /// A lease was ended before its time.
    #[serde(rename = "lease.revoked")]
    Revoked {
        /// The lease.
        lease: &'a str,
        /// The purpose.
        purpose: &'a str,
        /// The secret.
        secret: &'a str,
        /// Who ended it; absent if the broker did.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// In plain words.
        why: &'a str,
    },
    /// A lease reached its end.
    #[serde(rename = "lease.expired")]
    Expired {
        /// The lease.
        lease: &'a str,
        /// The purpose.
        purpose: &'a str,
        /// The secret.
        secret: &'a str,
        /// `ttl`, `caller_exit` or `clock`.
        why: &'a str,
    },
}

//! The log itself: its beginning, what was repaired in it, who read it.

use serde::Serialize;

use crate::record::Caller;

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub enum LogEvent<'a> {
    /// First record of a log.
    #[serde(rename = "log.opened")]
    Opened {
        /// 32 hexadecimal digits, made with the log; part of what a lease's MAC covers.
        log_id: &'a str,
        /// Ed25519 public key, base64.
        public_key: &'a str,
        /// `tokend-audit-v1`.
        format: &'a str,
    },
    /// Bytes at the end of a segment that were no records were moved aside.
    #[serde(rename = "log.recovered")]
    Recovered {
        /// The segment they were in.
        segment: &'a str,
        /// Where the bytes are now.
        moved_to: &'a str,
        /// How many.
        bytes: u64,
        /// Their SHA-256, hexadecimal.
        sha256: &'a str,
        /// Why, in plain words.
        why: &'a str,
    },
    /// Someone began to read the log through the broker.
    #[serde(rename = "audit.read")]
    Read {
        /// Who.
        by: Caller<'a>,
        /// First record of the reading, which may go on to the log's end.
        from: u64,
    },
}

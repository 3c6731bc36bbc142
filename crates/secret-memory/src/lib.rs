//! What a secret is in memory: a token that can do almost nothing, keys in memory that is locked, the cipher,
//! and the last mask over whatever is written.
//!
//! Not here: what is sealed and under which key (`vault`), and buffers that are wiped (`broker-protocol`,
//! which the command line links).

pub mod cipher;
pub mod locked_memory;
pub mod nonblocking_stderr;
pub mod proxy_token;
pub mod redact;
pub mod token;

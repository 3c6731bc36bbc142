//! The durable account of decisions and outcomes; the only maker of [`Recorded`].

use broker_protocol::names::SecretName;

use crate::policy::Grant;

/// What a secret is about to be used for.
#[derive(Debug)]
pub struct Use {
    /// The secret.
    pub secret: SecretName,
    /// The version of it that the record names; `None` where the value does not lie in the vault.
    pub version: Option<u64>,
    /// Why.
    pub why: Why,
}

/// Why a secret is used.
#[derive(Debug)]
pub enum Why {
    /// Policy granted a caller a lease.
    Grant(Grant),
    /// An operator looks after the secret itself (set, remove, later: check, rotation, sink, move).
    Upkeep,
}

/// Proof that the record which allows `T` is durable.
#[derive(Debug)]
pub struct Recorded<T> {
    inner: T,
    seq: u64,
}

impl<T> Recorded<T> {
    /// A proof of nothing, for the tests of those who ask for one.
    #[cfg(test)]
    pub(crate) const fn in_a_test(inner: T, seq: u64) -> Self {
        Self { inner, seq }
    }

    /// The record's place in the log, counted from 0.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// What was recorded.
    pub const fn get(&self) -> &T {
        &self.inner
    }
}

//! `[limits]`: what one account may take, so that the others are not starved.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Limits that keep one account from starving the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open connections, all accounts together.
    #[serde(deserialize_with = "at_least_one")]
    pub connections: usize,
    /// Open connections of one account.
    #[serde(deserialize_with = "at_least_one")]
    pub connections_per_account: usize,
    /// Live leases of one account.
    pub leases_per_account: usize,
    /// Refusals of one account that are recorded one by one in a minute; the rest are counted. With 0 none
    /// has a record of its own.
    pub denials_per_minute: u32,
    /// Leases of one account granted or renewed in a minute. A broker that hands nothing out still rotates
    /// and keeps sinks, so this may be 0, as may the number of leases.
    pub leases_per_minute: u32,
    /// What the records of one account's live leases may take, in MiB, and what it may have written to the
    /// audit log in a minute. A start reads the former back, and the latter is how fast an account fills
    /// the disk.
    #[serde(deserialize_with = "at_least_one")]
    pub audit_mib_per_account: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_account: 256,
            leases_per_account: 1000,
            denials_per_minute: 60,
            leases_per_minute: 1200,
            audit_mib_per_account: 8,
        }
    }
}

impl Limits {
    /// [`Self::audit_mib_per_account`] in bytes.
    #[must_use]
    pub fn audit_bytes(&self) -> usize {
        usize::from(self.audit_mib_per_account).saturating_mul(1 << 20)
    }
}

/// Rejects a limit that would lock every caller out.
fn at_least_one<'de, D, T>(value: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default + PartialEq,
{
    let limit = T::deserialize(value)?;
    if limit == T::default() {
        return Err(D::Error::custom(
            "0 lets no one in; write 1 or more, or remove the line",
        ));
    }
    Ok(limit)
}

//! How the stand-in behaves, beyond single faults.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// In JSON, durations are whole milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `Date` is this many seconds off.
    pub date_skew: i64,
    /// New installation tokens are long ones (`ghs_APPID_JWT`).
    pub long_installation_tokens: bool,
    /// How long a new installation token is answered 401: it is not known everywhere yet.
    #[serde(with = "milliseconds")]
    pub replication_delay: Duration,
    /// How many calls with a new installation token are answered 401, whatever the clock says.
    pub replication_calls: u32,
    /// How long a credential lives on after `POST /credentials/revoke` was answered.
    #[serde(with = "milliseconds")]
    pub revocation_delay: Duration,
    /// Calls with bad credentials within a minute before all of them, and that user's, are refused.
    pub lockout_after: usize,
    /// Whether there are rate limits; Enterprise Server has none by default.
    pub rate_limits: bool,
    /// Points a minute and principal before the secondary limit; 1 for a read, 5 for a change.
    pub points_a_minute: u64,
    /// Where files of releases are downloaded from, such as `https://localhost:PORT`. Without one the API sends them.
    pub downloads: Option<String>,
    /// The file with GitHub's public schema. Without one there is no GraphQL.
    pub graphql_schema: Option<PathBuf>,
    /// In GraphQL, wherever the schema lets a field lead to an object there is one, elsewhere if there is a choice.
    pub leads_out: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            date_skew: 0,
            long_installation_tokens: true,
            replication_delay: Duration::ZERO,
            replication_calls: 0,
            revocation_delay: Duration::from_millis(300),
            lockout_after: 10,
            rate_limits: true,
            points_a_minute: 900,
            downloads: None,
            graphql_schema: None,
            leads_out: false,
        }
    }
}

/// Durations as JSON has them.
mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

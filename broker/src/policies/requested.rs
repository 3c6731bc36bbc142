//! What a body may ask of the policies. A lease, its renewal and an explanation all read it here, so that
//! `policy explain` allows nothing that a request for a lease is refused for.

use std::time::Duration;

use broker_protocol::error::ErrorCode;

use crate::api_error::{Answer, ApiError};

/// A lease that ends as it begins.
#[derive(Debug, thiserror::Error)]
#[error("`ttl` must be at least 1 second")]
pub(crate) struct ZeroTtl;

impl ApiError for ZeroTtl {
    fn answer(&self) -> Answer {
        ErrorCode::BadRequest.into()
    }
}

/// Reads how long a lease is to last.
///
/// # Errors
///
/// [`ZeroTtl`].
pub(crate) fn parse_ttl(seconds: Option<u64>) -> Result<Option<Duration>, ZeroTtl> {
    match seconds {
        Some(0) => Err(ZeroTtl),
        seconds => Ok(seconds.map(Duration::from_secs)),
    }
}

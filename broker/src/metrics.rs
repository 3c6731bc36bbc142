//! What services count, from the start of the process on.
//!
//! Each service owns its counters; `status::figures` names them, and reads everything else
//! that a scraper is shown when it is asked for.

use broker_protocol::names::{Delivery, Purpose};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// A counter for each set of labels.
pub(crate) type Counters<const LABELS: usize> = Family<[(&'static str, String); LABELS], Counter>;

/// What `leases` counts.
#[derive(Debug, Default)]
pub(crate) struct LeaseCounters {
    pub(crate) revoked: Counter,
    pub(crate) expired: Counter,
    /// By code.
    pub(crate) refusals: Counters<1>,
    /// By purpose.
    pub(crate) fallbacks: Counters<1>,
    /// By secret.
    pub(crate) stale: Counters<1>,
    /// Requests under proxy leases, by purpose and outcome.
    pub(crate) proxied: Counters<2>,
}

/// What `minting` counts.
#[derive(Debug, Default)]
pub(crate) struct TokenCounters {
    pub(crate) minted: Counter,
    pub(crate) revoked: Counter,
}

/// The counter of a purpose's leases that deliver this; it exists from the first, so that a scraper sees it rise
/// from zero.
pub(crate) fn granted(counters: &Counters<2>, purpose: &Purpose, deliver: Delivery) -> Counter {
    counters.get_or_create_owned(&[
        ("purpose", purpose.to_string()),
        ("deliver", deliver.as_str().to_owned()),
    ])
}

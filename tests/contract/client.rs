//! The broker's client of GitHub, by itself.

use std::sync::Arc;

use broker_clock::SystemClock;
use broker_github::{BaseUrl, GitHub};

/// A client that reaches this address without TLS.
pub(crate) fn to(address: &str) -> GitHub {
    let api = BaseUrl::parse(address).unwrap();
    let clock = Arc::new(SystemClock::new().unwrap());
    GitHub::new(api, None, clock)
}

/// Runs it to its end, as the broker does: on one thread.
pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap().block_on(future)
}

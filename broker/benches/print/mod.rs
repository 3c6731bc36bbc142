//! How long something took, and how many such times are printed.

use std::time::{Duration, Instant};

pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

/// Prints the distribution and returns its median.
pub(crate) fn print_latency(what: &str, mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 1000).min(times.len() - 1)];
    println!(
        "{what}: p50 {:.1} us, p99 {:.1} us, worst {:.1} us",
        micros(at(500)),
        micros(at(990)),
        micros(at(1000)),
    );
    at(500)
}

//! The circuit breaker: a host that cannot be reached is not asked again and again.
//!
//! Pure: time is an argument, and is boot time. Closed, every call goes out. Some failures in a row
//! open it, and calls are refused for a pause; then one call goes out as a probe, while the others
//! are refused still. It closes on the probe's success; its failure doubles the pause.

use std::time::Duration;

use broker_clock::Backoff;

/// The state of one host.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    circuit: Circuit,
    /// Failures since the last success, while closed.
    failures: u32,
    /// How often in a row it opened since the last success.
    openings: u32,
}

#[derive(Debug, Clone, Copy, Default)]
enum Circuit {
    #[default]
    Closed,
    /// Until this boot time.
    Open(Duration),
    /// A probe is out, since this boot time.
    Probing(Duration),
}

/// The state as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go out.
    Closed,
    /// Calls are refused.
    Open,
    /// One call is out to see.
    HalfOpen,
}

impl BreakerState {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// That one call may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    Ordinary,
    /// The one call of a half-open circuit.
    Probe,
}

/// What a call told of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It answered, if only to refuse.
    Reached,
    /// It was not reached, or has a fault of its own.
    Failed,
    /// Nothing: the caller gave it up.
    Nothing,
}

impl Breaker {
    /// Whether a call may go out now.
    ///
    /// # Errors
    ///
    /// How long until the next probe.
    pub(super) fn admit(&mut self, now: Duration) -> Result<Pass, Duration> {
        if let Some(wait) = self.refuses_for(now) {
            return Err(wait);
        }
        if matches!(self.circuit, Circuit::Closed) {
            return Ok(Pass::Ordinary);
        }
        // A probe that no one ever accounted for must not keep the circuit half-open for good.
        self.circuit = Circuit::Probing(now);
        Ok(Pass::Probe)
    }

    /// How long calls are refused still; `None` if one would be admitted.
    pub(super) fn refuses_for(&self, now: Duration) -> Option<Duration> {
        match self.circuit {
            Circuit::Open(until) if now < until => Some(until.saturating_sub(now)),
            Circuit::Probing(since) if now < since.saturating_add(PROBE_LOST) => Some(PROBE_WAIT),
            Circuit::Closed | Circuit::Open(_) | Circuit::Probing(_) => None,
        }
    }

    /// Takes account of a call that was admitted.
    pub(super) fn account(&mut self, pass: Pass, told: Told, now: Duration) {
        match (told, self.circuit) {
            // Any answer closes it: also a late one, of a call from before it opened.
            (Told::Reached, _) => *self = Self::default(),
            (Told::Failed, Circuit::Closed) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= FAILURES {
                    self.open(now);
                }
            }
            (Told::Failed, Circuit::Probing(_)) if pass == Pass::Probe => self.open(now),
            // The next call probes it again at once.
            (Told::Nothing, Circuit::Probing(_)) if pass == Pass::Probe => {
                self.circuit = Circuit::Open(now);
            }
            (Told::Failed | Told::Nothing, _) => {}
        }
    }

    /// The state as it is shown.
    pub(super) const fn state(&self) -> BreakerState {
        match self.circuit {
            Circuit::Closed => BreakerState::Closed,
            Circuit::Open(_) => BreakerState::Open,
            Circuit::Probing(_) => BreakerState::HalfOpen,
        }
    }

    fn open(&mut self, now: Duration) {
        self.circuit = Circuit::Open(now.saturating_add(PAUSES.pause(self.openings)));
        self.openings = self.openings.saturating_add(1);
    }
}

/// Failures in a row that open the circuit: more than the three attempts of one call, so that one
/// unlucky call does not stop all others.
const FAILURES: u32 = 5;
/// A restart of a load balancer is over after the first; a recovery is noticed within the longest.
const PAUSES: Backoff = Backoff {
    first: Duration::from_secs(5),
    cap: Duration::from_secs(5 * 60),
};
/// What callers are told while a probe is out.
const PROBE_WAIT: Duration = Duration::from_secs(1);
/// Longer than any call of this program's own takes. What is forwarded may take longer: then another probe goes out
/// beside it.
const PROBE_LOST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn opened_at(now: Duration) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            let pass = breaker.admit(now).unwrap();
            breaker.account(pass, Told::Failed, now);
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        breaker
    }

    #[test]
    fn failures_open_it_only_in_a_row() {
        let mut breaker = Breaker::default();
        for _ in 0..3 * FAILURES {
            breaker.account(Pass::Ordinary, Told::Failed, at(0));
            breaker.account(Pass::Ordinary, Told::Reached, at(0));
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        let mut open = opened_at(at(0));
        assert_eq!(open.admit(at(1)), Err(at(4)));
        assert_eq!(open.refuses_for(at(1)), Some(at(4)));
        assert_eq!(
            open.refuses_for(at(5)),
            None,
            "one would be admitted, and none is yet"
        );
        assert_eq!(open.state(), BreakerState::Open);
    }

    #[test]
    fn after_the_pause_one_probe_goes_out_and_its_success_closes_it() {
        let mut breaker = opened_at(at(0));
        assert_eq!(breaker.admit(at(5)), Ok(Pass::Probe));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(
            breaker.admit(at(5)),
            Err(PROBE_WAIT),
            "no second one beside it"
        );
        breaker.account(Pass::Probe, Told::Reached, at(6));
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert_eq!(breaker.admit(at(6)), Ok(Pass::Ordinary));
    }

    #[test]
    fn each_failed_probe_doubles_the_pause_up_to_its_limit() {
        let mut breaker = opened_at(at(0));
        let mut now = at(5);
        for pause in [10, 20, 40, 80, 160, 300, 300] {
            assert_eq!(breaker.admit(now), Ok(Pass::Probe));
            breaker.account(Pass::Probe, Told::Failed, now);
            assert_eq!(breaker.admit(now), Err(at(pause)));
            now += at(pause);
        }
        assert_eq!(breaker.admit(now), Ok(Pass::Probe));
        breaker.account(Pass::Probe, Told::Reached, now);
        let pause = opened_at(now).admit(now).unwrap_err();
        assert_eq!(pause, PAUSES.first, "a success forgets the past");
    }

    #[test]
    fn a_probe_that_was_given_up_lets_the_next_call_probe() {
        let mut breaker = opened_at(at(0));
        assert_eq!(breaker.admit(at(5)), Ok(Pass::Probe));
        breaker.account(Pass::Probe, Told::Nothing, at(6));
        assert_eq!(breaker.admit(at(6)), Ok(Pass::Probe));
        assert_eq!(
            breaker.admit(at(6) + PROBE_LOST),
            Ok(Pass::Probe),
            "nor one never heard of"
        );
    }

    #[test]
    fn a_late_failure_of_an_ordinary_call_does_not_count_against_a_probe() {
        let mut breaker = opened_at(at(0));
        assert_eq!(breaker.admit(at(5)), Ok(Pass::Probe));
        breaker.account(Pass::Ordinary, Told::Failed, at(6));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }
}

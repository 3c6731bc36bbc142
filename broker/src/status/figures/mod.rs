//! What a scraper is shown, in Prometheus' text form: `metrics.tsv` has the name, type, labels and help of each
//! metric, and `docs/reference/metrics.md` says more.
//!
//! Counters belong to the services that count, and get their names here. Everything else is read off the
//! services when it is asked for, so that what is gone leaves no figure behind.

#[cfg(test)]
mod tests;

use std::fmt;

use broker_github::BreakerState;
use broker_protocol::api::{GitHubStatus, RateLimit, SecretState, SecretView, WarningChannel};
use broker_protocol::check::Verdict;
use broker_protocol::source::{ReadWhen, SourceSpec};
use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::{Metric, Registry};

use super::Status;
use crate::metrics::TokenCounters;

impl Status {
    /// All figures, in Prometheus' text form.
    pub(crate) fn metrics_text(&self) -> String {
        let mut registry = Registry::default();
        self.name_counters(&mut registry);
        registry.register_collector(Box::new(self.gauges()));
        render(&registry)
    }

    fn name_counters(&self, registry: &mut Registry) {
        let (leases, checks) = (&self.leases.counters, &self.checks.counters);
        let TokenCounters { minted, revoked } = &self.minting.counters;
        let (granted, warnings) = (&self.policies.granted, &self.warnings.counters);
        count(registry, "tokend_leases_granted_total", granted);
        count(registry, "tokend_leases_revoked_total", &leases.revoked);
        count(registry, "tokend_leases_expired_total", &leases.expired);
        count(registry, "tokend_refusals_total", &leases.refusals);
        count(registry, "tokend_fallbacks_total", &leases.fallbacks);
        count(registry, "tokend_proxy_requests_total", &leases.proxied);
        count(registry, "tokend_stale_leases_total", &leases.stale);
        count(registry, "tokend_installation_tokens_minted_total", minted);
        count(
            registry,
            "tokend_installation_tokens_revoked_total",
            revoked,
        );
        count(registry, "tokend_source_reads_total", &self.sources.reads);
        count(registry, "tokend_secret_checks_total", checks);
        count(registry, "tokend_warnings_total", warnings);
        let dropped = Counter::<u64>::default();
        dropped.inc_by(self.process.traces.dropped());
        count(registry, "tokend_traces_dropped_total", &dropped);
    }

    fn gauges(&self) -> Gauges {
        let now = self.journal.now();
        let (source_requests, _) = self.sources.one_password.requests_in_a_day(now);
        let floors = self.limits.rate_floors().into_iter();
        Gauges {
            now: now.wall,
            single: [
                ("tokend_leases_live", self.leases.table.len() as u64),
                ("tokend_audit_records", self.journal.head().records),
                ("tokend_audit_faulty", self.journal.fault().is_some().into()),
                (
                    "tokend_socket_lost",
                    (!self.socket_faults().is_empty()).into(),
                ),
                ("tokend_locked", self.vault.is_locked().into()),
                ("tokend_source_requests_today", source_requests.into()),
            ],
            channels: self.warnings.channel_states(),
            secrets: self.secrets(),
            below_floor: floors
                .map(|(name, below)| (name.to_string(), !below.is_empty()))
                .collect(),
            github: self.limits.github_status(),
        }
    }
}

fn render(registry: &Registry) -> String {
    let mut text = String::new();
    if let Err(error) = prometheus_text::encode(&mut text, registry) {
        tracing::error!(cause = %error, "the metrics are incomplete");
    }
    text
}

/// The encoding adds `_total`.
fn count(registry: &mut Registry, name: &'static str, counter: &(impl Metric + Clone)) {
    let short = name.strip_suffix("_total").unwrap_or(name);
    registry.register(short, help(name), counter.clone());
}

/// What the list says of a metric.
fn help(name: &str) -> &'static str {
    let mut lines = METRICS.lines();
    let line = lines.find(|line| line.split('\t').next() == Some(name));
    line.and_then(|line| line.rsplit('\t').next())
        .unwrap_or_default()
}

const METRICS: &str = include_str!("metrics.tsv");

/// The state of the broker at the time of a scrape.
#[derive(Debug)]
struct Gauges {
    now: Timestamp,
    /// Those without labels.
    single: [(&'static str, u64); 6],
    channels: Vec<WarningChannel>,
    secrets: Vec<SecretView>,
    /// Secrets with a `rate_floor`, and whether less is left.
    below_floor: Vec<(String, bool)>,
    github: GitHubStatus,
}

impl Collector for Gauges {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Output(encoder);
        for (name, value) in self.single {
            out.one(name, value)?;
        }
        let channels = self.channels.iter();
        let waiting = channels.map(|one| ([("channel", &*one.channel)], one.waiting));
        out.all("tokend_warnings_waiting", waiting)?;
        self.encode_secrets(&mut out)?;
        self.encode_github(&mut out)
    }
}

impl Gauges {
    fn encode_secrets(&self, out: &mut Output<'_>) -> fmt::Result {
        let of_each = |figure: &dyn Fn(&SecretView) -> Option<u64>| {
            let secrets = self.secrets.iter();
            let figures =
                secrets.filter_map(|one| Some(([("secret", one.name.as_str())], figure(one)?)));
            figures.collect::<Vec<_>>()
        };
        let deadlines = of_each(&|secret| secret.deadline.map(unix));
        out.all("tokend_secret_deadline_seconds", deadlines)?;
        let checked = of_each(&|secret| Some(unix(secret.check.as_ref()?.checked_at)));
        out.all("tokend_secret_checked_seconds", checked)?;
        let stale = of_each(&|secret| {
            let source: SourceSpec = secret.source.parse().ok()?;
            (source.read_when() == Some(ReadWhen::Seldom)).then(|| {
                let since = secret.stale_since.unwrap_or(self.now);
                u64::try_from(self.now.duration_since(since).as_secs()).unwrap_or(0)
            })
        });
        out.all("tokend_secret_stale_seconds", stale)?;
        let verdicts = self.secrets.iter().filter_map(|secret| {
            let (name, found) = (secret.name.as_str(), secret.check.as_ref()?.verdict);
            let verdicts = [Verdict::Ok, Verdict::Warning, Verdict::Error];
            Some(verdicts.map(|verdict| {
                let labels = [("secret", name), ("verdict", verdict.as_str())];
                (labels, u64::from(verdict == found))
            }))
        });
        out.all("tokend_secret_check", verdicts.flatten())?;
        let states = self.secrets.iter().flat_map(|secret| {
            STATES.map(|state| {
                let labels = [("secret", secret.name.as_str()), ("state", state.as_str())];
                (labels, u64::from(state == secret.state))
            })
        });
        out.all("tokend_secret_state", states)?;
        let floors = self.below_floor.iter();
        let floors = floors.map(|(name, below)| ([("secret", &**name)], u64::from(*below)));
        out.all("tokend_secret_below_rate_floor", floors)
    }

    fn encode_github(&self, out: &mut Output<'_>) -> fmt::Result {
        let host = ("host", host_of(&self.github.api));
        let breaker = BREAKER_STATES.map(BreakerState::as_str).map(|state| {
            let labels = [host, ("state", state)];
            (labels, u64::from(state == self.github.breaker))
        });
        out.all("tokend_github_breaker", breaker)?;
        let answered = self.github.last_answer.map(|at| ([host], unix(at)));
        out.all("tokend_github_last_answer_seconds", answered)?;
        let rates: Vec<_> = self
            .github
            .principals
            .iter()
            .flat_map(|one| {
                one.resources.iter().map(|resource| {
                    let principal = ("principal", &*one.principal);
                    let labels = [principal, ("resource", &*resource.resource)];
                    (labels, &resource.rate)
                })
            })
            .collect();
        let of_each = |figure: fn(&RateLimit) -> u64| {
            let figures = rates.iter();
            figures.map(move |(labels, rate)| (*labels, figure(rate)))
        };
        out.all("tokend_rate_limit", of_each(|rate| rate.limit))?;
        out.all("tokend_rate_remaining", of_each(|rate| rate.remaining))?;
        let resets = of_each(|rate| unix(rate.reset_at));
        out.all("tokend_rate_reset_seconds", resets)?;
        let held_off = self.github.principals.iter().filter_map(|one| {
            let limit = one.held_off.as_ref()?;
            let labels = [("principal", &*one.principal), ("limit", &*limit.limit)];
            Some((labels, unix(limit.until)))
        });
        out.all("tokend_held_off_until_seconds", held_off)
    }
}

const STATES: [SecretState; 6] = [
    SecretState::Ok,
    SecretState::Due,
    SecretState::Overdue,
    SecretState::Rejected,
    SecretState::Expired,
    SecretState::Missing,
];

const BREAKER_STATES: [BreakerState; 3] = [
    BreakerState::Closed,
    BreakerState::Open,
    BreakerState::HalfOpen,
];

/// Writes gauges.
struct Output<'a>(DescriptorEncoder<'a>);

impl Output<'_> {
    fn one(&mut self, name: &str, value: u64) -> fmt::Result {
        let encoder = &mut self.0;
        let mut metric = encoder.encode_descriptor(name, help(name), None, MetricType::Gauge)?;
        metric.encode_gauge(&value)
    }

    /// One gauge with all its series; nothing if there are none.
    fn all<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        series: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return Ok(());
        }
        let encoder = &mut self.0;
        let mut metric = encoder.encode_descriptor(name, help(name), None, MetricType::Gauge)?;
        for (labels, value) in series {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}

fn unix(at: Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or(0)
}

fn host_of(api: &str) -> &str {
    let host = api.split_once("://").map_or(api, |(_, rest)| rest);
    host.split('/').next().unwrap_or(host)
}

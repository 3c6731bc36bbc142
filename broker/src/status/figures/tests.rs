//! The exposition against the list of metrics. Dashboards and alerts hang on the list: it only grows.

use std::collections::{BTreeMap, BTreeSet};

use broker_protocol::api::{HeldOff, PrincipalLimits, RateLimit, ResourceLimit};

use super::*;
use crate::app::scratch::Scratch;

/// Name, type and labels of every metric in this text, as the list has them.
fn shape(text: &str) -> BTreeSet<String> {
    let types: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let shapes = samples.map(|line| {
        let (series, _value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.split("=\"").filter_map(|part| {
            let label = part.rsplit(['"', ',']).next()?;
            (!label.is_empty() && label != "}").then_some(label)
        });
        let labels: Vec<&str> = labels.collect();
        format!("{name}\t{}\t{}", types[name], labels.join(" "))
    });
    shapes.collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn github() -> GitHubStatus {
    GitHubStatus {
        api: "https://git.acme.example:8443/api/v3".to_owned(),
        breaker: "half_open".to_owned(),
        last_answer: Some(at(1_800_000_000)),
        principals: vec![PrincipalLimits {
            principal: "user acme-bot".to_owned(),
            resources: vec![ResourceLimit {
                resource: "core".to_owned(),
                rate: RateLimit {
                    limit: 5000,
                    remaining: 17,
                    reset_at: at(1_800_000_100),
                },
            }],
            held_off: Some(HeldOff {
                limit: "secondary".to_owned(),
                until: at(1_800_000_060),
            }),
        }],
    }
}

fn secret(status: &Status) -> SecretView {
    let mut secret = status.secrets().remove(0);
    secret.source = "op://Infra/ci/token".to_owned();
    secret.deadline = Some(at(1_800_000_200));
    secret.stale_since = Some(at(1_800_000_000));
    secret.check = serde_json::from_str(
        r#"{"verdict":"warning","checked_at":"2027-01-15T08:00:00Z","accepted":true}"#,
    )
    .unwrap();
    secret
}

#[tokio::test]
async fn names_types_and_labels_are_those_of_the_list() {
    let scratch = Scratch::new("");
    let status = &scratch.app.status;
    let label = |name: &'static str| [(name, "x".to_owned())];
    let leases = &status.leases.counters;
    leases.refusals.get_or_create(&label("code")).inc();
    leases.fallbacks.get_or_create(&label("purpose")).inc();
    leases.stale.get_or_create(&label("secret")).inc();
    let [purpose] = label("purpose");
    let [outcome] = label("outcome");
    leases.proxied.get_or_create(&[purpose, outcome]).inc();
    let (checks, warnings) = (&status.checks.counters, &status.warnings.counters);
    checks.get_or_create(&label("outcome")).inc();
    warnings.get_or_create(&label("kind")).inc();
    let reads = &status.sources.reads;
    reads
        .get_or_create(&[("source", "op"), ("outcome", "ok")])
        .inc();
    let mut registry = Registry::default();
    status.name_counters(&mut registry);
    registry.register_collector(Box::new(Gauges {
        channels: vec![WarningChannel {
            channel: "hook".to_owned(),
            waiting: 2,
            failing_since: None,
            why: None,
        }],
        secrets: vec![secret(status)],
        below_floor: vec![("org-label-sync-token".to_owned(), true)],
        github: github(),
        ..status.gauges()
    }));
    let text = render(&registry);
    let list = METRICS
        .lines()
        .map(|line| line.rsplit_once('\t').unwrap().0.to_owned());
    assert_eq!(shape(&text), list.collect());
    let bare = |line: &str| line.ends_with(' ') || line.ends_with(" .");
    assert!(!text.lines().any(bare), "a metric without help: {text}");
}

#[tokio::test]
async fn figures_are_whole_numbers_and_what_is_gone_has_none() {
    let scratch = Scratch::new("");
    let status = &scratch.app.status;
    let mut gauges = Gauges {
        now: at(1_800_000_090),
        secrets: vec![secret(status)],
        below_floor: vec![("org-label-sync-token".to_owned(), true)],
        github: github(),
        ..status.gauges()
    };
    let name = gauges.secrets[0].name.clone();
    let text = |gauges: Gauges| {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(gauges));
        render(&registry)
    };
    gauges.github.principals[0].principal = "a \"quoted\" one".to_owned();
    let quoted = text(gauges);
    for line in [
        "# TYPE tokend_github_breaker gauge",
        r#"tokend_github_breaker{host="git.acme.example:8443",state="half_open"} 1"#,
        r#"tokend_github_breaker{host="git.acme.example:8443",state="open"} 0"#,
        r#"tokend_rate_remaining{principal="a \"quoted\" one",resource="core"} 17"#,
        r#"tokend_rate_reset_seconds{principal="a \"quoted\" one",resource="core"} 1800000100"#,
        r#"tokend_secret_below_rate_floor{secret="org-label-sync-token"} 1"#,
        &format!(r#"tokend_secret_stale_seconds{{secret="{name}"}} 90"#),
        &format!(r#"tokend_secret_check{{secret="{name}",verdict="warning"}} 1"#),
    ] {
        assert!(
            quoted.lines().any(|found| found == line),
            "{line} in\n{quoted}"
        );
    }
    let mut gone = Gauges {
        secrets: Vec::new(),
        github: github(),
        ..status.gauges()
    };
    gone.github.principals.clear();
    let text = text(gone);
    assert!(
        !text.contains("tokend_rate_") && !text.contains("tokend_secret_"),
        "{text}"
    );
}

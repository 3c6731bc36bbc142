//! How long a denial takes, by the number of rules: `cargo bench -p broker-policy`.
//!
//! Both are denied: a purpose whose rules none match the caller, and a purpose that does not exist. The difference is
//! what a caller could learn from the time (P7 in SECURITY.md).

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::unwrap_used, reason = "it may stop at the first error")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]
#![expect(clippy::cast_precision_loss, reason = "figures with two digits")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use broker_policy::{Caller, Host, NamesOnly, PolicyFile, PolicySet, Request, decide};

const DECISIONS: u32 = 1_000_000;
const ROUNDS: usize = 9;

fn main() {
    println!("{:<40} ns, median of {ROUNDS}", "");
    println!("{:<40} {:>6.1}", "no such purpose", denied(1, "none"));
    for rules in [1, 10, 100] {
        let what = format!("a purpose, {rules} rules, none matches");
        println!("{what:<40} {:>6.1}", denied(rules, "p"));
    }
}

/// Nanoseconds for each denial.
fn denied(rules: usize, purpose: &str) -> f64 {
    let set = with_rules(rules);
    let request = Request {
        caller: Arc::new(Caller {
            uid: 1000,
            ..Caller::default()
        }),
        purpose: purpose.parse().unwrap(),
        repositories: None,
        organization: None,
        permissions: None,
        ttl: None,
    };
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            for _ in 0..DECISIONS {
                black_box(decide(black_box(&set), black_box(&request)));
            }
            begin.elapsed().as_nanos() as f64 / f64::from(DECISIONS)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times.get(ROUNDS / 2).copied().unwrap_or_default()
}

fn with_rules(rules: usize) -> PolicySet {
    let mut text = "purpose = 'p'\nsecret = 'bot'\nrepositories = ['acme/*']\n\
                    permissions = { issues = 'read' }\n"
        .to_owned();
    for uid in 0..rules {
        text.push_str(&format!("[[allow]]\ncaller = {{ uid = {} }}\n", 2000 + uid));
    }
    let file = |name: &str, text: &str| PolicyFile {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let secret = "[secret.bot]\nkind = 'classic'\n";
    let files = [file("p.toml", &text), file("s.toml", secret)];
    PolicySet::parse(&files, &NamesOnly::default(), &Host::anywhere()).unwrap()
}

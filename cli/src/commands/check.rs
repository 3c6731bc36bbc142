//! `secret check`: has the broker check secrets at GitHub, and shows what to do.
//!
//! Three kinds of bad news are kept apart. A finding is about the secret, and the exit code is 1, for
//! that one is certain. Where GitHub did not answer nothing was found out, and the exit code is 7; where
//! it limits the owner of the secret, and nothing else is wrong, 75.

use std::time::Duration;

use broker_protocol::api::{SecretList, SecretState, SecretView};
use broker_protocol::check::{CheckView, Finding, SecretChecked, Verdict};
use broker_protocol::client::{ClientError, Request};
use broker_protocol::error::{ErrorCode, Problem};
use broker_protocol::names::SecretName;
use serde::Serialize;

use crate::broker::Broker;
use crate::clock;
use crate::commands::secret::SECRETS;
use crate::error::Failure;
use crate::ui::{self, Table};

pub(crate) fn run(broker: &Broker, names: Vec<SecretName>, json: bool) -> Result<(), Failure> {
    let (names, without_value) = if names.is_empty() {
        all(broker)?
    } else {
        (names, Vec::new())
    };
    let mut checks = Vec::new();
    for name in names {
        let outcome = ask(broker, &name)?;
        if !json {
            print_outcome(&name, &outcome)?;
        }
        checks.push(Check { name, outcome });
    }
    let summary = CheckSummary::of(&checks, without_value.len());
    if json {
        let answer = CheckReport {
            checks: &checks,
            summary: &summary,
        };
        ui::print_json(&answer)?;
    } else {
        for name in &without_value {
            ui::note(format_args!("{name} has no value to check"));
        }
        ui::line(summary.describe())?;
    }
    summary.failure()
}

#[derive(Serialize)]
struct CheckReport<'a> {
    checks: &'a [Check],
    summary: &'a CheckSummary,
}

/// One secret, checked or not.
#[derive(Serialize)]
struct Check {
    name: SecretName,
    #[serde(flatten)]
    outcome: CheckOutcome,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum CheckOutcome {
    /// GitHub answered.
    Check(CheckView),
    /// It did not, or there was nothing to ask about.
    Problem(Box<Problem>),
}

/// Every declared secret that has a value, and those without.
fn all(broker: &Broker) -> Result<(Vec<SecretName>, Vec<SecretName>), Failure> {
    let list: SecretList = broker.read_list(SECRETS)?;
    let declared = list.secrets.into_iter().filter(|secret| secret.declared);
    let (missing, there): (Vec<_>, Vec<_>) =
        declared.partition(|secret| secret.state == SecretState::Missing);
    let names = |of: Vec<SecretView>| of.into_iter().map(|secret| secret.name).collect();
    Ok((names(there), names(missing)))
}

/// A check asks GitHub once for each declared repository and permission, and each call may take the
/// quarter of a minute.
const PATIENCE: Duration = Duration::from_secs(180);

/// What hinders this one check is an outcome; what would hinder every other too is a failure.
fn ask(broker: &Broker, name: &SecretName) -> Result<CheckOutcome, Failure> {
    let path = format!("/v1/secrets/{name}/check");
    match broker.send(&Request::new("POST", &path).patience(PATIENCE)) {
        Ok(answer) => Ok(CheckOutcome::Check(answer.json::<SecretChecked>()?.check)),
        Err(Failure::Broker(ClientError::Problem { problem, .. }))
            if hinders_one_check(&problem) =>
        {
            Ok(CheckOutcome::Problem(problem))
        }
        // The broker goes on; the next secret may be answered at once.
        Err(Failure::Broker(ClientError::Silent(_))) => {
            Ok(CheckOutcome::Problem(Box::new(Problem::new(
                ErrorCode::UpstreamUnavailable,
                format!(
                    "no answer within {} s; the broker continues, and `tokenctl secret show \
                     {name}` shows the result",
                    PATIENCE.as_secs()
                ),
            ))))
        }
        Err(failure) => Err(failure),
    }
}

/// Whether GitHub failed or limits requests, or it concerns this secret alone.
fn hinders_one_check(problem: &Problem) -> bool {
    matches!(problem.code.exit_code(), 7 | 75)
        || matches!(
            problem.code,
            ErrorCode::NotFound | ErrorCode::SecretMissing | ErrorCode::SecretExpired
        )
}

fn print_outcome(name: &SecretName, outcome: &CheckOutcome) -> Result<(), Failure> {
    match outcome {
        CheckOutcome::Check(check) => {
            ui::line(format_args!("{name}: {}", headline(check)))?;
            for finding in check.findings.iter().flatten() {
                line_of(finding)?;
            }
        }
        CheckOutcome::Problem(problem) => {
            ui::line(format_args!("{name}: not checked"))?;
            ui::line(format_args!("  {}", problem.detail))?;
        }
    }
    ui::line("")
}

/// `error; belongs to mallory, ends 2027-02-20T00:00:00Z (in 90 d)`
pub(crate) fn headline(check: &CheckView) -> String {
    let mut parts = Vec::new();
    if let Some(login) = &check.login {
        let belongs = match check.accepted {
            true => "belongs",
            false => "belonged",
        };
        parts.push(format!("{belongs} to {login}"));
    }
    if let Some(end) = check.expires_at {
        let ends = if end <= clock::now() { "ended" } else { "ends" };
        parts.push(format!("{ends} {}", clock::deadline(end)));
    }
    if parts.is_empty() {
        check.verdict.to_string()
    } else {
        format!("{}; {}", check.verdict, parts.join(", "))
    }
}

pub(crate) fn line_of(finding: &Finding) -> Result<(), Failure> {
    let verdict = match finding.verdict {
        Verdict::NotProven => "not proven",
        verdict => verdict.as_str(),
    };
    ui::line(format_args!(
        "  {verdict:<10}  {:<22}  {}",
        finding.word, finding.text
    ))?;
    match &finding.hint {
        Some(hint) => ui::line(format_args!("  {:<10}  hint: {hint}", "")),
        None => Ok(()),
    }
}

#[derive(Default, Serialize)]
struct CheckSummary {
    ok: usize,
    warning: usize,
    error: usize,
    not_checked: usize,
    limited: usize,
    without_value: usize,
}

impl CheckSummary {
    fn of(checks: &[Check], without_value: usize) -> Self {
        let mut summary = Self {
            without_value,
            ..Self::default()
        };
        for check in checks {
            let count = match &check.outcome {
                CheckOutcome::Check(check) => match check.verdict {
                    Verdict::Ok | Verdict::NotProven => &mut summary.ok,
                    Verdict::Warning => &mut summary.warning,
                    Verdict::Error => &mut summary.error,
                },
                CheckOutcome::Problem(problem) => match problem.code.exit_code() {
                    7 => &mut summary.not_checked,
                    75 => &mut summary.limited,
                    // Asked for by name, and there is nothing that could be as declared.
                    _ => &mut summary.error,
                },
            };
            *count += 1;
        }
        summary
    }

    fn describe(&self) -> String {
        let checked = self.ok + self.warning + self.error;
        let mut text = format!(
            "{checked} checked: {} ok, {} with warnings, {} with errors",
            self.ok, self.warning, self.error
        );
        for (count, what) in [
            (self.not_checked, "not checked, GitHub failed"),
            (self.limited, "not checked, limited by GitHub"),
            (self.without_value, "without a value"),
        ] {
            if count > 0 {
                text.push_str(&format!("; {count} {what}"));
            }
        }
        text
    }

    fn failure(&self) -> Result<(), Failure> {
        match (self.error, self.not_checked, self.limited) {
            (0, 0, 0) => Ok(()),
            (0, 0, limited) => Err(Failure::Later(format!(
                "{limited} not checked, limited by GitHub; run it again later"
            ))),
            (0, failed, _) => Err(Failure::Upstream(format!(
                "{failed} not checked: GitHub gave no answer"
            ))),
            (1, ..) => Err(Failure::new("1 secret is not as declared")),
            (error, ..) => Err(Failure::new(format!("{error} secrets are not as declared"))),
        }
    }
}

/// How a secret's last check stands, for `secret show`.
pub(crate) fn field(table: &mut Table, secret: &SecretView) {
    match &secret.check {
        Some(check) => {
            let of = match check.version == secret.version {
                true => "",
                false => " of an older version",
            };
            table.field(
                "checked",
                format_args!(
                    "{}{of}: {}",
                    clock::short(check.checked_at),
                    headline(check)
                ),
            );
        }
        None => table.field("checked", "never"),
    }
    if let Some(failed) = &secret.check_failed {
        let why = failed.why.as_deref().unwrap_or("GitHub failed");
        table.field(
            "not checked",
            format_args!("{}: {why}", clock::short(failed.at)),
        );
    }
}

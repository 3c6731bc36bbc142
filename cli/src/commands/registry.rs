//! `secret list`: the registry of tokens that a team would otherwise keep by hand.

use broker_protocol::api::{Exposure, SecretList, SecretState, SecretView};
use broker_protocol::check::Verdict;
use jiff::Timestamp;

use crate::args::Format;
use crate::broker::Broker;
use crate::clock;
use crate::commands::purpose::joined;
use crate::commands::secret::SECRETS;
use crate::error::Failure;
use crate::ui::{self, Table};

pub(crate) fn run(broker: &Broker, format: Format) -> Result<(), Failure> {
    let answer = broker.list(SECRETS)?;
    if format == Format::Json {
        return ui::json(&answer.body);
    }
    let list: SecretList = answer.json()?;
    if format == Format::Md {
        return ui::bytes(markdown(&list.secrets).as_bytes());
    }
    if list.secrets.is_empty() {
        return ui::line("no secrets; `tokenctl secret add NAME` or `tokenctl import FILE`");
    }
    overview(&list.secrets).print()
}

/// One line for each secret: how it stands and what is due.
pub(crate) fn overview(secrets: &[SecretView]) -> Table {
    let now = clock::now();
    let mut table = Table::new(&[
        "SECRET",
        "STATE",
        "CHECK",
        "DEADLINE",
        "SOURCE",
        "EXPOSED TO",
        "PURPOSES",
    ]);
    for secret in secrets {
        let mut uids: Vec<u32> = secret.exposed_to.iter().map(|e| e.uid).collect();
        uids.sort_unstable();
        uids.dedup();
        table.row([
            secret.name.to_string(),
            state(secret).to_owned(),
            check(secret),
            deadline(secret, now),
            secret.source.clone(),
            match uids.len() {
                0 => "-".to_owned(),
                _ => format!("uid {}", joined(&uids)),
            },
            joined(&secret.purposes),
        ]);
    }
    table
}

pub(crate) const fn state(secret: &SecretView) -> &'static str {
    match (secret.declared, secret.state) {
        (false, _) => "undeclared",
        (true, state) => SecretState::as_str(state),
    }
}

/// What the last check of the value in use found; `*` if GitHub did not answer a later one.
fn check(secret: &SecretView) -> String {
    let of_this = secret
        .check
        .as_ref()
        .filter(|check| check.version == secret.version);
    let found = of_this.map_or("-", |check| Verdict::as_str(check.verdict));
    let later = if secret.check_failed.is_some() {
        "*"
    } else {
        ""
    };
    format!("{found}{later}")
}

pub(crate) fn deadline(secret: &SecretView, now: Timestamp) -> String {
    let moment = |at| format!("{} ({})", clock::short(at), clock::until(at, now));
    secret.deadline.map_or_else(|| "-".to_owned(), moment)
}

/// A Markdown table, for a wiki or a repository.
fn markdown(secrets: &[SecretView]) -> String {
    let mut text = String::new();
    line(&mut text, HEADINGS.map(str::to_owned));
    line(&mut text, HEADINGS.map(|_| "---".to_owned()));
    for secret in secrets {
        let day = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), day);
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        line(
            &mut text,
            [
                secret.name.to_string(),
                or_dash(&secret.kind),
                joined(&secret.purposes),
                joined(&secret.scopes),
                or_dash(&secret.owner),
                day(secret.created_at),
                day(secret.set_at),
                day(secret.deadline),
                day(secret.last_used),
                exposed(&secret.exposed_to),
            ],
        );
    }
    text
}

const HEADINGS: [&str; 10] = [
    "name",
    "kind",
    "purposes",
    "scopes",
    "owner",
    "created",
    "rotated",
    "deadline",
    "last used",
    "exposed to",
];

fn exposed(to: &[Exposure]) -> String {
    let each: Vec<String> = to
        .iter()
        .map(|exposure| format!("uid {} for {}", exposure.uid, exposure.purpose))
        .collect();
    joined(&each)
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn line(text: &mut String, cells: [String; HEADINGS.len()]) {
    text.push('|');
    for cell in cells {
        text.push(' ');
        text.push_str(&escaped(&cell));
        text.push_str(" |");
    }
    text.push('\n');
}

/// A cell holds one line, and no character of its own that means something in a table.
fn escaped(cell: &str) -> String {
    let mut out = String::with_capacity(cell.len() + 8);
    for c in cell.chars() {
        match c {
            '|' | '\\' | '`' | '*' | '<' | '[' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_cannot_leave_its_place() {
        assert_eq!(escaped("a|b"), "a\\|b");
        assert_eq!(escaped("a\\|b"), "a\\\\\\|b");
        assert_eq!(escaped("one\ntwo\x1b[2J"), "one two \\[2J");
        assert_eq!(escaped("repo:status, read:org"), "repo:status, read:org");
    }

    #[test]
    fn the_registry_names_everything_a_team_writes_down() {
        let secret: SecretView = serde_json::from_value(serde_json::json!({
            "name": "org-label-sync-token", "declared": true, "kind": "classic",
            "owner": "acme-bot", "scopes": ["repo", "workflow"], "source": "vault",
            "purposes": ["label-sync"], "state": "ok", "deadline": "2027-02-20T00:00:00Z",
            "expires_at": null, "rotate_every": 7_776_000, "rate_floor": 4000, "version": 2,
            "created_at": "2026-08-01T00:00:00Z", "set_at": "2026-11-21T23:59:59Z",
            "hashed_credential": "x", "last_used": null,
            "exposed_to": [{"uid": 1000, "purpose": "label-sync", "leases": 3,
                            "last": "2026-11-21T08:00:00Z"}],
        }))
        .unwrap();
        let text = markdown(&[secret]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "| name | kind | purposes | scopes | owner | created | rotated | deadline | last used | \
             exposed to |"
        );
        assert_eq!(lines[1].matches("---").count(), 10);
        assert_eq!(
            lines[2],
            "| org-label-sync-token | classic | label-sync | repo, workflow | acme-bot | 2026-08-01 \
             | 2026-11-21 | 2027-02-20 | - | uid 1000 for label-sync |"
        );
    }
}

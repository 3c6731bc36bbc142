//! `secret list`: the registry of tokens that a team would otherwise keep by hand.

use broker_protocol::api::{Exposure, SecretList, SecretState, SecretView};
use broker_protocol::check::Verdict;
use broker_protocol::names::ONE_PASSWORD_TOKEN;
use broker_protocol::printable::is_hidden;
use jiff::Timestamp;

use crate::account;
use crate::args::Format;
use crate::broker::Broker;
use crate::clock;
use crate::commands::purpose::joined;
use crate::commands::secret::SECRETS;
use crate::commands::status::few;
use crate::error::Failure;
use crate::ui::{self, List, or_dash};

pub(crate) fn run(broker: &Broker, format: Format) -> Result<(), Failure> {
    let answer = broker.list(SECRETS)?;
    if format == Format::Json {
        return ui::json(&answer.body);
    }
    let list: SecretList = answer.json()?;
    if format == Format::Md {
        return ui::bytes(markdown(&list.secrets).as_bytes());
    }
    let none = "no secrets; `tokenctl secret add NAME` or `tokenctl import FILE`";
    overview(&list.secrets).print_or(none)?;
    note_unanswered(&list.secrets);
    Ok(())
}

/// Notes what has a `*` in [`overview`].
pub(crate) fn note_unanswered(secrets: &[SecretView]) {
    if let Some((what, hint)) = unanswered(secrets) {
        ui::note(format_args!("{what}; {hint}"));
    }
}

/// Of which secrets GitHub did not answer the last check, and where the reason is.
pub(crate) fn unanswered(secrets: &[SecretView]) -> Option<(String, String)> {
    let unanswered = secrets.iter().filter(|one| one.check_failed.is_some());
    let names: Vec<String> = unanswered.map(|one| one.name.to_string()).collect();
    Some((
        format!("GitHub did not answer the last check of {}", few(&names)),
        format!("`tokenctl secret show {}` has the reason", names.first()?),
    ))
}

/// One line for each secret: how it stands and what is due.
pub(crate) fn overview(secrets: &[SecretView]) -> List<'_, SecretView> {
    List::of(secrets)
        .column("SECRET", |secret| &secret.name)
        .column("STATE", state)
        .column("CHECK", check)
        .column("DEADLINE", day)
        .column("SOURCE", |secret| &secret.source)
        .column("EXPOSED TO", accounts)
        .column("PURPOSES", |secret| joined(&secret.purposes))
}

fn accounts(secret: &SecretView) -> String {
    let mut uids: Vec<u32> = secret.exposed_to.iter().map(|e| e.uid).collect();
    uids.sort_unstable();
    uids.dedup();
    match uids.len() {
        0 => "-".to_owned(),
        _ => {
            let names: Vec<_> = uids.into_iter().map(account::name).collect();
            joined(&names)
        }
    }
}

/// How it stands. The vault may have one that no policy declares; of these, 1Password's token is in use.
pub(crate) fn state(secret: &SecretView) -> &'static str {
    match (secret.declared, secret.state) {
        (false, _) if secret.name.as_str() == ONE_PASSWORD_TOKEN => "for 1Password",
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
    let later = secret.check_failed.as_ref().map_or("", |_| "*");
    format!("{found}{later}")
}

pub(crate) fn deadline(secret: &SecretView) -> String {
    or_dash(secret.deadline.map(clock::deadline))
}

/// The day of the deadline alone, which leaves room for other columns: `2027-02-20 (in 90 d)`.
fn day(secret: &SecretView) -> String {
    let day = |at: Timestamp| {
        let left = clock::until(at, clock::now());
        format!("{} ({left})", at.strftime("%Y-%m-%d"))
    };
    or_dash(secret.deadline.map(day))
}

/// A Markdown table, for a wiki or a repository.
fn markdown(secrets: &[SecretView]) -> String {
    let mut text = HEADINGS.to_owned();
    for secret in secrets {
        let day = |at: Option<Timestamp>| or_dash(at.map(|at| at.strftime("%Y-%m-%d")));
        for cell in [
            secret.name.to_string(),
            or_dash(secret.kind.as_ref()),
            joined(&secret.purposes),
            joined(&secret.scopes),
            or_dash(secret.owner.as_ref()),
            day(secret.created_at),
            day(secret.set_at),
            day(secret.deadline),
            day(secret.last_used),
            exposed(&secret.exposed_to),
        ] {
            text.push_str(&format!("| {} ", escaped(&cell)));
        }
        text.push_str("|\n");
    }
    text
}

const HEADINGS: &str = "\
| name | kind | purposes | scopes | owner | created | rotated | deadline | last used | exposed to |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
";

fn exposed(to: &[Exposure]) -> String {
    let each: Vec<String> = to
        .iter()
        .map(|exposure| format!("{} for {}", account::name(exposure.uid), exposure.purpose))
        .collect();
    joined(&each)
}

/// A cell holds one line, and no character of its own that means something in a table.
fn escaped(cell: &str) -> String {
    let mut out = String::with_capacity(cell.len() + 8);
    for c in cell.chars() {
        if "|\\`*<[".contains(c) {
            out.push('\\');
        }
        out.push(if is_hidden(c) { ' ' } else { c });
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
        assert_eq!(escaped("one\u{202e}two\u{200b}"), "one two ");
        assert_eq!(escaped("repo:status, read:org"), "repo:status, read:org");
    }

    #[test]
    fn the_token_of_1password_is_in_use_though_no_policy_declares_it() {
        let stored = |name: &str| state(&view(name, false));
        assert_eq!(stored(ONE_PASSWORD_TOKEN), "for 1Password");
        assert_eq!(stored("left-over"), "undeclared");
    }

    fn view(name: &str, declared: bool) -> SecretView {
        serde_json::from_value(serde_json::json!({
            "name": name, "declared": declared, "kind": "classic",
            "owner": "acme-bot", "scopes": ["repo", "workflow"], "source": "vault",
            "purposes": ["label-sync"], "state": "ok", "deadline": "2027-02-20T00:00:00Z",
            "expires_at": null, "rotate_every": 7_776_000, "rate_floor": 4000, "version": 2,
            "created_at": "2026-08-01T00:00:00Z", "set_at": "2026-11-21T23:59:59Z",
            "hashed_credential": "x", "last_used": null,
            "exposed_to": [{"uid": 0, "purpose": "label-sync", "leases": 3,
                            "last": "2026-11-21T08:00:00Z"}],
        }))
        .unwrap()
    }

    #[test]
    fn the_registry_names_everything_a_team_writes_down() {
        let text = markdown(&[view("org-label-sync-token", true)]);
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
             | 2026-11-21 | 2027-02-20 | - | root for label-sync |"
        );
    }
}

//! What `init` prints: what it made, what it found, what that means, and the next commands.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use broker_protocol::paths::Paths;

use broker_vault::LogIdentity;
use broker_vault::root_key::RootKeySource;

/// The outcome of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitReport {
    /// In the order in which it was done.
    pub steps: Vec<InitStep>,
    /// Where the root key comes from and what that means, in one or two sentences.
    pub root_key: String,
    /// Whether a recovery passphrase is set; `None` if a running broker holds the vault.
    pub has_recovery: Option<bool>,
    /// Name and public key of the audit log; `None` if a running broker holds the vault.
    pub log: Option<LogIdentity>,
    /// The commands to type now, one a line.
    pub next: String,
}

/// One thing that was made or found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitStep {
    /// What it is.
    pub what: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// What was done about it.
    pub done: Done,
}

/// What was done about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It was missing.
    Made,
    /// It was there.
    Found,
    /// Neither, for this reason.
    Left(&'static str),
}

impl InitStep {
    pub(super) fn new(what: &'static str, path: &Path, made: bool) -> Self {
        let done = if made { Done::Made } else { Done::Found };
        let path = path.to_owned();
        Self { what, path, done }
    }

    pub(super) fn left(what: &'static str, path: &Path, why: &'static str) -> Self {
        let done = Done::Left(why);
        let path = path.to_owned();
        Self { what, path, done }
    }
}

/// What it means for the root key to come from there.
pub(super) fn meaning(source: &RootKeySource, places: &Paths, because: Option<&str>) -> String {
    let (from, means) = match source {
        RootKeySource::File => (
            format!("the key file {}", places.root_key.display()),
            "Anyone who can read it and the vault can read every secret: keep their backups apart.",
        ),
        RootKeySource::Keyring => (
            "the keyring of your session".to_owned(),
            "tokend can only start unlocked while your session has the keyring open.",
        ),
        RootKeySource::Passphrase => (
            "a passphrase".to_owned(),
            "After each start someone runs `tokenctl unlock`; until then no lease is granted.",
        ),
        RootKeySource::Credential(name) => (
            format!("the systemd credential {name}"),
            "The unit needs it at each start. What systemd encrypts opens on this machine alone: elsewhere the recovery \
             passphrase does.",
        ),
    };
    match because {
        Some(because) => format!("{from}\n({because}). {means}"),
        None => format!("{from}.\n{means}"),
    }
}

/// The vault of a running broker, which has checked it.
pub(super) fn in_use(places: &Paths, mut steps: Vec<InitStep>) -> InitReport {
    steps.push(InitStep::new("vault", &places.vault, false));
    InitReport {
        steps,
        root_key: "in use by a running tokend".to_owned(),
        has_recovery: None,
        log: None,
        next: "tokenctl status           # the broker runs".to_owned(),
    }
}

/// From a store without a broker to a first lease.
pub(super) fn first_steps(places: &Paths) -> String {
    let start = match places.start_command() {
        "tokend" => "tokend &                  # start the broker",
        _ => "systemctl enable --now tokend.socket tokend.service",
    };
    format!(
        "{start}\n\
         tokenctl secret add NAME  # store a token; `tokenctl import FILE` takes many\n\
         tokenctl policy reload    # once a policy file allows its use, in\n\
         #                           {}",
        places.policies.display()
    )
}

/// Writes the report as text.
///
/// # Errors
///
/// If `out` takes no more.
pub fn print(report: &InitReport, out: &mut dyn Write) -> io::Result<()> {
    for step in &report.steps {
        let (done, why) = match step.done {
            Done::Made => ("made", ""),
            Done::Found => ("found", ""),
            Done::Left(why) => ("left", why),
        };
        let path = step.path.display();
        match why {
            "" => writeln!(out, "{done:<6} {:<14} {path}", step.what)?,
            why => writeln!(out, "{done:<6} {:<14} {path} ({why})", step.what)?,
        }
    }
    writeln!(out, "\nroot key: {}", report.root_key)?;
    if report.has_recovery == Some(false) {
        let warning = "none; if the root key is lost, so are the secrets;\n\
                       set one while the broker runs: tokenctl rekey --recovery";
        writeln!(out, "recovery passphrase: {warning}")?;
    }
    if let Some(log) = &report.log {
        let key = &log.public_key;
        writeln!(
            out,
            "audit log key, for the auditor to keep elsewhere:\n  {key}"
        )?;
    }
    writeln!(out, "\nnext:")?;
    let mut commands = report.next.lines();
    commands.try_for_each(|command| writeln!(out, "  {command}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_started_by_its_unit_and_a_credential_is_not_said_to_open_elsewhere() {
        let system = first_steps(&Paths::system());
        let start = "systemctl enable --now tokend.socket tokend.service\n";
        assert!(system.starts_with(start), "{system}");
        let own = Paths::below(Path::new("/t"));
        assert!(first_steps(&own).starts_with("tokend & "));
        let credential = RootKeySource::Credential("tokend-root-key".to_owned());
        let means = meaning(&credential, &own, None);
        assert!(means.contains("opens on this machine alone"), "{means}");
    }
}

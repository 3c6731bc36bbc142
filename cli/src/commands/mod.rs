//! One file for each command. This one only finds the broker's places and picks the command.

mod audit;
mod backup;
mod check;
mod daemon;
mod doctor;
mod exec;
mod explain;
pub(crate) mod generate;
mod get;
mod git_credential;
mod import;
mod lease;
mod lock;
mod moving;
mod policy;
mod proxy;
pub(crate) mod purpose;
mod records;
mod registry;
mod rekey;
mod repository;
mod rotate;
mod secret;
mod setup;
mod setup_git;
mod sinks;
mod status;

use std::ffi::OsString;

use broker_protocol::paths::{Overrides, Paths, SYSTEM_CONFIG, SYSTEM_SOCKET};

pub(crate) use self::git_credential::stop_git;
use crate::args::{Command, CommandLine, Format, Global, PolicyCommand, SecretCommand};
use crate::broker::Broker;
use crate::core_dump;
use crate::error::Failure;
use crate::relay;

/// Does what the command line says. `dumps` is how this process was allowed to dump core.
pub(crate) fn run(line: CommandLine, dumps: &core_dump::Before) -> Result<(), Failure> {
    let CommandLine {
        mut global,
        command,
    } = line;
    // Both make a broker of this account's own, whatever socket its shell names.
    if !matches!(command, Command::Init(_) | Command::Restore(_)) {
        global.find_service(|name| std::env::var_os(name));
    }
    let json = global.json;
    if holds_secrets_and_takes_no_lease(&command) {
        core_dump::forbid_traces();
    }
    if json && let Some(why) = why_without_json(&command) {
        return Err(Failure::Usage(format!("there is no --json here: {why}")));
    }
    match command {
        Command::Setup(asked) => {
            let given = global.as_options();
            setup::run(&find(global)?, given, &asked)
        }
        Command::Init(passed) => daemon::run(&["init"], &passed, &global),
        Command::Policy(PolicyCommand::Check(passed)) => {
            daemon::run(&["policy", "check"], &passed, &global)
        }
        Command::Policy(PolicyCommand::Test(passed)) => {
            daemon::run(&["policy", "test"], &passed, &global)
        }
        Command::Policy(PolicyCommand::Explain(asked)) => explain::run(*asked, global),
        Command::Policy(PolicyCommand::Reload) => daemon::reload(&find(global)?, json),
        Command::Policy(PolicyCommand::New(new)) => policy::new(&find(global)?, &new, json),
        Command::Policy(PolicyCommand::Allow(asked)) => policy::allow(&find(global)?, &asked, json),
        Command::Get(asked) => get::run(&find(global)?, asked, json),
        Command::Exec(exec) => exec::run(|| find(global), exec, dumps),
        Command::Relay(asked) => relay::run(asked),
        Command::GitCredential(asked) => git_credential::run(|| find(global), asked),
        Command::SetupGit(asked) => setup_git::run(global, &asked),
        Command::Status => status::run(&find(global)?, json),
        Command::Doctor => doctor::run(&find(global)?, json),
        Command::Purpose(command) => purpose::run(&find(global)?, command, json),
        Command::Lease(command) => lease::run(&find(global)?, command, json),
        Command::Secret(command) => secret::run(&find(global)?, command, json),
        Command::Repository(command) => repository::run(&find(global)?, command, json),
        Command::Rotate(asked) => rotate::run(&find(global)?, &asked, json),
        Command::Import(import) => import::run(&find(global)?, &import),
        Command::Audit(command) => audit::run(&find(global)?, command, json),
        Command::Lock { revoke: false } => lock::lock(&find(global)?, json),
        Command::Lock { revoke: true } => lock::lock_and_revoke(&find(global)?, json),
        Command::Backup(asked) if asked.verify => backup::verify(&asked, &global),
        Command::Backup(asked) => backup::make(&find(global)?, &asked, json),
        Command::Restore(passed) => daemon::run_either_way(&["restore"], &passed.args, &global),
        Command::Unlock(how) => lock::unlock(&find(global)?, &how, json),
        Command::Rekey(asked) => rekey::run(&find(global)?, &asked, json),
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { dir } => generate::manual(&dir, &global),
    }
}

/// Whether values or passphrases go through this process, and no rule asks which program it is.
fn holds_secrets_and_takes_no_lease(command: &Command) -> bool {
    matches!(
        command,
        Command::Secret(_)
            | Command::Rotate(_)
            | Command::Import(_)
            | Command::Backup(_)
            | Command::Restore(_)
            | Command::Unlock(_)
            | Command::Rekey(_)
    )
}

/// Why a command has no result in JSON, where it has none: the option is never ignored.
const fn why_without_json(command: &Command) -> Option<&'static str> {
    match command {
        Command::Init(_)
        | Command::Setup(_)
        | Command::Policy(PolicyCommand::Check(_) | PolicyCommand::Test(_)) => {
            Some("the exit code says how it went")
        }
        Command::Exec(_) => Some("what is printed is the command's own"),
        Command::Relay(_) | Command::GitCredential(_) => Some("it has a form of its own"),
        Command::SetupGit(_) => Some("it writes git's configuration, which --print shows"),
        Command::Import(_) => Some("`tokenctl secret list --json` shows what is stored"),
        Command::Secret(SecretCommand::List {
            format: Some(Format::Table | Format::Md),
        }) => Some("--format asks for another form"),
        Command::Completions { .. } => Some("it prints a script for a shell"),
        Command::Man { .. } => Some("it writes files"),
        _ => None,
    }
}

impl Global {
    /// Takes the configuration of the system service where its socket is named and no configuration: its
    /// policies and its audit log are not in the caller's home.
    fn find_service(&mut self, env: impl Fn(&str) -> Option<OsString>) {
        let set = |name| env(name).filter(|value| !value.is_empty());
        let socket = self.socket.clone().map(OsString::from);
        let socket = socket.or_else(|| set("TOKEND_SOCKET"));
        let named =
            self.config.is_some() || ["TOKEND_CONFIG", "TOKEND_HOME"].map(set) != [None, None];
        if !named && socket.is_some_and(|socket| socket == SYSTEM_SOCKET) {
            self.config = Some(SYSTEM_CONFIG.into());
        }
    }
}

fn find(global: Global) -> Result<Broker, Failure> {
    let overrides = Overrides {
        config: global.config,
        socket: global.socket,
    };
    let places = Paths::find(&overrides, |name| std::env::var_os(name))
        .map_err(|no_home| Failure::new(no_home.to_string()))?;
    Ok(Broker { places })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::*;

    /// The names of all commands that have none below them.
    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let mut below = command.get_subcommands().peekable();
        if below.peek().is_none() {
            found.push(path.to_owned());
        }
        for one in below {
            leaves(one, &format!("{path} {}", one.get_name()), found);
        }
    }

    #[test]
    fn each_command_prints_json_or_says_why_not() {
        let id = "0".repeat(32);
        let lines = [
            ("status", true),
            ("doctor", true),
            ("get p", true),
            ("purpose list", true),
            ("purpose show p", true),
            ("lease list", true),
            (&format!("lease show {id}"), true),
            (&format!("lease renew {id}"), true),
            (&format!("lease revoke {id}"), true),
            ("secret add s", true),
            ("secret set s", true),
            ("secret list", true),
            ("secret check", true),
            ("secret show s", true),
            ("secret move s --back", true),
            ("secret sinks", true),
            ("secret revoke s --now", true),
            ("secret remove s", true),
            ("repository list", true),
            ("repository unpin a/b", true),
            ("rotate s", true),
            ("policy reload", true),
            ("audit verify", true),
            ("audit tail", true),
            ("audit search", true),
            ("audit export", true),
            ("audit key", true),
            ("lock", true),
            ("unlock", true),
            ("rekey", true),
            ("backup f", true),
            ("restore f", true),
            ("init", false),
            ("exec p -- true", false),
            (&format!("relay --proxy p --lease {id} --bundle b"), false),
            ("git-credential get", false),
            ("setup-git", false),
            ("import f", false),
            ("policy check", false),
            ("policy test", false),
            ("policy explain p", true),
            (
                "policy new p --secret s --repo a/b --permission issues=read",
                true,
            ),
            ("policy allow p --user root", true),
            ("setup", false),
            ("completions bash", false),
            ("man d", false),
        ];
        let mut all = Vec::new();
        leaves(&CommandLine::command(), "", &mut all);
        for leaf in &all {
            let leaf = leaf.trim_start();
            let known = lines.iter().any(|(line, _)| {
                *line == leaf
                    || line
                        .strip_prefix(leaf)
                        .is_some_and(|rest| rest.starts_with(' '))
            });
            assert!(known, "{leaf}: has it JSON? add it here");
        }
        for (line, has_json) in lines {
            let words = format!("tokenctl {line}");
            let parsed = CommandLine::try_parse_from(words.split(' ')).ok();
            let command = parsed.unwrap_or_else(|| panic!("{line}")).command;
            assert_eq!(why_without_json(&command).is_none(), has_json, "{line}");
        }
    }

    #[test]
    fn the_services_socket_leads_to_the_services_files_unless_another_configuration_is_named() {
        for (set, config) in [
            (&[("TOKEND_SOCKET", SYSTEM_SOCKET)][..], Some(SYSTEM_CONFIG)),
            (
                &[("TOKEND_SOCKET", SYSTEM_SOCKET), ("TOKEND_HOME", "/t")],
                None,
            ),
            (
                &[("TOKEND_SOCKET", SYSTEM_SOCKET), ("TOKEND_CONFIG", "/c")],
                None,
            ),
            (&[("TOKEND_SOCKET", "/run/user/7/tokend/tokend.sock")], None),
            (&[], None),
        ] {
            let mut global = Global {
                config: None,
                socket: None,
                json: false,
            };
            global.find_service(|name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.into())
            });
            let found = global.config.as_deref();
            assert_eq!(found, config.map(std::path::Path::new), "{set:?}");
        }
    }
}

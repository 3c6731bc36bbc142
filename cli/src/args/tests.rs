//! The command line, line by line.

use clap::CommandFactory as _;

use super::*;

fn parse(line: &str) -> Result<CommandLine, clap::Error> {
    CommandLine::try_parse_from(line.split(' '))
}

#[test]
fn the_command_line_is_consistent() {
    CommandLine::command().debug_assert();
}

#[test]
fn words_that_policies_and_the_http_api_use_too_stay() {
    fn words<T: ValueEnum>() -> Vec<String> {
        T::value_variants().iter().map(word).collect()
    }
    assert_eq!(words::<Kind>(), ["classic", "fine-grained", "app"]);
    let root_keys = ["keyring", "file", "passphrase", "credential"];
    assert_eq!(words::<RootKey>(), root_keys);
}

#[test]
fn every_line_of_the_manual_is_understood() {
    for line in [
        "tokenctl init",
        "tokenctl init --root-key file",
        "tokenctl init --help",
        "tokenctl --json status",
        "tokenctl status --json --socket /s",
        "tokenctl get p --repo a/b --repo a/c --org a --permission issues=read --ttl 15m --reason x",
        "tokenctl exec p -- ls -l",
        "tokenctl exec p --env A --env B_1 --ttl 5m -- ls",
        "tokenctl exec p --env A=q -- ls",
        "tokenctl exec --env A=p --env B=q -- ls",
        "tokenctl git-credential get",
        "tokenctl git-credential --purpose p --host 127.0.0.1:8080 get",
        "tokenctl git-credential --strict something-new",
        "tokenctl setup-git",
        "tokenctl setup-git --local --only --purpose p --owner Acme --print",
        "tokenctl setup-git --remove",
        "tokenctl purpose show p",
        "tokenctl lease revoke --all",
        "tokenctl lease revoke 00000000000000000000000000000000",
        "tokenctl secret add s --kind fine-grained --repository a/b --permission contents=read",
        "tokenctl secret add s --kind app --client-id Iv23liABCDEF --source env:KEY",
        "tokenctl secret set s --expires 2027-02-20",
        "tokenctl secret set s --no-check",
        "tokenctl secret list --format md",
        "tokenctl secret check",
        "tokenctl secret check s t --json",
        "tokenctl secret remove s --yes",
        "tokenctl secret sinks",
        "tokenctl secret sinks s --push",
        "tokenctl secret revoke s --now",
        "tokenctl repository list --json",
        "tokenctl repository unpin acme/site",
        "tokenctl rotate s",
        "tokenctl rotate s --value-file - --yes",
        "tokenctl rotate s --value-file /f --revoke-after 1h --expires 2027-02-20",
        "tokenctl rotate s --dry-run",
        "tokenctl rotate s --rollback",
        "tokenctl import /f --org acme --dry-run",
        "tokenctl policy check DIR",
        "tokenctl policy explain p",
        "tokenctl policy explain p --user alice --json",
        "tokenctl policy explain p --unit x.service --repo acme/a --permission issues=read --ttl 5m",
        "tokenctl policy explain p --pid 1 --request 'GET' --dir /d",
        "tokenctl policy reload",
        "tokenctl policy new p --secret s --repo a/b --permission issues=read --allow alice",
        "tokenctl policy new p --secret s --org a --permission members=read --deliver proxy --ttl 5m",
        "tokenctl policy allow p --user alice",
        "tokenctl policy allow p --group dev",
        "tokenctl policy allow p --unit sync.service",
        "tokenctl import /f --org acme --allow alice --allow bob",
        "tokenctl setup",
        "tokenctl setup --yes --no-recovery --import /f --repo a/b --permission issues=read",
        "tokenctl setup --passphrase-file /p --secret s --purpose p",
        "tokenctl audit verify",
        "tokenctl audit verify a b",
        "tokenctl audit tail -n 5 -f",
        "tokenctl audit search --kind lease --since 2026-11-21 --dir /d",
        "tokenctl audit search --since 1h --until 10m --caller alice --limit 5",
        "tokenctl audit export --from 1 --to 2",
        "tokenctl unlock --passphrase",
        "tokenctl rekey",
        "tokenctl rekey --root-key credential --json",
        "tokenctl rekey --root-key passphrase --recovery",
        "tokenctl completions fish",
        "tokenctl man /d",
        "tokenctl backup /f",
        "tokenctl backup /f --force --passphrase-file -",
        "tokenctl backup --verify /f --json",
        "tokenctl restore /f --root-key file",
    ] {
        if let Err(error) = parse(line) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    for line in [
        "tokenctl",
        "tokenctl frobnicate",
        "tokenctl backup",
        "tokenctl backup /f --verify --force",
        "tokenctl get",
        "tokenctl get Bad_Purpose",
        "tokenctl get p --repo nonsense",
        "tokenctl get p --permission issues",
        "tokenctl get p --permission issues=maybe",
        "tokenctl get p --ttl soon",
        "tokenctl git-credential --host https://ghe.test/ get",
        "tokenctl setup-git --remove --only",
        "tokenctl setup-git --owner acme/site",
        "tokenctl exec p ls",
        "tokenctl exec p --env 1A -- ls",
        "tokenctl exec p --env A=B -- ls",
        "tokenctl exec p --env q=A -- ls",
        "tokenctl exec p --with q=A -- ls",
        "tokenctl exec -- ls",
        "tokenctl secret add s --kind app",
        "tokenctl secret add s --source file:x",
        "tokenctl secret add s --source op:x",
        "tokenctl secret add s --source keyring:",
        "tokenctl secret add s --source env:A-B",
        "tokenctl secret set s ghp_value",
        "tokenctl secret revoke s",
        "tokenctl repository unpin site",
        "tokenctl rotate",
        "tokenctl rotate s ghp_value",
        "tokenctl rotate s --rollback --yes",
        "tokenctl rotate s --dry-run --yes",
        "tokenctl lease revoke",
        "tokenctl lease revoke --all 00000000000000000000000000000000",
        "tokenctl audit search --since yesterday",
        "tokenctl rekey --root-key hsm",
        "tokenctl rekey correct-horse",
        "tokenctl policy new p --secret s --permission issues=read",
        "tokenctl policy new p --secret s --repo a/b",
        "tokenctl policy allow p",
        "tokenctl policy allow p --user alice --group dev",
        "tokenctl policy allow p --user 1000",
        "tokenctl import /f --allow alice",
        "tokenctl setup ghp_value",
        "tokenctl setup --no-recovery --passphrase-file /p",
    ] {
        match parse(line) {
            Err(error) => assert_eq!(error.exit_code(), 2, "{line}"),
            Ok(_) => panic!("{line} was taken"),
        }
    }
}

#[test]
fn arguments_for_the_daemon_are_passed_as_they_are() {
    let Command::Init(passed) = parse("tokenctl init --root-key file --json x")
        .unwrap()
        .command
    else {
        panic!("not init");
    };
    assert_eq!(passed.args, ["--root-key", "file", "--json", "x"]);
}

#[test]
fn every_help_fits_into_80_columns_and_examples_do_so_unbroken() {
    fn walk(command: &mut clap::Command, seen: &mut usize) {
        *seen += 1;
        let name = command.get_name().to_owned();
        let own = command.get_after_help().map(ToString::to_string);
        let helps = [
            own.unwrap_or_default(),
            command.render_help().to_string(),
            command.render_long_help().to_string(),
        ];
        for line in helps.iter().flat_map(|help| help.lines()) {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
        command
            .get_subcommands_mut()
            .for_each(|below| walk(below, seen));
    }
    let mut command = CommandLine::command().term_width(80);
    command.build();
    let mut seen = 0;
    walk(&mut command, &mut seen);
    assert!(seen > 40, "only {seen} commands");
}

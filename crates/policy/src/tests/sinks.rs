//! What a file may say of where a rotated value must also go.

use super::*;
use crate::{SinkKind, SinkPlace};

const BOT: &str =
    "[secret.bot]\nkind = 'classic'\n[secret.app]\nkind = 'app'\nclient_id = 'Iv23'\n";

fn sinks(text: &str) -> Result<PolicySet, String> {
    load("", &format!("{BOT}{text}"))
}

/// One sink of `bot` with these lines, which begin in line 7.
fn sink(lines: &str) -> String {
    format!("[[secret.bot.sinks]]\n{lines}\n")
}

#[test]
fn sinks_are_read_in_order_with_all_they_say() {
    let text = [
        "kind = 'actions'\nrepository = 'Acme/Site'\nname = 'SYNC_TOKEN'\nwith = 'app'",
        "kind = 'actions'\nrepository = 'acme/site'\nenvironment = 'Production EU'\nname = 'SYNC_TOKEN'",
        "kind = 'dependabot'\norganization = 'acme'\nname = '_sync2'",
        "kind = 'codespaces'\nrepository = 'acme/site'\nname = 'SYNC_TOKEN'",
    ];
    let set = sinks(&text.map(sink).concat()).unwrap();
    let bot = set.secret(&"bot".parse().unwrap()).unwrap();
    let shown: Vec<_> = bot.sinks.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "actions secret SYNC_TOKEN of acme/site",
            "actions secret SYNC_TOKEN of acme/site, environment Production EU",
            "dependabot secret _sync2 of organisation acme",
            "codespaces secret SYNC_TOKEN of acme/site",
        ]
    );
    let [first, second, third, _] = bot.sinks.as_slice() else {
        panic!("four sinks");
    };
    assert_eq!(first.with.as_ref().unwrap().as_str(), "app");
    assert_eq!(second.with, None);
    assert_eq!(third.kind, SinkKind::Dependabot);
    assert_eq!(first.place.to_string(), "s.toml:6");
    assert_eq!(
        first.at,
        SinkPlace::Repository("acme/site".parse().unwrap())
    );
    assert!(bot.sinks.iter().all(|sink| sink.at.owner() == "acme"));
    let named_here = |warning: &&crate::Finding| &*warning.place.file == "s.toml";
    assert_eq!(set.warnings().iter().find(named_here), None);
    assert!(
        set.secret(&"app".parse().unwrap())
            .unwrap()
            .sinks
            .is_empty()
    );
}

#[test]
fn what_a_sink_cannot_say_is_an_error() {
    let named = "kind = 'actions'\nrepository = 'acme/site'\nname =";
    for (lines, error) in [
        (
            "kind = 'action'\nrepository = 'acme/site'\nname = 'X'",
            "7: `kind` must be `actions`, `dependabot` or `codespaces` (did you mean `actions`?)",
        ),
        (
            "repository = 'acme/site'\nname = 'X'",
            "6: a sink needs `kind`",
        ),
        (
            "kind = 'actions'\nrepository = 'acme/site'",
            "6: a sink needs `name`",
        ),
        (
            "kind = 'actions'\nname = 'X'",
            "6: a sink needs `repository` or `organization`",
        ),
        (
            "kind = 'actions'\nrepository = 'acme/site'\norganization = 'acme'\nname = 'X'",
            "9: a sink is of a repository or of an organisation: name one of the two",
        ),
        (
            "kind = 'actions'\nrepository = 'acme/*'\nname = 'X'",
            "8: a sink is one repository: write its name",
        ),
        (
            "kind = 'actions'\norganization = 'acme'\nenvironment = 'x'\nname = 'X'",
            "9: an environment belongs to a repository: name `repository`",
        ),
        (
            "kind = 'dependabot'\nrepository = 'acme/site'\nenvironment = 'x'\nname = 'X'",
            "9: only Actions have secrets of an environment",
        ),
        (
            "kind = 'actions'\nrepository = 'acme/site'\nenvironment = ''\nname = 'X'",
            "9: `environment` must be the name of an environment, on one line",
        ),
        (
            "kind = 'actions'\norganization = 'acme'\nname = 'X'\nvisibility = 'all'",
            "10: `visibility` cannot be declared: an organisation's secret keeps the one it has",
        ),
        (
            "kind = 'actions'\nrepository = 'acme/site'\nname = 'X'\nwith = 'ap'",
            "6: no file declares `[secret.ap]` (did you mean `app`?)",
        ),
        (
            "kind = 'actions'\nrepo = 'acme/site'\nname = 'X'",
            "8: a sink knows no `repo`",
        ),
    ] {
        let errors = sinks(&sink(lines)).unwrap_err();
        assert!(
            errors.lines().any(|line| line == format!("s.toml:{error}")),
            "{lines}: {errors}"
        );
    }
    for name in ["", "1X", "GITHUB_TOKEN", "github_x", "A-B", "A B", "Ä"] {
        assert_eq!(
            sinks(&sink(&format!("{named} '{name}'"))).unwrap_err(),
            format!(
                "s.toml:9: `{name}` is not the name of a secret at GitHub (letters, digits and _; no \
                 digit and no `GITHUB_` in front)"
            )
        );
    }
    assert!(sinks(&sink(&format!("{named} 'GITHUBX'"))).is_ok());
    assert_eq!(
        load("", "[secret.bot]\nkind = 'classic'\nsinks = 'x'\n").unwrap_err(),
        "s.toml:3: write `[[secret.NAME.sinks]]` on a line of its own"
    );
}

#[test]
fn two_secrets_cannot_have_one_place_at_github() {
    let one = "kind = 'actions'\nrepository = 'acme/site'\nenvironment = 'Prod'\nname = 'TOKEN'";
    let same = "kind = 'actions'\nrepository = 'ACME/site'\nenvironment = 'prod'\nname = 'token'";
    let text = format!("{}{}", sink(one), sink(same).replace("bot", "app"));
    assert_eq!(
        sinks(&text).unwrap_err(),
        "s.toml:6: the actions secret TOKEN of acme/site, environment Prod is a sink in s.toml:11 already"
    );
    let other = same.replace("'prod'", "'staging'");
    assert!(sinks(&format!("{}{}", sink(one), sink(&other))).is_ok());
}

#[test]
fn sinks_of_a_secret_that_is_not_in_the_vault_are_pointed_out() {
    let text = "[secret.bot]\nkind = 'classic'\nsource = 'env:BOT'\n[[secret.bot.sinks]]\n\
                kind = 'actions'\nrepository = 'acme/site'\nname = 'X'\n";
    let set = load("", text).unwrap();
    let warnings: Vec<_> = set.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings[1..],
        [
            "s.toml:4: sinks get what `tokenctl rotate` stores in the vault, and this secret comes \
             from `env:BOT`"
        ]
    );
}

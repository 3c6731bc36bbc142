//! What a file may say of a secret.

use std::time::Duration;

use broker_protocol::source::{SourceSpec, all_forms};

use super::*;
use crate::SecretKind;

#[test]
fn secrets_are_read_with_all_they_say() {
    let text = "[secret.bot]\nkind = 'classic'\nowner = 'acme-bot'\nscopes = ['workflow', 'repo']\n\
                rotate_every = '90d'\nrate_floor = 4000\nsource = 'env:ORG_LABEL_SYNC_TOKEN'\n\n\
                [secret.pat]\nkind = 'fine-grained'\nrepositories = ['acme/one']\npermissions = { contents = 'read' }\n";
    let set = load("", text).unwrap();
    let bot = set.secret(&"bot".parse().unwrap()).unwrap();
    assert_eq!(bot.kind, SecretKind::Classic);
    assert_eq!(bot.owner.as_deref(), Some("acme-bot"));
    assert_eq!(*bot.scopes, ["repo", "workflow"]);
    assert_eq!(bot.rotate_every, Some(Duration::from_secs(90 * 86400)));
    assert_eq!(bot.rate_floor, Some(4000));
    assert_eq!(bot.source.to_string(), "env:ORG_LABEL_SYNC_TOKEN");
    assert_eq!(bot.place.to_string(), "s.toml:1");
    let pat = set.secret(&"pat".parse().unwrap()).unwrap();
    assert_eq!(pat.source, SourceSpec::Vault);
    assert_eq!(pat.repositories, ["acme/one".parse().unwrap()]);
    assert_eq!(pat.place.line, 9);
    assert_eq!(
        set.sources().collect::<Vec<_>>(),
        [
            &"env:ORG_LABEL_SYNC_TOKEN".parse().unwrap(),
            &SourceSpec::Vault
        ]
    );
    assert!(!set.wants_sha256());
    let hash = "0".repeat(64);
    assert!(with_rules(&format!("[[allow]]\ncaller = {{ sha256 = '{hash}' }}\n")).wants_sha256());
}

#[test]
fn what_a_secret_cannot_say_is_an_error() {
    for (lines, error) in [
        ("scopes = ['repo']", "s.toml:1: a secret needs `kind`"),
        (
            "kind = 'classic'\nclient_id = 'Iv1'",
            "s.toml:3: `client_id` means nothing for a secret of kind `classic`",
        ),
        (
            "kind = 'fine-grained'\nscopes = ['repo']",
            "s.toml:3: `scopes` means nothing for a secret of kind `fine-grained`",
        ),
        ("kind = 'app'", "s.toml:1: a secret needs `client_id`"),
        (
            "kind = 'classic'\nscopes = ['Repo']",
            "s.toml:3: `Repo` is not a scope (a-z, _ and :)",
        ),
        (
            "kind = 'classic'\nscopes = ['repo', 'repo']",
            "s.toml:3: `scopes` names this twice",
        ),
        (
            "kind = 'classic'\nowner = 'acme bot'",
            "s.toml:3: `acme bot` is not a GitHub login",
        ),
        (
            "kind = 'classic'\nrotate_every = '90'",
            "s.toml:3: `90` is not a span of time (a whole number and s, m, h or d: `15m`, `90d`)",
        ),
        (
            "kind = 'classic'\nrate_floor = 1.5",
            "s.toml:3: `rate_floor` must be a whole number",
        ),
        (
            "kind = 'classic'\nsource = 'env:1X'",
            "s.toml:3: `1X` is not the name of an environment variable",
        ),
        (
            "kind = 'classic'\nsource = 'valt'",
            &format!("s.toml:3: `source` must be {}", all_forms()),
        ),
        (
            "kind = 'classic'\nsource = 'credential:../x'",
            "s.toml:3: `../x` is not the name of a systemd credential (at most 255 characters of ASCII, \
             without `/` and `:`)",
        ),
        (
            "kind = 'classic'\ntoken = 'x'",
            "s.toml:3: a secret knows no `token`",
        ),
    ] {
        assert_eq!(wrong_secret(lines), error);
    }
    assert_eq!(
        load("", "[secret.Bot]\nkind = 'classic'\n").unwrap_err(),
        "s.toml:1: `Bot` is not the name of a secret (1 to 64 of a-z, 0-9 and inner hyphens)"
    );
    assert_eq!(
        load("", "purpse = 'x'\n").unwrap_err(),
        "s.toml:1: a file without a `purpose` knows no `purpse` (did you mean `purpose`?)"
    );
}

#[test]
fn a_value_in_a_policy_is_refused_and_never_repeated() {
    let canary = format!("ghp_{}", "c4nary".repeat(6));
    let proxy = format!("tkp_{}", "c4nary".repeat(6));
    for text in [
        format!("[secret.bot]\nkind = 'classic'\nsource = '{canary}'\n"),
        format!("[secret.bot]\nkind = 'classic'\n# {proxy}\n"),
        format!("[secret.bot]\nkind = 'classic'\n# {canary}\n"),
        format!("[secret.bot]\nkind = \n{canary}\n"),
        "[secret.bot]\nkind = 'app'\nx = '-----BEGIN RSA PRIVATE KEY-----'".to_owned(),
    ] {
        let errors = load("", &text).unwrap_err();
        assert!(
            errors.starts_with(
                "s.toml:3: this looks like a secret, and values never stand in a policy"
            ),
            "{errors}"
        );
        assert!(!errors.contains("c4nary"), "{errors}");
    }
    for prefix in broker_protocol::token_shape::PREFIXES {
        let text = format!("[secret.bot]\nkind = 'classic'\n# {prefix}c4naryc4naryc4naryc4nary\n");
        let errors = load("", &text).unwrap_err();
        assert!(errors.contains("this looks like a secret"), "{errors}");
    }
    let word = "[secret.bot]\nkind = 'classic'\n# see devops_configuration_of_the_team\n";
    assert!(load("", word).is_ok());
    // A name that merely begins so is a name.
    assert!(load("", "[secret.bot]\nkind = 'classic'\nsource = 'env:ghp_x'\n").is_ok());
}

#[test]
fn a_file_that_is_mounted_is_said_so_and_elsewhere_it_is_only_a_warning() {
    let text = "[secret.a]\nkind = 'classic'\nsource = 'file:/run/secrets/a'\nmounted = true\n\
                [secret.b]\nkind = 'classic'\nsource = 'file:/run/secrets/b'\nmounted = false\n\
                [secret.c]\nkind = 'classic'\nmounted = true\n";
    let set = load("", text).unwrap();
    let mounted: Vec<_> = set.mounted_files().into_iter().collect();
    assert_eq!(mounted, [std::path::PathBuf::from("/run/secrets/a")]);
    let warnings: Vec<_> = set.warnings().iter().map(ToString::to_string).collect();
    let ours = "s.toml:11: `mounted` says nothing of a source that is no file; take the line out";
    assert!(warnings.contains(&ours.to_owned()), "{warnings:?}");
    let wrong = wrong_secret("kind = 'classic'\nmounted = 'yes'");
    assert!(
        wrong.contains("s.toml:3: `mounted` must be true or false"),
        "{wrong}"
    );
}

#[test]
fn a_word_for_a_kind_reads_back_as_written_and_an_unknown_one_is_none() {
    for kind in SecretKind::ALL {
        assert_eq!(SecretKind::from_word(kind.as_str()), Some(kind));
    }
    assert_eq!(SecretKind::from_word("oauth"), None);
}

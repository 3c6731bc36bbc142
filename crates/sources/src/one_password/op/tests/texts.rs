use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use broker_protocol::source::FieldReference;
use broker_secret_memory::token::AccessToken;

use crate::FailureKind;
use crate::one_password::op::texts::{Asked, cause, span};
use crate::one_password::{OnePasswordError, Part};

fn said(text: &str) -> OnePasswordError {
    let reference = FieldReference::parse("V/I/F").unwrap();
    let asked = Asked {
        reference: Some(&reference),
        token: None,
    };
    cause(ExitStatus::from_raw(1 << 8), text.as_bytes(), &asked)
}

const DATE: &str = "[ERROR] 2026/07/20 20:55:23 ";

/// Every text that was recorded from the real program.
#[test]
fn each_recorded_text_is_told_from_the_others() {
    use OnePasswordError as Why;
    let no_app = || {
        Why::Unreachable(
            "its desktop app does not answer `op`; start it and let it integrate with 1Password \
             CLI, or use a service account"
                .into(),
        )
    };
    let rows = [
        (
            "could not read secret 'op://V/I/F': could not get item V/I: \"I\" isn't an item in the \
             \"V\" vault. Specify the item with its UUID, name, or domain.",
            Why::NoSuch(Part::Item),
        ),
        (
            "could not read secret 'op://V/I/F': item 'V/I' does not have a field 'F'",
            Why::NoSuch(Part::Field),
        ),
        (
            "\"V\" isn't a vault in this account. Specify the vault with its ID or name.",
            Why::NoSuch(Part::Vault),
        ),
        (
            "could not read secret 'op://V/I/F': could not get item V/I: \"V\" isn't a vault in this \
             account. Specify the vault with its ID or name.",
            Why::NoSuch(Part::Vault),
        ),
        (
            "More than one item matches \"I\". Try again and specify the item by its ID:\n\
             \t* for the item \"I\" in vault V: iaaaaaaaaaaaaaaaaaaaaaaaa1\n\
             \t* for the item \"I\" in vault V: iaaaaaaaaaaaaaaaaaaaaaaaa2\n",
            Why::Several(Part::Item),
        ),
        (
            "could not read secret 'op://V/I/F': error initializing client: You are not currently \
             signed in. Please run `op signin --help` for instructions",
            Why::SignedOut,
        ),
        ("account is not signed in", Why::SignedOut),
        ("found no accounts for filter \"acme\"", Why::NoAccount),
        (
            "error initializing client: Validation: (failed to session.DecodeSACredentials), Server: \
             (failed to DecodeSACredentials), illegal base64 data at input byte 12",
            Why::MalformedToken,
        ),
        (
            "(401) Unauthorized: invalid bearer token",
            Why::Unauthenticated,
        ),
        (
            "(403) Forbidden: You aren't authorized to access this resource.",
            Why::Forbidden,
        ),
        (
            "(429) Too Many Requests: You've reached the maximum number of this type of requests this \
             service account is allowed to make. Please retry in 58 minutes or try other requests.",
            Why::Limited(Some(Duration::from_secs(58 * 60))),
        ),
        (
            "error initializing client: authorization timeout",
            Why::Prompting,
        ),
        (
            "error initializing client: authorization prompt dismissed, please try again",
            Why::Prompting,
        ),
        (
            "error initializing client: connecting to desktop app: connecting to desktop app timed out",
            no_app(),
        ),
        ("connecting to desktop app timed out", no_app()),
        (
            "error initializing client: RequestDelegatedSession: cannot setup session. Please check \
             the logs of the 1Password app.",
            no_app(),
        ),
        (
            "too many '/': secret references should match op://<vault>/<item>[/<section>]/<field>",
            Why::BadReference,
        ),
    ];
    for (text, why) in rows {
        assert_eq!(said(&format!("{DATE}{text}\n")), why, "{text}");
        assert_eq!(
            said(&format!("[ERROR] {text}")),
            why,
            "without a date: {text}"
        );
    }
}

#[test]
fn what_stands_before_the_error_is_passed_over_unless_it_says_why() {
    let text = format!("[WARN] (403) Forbidden\nnoise\n{DATE}account is not signed in\n");
    assert_eq!(said(&text), OnePasswordError::SignedOut);
    let text = format!(
        "No accounts configured for use with 1Password CLI.\n\nIf you have …\n{DATE}could not read \
         secret 'op://V/I/F': error initializing client: \n"
    );
    assert_eq!(said(&text), OnePasswordError::SignedOut);
    let only_the_first = format!("{DATE}something new\n{DATE}account is not signed in\n");
    assert_eq!(
        said(&only_the_first),
        OnePasswordError::Other("something new".into())
    );
}

#[test]
fn a_name_is_never_taken_for_the_programs_own_words() {
    let reference = FieldReference::parse("Prod/account is not signed in/F").unwrap();
    let asked = Asked {
        reference: Some(&reference),
        token: None,
    };
    let text = format!(
        "{DATE}could not read secret '{reference}': could not get item Prod/account is not signed \
         in: \"account is not signed in\" isn't an item in the \"Prod\" vault. Specify the item …"
    );
    let why = cause(ExitStatus::from_raw(1 << 8), text.as_bytes(), &asked);
    assert_eq!(why, OnePasswordError::NoSuch(Part::Item));
}

#[test]
fn what_is_not_known_is_passed_on_short_on_one_line_and_without_what_could_be_a_value() {
    let token = AccessToken::new("made-up and of no known shape".to_owned());
    let asked = Asked {
        reference: None,
        token: Some(&token),
    };
    let text = format!(
        "{DATE}cannot\u{7} use {} or ghp_CANARYcanaryCANARYcanaryCANARYcan0001: {}",
        token.expose(),
        "x".repeat(500)
    );
    let why = cause(ExitStatus::from_raw(1 << 8), text.as_bytes(), &asked);
    let OnePasswordError::Other(words) = &why else {
        panic!("{why}");
    };
    assert!(
        words.starts_with("cannot  use … or ghp_[masked]: xxx"),
        "{words}"
    );
    assert_eq!(words.chars().count(), 200);
    assert_eq!(why.kind(), FailureKind::Unavailable);

    let unnamed = said("could not read secret 'op://V/I/F': the moon is 'F' in \"I\"");
    let words = "could not read secret '…': the moon is … in …";
    assert_eq!(unnamed, OnePasswordError::Other(words.into()));
}

#[test]
fn silence_and_a_signal_are_said() {
    let ended = |status| {
        let asked = Asked {
            reference: None,
            token: None,
        };
        cause(ExitStatus::from_raw(status), b"\n \n", &asked).to_string()
    };
    let said_nothing =
        "1Password did not do what it was asked: `op` ended with exit code 1 and said nothing";
    assert_eq!(ended(1 << 8), said_nothing);
    assert_eq!(
        ended(9),
        "1Password did not do what it was asked: `op` was ended by signal 9"
    );
}

#[test]
fn a_limit_says_when_it_ends_in_any_unit_where_it_says_so() {
    for (text, secs) in [
        (
            "(429) Too Many Requests: … Please retry in 2 hours or …",
            Some(7200),
        ),
        (
            "(429) Too Many Requests: … Please retry in 1 minute.",
            Some(60),
        ),
        ("Too many requests. Try again in 30 seconds", Some(30)),
        ("Too many requests. Try again in seconds", None),
        ("(429) Too Many Requests", None),
    ] {
        let why = OnePasswordError::Limited(secs.map(Duration::from_secs));
        assert_eq!(said(&format!("{DATE}{text}")), why, "{text}");
    }
    assert_eq!(span("99999999999999999999 hours"), None);
    assert_eq!(span("18446744073709551615 hours"), None);
}

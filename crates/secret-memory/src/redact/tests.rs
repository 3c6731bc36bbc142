use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

const PEM: &str =
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEcanary+/CANARY==\nAB\n-----END RSA PRIVATE KEY-----";

/// One of each kind, all made up.
fn canaries() -> Vec<(String, TokenKind)> {
    let body = "CANARYcanaryCANARYcanaryCANARYcan012";
    let json = URL_SAFE_NO_PAD.encode(format!("{{\"alg\":\"RS256\",\"canary\":\"{body}\"}}"));
    let jwt = format!("{json}.{json}.{body}-_{body}");
    vec![
        (format!("ghp_{body}"), TokenKind::Classic),
        (format!("ghp_{body}abcd"), TokenKind::Classic),
        (
            format!("github_pat_CANARYcanaryCANARYcana_{body}CANARYcanaryCANARYcanar"),
            TokenKind::FineGrained,
        ),
        (format!("gho_{body}"), TokenKind::OAuth),
        (format!("ghu_{body}"), TokenKind::AppUser),
        (format!("ghs_{body}"), TokenKind::Installation),
        (format!("ghs_12345_{jwt}"), TokenKind::Installation),
        (format!("ghr_{body}{body}"), TokenKind::Refresh),
        (format!("ops_{json}"), TokenKind::ServiceAccount),
        (
            crate::proxy_token::generate().unwrap().expose().to_owned(),
            TokenKind::Proxy,
        ),
        (jwt, TokenKind::Jwt),
        (PEM.to_owned(), TokenKind::PrivateKey),
        (PEM.replace("RSA ", ""), TokenKind::PrivateKey),
        (PEM.replace("RSA", "OPENSSH"), TokenKind::PrivateKey),
    ]
}

fn masked(text: &str) -> String {
    String::from_utf8(mask(text.as_bytes()).into_owned()).unwrap()
}

#[test]
fn every_kind_is_known_and_masked_from_end_to_end() {
    for (canary, kind) in canaries() {
        assert_eq!(kind_of(&canary), Some(kind), "{canary}");
        assert_eq!(kind_of(&format!("{canary}\n")), Some(kind), "{canary}");
        let text = masked(&format!("said \"{canary}\", then more"));
        let rest = text
            .strip_prefix("said \"")
            .unwrap()
            .strip_suffix("\", then more")
            .unwrap();
        let prefix = rest.strip_suffix("[masked]").unwrap();
        assert!(canary.starts_with(prefix) && prefix.len() <= 11, "{text}");
        assert!(looks_like_token(&format!(
            "in the middle of {canary} of it"
        )));
    }
}

#[test]
fn what_another_program_says_is_one_line_in_the_order_in_which_it_is_written() {
    let said = "one\ntwo\u{202e}three\u{200b}four\x1b[2J";
    assert_eq!(words(said, 80), "one twothreefour [2J");
}

#[test]
fn what_holds_more_than_a_token_is_of_no_kind() {
    for (canary, _) in canaries() {
        assert_eq!(kind_of(&format!("token {canary}")), None);
        assert_eq!(kind_of(&format!("{canary} {canary}")), None);
    }
    assert_eq!(kind_of(""), None);
    assert_eq!(kind_of("0123456789abcdef0123456789abcdef01234567"), None);
}

#[test]
fn the_basic_header_of_git_is_masked_whoever_the_user_is() {
    for user in ["x-access-token", "git", "a", "ab", ""] {
        for (canary, _) in canaries() {
            for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                let header = engine.encode(format!("{user}:{canary}"));
                let text = masked(&format!(
                    "Authorization: Basic {header}\r\nHost: github.com"
                ));
                let want = "Authorization: Basic [masked]\r\nHost: github.com";
                assert_eq!(text, want, "{user}:{canary}");
            }
        }
    }
}

#[test]
fn base64_that_begins_inside_other_letters_is_masked_in_every_alignment() {
    let encoded = STANDARD.encode("x-access-token:ghp_CANARYcanaryCANARYcanaryCANARYcan012");
    for before in ["", "a", "ab", "abc", "abcd", "/v1/", "user/"] {
        let text = masked(&format!("{before}{encoded}"));
        assert_eq!(text, "[masked]", "after {before}");
    }
    // The token in the middle of something longer that was encoded as a whole.
    for before in ["", "1", "12", "123"] {
        let json =
            format!("{{\"{before}\":\"ghp_CANARYcanaryCANARYcanaryCANARYcan012\",\"more\":1}}");
        assert_eq!(masked(&STANDARD.encode(json)), "[masked]");
    }
}

#[test]
fn a_url_with_a_token_keeps_all_but_the_token() {
    let token = "ghs_CANARYcanaryCANARYcanaryCANARYcan012";
    let text = masked(&format!(
        "https://x-access-token:{token}@github.com/acme/site.git"
    ));
    assert_eq!(
        text,
        "https://x-access-token:ghs_[masked]@github.com/acme/site.git"
    );
}

#[test]
fn two_tokens_are_two_masks_and_a_full_stop_is_the_sentences() {
    let token = "ghp_CANARYcanaryCANARYcanaryCANARYcan012";
    assert_eq!(
        masked(&format!("{token}, {token}.")),
        "ghp_[masked], ghp_[masked]."
    );
}

#[test]
fn a_key_that_was_cut_off_is_masked_to_the_end() {
    let (cut, _) = PEM.split_at(PEM.len() - 10);
    assert_eq!(masked(&format!("key: {cut}")), "key: -----BEGIN [masked]");
    // As JSON writes it.
    let text = masked(&serde_json::to_string(PEM).unwrap());
    assert_eq!(text, "\"-----BEGIN [masked]\"");
}

#[test]
fn what_looks_a_little_like_a_token_is_left_alone() {
    for text in [
        "commit 0123456789abcdef0123456789abcdef01234567",
        "head e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "hashed 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "a ghp_ prefix, ghs_short, github_pat_short and ops_team_of_the_whole_company_and_more",
        "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "eyJhbGciOiJSUzI1NiJ9 alone, and eyJhbGciOiJSUzI1NiJ9.eyJ9.short",
        "/usr/lib/x86_64-linux-gnu/security/a_very_long_path/with/many/parts.so",
        "x-access-token:",
        "",
    ] {
        assert_eq!(masked(text), text);
        assert!(!looks_like_token(text), "{text}");
    }
}

proptest! {
    #[test]
    fn a_canary_anywhere_in_any_text_is_masked(
        before: Vec<u8>, after: Vec<u8>, which in 0_usize..13, encoded: bool,
    ) {
        let (canary, _) = canaries().swap_remove(which);
        let canary = if encoded { STANDARD.encode(canary) } else { canary };
        let text = mask(&[&before[..], canary.as_bytes(), &after[..]].concat()).into_owned();
        let inner = &canary.as_bytes()[11..31];
        prop_assert!(!text.windows(inner.len()).any(|window| window == inner));
    }

    #[test]
    fn a_masked_text_has_nothing_left_to_mask(before in ".{0,40}", after in ".{0,40}", which in 0_usize..13) {
        let (canary, _) = canaries().swap_remove(which);
        let once = masked(&format!("{before}{canary}{after}"));
        prop_assert_eq!(masked(&once), once);
    }

    #[test]
    fn text_without_a_shape_is_not_changed(text in "[ -^`-~\n]{0,200}") {
        prop_assume!(!text.contains("eyJ") && !text.contains("-----BEGIN"));
        prop_assert!(matches!(mask(text.as_bytes()), Cow::Borrowed(_)));
    }
}

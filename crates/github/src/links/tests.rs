use super::*;
use broker_policy::{Host, NamesOnly, PolicyFile, PolicySet};

fn declared(text: &str) -> SecretDeclaration {
    let file = PolicyFile {
        name: "s.toml".to_owned(),
        text: format!("[secret.org-label-sync-token]\n{text}"),
    };
    let set = PolicySet::parse(&[file], &NamesOnly::default(), &Host::anywhere()).unwrap();
    let name = "org-label-sync-token".parse().unwrap();
    set.secret(&name).unwrap().clone()
}

fn creation(text: &str) -> Creation {
    let base = BaseUrl::default();
    let today = jiff::civil::date(2026, 11, 21);
    Creation::of(&declared(text), None, &base, today)
}

fn setting(creation: &Creation, label: &str) -> String {
    let found = creation.settings.iter().find(|(name, _)| *name == label);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

#[test]
fn the_form_of_a_classic_token_is_filled_in() {
    let made = creation(
        "kind = 'classic'\nowner = 'acme-bot'\nscopes = ['workflow', 'repo']\nrotate_every = '60d'",
    );
    assert_eq!(
        made.link,
        "https://github.com/settings/tokens/new?description=org-label-sync-token%202026-11-21\
         &scopes=repo,workflow&default_expires_at=60"
    );
    assert_eq!(setting(&made, "Select scopes"), "repo, workflow");
    assert_eq!(setting(&made, "Signed in as"), "acme-bot");
    assert_eq!(setting(&made, "Expiration"), "60 days");
    assert_eq!(made.notes, [NOT_REGENERATE]);
}

#[test]
fn where_nothing_is_declared_the_form_asks_for_what_the_value_in_use_has_and_never_for_less() {
    let carried = ["repo".to_owned(), "read:org".to_owned()];
    let base = BaseUrl::default();
    let today = jiff::civil::date(2026, 11, 21);
    let of =
        |text, carried: Option<&[String]>| Creation::of(&declared(text), carried, &base, today);
    let made = of("kind = 'classic'", Some(&carried));
    assert!(made.link.contains("&scopes=repo,read:org&"), "{made:?}");
    assert_eq!(setting(&made, "Select scopes"), "repo, read:org");
    assert_eq!(
        setting(&of("kind = 'classic'", Some(&[])), "Select scopes"),
        "none"
    );
    let unknown = of("kind = 'classic'", None);
    assert!(!unknown.link.contains("scopes="), "{unknown:?}");
    for made in [unknown, of("kind = 'fine-grained'", None)] {
        let settings = &made.settings;
        assert!(
            settings
                .iter()
                .any(|(_, value)| value == "those of the value in use"),
            "{made:?}"
        );
        assert!(
            made.notes.iter().any(|note| note.contains("s.toml:1")),
            "{made:?}"
        );
    }
    let declared = of("kind = 'classic'\nscopes = ['gist']", Some(&carried));
    assert_eq!(setting(&declared, "Select scopes"), "gist");
}

#[test]
fn the_form_of_a_fine_grained_token_is_filled_in_but_for_the_repositories() {
    let made = creation(
        "kind = 'fine-grained'\nrepositories = ['acme/one', 'acme/two']\n\
         permissions = { contents = 'read', issues = 'write' }",
    );
    assert_eq!(
        made.link,
        "https://github.com/settings/personal-access-tokens/new\
         ?name=org-label-sync-token%202026-11-21&description=Created%20for%20tokend\
         &target_name=acme&expires_in=90&contents=read&issues=write"
    );
    assert_eq!(
        setting(&made, "Repository access"),
        "Only select repositories: acme/one, acme/two"
    );
    assert_eq!(
        setting(&made, "Permissions"),
        "contents: read, issues: write"
    );
    assert!(made.notes.iter().any(|note| note.contains("by hand")));
}

#[test]
fn repositories_of_two_owners_are_pointed_out() {
    let made = creation("kind = 'fine-grained'\nrepositories = ['acme/one', 'other/two']");
    assert!(made.notes.iter().any(|note| note.contains("acme, other")));
}

#[test]
fn permissions_have_the_names_of_the_form() {
    let made = creation(
        "kind = 'fine-grained'\nrepositories = ['acme/one']\npermissions = { email_addresses = 'read' }",
    );
    assert!(made.link.ends_with("&emails=read"), "{}", made.link);
}

#[test]
fn an_apps_key_is_made_on_the_page_of_apps() {
    let text = "kind = 'app'\nclient_id = 'Iv23liABCDEF'";
    assert_eq!(creation(text).link, "https://github.com/settings/apps");
    let base = BaseUrl::parse("https://git.acme.example/api/v3").unwrap();
    let today = jiff::civil::date(2026, 11, 21);
    let made = Creation::of(&declared(text), None, &base, today);
    assert_eq!(made.link, "https://git.acme.example/settings/apps");
    assert_eq!(setting(&made, "Client ID"), "Iv23liABCDEF");
}

#[test]
fn a_token_is_asked_for_as_long_as_a_rotation_lasts_and_no_longer_than_allowed() {
    let days = |text: &str| {
        setting(
            &creation(&format!("kind = 'classic'\n{text}")),
            "Expiration",
        )
    };
    assert_eq!(days(""), "90 days");
    assert_eq!(days("rotate_every = '36h'"), "2 days");
    assert_eq!(days("rotate_every = '900d'"), "366 days");
}

#[test]
fn what_has_a_meaning_in_an_address_is_encoded() {
    assert_eq!(
        encode("a b&c=d/é#?+%"),
        "a%20b%26c%3Dd%2F%C3%A9%23%3F%2B%25"
    );
}

#[test]
fn a_name_fits_the_form() {
    let mut declared = declared("kind = 'classic'");
    declared.name = "a".repeat(64).parse().unwrap();
    let name = name(&declared, jiff::civil::date(2026, 11, 21));
    assert_eq!(name.len(), LONGEST_NAME);
    assert!(name.ends_with(" 2026-11-21"));
}

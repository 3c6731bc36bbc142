//! Where a person creates the next value of a secret, and what to choose there.
//!
//! No API creates a personal access token, so a rotation begins in a browser. GitHub's forms can be
//! filled in by their address; because it took that away once and brought it back, the same settings are
//! always given as text too, and the repositories are text alone: no address can choose them.
//!
//! Sources: GitHub documentation, “Managing your personal access tokens”, on pre-filling the form of
//! fine-grained tokens; the parameters of the classic form are in wide use and undocumented.
//!
//! Not here: the values, and what is checked of them afterwards.

use std::fmt::Write as _;

use broker_policy::{SecretDeclaration, SecretKind};
use jiff::civil::Date;

use super::base::BaseUrl;

/// Where to create a value, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// The form, filled in as far as its address can.
    pub link: String,
    /// What to choose there, by the form's own labels.
    pub settings: Vec<(&'static str, String)>,
    /// What to look out for.
    pub notes: Vec<String>,
}

/// How many days a new token is asked for where the declaration does not say.
const DEFAULT_DAYS: u64 = 90;
/// The most that organisations allow a fine-grained token by default.
///
/// Source: GitHub changelog, 2024-10-18.
const MOST_DAYS: u64 = 366;
/// The longest name a token's form takes; not documented.
const LONGEST_NAME: usize = 40;

impl Creation {
    /// For the next value of this secret. Where no scopes are declared, `carried` are those of the value
    /// in use, as far as they are known.
    #[must_use]
    pub fn of(
        declared: &SecretDeclaration,
        carried: Option<&[String]>,
        base: &BaseUrl,
        today: Date,
    ) -> Self {
        match declared.kind {
            SecretKind::Classic => classic(declared, carried, base, today),
            SecretKind::FineGrained => fine_grained(declared, base, today),
            SecretKind::App => app_key(declared, base),
        }
    }
}

/// Where a person sees and deletes what they have created before.
#[must_use]
pub fn list_page(kind: SecretKind, base: &BaseUrl) -> String {
    page(
        base,
        match kind {
            SecretKind::Classic => "/settings/tokens",
            SecretKind::FineGrained => "/settings/personal-access-tokens",
            SecretKind::App => "/settings/apps",
        },
    )
}

fn page(base: &BaseUrl, path: &str) -> String {
    format!("{}{path}", base.web())
}

fn classic(
    declared: &SecretDeclaration,
    carried: Option<&[String]>,
    base: &BaseUrl,
    today: Date,
) -> Creation {
    let (name, days) = (name(declared, today), days(declared));
    let place = &declared.place;
    let mut notes = vec![NOT_REGENERATE.to_owned()];
    let scopes = match carried {
        _ if !declared.scopes.is_empty() => Some(declared.scopes.join(",")),
        Some(carried) => {
            notes.push(format!(
                "no scopes are declared in {place}: these are what GitHub says of the value in use"
            ));
            Some(carried.join(","))
        }
        None => {
            notes.push(format!(
                "no scopes are declared in {place}, and it is not known what the value in use carries: \
                 its page at {} shows it",
                list_page(declared.kind, base)
            ));
            None
        }
    };
    let mut query = Query::default();
    query.add("description", &name);
    if let Some(scopes) = &scopes {
        query.add("scopes", scopes);
    }
    query.add("default_expires_at", &days.to_string());
    let ticked = match scopes.as_deref() {
        Some("") => "none".to_owned(),
        Some(scopes) => scopes.replace(',', ", "),
        None => "those of the value in use".to_owned(),
    };
    let mut settings = signed_in(declared);
    settings.extend([
        ("Note", name),
        ("Expiration", format!("{days} days")),
        ("Select scopes", ticked),
    ]);
    Creation {
        link: page(base, &format!("/settings/tokens/new{query}")),
        settings,
        notes,
    }
}

fn fine_grained(declared: &SecretDeclaration, base: &BaseUrl, today: Date) -> Creation {
    let (name, days) = (name(declared, today), days(declared));
    let mut owners: Vec<&str> = declared
        .repositories
        .iter()
        .filter_map(|repository| repository.as_str().split('/').next())
        .collect();
    owners.dedup();
    let owner = owners.first().copied();
    let mut query = Query::default();
    query.add("name", &name);
    query.add("description", "Created for tokend");
    if let Some(owner) = owner {
        query.add("target_name", owner);
    }
    query.add("expires_in", &days.to_string());
    let mut permissions = Vec::new();
    for (permission, level) in &declared.permissions {
        let form_name = in_the_form(permission.as_str());
        query.add(form_name, level.as_str());
        permissions.push(format!("{form_name}: {}", level.as_str()));
    }
    let mut settings = signed_in(declared);
    settings.push(("Token name", name));
    if let Some(owner) = owner {
        settings.push(("Resource owner", owner.to_owned()));
    }
    settings.push(("Expiration", format!("{days} days")));
    settings.push(("Repository access", repositories(declared)));
    let mut notes = vec![
        NOT_REGENERATE.to_owned(),
        "choose the repositories by hand: the link cannot".to_owned(),
    ];
    if permissions.is_empty() {
        settings.push(("Permissions", "those of the value in use".to_owned()));
        notes.push(format!(
            "no permissions are declared in {}, and GitHub does not say those of the value in use: \
             copy them by hand from its page at {}",
            declared.place,
            list_page(declared.kind, base)
        ));
    } else {
        settings.push(("Permissions", permissions.join(", ")));
    }
    if owners.len() > 1 {
        notes.push(format!(
            "a fine-grained token has one resource owner, and the repositories declared belong to {}",
            owners.join(", ")
        ));
    }
    Creation {
        link: page(
            base,
            &format!("/settings/personal-access-tokens/new{query}"),
        ),
        settings,
        notes,
    }
}

fn app_key(declared: &SecretDeclaration, base: &BaseUrl) -> Creation {
    let client_id = declared.client_id.as_deref().unwrap_or_default();
    Creation {
        link: page(base, "/settings/apps"),
        settings: vec![
            ("Client ID", client_id.to_owned()),
            ("Private keys", "Generate a private key".to_owned()),
        ],
        notes: vec![
            format!(
                "an organisation's App is at {}",
                page(base, "/organizations/ORGANISATION/settings/apps")
            ),
            "the old key goes on working until you delete it there; do that when this command asks \
             for it, not before"
                .to_owned(),
        ],
    }
}

fn signed_in(declared: &SecretDeclaration) -> Vec<(&'static str, String)> {
    let owner = declared.owner.as_deref();
    owner
        .map(|login| ("Signed in as", login.to_owned()))
        .into_iter()
        .collect()
}

fn repositories(declared: &SecretDeclaration) -> String {
    let names: Vec<_> = declared
        .repositories
        .iter()
        .map(|repository| repository.as_str())
        .collect();
    match names.as_slice() {
        [] => "those of the value in use".to_owned(),
        [all] if all.ends_with("/*") => "All repositories".to_owned(),
        names => format!("Only select repositories: {}", names.join(", ")),
    }
}

/// With the day, because two tokens of one account cannot share a name, and the old one stays a while.
fn name(declared: &SecretDeclaration, today: Date) -> String {
    let day = today.to_string();
    let room = LONGEST_NAME.saturating_sub(day.len() + 1);
    let name: String = declared.name.as_str().chars().take(room).collect();
    format!("{} {day}", name.trim_end_matches('-'))
}

fn days(declared: &SecretDeclaration) -> u64 {
    let days = |span: std::time::Duration| span.as_secs().div_ceil(24 * 60 * 60);
    declared
        .rotate_every
        .map_or(DEFAULT_DAYS, days)
        .clamp(1, MOST_DAYS)
}

/// The form calls some permissions of accounts otherwise than Apps do.
fn in_the_form(permission: &str) -> &str {
    match permission {
        "email_addresses" => "emails",
        "git_ssh_keys" => "keys",
        other => other,
    }
}

const NOT_REGENERATE: &str =
    "create a second token; regenerating the old one ends its value at once, everywhere";

/// A query string, filled in one pair after the other.
#[derive(Default)]
struct Query(String);

impl Query {
    fn add(&mut self, key: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(key);
        self.0.push('=');
        self.0.push_str(&encode(value));
    }
}

impl std::fmt::Display for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Percent-encodes what has a meaning in an address, and what is not ASCII.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~,:".contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else if write!(out, "%{byte:02X}").is_err() {
            break; // writing to a String does not fail
        }
    }
    out
}

#[cfg(test)]
mod tests {
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
}

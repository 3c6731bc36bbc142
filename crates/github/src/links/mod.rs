//! Where the operator creates the next value of a secret, and what to choose there.
//!
//! No API creates a personal access token, so a rotation begins in a browser. GitHub's forms can be
//! filled in by their address; because it took that away once and brought it back, the same settings are
//! always given as text too, and the repositories are text alone: no address can choose them.
//!
//! Sources: GitHub documentation, “Managing your personal access tokens”, on pre-filling the form of
//! fine-grained tokens; the parameters of the classic form are in wide use and undocumented.
//!
//! Not here: the values, and what is checked of them afterwards.

mod query;
#[cfg(test)]
mod tests;

use broker_policy::{SecretDeclaration, SecretKind};
use jiff::civil::Date;

use self::query::query;
use super::base::BaseUrl;

pub(super) use self::query::encode;

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

/// Where the operator sees and deletes what they have created before.
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
    let expires_at = days.to_string();
    let mut pairs = vec![("description", &*name)];
    pairs.extend(scopes.as_deref().map(|scopes| ("scopes", scopes)));
    pairs.push(("default_expires_at", &expires_at));
    let link = page(base, &format!("/settings/tokens/new{}", query(&pairs)));
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
        link,
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
    let expires_in = days.to_string();
    let mut pairs = vec![("name", &*name), ("description", "Created for tokend")];
    pairs.extend(owner.map(|owner| ("target_name", owner)));
    pairs.push(("expires_in", &expires_in));
    let mut permissions = Vec::new();
    for (permission, level) in &declared.permissions {
        let form_name = in_the_form(permission.as_str());
        pairs.push((form_name, level.as_str()));
        permissions.push(format!("{form_name}: {}", level.as_str()));
    }
    let form = format!("/settings/personal-access-tokens/new{}", query(&pairs));
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
        link: page(base, &form),
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

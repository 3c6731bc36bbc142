//! The text of a new purpose's file.
//!
//! It is read and edited by hand later, so it is complete on one screen, in the order of the manual. Names
//! come in as parsed types; free text is quoted by `toml_edit`.

use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::names::{
    Delivery, Level, OrgName, Permissions, Purpose, RepoPattern, SecretName,
};
use toml_edit::{Array, InlineTable, Value};

use crate::rule_for::RuleFor;

/// What the file says.
pub(crate) struct NewPurpose<'a> {
    pub(crate) purpose: &'a Purpose,
    pub(crate) about: &'a str,
    pub(crate) secret: &'a SecretName,
    pub(crate) repositories: &'a [RepoPattern],
    pub(crate) organization: Option<&'a OrgName>,
    pub(crate) permissions: &'a Permissions,
    pub(crate) deliver: Delivery,
    /// By default, and at the most.
    pub(crate) ttl: (Duration, Duration),
    /// A rule for each, in this order.
    pub(crate) allow: &'a [RuleFor],
}

impl NewPurpose<'_> {
    /// The file. Without a rule it ends with a commented one.
    pub(crate) fn text(&self) -> String {
        let repositories = self.repositories.iter().map(RepoPattern::as_str);
        let repositories = Array::from_iter(repositories);
        let pairs = self.permissions.iter();
        let pairs = pairs.map(|(name, level)| (name.as_str(), level.as_str()));
        let spans = [("default", self.ttl.0), ("max", self.ttl.1)];
        let spans = spans.map(|(key, span)| (key, duration::format(span)));
        let organization = self.organization.map(OrgName::as_str);
        let keys: [(&str, Option<Value>); 8] = [
            ("purpose", Some(self.purpose.as_str().into())),
            ("about", (!self.about.is_empty()).then(|| self.about.into())),
            ("secret", Some(self.secret.as_str().into())),
            (
                "repositories",
                (!repositories.is_empty()).then(|| repositories.into()),
            ),
            ("organization", organization.map(Value::from)),
            ("permissions", Some(InlineTable::from_iter(pairs).into())),
            ("deliver", Some(self.deliver.as_str().into())),
            ("ttl", Some(InlineTable::from_iter(spans).into())),
        ];
        let mut text = String::new();
        for (key, value) in keys {
            let Some(value) = value else { continue };
            text.push_str(&format!("{key:<12} = {value}"));
            if key == "deliver" {
                text.push_str(&format!("  # {}", meaning(self.deliver)));
            }
            text.push('\n');
        }
        for rule in self.allow {
            text.push('\n');
            text.push_str(&rule.text());
        }
        if self.allow.is_empty() {
            text.push_str("\n# [[allow]]\n# caller = { user = \"alice\" }\n");
        }
        text
    }
}

fn meaning(deliver: Delivery) -> &'static str {
    match deliver {
        Delivery::Proxy => "the stored token stays in the broker",
        Delivery::Installation => "a token that GitHub mints and limits",
        Delivery::Raw => "the stored token itself; nothing limits it",
    }
}

/// How long a lease lasts where nothing else is said, and how long it may live.
pub(crate) const DEFAULT_TTL: (Duration, Duration) =
    (Duration::from_secs(15 * 60), Duration::from_secs(60 * 60));

/// A purpose for one secret of an import, over all repositories of its owner.
pub(crate) fn proposed_purpose(
    purpose: &Purpose,
    secret: &SecretName,
    org: &OrgName,
    allow: &[RuleFor],
) -> String {
    let first = match allow {
        [] => "No one may use it until you add an [[allow]]. Before that,\n# describe",
        _ => "Describe",
    };
    // The name of an owner and a star is a repository pattern.
    let repositories: Vec<RepoPattern> = format!("{org}/*").parse().into_iter().collect();
    let pairs = [("metadata".parse(), Level::Read)].into_iter();
    let permissions = pairs.filter_map(|(name, level)| Some((name.ok()?, level)));
    let text = NewPurpose {
        purpose,
        about: "Proposed by tokenctl import: describe what it is for",
        secret,
        repositories: &repositories,
        organization: None,
        permissions: &permissions.collect(),
        deliver: Delivery::Proxy,
        ttl: DEFAULT_TTL,
        allow,
    };
    format!(
        "\
# Proposed by `tokenctl import`. {first} what it is for, cut repositories
# and ttl down to what that needs, and name the permissions it needs. What a
# request to GitHub needs says
#   tokenctl policy explain {purpose} --request \"GET /repos/{org}/NAME/labels\"
{}",
        text.text()
    )
}

#[cfg(test)]
mod tests {
    use toml_edit::DocumentMut;

    use super::*;

    fn permissions() -> Permissions {
        Permissions::from([("metadata".parse().unwrap(), "read".parse().unwrap())])
    }

    fn proposed(allow: &[RuleFor]) -> String {
        let (purpose, secret) = ("sync".parse().unwrap(), "sync-token".parse().unwrap());
        let org = "acme".parse().unwrap();
        proposed_purpose(&purpose, &secret, &org, allow)
    }

    #[test]
    fn a_proposed_purpose_hands_out_no_stored_token_and_allows_no_one() {
        let text = proposed(&[]);
        let read: DocumentMut = text.parse().unwrap();
        assert_eq!(read["deliver"].as_str(), Some("proxy"));
        assert_eq!(read["purpose"].as_str(), Some("sync"));
        assert_eq!(read["secret"].as_str(), Some("sync-token"));
        assert_eq!(read["repositories"][0].as_str(), Some("acme/*"));
        assert!(read.get("allow").is_none(), "{text}");
        assert!(text.contains("No one may use it"), "{text}");
        let explain =
            "#   tokenctl policy explain sync --request \"GET /repos/acme/NAME/labels\"\n";
        assert!(text.contains(explain), "{text}");
    }

    #[test]
    fn a_proposed_purpose_allows_who_is_named_and_does_not_say_that_no_one_may() {
        let text = proposed(&[RuleFor::User("alice".to_owned())]);
        let end = "\n\n[[allow]]\ncaller = { user = \"alice\" }\n";
        assert!(text.ends_with(end), "{text}");
        assert!(!text.contains("No one may"), "{text}");
    }

    #[test]
    fn a_new_purpose_is_written_as_the_manual_has_it() {
        let new = NewPurpose {
            purpose: &"site".parse().unwrap(),
            about: "Looks \"after\" issues",
            secret: &"site-token".parse().unwrap(),
            repositories: &["acme/site".parse().unwrap(), "acme/docs".parse().unwrap()],
            organization: None,
            permissions: &permissions(),
            deliver: Delivery::Proxy,
            ttl: DEFAULT_TTL,
            allow: &[
                RuleFor::User("alice".to_owned()),
                RuleFor::Group("dev".to_owned()),
            ],
        };
        assert_eq!(
            new.text(),
            "purpose      = \"site\"\n\
             about        = 'Looks \"after\" issues'\n\
             secret       = \"site-token\"\n\
             repositories = [\"acme/site\", \"acme/docs\"]\n\
             permissions  = { metadata = \"read\" }\n\
             deliver      = \"proxy\"  # the stored token stays in the broker\n\
             ttl          = { default = \"15m\", max = \"1h\" }\n\
             \n\
             [[allow]]\n\
             caller = { user = \"alice\" }\n\
             \n\
             [[allow]]\n\
             caller = { group = \"dev\" }\n"
        );
    }
}

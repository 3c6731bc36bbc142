//! Where nothing is declared, the next value of a token must be able to do what the one in use does, as
//! far as GitHub tells. Pure.
//!
//! A value that can do less is used only if the operator says so, because the old one is ended then.

use broker_policy::{SecretDeclaration, SecretKind};

use broker_github::scopes;

/// What is known of the value in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ScopesInUse {
    /// There is none, so nothing can be lost.
    Nothing,
    /// Its scopes, as GitHub said now or when it was last checked; `None` if it never did.
    Value(Option<Vec<String>>),
}

/// What a token may not do, or may perhaps not do, that the one in use does. What is declared is compared
/// where the token is evaluated; a classic one whose scopes GitHub does not tell may have none of it.
///
/// GitHub says which scopes a classic token has, and nothing of a fine-grained one.
pub(super) fn lacking(
    declared: &SecretDeclaration,
    in_use: &ScopesInUse,
    carried: Option<&[String]>,
) -> Option<String> {
    match declared.kind {
        SecretKind::App => None,
        SecretKind::Classic => lacking_scopes(declared, in_use, carried),
        SecretKind::FineGrained => lacking_permissions(declared, in_use),
    }
}

fn lacking_scopes(
    declared: &SecretDeclaration,
    in_use: &ScopesInUse,
    carried: Option<&[String]>,
) -> Option<String> {
    if !declared.scopes.is_empty() {
        let unknown = "GitHub does not tell which scopes it carries, and some are declared";
        return carried.is_none().then(|| unknown.to_owned());
    }
    let lack = match in_use {
        ScopesInUse::Nothing => None,
        ScopesInUse::Value(Some(before)) => missing(carried.unwrap_or_default(), before)
            .map(|missing| format!("it lacks the scope {missing}, which the value in use carries")),
        ScopesInUse::Value(None) => Some(
            "it is not known which scopes the value in use carries, so this one may carry fewer"
                .to_owned(),
        ),
    };
    lack.map(|lack| format!("{lack}; {}", how_to_allow("scopes", declared)))
}

fn missing(carried: &[String], least: &[String]) -> Option<String> {
    let [carried, least] = [carried, least].map(|scopes| scopes.iter().map(String::as_str));
    let missing = scopes::compare(carried, least).missing;
    (!missing.is_empty()).then(|| missing.join(", "))
}

fn lacking_permissions(declared: &SecretDeclaration, in_use: &ScopesInUse) -> Option<String> {
    (declared.permissions.is_empty() && *in_use != ScopesInUse::Nothing).then(|| {
        format!(
            "GitHub does not tell which permissions a fine-grained token has, and none are declared, so \
             this one may have fewer than the value in use; {}",
            how_to_allow("permissions", declared)
        )
    })
}

fn how_to_allow(what: &str, declared: &SecretDeclaration) -> String {
    let (name, place) = (&declared.name, &declared.place);
    format!(
        "declare `{what}` in {place}, or if it is right as it is, give it again with `tokenctl rotate \
         {name} --fewer-scopes`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use broker_policy::{Host, NamesOnly, PolicyFile, PolicySet};

    fn declared(text: &str) -> SecretDeclaration {
        let file = PolicyFile {
            name: "s.toml".to_owned(),
            text: format!("[secret.ci]\n{text}"),
        };
        let set = PolicySet::parse(&[file], &NamesOnly::default(), &Host::anywhere()).unwrap();
        set.secret(&"ci".parse().unwrap()).unwrap().clone()
    }

    fn carrying(scopes: &[&str]) -> Vec<String> {
        scopes.iter().map(|scope| (*scope).to_owned()).collect()
    }

    #[test]
    fn undeclared_what_the_value_in_use_carries_is_the_least() {
        let secret = declared("kind = 'classic'");
        let in_use = ScopesInUse::Value(Some(carrying(&["repo", "workflow", "read:org"])));
        for (carried, missing) in [
            (&[][..], "read:org, repo, workflow"),
            (&["repo"], "read:org, workflow"),
            (&["public_repo", "workflow", "read:org"], "repo"),
        ] {
            let why = lacking(&secret, &in_use, Some(&carrying(carried))).unwrap();
            assert!(why.contains(&format!("the scope {missing},")), "{why}");
            assert!(why.contains("--fewer-scopes"), "{why}");
            assert!(why.contains("s.toml:1"), "{why}");
        }
        for enough in [
            &["repo", "workflow", "read:org"][..],
            &["repo", "workflow", "admin:org", "gist"],
        ] {
            assert_eq!(lacking(&secret, &in_use, Some(&carrying(enough))), None);
        }
        let none = ScopesInUse::Value(Some(Vec::new()));
        assert_eq!(lacking(&secret, &none, Some(&[])), None);
    }

    #[test]
    fn what_is_declared_goes_before_what_the_value_in_use_carries() {
        let secret = declared("kind = 'classic'\nscopes = ['repo']");
        let in_use = ScopesInUse::Value(Some(carrying(&["repo", "workflow"])));
        assert_eq!(lacking(&secret, &in_use, Some(&carrying(&["repo"]))), None);
        let unknown = lacking(&secret, &in_use, None).unwrap();
        assert!(unknown.contains("does not tell"), "{unknown}");
    }

    #[test]
    fn what_nothing_can_be_compared_with_is_let_through_by_whoever_says_so_alone() {
        let classic = declared("kind = 'classic'");
        let fine = declared("kind = 'fine-grained'");
        let unknown = ScopesInUse::Value(None);
        assert!(lacking(&classic, &unknown, Some(&carrying(&["repo"]))).is_some());
        assert!(lacking(&fine, &unknown, None).is_some());
        let told = declared("kind = 'fine-grained'\npermissions = { contents = 'read' }");
        assert_eq!(lacking(&told, &unknown, None), None);
        assert_eq!(lacking(&classic, &ScopesInUse::Nothing, None), None);
        assert_eq!(lacking(&fine, &ScopesInUse::Nothing, None), None);
    }
}

//! What the next value of a token must be able to do at least: what is declared, or else what the value
//! in use does, as far as GitHub tells. Pure.
//!
//! A value that can do less is only let through by whoever says so, for with it the old one is ended.

use broker_policy::{SecretDeclaration, SecretKind};

use broker_github::scopes;

/// What is known of the value in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InUse {
    /// There is none, so nothing can be lost.
    Nothing,
    /// Its scopes, as GitHub said now or when it was last checked; `None` if it never did.
    Value(Option<Vec<String>>),
}

/// What a value cannot do that it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lack {
    /// Policy declares it.
    #[error("{0}")]
    Declared(String),
    /// The value in use can, or may be able to. An operator may let it through.
    #[error("{0}")]
    Undeclared(String),
}

/// Compares what a token carries with the least that it must.
///
/// GitHub says which scopes a classic token has, and nothing of a fine-grained one.
pub(super) fn evaluate(
    declared: &SecretDeclaration,
    in_use: &InUse,
    carried: &[String],
) -> Result<(), Lack> {
    match declared.kind {
        SecretKind::App => Ok(()),
        SecretKind::Classic => evaluate_scopes(declared, in_use, carried),
        SecretKind::FineGrained => evaluate_permissions(declared, in_use),
    }
}

fn evaluate_scopes(
    declared: &SecretDeclaration,
    in_use: &InUse,
    carried: &[String],
) -> Result<(), Lack> {
    if !declared.scopes.is_empty() {
        let least = declared.scopes.iter().map(AsRef::as_ref);
        return match missing(carried, least) {
            Some(missing) => Err(Lack::Declared(format!("it lacks the scope {missing}"))),
            None => Ok(()),
        };
    }
    let lack = match in_use {
        InUse::Nothing => None,
        InUse::Value(Some(before)) => missing(carried, before.iter().map(String::as_str))
            .map(|missing| format!("it lacks the scope {missing}, which the value in use carries")),
        InUse::Value(None) => Some(
            "it is not known which scopes the value in use carries, so this one may carry fewer"
                .to_owned(),
        ),
    };
    let mean_it = |lack| Lack::Undeclared(format!("{lack}; {}", mean_it("scopes", declared)));
    lack.map_or(Ok(()), |lack| Err(mean_it(lack)))
}

fn missing<'a>(carried: &'a [String], least: impl Iterator<Item = &'a str>) -> Option<String> {
    let carried = carried.iter().map(String::as_str);
    let missing = scopes::compare(carried, least).missing;
    (!missing.is_empty()).then(|| missing.join(", "))
}

fn evaluate_permissions(declared: &SecretDeclaration, in_use: &InUse) -> Result<(), Lack> {
    if !declared.permissions.is_empty() || *in_use == InUse::Nothing {
        return Ok(());
    }
    Err(Lack::Undeclared(format!(
        "GitHub does not tell which permissions a fine-grained token has, and none are declared, so \
         this one may have fewer than the value in use; {}",
        mean_it("permissions", declared)
    )))
}

fn mean_it(what: &str, declared: &SecretDeclaration) -> String {
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
        let in_use = InUse::Value(Some(carrying(&["repo", "workflow", "read:org"])));
        for (carried, missing) in [
            (&[][..], "read:org, repo, workflow"),
            (&["repo"], "read:org, workflow"),
            (&["public_repo", "workflow", "read:org"], "repo"),
        ] {
            let why = evaluate(&secret, &in_use, &carrying(carried))
                .unwrap_err()
                .to_string();
            assert!(why.contains(&format!("the scope {missing},")), "{why}");
            assert!(why.contains("--fewer-scopes"), "{why}");
            assert!(why.contains("s.toml:1"), "{why}");
        }
        for enough in [
            &["repo", "workflow", "read:org"][..],
            &["repo", "workflow", "admin:org", "gist"],
        ] {
            assert_eq!(evaluate(&secret, &in_use, &carrying(enough)), Ok(()));
        }
        let none = InUse::Value(Some(Vec::new()));
        assert_eq!(evaluate(&secret, &none, &[]), Ok(()));
    }

    #[test]
    fn what_is_declared_goes_before_what_the_value_in_use_carries() {
        let secret = declared("kind = 'classic'\nscopes = ['repo']");
        let in_use = InUse::Value(Some(carrying(&["repo", "workflow"])));
        assert_eq!(evaluate(&secret, &in_use, &carrying(&["repo"])), Ok(()));
        let why = evaluate(&secret, &in_use, &carrying(&["workflow"])).unwrap_err();
        assert_eq!(why, Lack::Declared("it lacks the scope repo".to_owned()));
    }

    #[test]
    fn what_nothing_can_be_compared_with_is_let_through_by_whoever_says_so_alone() {
        let classic = declared("kind = 'classic'");
        let fine = declared("kind = 'fine-grained'");
        let unknown = InUse::Value(None);
        assert!(evaluate(&classic, &unknown, &carrying(&["repo"])).is_err());
        assert!(evaluate(&fine, &unknown, &[]).is_err());
        let told = declared("kind = 'fine-grained'\npermissions = { contents = 'read' }");
        assert_eq!(evaluate(&told, &unknown, &[]), Ok(()));
        assert_eq!(evaluate(&classic, &InUse::Nothing, &[]), Ok(()));
        assert_eq!(evaluate(&fine, &InUse::Nothing, &[]), Ok(()));
    }
}

//! Addresses of a repository or an owner, as they are copied from a browser or from git, and the name each one means.
//!
//! A name has one spelling here (see [`names`]), so that two names are the same exactly if their texts are. An address
//! is not a name: it is refused, and what is found here is the spelling that the error says to write instead.
//!
//! [`names`]: crate::names

use std::borrow::Cow;

/// The owner and the repository that an address names. Either may be no name at all.
pub(crate) fn repository(text: &str) -> Option<(&str, &str)> {
    let mut segments = segments(text)?.into_iter();
    let (owner, name) = (segments.next()?, segments.next().unwrap_or("*"));
    Some((owner, without_suffix(name)))
}

/// The owner that an address names.
pub(crate) fn owner(text: &str) -> Option<&str> {
    let owner = match segments(text) {
        Some(segments) => segments.into_iter().find(|segment| *segment != "orgs")?,
        None => text.trim(),
    };
    Some(owner.strip_prefix('@').unwrap_or(owner))
}

/// The text without the login of a URL: what stands before the `@` may be a token.
pub(crate) fn without_login(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.into();
    };
    let authority = rest.split('/').next().unwrap_or(rest);
    match authority.rfind('@').map(|at| rest.split_at(at)) {
        Some((_login, rest)) => format!("{scheme}://…{rest}").into(),
        None => text.into(),
    }
}

/// A repository's name without what git adds to it.
fn without_suffix(name: &str) -> &str {
    let stem = name.len().checked_sub(SUFFIX.len());
    match stem.and_then(|at| name.split_at_checked(at)) {
        Some((stem, end)) if end.eq_ignore_ascii_case(SUFFIX) => stem,
        _ => name,
    }
}

/// What git writes at the end of a repository's name. GitHub takes the name with and without it.
pub(crate) const SUFFIX: &str = ".git";

/// The parts of the path, without the host. `None` for a single word.
fn segments(text: &str) -> Option<Vec<&str>> {
    let text = text.trim().split(['?', '#']).next()?;
    let (host, path) = match text.split_once("://") {
        Some((_scheme, rest)) => rest.split_once('/').unwrap_or((rest, "")),
        None => match text.split_once(['/', ':']) {
            // `git@github.com:acme/site.git`, `github.com/acme/site`: a login has no dot.
            Some((host, path)) if host.contains('.') => (host, path),
            Some(_) => ("", text),
            None => return None,
        },
    };
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let api = host.starts_with("api.") || path.starts_with("api/v3/");
    let ways = ["api", "v3", "repos"];
    Some(
        segments
            .skip_while(|segment| api && ways.contains(segment))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{OrgName, RepoPattern};

    #[test]
    fn a_repository_has_one_spelling_and_an_address_of_it_is_refused_with_that() {
        for address in [
            "https://github.com/Acme/site.git",
            "git@github.com:Acme/site.git",
            "Acme/site.git",
            "Acme/site.GIT",
            "Acme/site/",
        ] {
            let error = address.parse::<RepoPattern>().unwrap_err().to_string();
            let want = format!(
                "`{address}` is not a repository (`owner/name`, or `owner/*` for all of an owner's); write `Acme/site`"
            );
            assert_eq!(error, want);
        }
        let all = "https://github.com/acme".parse::<RepoPattern>();
        assert!(all.unwrap_err().to_string().ends_with("; write `acme/*`"));
        let org = "https://github.com/acme".parse::<OrgName>().unwrap_err();
        assert!(org.to_string().ends_with("; write `acme`"), "{org}");
        for no_name in ["a b/c", "acme/.git", "acme/site.git.git", "acme", ""] {
            let error = no_name.parse::<RepoPattern>().unwrap_err().to_string();
            assert!(error.ends_with("owner's)"), "{error}");
        }
        let login = "https://x:ghp_secret@github.com/acme/site".parse::<RepoPattern>();
        assert!(!login.unwrap_err().to_string().contains("secret"));
    }

    #[test]
    fn every_address_of_a_repository_names_it() {
        for address in [
            "https://github.com/acme/site.git",
            "https://github.com/acme/site",
            "https://github.com/acme/site/",
            "https://www.github.com/acme/site",
            "https://github.com:443/acme/site.git",
            "https://x-access-token:secret@github.com/acme/site",
            "https://github.com/acme/site/tree/main?tab=readme#top",
            "https://api.github.com/repos/acme/site",
            "https://ghe.acme.test/api/v3/repos/acme/site",
            "http://127.0.0.1:8080/acme/site.git",
            "ssh://git@ssh.github.com:443/acme/site.git",
            "git@github.com:acme/site.git",
            "github.com/acme/site",
            "acme/site.git",
            "acme/site.GIT",
            "acme/site/",
            "/acme/site",
            " acme/site\r",
        ] {
            assert_eq!(repository(address), Some(("acme", "site")), "{address}");
        }
        assert_eq!(repository("https://github.com/acme/*"), Some(("acme", "*")));
        assert_eq!(repository("https://github.com/acme"), Some(("acme", "*")));
        assert_eq!(repository("acme"), None);
        assert_eq!(repository("https://github.com"), None);
    }

    #[test]
    fn every_address_of_an_owner_names_it() {
        for address in [
            "@acme",
            "acme/",
            "acme/*",
            "https://github.com/acme",
            "https://github.com/orgs/acme/teams",
            "git@github.com:acme/site.git",
            "acme ",
        ] {
            assert_eq!(owner(address), Some("acme"), "{address}");
        }
    }

    #[test]
    fn a_login_in_a_url_is_left_out() {
        for (text, said) in [
            (
                "https://x:secret@github.com/acme/a@b",
                "https://…@github.com/acme/a@b",
            ),
            ("https://github.com/acme/a@b", "https://github.com/acme/a@b"),
            ("acme/site", "acme/site"),
        ] {
            assert_eq!(without_login(text), said);
        }
    }
}

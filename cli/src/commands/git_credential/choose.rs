//! Which purpose answers git: the only one that gives the caller `contents` of what git asks about.
//!
//! Two that fit are an error: a guess could push with the wrong token. That no purpose covers the repository is
//! none, because another helper may be there for it. A purpose that delivers a proxy token counts only where there is
//! no other.

use broker_protocol::api::PurposeView;
use broker_protocol::names::RepoPattern;

use crate::commands::proxy;
use crate::commands::purpose::joined;
use crate::error::Failure;
use crate::git_host::Site;

/// What there is for git.
#[derive(Debug)]
pub(super) enum Choice<'a> {
    Purpose(&'a PurposeView),
    /// No purpose covers the repository, as this says.
    Uncovered(String),
}

/// Chooses for the repository that git names, or for all of the host if it names none.
pub(super) fn choose<'a>(
    purposes: &'a [PurposeView],
    site: &Site,
    repository: Option<&RepoPattern>,
) -> Result<Choice<'a>, Failure> {
    let fits = |view: &&PurposeView| {
        let covers = |wanted| view.repositories.iter().any(|have| have.covers(wanted));
        gives_contents(view) && site.is_below(view.git.as_deref()) && repository.is_none_or(covers)
    };
    let fitting = purposes.iter().filter(fits);
    let (proxied, fitting): (Vec<_>, Vec<_>) = fitting.partition(|view| proxy::is_delivered(view));
    match (&*fitting, &*proxied, repository) {
        ([view], _, _) | ([], [view, ..], _) => Ok(Choice::Purpose(view)),
        ([], [], Some(repository)) => Ok(Choice::Uncovered(format!(
            "no purpose gives you the contents of `{repository}`"
        ))),
        ([], [], None) => Err(Failure::with_hint(
            "no purpose gives you the contents of a repository",
            "`tokenctl purpose list` shows those you have",
        )),
        ([first, ..], _, repository) => {
            let names: Vec<_> = fitting
                .iter()
                .map(|view| format!("`{}`", view.purpose))
                .collect();
            let (names, url, first) = (joined(&names), site.url(), &first.purpose);
            Err(match repository {
                Some(repository) => Failure::with_hint(
                    format!(
                        "more than one purpose gives you the contents of `{repository}`: {names}"
                    ),
                    format!(
                        "name one. In this repository: `tokenctl setup-git --local --only --purpose {first}`. \
                         For one command: `TOKEND_PURPOSE={first} git …`"
                    ),
                ),
                None => Failure::with_hint(
                    format!(
                        "git does not say which repository it asks for, and more than one purpose gives you contents: {names}"
                    ),
                    format!(
                        "have git name it: `git config --global credential.{url}.useHttpPath true`; \
                         `tokenctl setup-git` writes that for you"
                    ),
                ),
            })
        }
    }
}

/// Whether a rule gives the caller `contents`.
pub(crate) fn gives_contents(view: &PurposeView) -> bool {
    let named = |name: &str| view.permissions.keys().any(|have| have.as_str() == name);
    view.rule.is_some() && named("contents")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purpose(name: &str, repository: &str) -> PurposeView {
        let view = serde_json::json!({
            "purpose": name, "about": null, "secret": "s", "deliver": "raw", "rule": "x.toml#1",
            "repositories": [repository], "organization": null, "permissions": {"contents": "read"},
            "ttl_default": 900, "ttl_max": 3600, "git": "https://github.com",
        });
        serde_json::from_value(view).unwrap()
    }

    fn github() -> Site {
        Site::find("https", "github.com", &[]).unwrap()
    }

    /// The name of the purpose, or `-`.
    fn chosen(all: &[PurposeView], repository: Option<&str>) -> Result<String, Failure> {
        let repository = repository.map(|name| name.parse().unwrap());
        Ok(match choose(all, &github(), repository.as_ref())? {
            Choice::Purpose(view) => view.purpose.to_string(),
            Choice::Uncovered(_) => "-".to_owned(),
        })
    }

    #[test]
    fn the_purpose_that_covers_the_repository_git_names_is_taken() {
        let labels = PurposeView {
            permissions: [("issues".parse().unwrap(), "read".parse().unwrap())].into(),
            ..purpose("labels", "acme/*")
        };
        let not_mine = PurposeView {
            rule: None,
            ..purpose("not-mine", "acme/*")
        };
        let all = [
            labels,
            not_mine,
            purpose("read", "acme/*"),
            purpose("other", "other/one"),
        ];
        assert_eq!(chosen(&all, Some("acme/site")).unwrap(), "read");
        assert_eq!(chosen(&all, Some("other/one")).unwrap(), "other");
        assert_eq!(chosen(&all, Some("other/two")).unwrap(), "-");
        assert_eq!(chosen(&all[..3], None).unwrap(), "read");
        assert!(chosen(&all[..2], None).is_err());
    }

    #[test]
    fn where_git_names_no_repository_the_hint_says_how_it_does() {
        let all = [purpose("read", "acme/*"), purpose("other", "other/*")];
        let error = chosen(&all, None).unwrap_err();
        assert!(error.to_string().ends_with("`read`, `other`"), "{error}");
        let hint = error.hint().unwrap();
        let config = "`git config --global credential.https://github.com.useHttpPath true`";
        assert!(hint.contains(config), "{hint}");
        assert!(hint.contains("`tokenctl setup-git`"), "{hint}");
    }

    #[test]
    fn two_that_cover_the_repository_are_an_error_with_both_names_and_what_to_write() {
        let all = [purpose("read", "acme/*"), purpose("push", "acme/site")];
        let error = chosen(&all, Some("acme/site")).unwrap_err();
        assert!(
            error.to_string().ends_with("`acme/site`: `read`, `push`"),
            "{error}"
        );
        let hint = error.hint().unwrap();
        assert!(
            hint.contains("`tokenctl setup-git --local --only --purpose read`"),
            "{hint}"
        );
        assert!(hint.contains("`TOKEND_PURPOSE=read git …`"), "{hint}");
        assert_eq!(chosen(&all, Some("acme/other")).unwrap(), "read");
    }

    #[test]
    fn a_purpose_of_another_host_does_not_fit() {
        let elsewhere = PurposeView {
            git: Some("https://ghe.acme.test".to_owned()),
            ..purpose("elsewhere", "acme/*")
        };
        assert_eq!(chosen(&[elsewhere], Some("acme/site")).unwrap(), "-");
    }
}

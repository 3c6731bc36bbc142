//! What an endpoint wants of a fine-grained token or an App: `X-Accepted-GitHub-Permissions`.
//!
//! Sets are separated by `;`, the permissions of a set by `,`; any one set is enough. So an answer
//! proves a permission only if every set names it.
//!
//! Sources: GitHub changelog of 2023-08-10; GitHub documentation, “Troubleshooting the REST API”.

use broker_protocol::names::Level;

/// The sets of an answer. Empty if the header was absent or held nothing that can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted(Vec<Vec<(String, Level)>>);

impl Accepted {
    /// Reads the header's value, such as
    /// `pull_requests=read,contents=read; issues=read,contents=read`. A set with something unreadable
    /// in it proves nothing and is kept as one that names nothing.
    #[must_use]
    pub fn parse(header: &str) -> Self {
        let sets = header.split(';').map(str::trim);
        Self(sets.filter(|set| !set.is_empty()).map(set).collect())
    }

    /// The level that an accepted call proves of this permission: the lowest that any set names.
    /// `None` if some set does without it.
    #[must_use]
    pub fn proves(&self, permission: &str) -> Option<Level> {
        let levels = self.0.iter().map(|set| {
            let named = set.iter().filter(|(name, _)| name == permission);
            named.map(|(_, level)| *level).max()
        });
        levels.collect::<Option<Vec<_>>>()?.into_iter().min()
    }
}

fn set(text: &str) -> Vec<(String, Level)> {
    let permissions = text.split(',').map(|pair| {
        let (name, level) = pair.trim().split_once('=')?;
        Some((name.to_owned(), level.parse().ok()?))
    });
    permissions.collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_proven_only_if_every_set_names_it() {
        let accepted =
            Accepted::parse("pull_requests=read,contents=read;issues=read, contents=write");
        assert_eq!(accepted.proves("contents"), Some(Level::Read));
        assert_eq!(accepted.proves("issues"), None);
        assert_eq!(accepted.proves("pull_requests"), None);
    }

    #[test]
    fn nothing_is_proven_by_what_cannot_be_read() {
        for header in [
            "",
            " ; ",
            "contents",
            "contents=read; ???",
            "contents=maybe",
        ] {
            assert_eq!(
                Accepted::parse(header).proves("contents"),
                None,
                "{header:?}"
            );
        }
    }
}

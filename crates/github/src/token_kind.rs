//! Telling the kinds of personal access token apart by how GitHub answers them.
//!
//! A classic token is answered with its scopes, a fine-grained one without. An empty list is given for
//! both: to a classic token without scopes, and sometimes to a fine-grained one; then the answer alone
//! cannot tell, and only the token's first characters can.
//!
//! Sources: cli/cli, `pkg/cmd/auth/shared/oauth_scopes.go` (which cannot evaluate an empty list either);
//! GitHub documentation, “Troubleshooting the REST API”.

/// What an answer's `X-OAuth-Scopes` says of the token that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByHeader {
    /// It has scopes: classic.
    Classic,
    /// No such header: fine-grained.
    FineGrained,
    /// An empty list: a classic token without scopes, or a fine-grained one.
    CannotTell,
}

/// Reads the kind off an answer's scopes; `None` if the header was absent.
#[must_use]
pub fn by_header<S: AsRef<str>>(scopes: Option<&[S]>) -> ByHeader {
    match scopes {
        None => ByHeader::FineGrained,
        Some(scopes) if scopes.iter().all(|scope| scope.as_ref().is_empty()) => {
            ByHeader::CannotTell
        }
        Some(_) => ByHeader::Classic,
    }
}

/// The scopes in a header's value, `repo, read:org`.
#[must_use]
pub fn scopes(header: &str) -> Vec<String> {
    let scopes = header.split(',').map(str::trim);
    scopes
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_tell_a_classic_token_and_their_absence_a_fine_grained_one() {
        for (header, want) in [
            (Some("repo, workflow"), ByHeader::Classic),
            (Some("repo"), ByHeader::Classic),
            (Some(""), ByHeader::CannotTell),
            (Some(" , "), ByHeader::CannotTell),
            (None, ByHeader::FineGrained),
        ] {
            let scopes = header.map(scopes);
            assert_eq!(by_header(scopes.as_deref()), want, "{header:?}");
        }
    }

    #[test]
    fn blanks_after_commas_do_not_matter() {
        assert_eq!(scopes("repo, read:org,gist"), ["repo", "read:org", "gist"]);
    }
}

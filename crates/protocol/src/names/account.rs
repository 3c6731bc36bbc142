//! The names of accounts and groups of the machine, which are the machine's to give.

/// Why a text is not the name of an account or a group of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAccountName {
    /// No line of `/etc/passwd` can have it.
    Impossible,
    /// It is a number, which stands for an account but is not its name.
    Number,
}

/// Checks the name of an account or a group of the machine: not what `useradd` accepts, which differs, but what can
/// be in a line of `/etc/passwd`.
///
/// # Errors
///
/// [`NoAccountName`].
pub fn check_account(text: &str) -> Result<(), NoAccountName> {
    let bad = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ':' | '/' | ',' | '*');
    if text.is_empty() || text.len() > 256 || text.contains(bad) {
        return Err(NoAccountName::Impossible);
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NoAccountName::Number);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accounts_name_is_whatever_a_line_of_passwd_can_have_and_no_number() {
        for name in [
            "alice",
            "DOMAIN\\alice",
            "alice@example.org",
            "a1",
            "1a",
            "ä",
        ] {
            assert_eq!(check_account(name), Ok(()), "{name}");
        }
        for bad in ["", "a b", "a:b", "a/b", "a,b", "*", "a\n", &"a".repeat(257)] {
            assert_eq!(
                check_account(bad),
                Err(NoAccountName::Impossible),
                "{bad:?}"
            );
        }
        assert_eq!(check_account("1000"), Err(NoAccountName::Number));
    }
}

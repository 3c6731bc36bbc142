//! Words as a shell reads them, for commands that are printed to be pasted.

/// A word that stays one word, and that a shell does nothing with.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=:,./@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_to_the_shell_that_it_is_pasted_into() {
        for (word, typed) in [
            ("/run/tokend/proxy.sock", "/run/tokend/proxy.sock"),
            ("http://ghe.test:8443/api/v3", "http://ghe.test:8443/api/v3"),
            ("contents=read", "contents=read"),
            ("acme/*", "'acme/*'"),
            ("/home/o b/p", "'/home/o b/p'"),
            ("/$(id)/'p'", "'/$(id)/'\\''p'\\'''"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), typed);
        }
    }
}

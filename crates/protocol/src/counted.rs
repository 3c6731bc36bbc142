//! Numbers of things in messages.

/// `1 purpose`, `2 purposes`: for nouns whose plural ends in `s`.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_no_plural() {
        let texts = [0, 1, 2].map(|number| counted(number, "purpose"));
        assert_eq!(texts, ["0 purposes", "1 purpose", "2 purposes"]);
    }
}

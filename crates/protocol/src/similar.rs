//! Which known word someone may have meant.

/// The word of `known` that `text` most likely meant, as `" (did you mean `x`?)"`, or nothing.
pub fn did_you_mean<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // A third of the letters may differ: `unti` is `unit`, `foo` is nothing we know.
    let most = (text.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .filter(|word| word.len().abs_diff(text.len()) <= most)
        .map(|word| (distance(text, word), word))
        .filter(|(far, word)| *far <= most && *far < word.len())
        .min()
        .map_or_else(String::new, |(_, word)| {
            format!(" (did you mean `{word}`?)")
        })
}

/// No word of the policy language, nor an operation of GitHub's, is longer.
const LONGEST: usize = 160;

/// How many letters must be inserted, removed, replaced, or swapped with their neighbour. Texts that are longer than
/// any known word count as far away.
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |line: &[usize], n: usize| line.get(n).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&above, j) + usize::from(x != y);
            let mut best = replaced.min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_gets_a_suggestion_and_a_stranger_none() {
        let known = ["unit", "user", "user_unit", "exe"];
        assert_eq!(did_you_mean("unti", known), " (did you mean `unit`?)");
        assert_eq!(
            did_you_mean("user_untit", known),
            " (did you mean `user_unit`?)"
        );
        assert_eq!(did_you_mean("hostname", known), "");
        assert_eq!(did_you_mean("", known), "");
        assert_eq!(did_you_mean(&"x".repeat(1000), known), "");
    }
}

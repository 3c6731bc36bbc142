//! The one line of a policy file that says where a secret's value comes from, and how it would say
//! something else. Pure: nothing is written here.

use broker_protocol::moving::change_line;
use broker_protocol::names::SecretName;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::SourceSpec;

/// What a file says of a secret's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// The line, counted from 1: of the key, or of what declares the secret where there is no key.
    pub line: usize,
    /// Where the value comes from.
    pub names: SourceSpec,
}

/// A line, and what takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineChange {
    /// Counted from 1.
    pub line: usize,
    /// Its text, without the newline at its end.
    pub before: String,
    /// What is to stand there instead: one line, or two where the key is new.
    pub after: String,
}

impl LineChange {
    /// The text with this line changed, and every other byte as it was. `None` if the line is another.
    #[must_use]
    pub fn apply(&self, text: &str) -> Option<String> {
        change_line(text, self.line, &self.before, &self.after)
    }
}

/// What this file says of the secret; `None` if it declares no such secret, or is not understood.
#[must_use]
pub fn source_line(text: &str, name: &SecretName) -> Option<SourceLine> {
    let root = DeTable::parse(text).ok()?;
    let declared = declaration(root.get_ref(), name)?;
    let Some(source) = source_of(declared) else {
        return Some(SourceLine {
            line: line_of(text, declared.span().start),
            names: SourceSpec::Vault,
        });
    };
    let DeValue::String(names) = source.get_ref() else {
        return None;
    };
    Some(SourceLine {
        line: line_of(text, source.span().start),
        names: names.parse().ok()?,
    })
}

/// The change after which the file says `to`. `None` where that is no change of one line: a person
/// makes it.
#[must_use]
pub fn change_of_source(text: &str, name: &SecretName, to: &SourceSpec) -> Option<LineChange> {
    // What is not understood is not changed.
    source_line(text, name)?;
    let root = DeTable::parse(text).ok()?;
    let declared = declaration(root.get_ref(), name)?;
    let value = quoted(&to.to_string());
    let span = match source_of(declared) {
        Some(source) => source.span(),
        None => declared.span(),
    };
    let line = line_of(text, span.start);
    let starts = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
    let before = text.get(starts..)?.split('\n').next()?.to_owned();
    let (start, end) = (span.start - starts, span.end - starts);
    let after = if source_of(declared).is_some() {
        format!("{}{value}{}", before.get(..start)?, before.get(end..)?)
    } else if before.get(start..)?.starts_with('{') {
        let (head, rest) = (before.get(..=start)?, before.get(start + 1..)?);
        format!("{head} source = {value},{rest}")
    } else if before.trim_start().starts_with('[') {
        let end = if before.ends_with('\r') { "\r" } else { "" };
        format!("{before}\nsource = {value}{end}")
    } else {
        return None;
    };
    let change = LineChange {
        line,
        before,
        after,
    };
    let changed = source_line(&change.apply(text)?, name);
    changed
        .is_some_and(|changed| changed.names == *to)
        .then_some(change)
}

type Value<'t> = Spanned<DeValue<'t>>;

fn declaration<'r, 't>(root: &'r DeTable<'t>, name: &SecretName) -> Option<&'r Value<'t>> {
    let DeValue::Table(secrets) = root.get("secret")?.get_ref() else {
        return None;
    };
    secrets.get(name.as_str())
}

fn source_of<'r, 't>(declared: &'r Value<'t>) -> Option<&'r Value<'t>> {
    let DeValue::Table(keys) = declared.get_ref() else {
        return None;
    };
    keys.get("source")
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.matches('\n').count() + 1
}

/// A TOML basic string. No source holds a control character.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> SecretName {
        "ci".parse().unwrap()
    }

    fn changed(text: &str, to: &str) -> Option<String> {
        let to: SourceSpec = to.parse().unwrap();
        let change = change_of_source(text, &name(), &to)?;
        Some(change.apply(text).unwrap())
    }

    #[test]
    fn one_line_changes_and_every_other_byte_stays() {
        let text = "# é env:A\r\n[secret.ci]\nkind = \"classic\"\n  source   = 'env:A' # why\n\n[secret.other]\nsource = \"env:A\"";
        assert_eq!(
            changed(text, "op://v/i/credential").unwrap(),
            text.replace("'env:A'", "\"op://v/i/credential\"")
        );
        assert_eq!(source_line(text, &name()).unwrap().line, 4);
    }

    #[test]
    fn a_key_that_is_not_there_goes_below_the_head_of_its_table() {
        for (text, wanted) in [
            (
                "[secret.ci] # ours\nkind = \"classic\"\n",
                "[secret.ci] # ours\nsource = \"env:A\"\nkind = \"classic\"\n",
            ),
            (
                "[secret.ci]\r\nkind = \"classic\"\r\n",
                "[secret.ci]\r\nsource = \"env:A\"\r\nkind = \"classic\"\r\n",
            ),
            (
                "[secret]\nci = { kind = \"classic\" }",
                "[secret]\nci = { source = \"env:A\", kind = \"classic\" }",
            ),
        ] {
            assert_eq!(changed(text, "env:A").as_deref(), Some(wanted));
            assert_eq!(source_line(text, &name()).unwrap().names, SourceSpec::Vault);
        }
    }

    #[test]
    fn keys_in_one_line_and_with_dots_are_changed_where_they_stand() {
        let inline = "secret.ci = { kind = \"classic\", source = \"vault\" }";
        assert_eq!(
            changed(inline, "env:A").unwrap(),
            inline.replace("vault", "env:A")
        );
        let dotted = "[secret]\nci.kind = \"classic\"\nci.source = \"vault\"\n";
        assert_eq!(
            changed(dotted, "file:/a\"b\\c").unwrap(),
            dotted.replace("vault", "file:/a\\\"b\\\\c")
        );
    }

    #[test]
    fn what_is_no_change_of_one_line_is_left_to_a_person() {
        for text in [
            "[secret]\nci.kind = \"classic\"\n",
            "[secret.ci]\nsource = \"\"\"\nvault\"\"\"\n",
            "[secret.other]\n",
            "[secret.ci\n",
            "[secret.ci]\nsource = 1\n",
        ] {
            assert_eq!(changed(text, "env:A"), None, "{text}");
        }
    }

    #[test]
    fn a_line_that_is_another_meanwhile_is_not_changed() {
        let text = "[secret.ci]\nsource = \"vault\"\n";
        let change = change_of_source(text, &name(), &"env:A".parse().unwrap()).unwrap();
        assert_eq!(change.apply("[secret.ci]\nsource = \"env:B\"\n"), None);
        assert_eq!(change.apply(""), None);
    }
}

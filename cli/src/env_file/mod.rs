//! Reads a file of environment variables as a shell would, without being one.
//!
//! Understood: `NAME=value` and `export NAME=value`, single and double quotes (also over several
//! lines), backslashes, comments, blank lines. Whatever would make a shell *do* something (`$`,
//! backquotes, `;`, `|`, other commands) is refused with its line, because guessing at a secret is
//! worse than asking.
//!
//! Errors name the place and never quote a value. Values are wiped on drop.

use std::iter::Peekable;
use std::str::Chars;

use zeroize::Zeroizing;

/// One variable. No `Debug`: it holds a value.
pub(crate) struct Variable {
    /// Line on which it begins, counted from 1.
    pub(crate) line: usize,
    /// Its name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: Zeroizing<String>,
}

/// Why a file was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub(crate) struct EnvFileError {
    /// Counted from 1.
    pub(crate) line: usize,
    /// What is wrong, and what to write instead.
    pub(crate) why: String,
}

/// Reads all variables, in order.
pub(crate) fn parse(text: &str) -> Result<Vec<Variable>, EnvFileError> {
    let mut reader = Reader {
        rest: text
            .strip_prefix('\u{feff}')
            .unwrap_or(text)
            .chars()
            .peekable(),
        line: 1,
        room: text.len(),
    };
    let mut variables: Vec<Variable> = Vec::new();
    while let Some(variable) = reader.next_variable()? {
        if let Some(before) = variables.iter().find(|v| v.name == variable.name) {
            return Err(EnvFileError {
                line: variable.line,
                why: format!(
                    "{} is set on line {} already; keep one of the two",
                    variable.name, before.line
                ),
            });
        }
        variables.push(variable);
    }
    Ok(variables)
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
    /// No value is longer than the file: room for it at once, so that no copy is left behind.
    room: usize,
}

impl Reader<'_> {
    fn next_variable(&mut self) -> Result<Option<Variable>, EnvFileError> {
        loop {
            self.skip_blanks();
            match self.rest.peek() {
                None => return Ok(None),
                Some('\n' | '#') => self.end_of_line()?,
                Some(_) => {
                    if let Some(variable) = self.assignment()? {
                        return Ok(Some(variable));
                    }
                }
            }
        }
    }

    /// `NAME=value` or `export NAME=value`; `None` for `export NAME`, which sets nothing.
    fn assignment(&mut self) -> Result<Option<Variable>, EnvFileError> {
        let line = self.line;
        let mut name = self.name();
        let exported = name == "export" && matches!(self.rest.peek(), Some(' ' | '\t'));
        if exported {
            self.skip_blanks();
            name = self.name();
        }
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.error("not of the form NAME=value"));
        }
        match self.rest.peek() {
            Some('=') => drop(self.rest.next()),
            None | Some(' ' | '\t' | '\n') if exported => {
                self.end_of_line()?;
                return Ok(None);
            }
            _ => return Err(self.error("not of the form NAME=value")),
        }
        let value = self.value()?;
        self.end_of_line()?;
        Ok(Some(Variable { line, name, value }))
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self
            .rest
            .next_if(|c| c.is_ascii_alphanumeric() || *c == '_')
        {
            name.push(c);
        }
        name
    }

    fn value(&mut self) -> Result<Zeroizing<String>, EnvFileError> {
        let mut value = Zeroizing::new(String::with_capacity(self.room));
        while let Some(c) = self.rest.next_if(|c| !matches!(c, ' ' | '\t' | '\n')) {
            match c {
                '\'' | '"' => self.quoted(c, &mut value)?,
                '\\' => match self.rest.next_if(|c| *c != '\n') {
                    Some(c) => value.push(c),
                    None => return Err(self.error("a line cannot go on after a backslash")),
                },
                '\r' if matches!(self.rest.peek(), None | Some('\n')) => {}
                '$' | '`' => return Err(self.error(EXPANDS)),
                ';' | '&' | '|' | '<' | '>' | '(' | ')' => {
                    return Err(self.error(
                        "more than a value: put the value in single quotes, and nothing after it",
                    ));
                }
                c => value.push(c),
            }
        }
        Ok(value)
    }

    /// The rest of a quoted part, after its opening quote.
    fn quoted(&mut self, quote: char, value: &mut String) -> Result<(), EnvFileError> {
        let opened = self.line;
        while let Some(c) = self.rest.next() {
            match c {
                c if c == quote => return Ok(()),
                '\n' => {
                    self.line += 1;
                    value.push(c);
                }
                '$' | '`' if quote == '"' => return Err(self.error(EXPANDS)),
                '\\' if quote == '"' => match self.rest.next() {
                    Some(c @ ('"' | '\\' | '$' | '`')) => value.push(c),
                    Some('\n') => self.line += 1,
                    Some(c) => value.extend(['\\', c]),
                    None => break,
                },
                c => value.push(c),
            }
        }
        Err(EnvFileError {
            line: opened,
            why: format!("the quote {quote} is never closed"),
        })
    }

    fn skip_blanks(&mut self) {
        while self
            .rest
            .next_if(|c| matches!(c, ' ' | '\t' | '\r'))
            .is_some()
        {}
    }

    /// Blanks, a comment, and the newline; anything else is an error.
    fn end_of_line(&mut self) -> Result<(), EnvFileError> {
        self.skip_blanks();
        if self.rest.peek() == Some(&'#') {
            while self.rest.next_if(|c| *c != '\n').is_some() {}
        }
        match self.rest.next() {
            None => Ok(()),
            Some('\n') => {
                self.line += 1;
                Ok(())
            }
            Some(_) => Err(self.error(
                "there is text after the value: a value with spaces needs quotes, and each variable a line of its own",
            )),
        }
    }

    fn error(&self, why: &str) -> EnvFileError {
        EnvFileError {
            line: self.line,
            why: why.to_owned(),
        }
    }
}

const EXPANDS: &str = "a shell would expand `$` or a backquote here; write the value \
                       itself, in single quotes";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(usize, String, String)> {
        parse(text)
            .unwrap_or_else(|error| panic!("{text:?}: {error}"))
            .into_iter()
            .map(|v| (v.line, v.name, v.value.to_string()))
            .collect()
    }

    fn value(text: &str) -> String {
        pairs(text).remove(0).2
    }

    #[test]
    fn a_file_as_people_keep_it_is_understood() {
        let text = "# tokens\n\nexport ORG_LABEL_SYNC_TOKEN=\"ghp_1\"  # classic\n  A='ghp_2'\nB=ghp_3\r\nexport C\n";
        assert_eq!(
            pairs(text),
            [
                (3, "ORG_LABEL_SYNC_TOKEN".to_owned(), "ghp_1".to_owned()),
                (4, "A".to_owned(), "ghp_2".to_owned()),
                (5, "B".to_owned(), "ghp_3".to_owned()),
            ]
        );
    }

    #[test]
    fn quotes_and_backslashes_mean_what_they_mean_to_a_shell() {
        assert_eq!(value(r#"A="a\"b\\c\$d\e""#), r#"a"b\c$d\e"#);
        assert_eq!(value(r"A='a\b$c`d'"), r"a\b$c`d");
        assert_eq!(value(r"A=a\ b'c d'"), "a bc d");
        assert_eq!(value("A=\"one\ntwo\"\n"), "one\ntwo");
        assert_eq!(value("A=\"one\\\ntwo\""), "onetwo");
        assert_eq!(value("A=x#y"), "x#y");
        assert_eq!(value("A="), "");
    }

    #[test]
    fn what_a_shell_would_act_on_is_refused_with_its_line() {
        for text in [
            "A=$(op read x)",
            "A=\"$HOME\"",
            "A=`pass x`",
            "A=x; B=y",
            "A=x B=y",
            "A=x && true",
            "source other",
            "if true; then",
            "A =x",
            "1A=x",
            "=x",
            "export",
            "export A B",
            "A=\\\nx",
        ] {
            let error = parse(&format!("# one\n{text}")).err();
            assert_eq!(error.map(|e| e.line), Some(2), "{text}");
        }
    }

    #[test]
    fn an_open_quote_is_placed_where_it_was_opened() {
        assert_eq!(parse("A=1\nB='x\n\n").err().unwrap().line, 2);
    }

    #[test]
    fn a_variable_is_set_once() {
        let error = parse("A=ghp_1\nB=x\nA=ghp_2").err().unwrap();
        assert_eq!(error.line, 3);
        assert!(error.why.contains("line 1"));
    }

    #[test]
    fn an_error_never_quotes_a_value() {
        for text in ["A=ghp_secret$x", "A=ghp_secret ghp_secret", "A='ghp_secret"] {
            assert!(!parse(text).err().unwrap().to_string().contains("ghp_"));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fall_over(text in "[ -~\\n\\r\\té]{0,200}") {
            if let Err(error) = parse(&text) {
                prop_assert!(error.line <= text.lines().count() + 1);
            }
        }

        #[test]
        fn whatever_stands_in_single_quotes_reads_back(text in "[^']{0,80}") {
            let variables = parse(&format!("export X='{text}'\n")).ok().unwrap();
            prop_assert_eq!(&*variables[0].value, &text);
        }
    }
}

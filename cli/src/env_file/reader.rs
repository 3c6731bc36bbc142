//! Reads statements one by one: assignments, or why a statement is none.

use zeroize::Zeroizing;

use super::Variable;

/// What is left of a file.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a str,
    /// Counted from 1.
    pub(super) line: usize,
    /// No value is longer than the file and what it names again: room for it at once, so that no copy is
    /// left behind.
    room: usize,
}

/// What was read, or why not.
type Read<T> = Result<T, &'static str>;

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text.strip_prefix('\u{feff}').unwrap_or(text),
            line: 1,
            room: text.len(),
        }
    }

    /// Goes to the next statement, past blanks, comments and empty ones; `false` at the end.
    pub(super) fn at_statement(&mut self) -> bool {
        loop {
            self.skip_blanks();
            match self.peek() {
                None => return false,
                Some('#') => drop(self.skip_line()),
                Some('\n' | ';') => self.skip(),
                Some(_) => return true,
            }
        }
    }

    /// All assignments up to a newline or `;`. `names` is what it sets, also where it fails.
    pub(super) fn statement(
        &mut self,
        known: &[Variable],
        names: &mut Vec<String>,
    ) -> Read<Vec<Variable>> {
        let mut set = Vec::new();
        let mut exported = false;
        loop {
            let line = self.line;
            let name = self.name();
            if set.is_empty()
                && names.is_empty()
                && matches!(&*name, "export" | "readonly")
                && matches!(self.peek(), Some(' ' | '\t'))
            {
                exported = true;
                self.skip_blanks();
                continue;
            }
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
                return Err(NOT_AN_ASSIGNMENT);
            }
            names.push(name.clone());
            match self.peek() {
                Some('=') => {
                    self.skip();
                    let value = self.value(known)?;
                    set.push(Variable { line, name, value });
                }
                // It sets nothing.
                None | Some(' ' | '\t' | '\r' | '\n' | ';') if exported => drop(names.pop()),
                _ => return Err(NOT_AN_ASSIGNMENT),
            }
            self.skip_blanks();
            match self.peek() {
                None | Some('\n' | ';' | '#') => return Ok(set),
                Some('&' | '|' | '<' | '>' | '(' | ')') => return Err(MORE_THAN_A_VALUE),
                Some(_) => {}
            }
        }
    }

    fn name(&mut self) -> String {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let after = self.rest.trim_start_matches(is_part);
        let name = self.rest.strip_suffix(after).unwrap_or_default();
        self.rest = after;
        name.to_owned()
    }

    fn value(&mut self, known: &[Variable]) -> Read<Zeroizing<String>> {
        let mut value = Zeroizing::new(String::with_capacity(self.room));
        while let Some(c) = self.next_if(|c| !matches!(c, ' ' | '\t' | '\n' | ';')) {
            match c {
                '\'' | '"' => self.quoted(c, known, &mut value)?,
                '\\' => match self.next_if(|c| c != '\n') {
                    Some(c) => value.push(c),
                    None => return Err("a line cannot go on after a backslash"),
                },
                '\r' if matches!(self.peek(), None | Some('\n')) => {}
                '$' => self.expand(known, &mut value)?,
                '`' => return Err(EXPANDS),
                '&' | '|' | '<' | '>' | '(' | ')' => return Err(MORE_THAN_A_VALUE),
                c => value.push(c),
            }
        }
        // Kept without the room for the rest of the file.
        Ok(Zeroizing::new(value.as_str().to_owned()))
    }

    /// The rest of a quoted part, after its opening quote.
    fn quoted(&mut self, quote: char, known: &[Variable], value: &mut String) -> Read<()> {
        while let Some(c) = self.next_if(|_| true) {
            match c {
                c if c == quote => return Ok(()),
                '$' if quote == '"' => self.expand(known, value)?,
                '`' if quote == '"' => return Err(EXPANDS),
                '\\' if quote == '"' => match self.next_if(|_| true) {
                    Some(c @ ('"' | '\\' | '$' | '`')) => value.push(c),
                    Some('\n') => {}
                    Some(c) => value.extend(['\\', c]),
                    None => break,
                },
                c => value.push(c),
            }
        }
        Err("a quote is never closed")
    }

    /// The value of `NAME` or `{NAME}`, after its `$`.
    fn expand(&mut self, known: &[Variable], value: &mut String) -> Read<()> {
        let braces = self.next_if(|c| c == '{').is_some();
        let name = self.name();
        if braces && self.next_if(|c| c == '}').is_none() {
            return Err(EXPANDS);
        }
        let named = known.iter().find(|variable| variable.name == name);
        let named = named.ok_or(EXPANDS)?;
        if value.len() + named.value.len() > value.capacity() {
            return Err("its value is longer than the file");
        }
        value.push_str(&named.value);
        Ok(())
    }

    /// The rest of the line with its newline; of a private key, all of its lines.
    pub(super) fn skip_line(&mut self) -> &'a str {
        let begins_key = self.rest.starts_with("-----BEGIN ");
        let mut end = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
        if begins_key && let Some(last) = self.rest.find("-----END ") {
            let after = self.rest.get(last..).unwrap_or_default();
            end = last + after.find('\n').map_or(after.len(), |at| at + 1);
        }
        let (skipped, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.line += skipped.matches('\n').count();
        self.rest = rest;
        skipped
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn skip(&mut self) {
        self.next_if(|_| true);
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let mut rest = self.rest.chars();
        let next = rest.next().filter(|c| wanted(*c))?;
        self.rest = rest.as_str();
        self.line += usize::from(next == '\n');
        Some(next)
    }
}

const NOT_AN_ASSIGNMENT: &str = "it is not of the form NAME=value";
const EXPANDS: &str = "a shell would run a command there, or read a variable that is not set above";
const MORE_THAN_A_VALUE: &str = "there is more than a value on it";

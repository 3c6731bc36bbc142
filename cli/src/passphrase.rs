//! A passphrase on its way from a terminal, a pipe or a file to the broker, by the rule of
//! [`broker_protocol::as_read`].
//!
//! One that is chosen now is cleaned, and refused if it could not be typed again. One that was chosen
//! before goes to the broker as it was read: only there it shows which reading opens.

use broker_protocol::as_read;
use zeroize::Zeroizing;

use crate::error::Failure;
use crate::ui;

/// Asks at the terminal for one that is chosen now, until it fits and is typed the same twice.
pub(crate) fn ask_new(what: &str) -> Result<Zeroizing<String>, Failure> {
    loop {
        let text = ui::ask_secretly(what)?;
        match as_read::new_passphrase(&text) {
            Err(why) => ui::note(format_args!("it {why}; once more")),
            Ok(_) if *text == *ui::ask_secretly(&format!("{what} again"))? => return Ok(text),
            Ok(_) => ui::note("the two do not match; once more"),
        }
    }
}

/// Takes one that is chosen now. `what` names it in a refusal.
pub(crate) fn chosen(
    mut text: Zeroizing<String>,
    what: &str,
) -> Result<Zeroizing<String>, Failure> {
    if let Err(why) = as_read::new_passphrase(&text) {
        return Err(Failure::Usage(format!("{what}: it {why}")));
    }
    as_read::clean(&mut text);
    Ok(text)
}

/// Takes one that was chosen before, as it was read.
pub(crate) fn known(mut text: Zeroizing<String>, what: &str) -> Result<Zeroizing<String>, Failure> {
    if as_read::cleaned(&text).is_empty() {
        return Err(Failure::Usage(format!("{what}: it is empty")));
    }
    // Without a lone LF there is one reading less to try, and each takes a moment.
    if text.ends_with('\n') && !text.ends_with("\r\n") {
        text.pop();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Take = fn(Zeroizing<String>, &str) -> Result<Zeroizing<String>, Failure>;

    fn take(how: Take, text: &str) -> Result<String, String> {
        let taken = how(Zeroizing::new(text.to_owned()), "recovery passphrase");
        taken
            .map(|text| text.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_new_passphrase_is_cleaned_and_an_old_one_goes_as_it_was_read() {
        for (read, new, old) in [
            ("correct horse\n", "correct horse", "correct horse"),
            ("correct horse\r\n", "correct horse", "correct horse\r\n"),
            (
                "\u{feff}größer als 1\r\n",
                "größer als 1",
                "\u{feff}größer als 1\r\n",
            ),
        ] {
            assert_eq!(take(chosen, read), Ok(new.to_owned()), "{read:?}");
            assert_eq!(take(known, read), Ok(old.to_owned()), "{read:?}");
        }
    }

    #[test]
    fn a_new_passphrase_that_cannot_be_typed_again_is_refused_by_name_and_place() {
        for read in [
            "correct\rhorse",
            "correct\u{1b}[C",
            "correct\thorse\n",
            "correct\0",
        ] {
            let refused = take(chosen, read).unwrap_err();
            assert!(
                refused.starts_with("recovery passphrase: it has a control"),
                "{refused}"
            );
            assert!(
                refused.contains("at character 8") && !refused.contains("correct"),
                "{refused}"
            );
            assert!(take(known, read).is_ok());
        }
        for (how, why) in [
            (chosen as Take, "it needs at least 12 characters"),
            (known, "it is empty"),
        ] {
            assert_eq!(
                take(how, "\u{feff}\r\n").unwrap_err(),
                format!("recovery passphrase: {why}")
            );
        }
    }
}

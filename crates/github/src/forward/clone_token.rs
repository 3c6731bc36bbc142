//! Overwrites the value of `temp_clone_token` in JSON while it streams by.
//!
//! An answer with a private repository in it may carry a token that clones the repository, so `metadata: read` would
//! give `contents: read`. Its value is overwritten in place: the length stays, and with it `Content-Length`.
//!
//! A state machine over bytes, so that it does not matter where a piece ends. Where a string begins and ends is all it
//! has to know of JSON, and that only the name of a member is followed by a colon. UTF-8 needs no decoding: no
//! part of a longer character looks like ASCII.

use bytes::Bytes;
use memchr::{memchr, memchr2};

/// Where in the JSON the last piece ended.
#[derive(Default)]
pub(super) struct CloneTokens {
    state: State,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    /// Between strings.
    #[default]
    Between,
    /// In a string.
    Text(Spelled),
    /// After a backslash in it.
    Escape(Spelled),
    /// After `\u` and so many digits of this value.
    Digits(Spelled, u8, u32),
    /// After a string that spells the name.
    Named,
    /// After that and a colon.
    Colon,
    /// In the value.
    Value,
    /// After a backslash in it.
    ValueEscape,
}

/// How much of the name a string has spelled so far; `None` if it is another one.
type Spelled = Option<usize>;

impl CloneTokens {
    /// The next piece, with what is in a value overwritten. Without such a value it is the same memory.
    pub(super) fn mask(&mut self, piece: Bytes) -> Bytes {
        let mut masked: Option<Vec<u8>> = None;
        let mut at = 0;
        while let Some(rest) = piece.get(at..) {
            // Most of an answer is passed over at the speed of memory.
            let skipped = match self.state {
                State::Between => memchr(b'"', rest),
                State::Text(None) => memchr2(b'"', b'\\', rest),
                _ => Some(0),
            };
            let Some((skipped, byte)) = skipped.and_then(|n| Some((n, *rest.get(n)?))) else {
                break;
            };
            at += skipped;
            if self.step(byte) {
                let masked = masked.get_or_insert_with(|| piece.to_vec());
                if let Some(byte) = masked.get_mut(at) {
                    *byte = MASK;
                }
            }
            at += 1;
        }
        masked.map_or(piece, Bytes::from)
    }

    /// Takes one byte; whether it is of a value.
    fn step(&mut self, byte: u8) -> bool {
        use State::{Between, Colon, Digits, Escape, Named, Text, Value, ValueEscape};
        let blank = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let (next, of_value) = match (self.state, byte) {
            (Between, b'"') => (Text(Some(0)), false),
            (Between, _) => (Between, false),

            (Text(Some(spelled)), b'"') if spelled == NAME.len() => (Named, false),
            (Text(_), b'"') => (Between, false),
            (Text(spelled), b'\\') => (Escape(spelled), false),
            (Text(spelled), byte) => (Text(spell(spelled, u32::from(byte))), false),

            (Escape(spelled), b'u') => (Digits(spelled, 0, 0), false),
            // None of the short escapes means a character of the name.
            (Escape(_), _) => (Text(None), false),
            (Digits(spelled, read, value), byte) => match char::from(byte).to_digit(16) {
                Some(digit) if read == 3 => (Text(spell(spelled, value * 16 + digit)), false),
                Some(digit) => (Digits(spelled, read + 1, value * 16 + digit), false),
                None if byte == b'"' => (Between, false),
                None => (Text(None), false),
            },

            (Named, b':') => (Colon, false),
            (Colon, b'"') => (Value, false),
            (Named | Colon, _) if blank => (self.state, false),
            // `null`, or no JSON.
            (Named, b'"') => (Text(Some(0)), false),
            (Named | Colon, _) => (Between, false),

            (Value, b'"') => (Between, false),
            (Value, b'\\') => (ValueEscape, true),
            (Value | ValueEscape, _) => (Value, true),
        };
        self.state = next;
        of_value
    }
}

fn spell(spelled: Spelled, character: u32) -> Spelled {
    let at = spelled?;
    (u32::from(*NAME.get(at)?) == character).then_some(at + 1)
}

const NAME: &[u8] = b"temp_clone_token";
/// Needs no escape in JSON, and looks like no token.
const MASK: u8 = b'x';

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Masked in pieces that end at these places.
    fn mask(text: &str, cuts: &[usize]) -> String {
        let (mut machine, mut out) = (CloneTokens::default(), Vec::new());
        let mut rest = Bytes::copy_from_slice(text.as_bytes());
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
        cuts.sort_unstable();
        let mut begin = 0;
        for cut in cuts {
            let piece = rest.split_to(cut - begin);
            begin = cut;
            out.extend_from_slice(&machine.mask(piece));
        }
        out.extend_from_slice(&machine.mask(rest));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_value_is_overwritten_however_it_is_written() {
        for (text, want) in [
            (
                r#"{"temp_clone_token":"AB1"}"#,
                r#"{"temp_clone_token":"xxx"}"#,
            ),
            (
                "[{\"temp_clone_token\" \r\n\t: \n \"A\",\"b\":\"c\"}, {\"temp_clone_token\":\"D\"}]",
                "[{\"temp_clone_token\" \r\n\t: \n \"x\",\"b\":\"c\"}, {\"temp_clone_token\":\"x\"}]",
            ),
            (
                r#"{"\u0074emp\u005Fclone\u005ftoken":"a"}"#,
                r#"{"\u0074emp\u005Fclone\u005ftoken":"x"}"#,
            ),
            (
                r#"{"temp_clone_token":"a\"b\\","c":"d"}"#,
                r#"{"temp_clone_token":"xxxxxx","c":"d"}"#,
            ),
            (
                r#"{"temp_clone_token":"\u0022\u005c","c":"\"temp_clone_token\":\"e\""}"#,
                r#"{"temp_clone_token":"xxxxxxxxxxxx","c":"\"temp_clone_token\":\"e\""}"#,
            ),
            (
                "{\"temp_clone_token\":\"\u{fc}\u{20ac}\"}",
                r#"{"temp_clone_token":"xxxxx"}"#,
            ),
            (r#"{"temp_clone_token":""}"#, r#"{"temp_clone_token":""}"#),
            // Cut off within it: what there is, is overwritten.
            (r#"{"temp_clone_token":"abc"#, r#"{"temp_clone_token":"xxx"#),
        ] {
            assert_eq!(mask(text, &[]), want);
            let each_byte: Vec<_> = (0..=text.len()).collect();
            assert_eq!(mask(text, &each_byte), want, "a byte at a time");
        }
    }

    #[test]
    fn nothing_else_is() {
        for text in [
            "",
            r#"{"temp_clone_token":null,"a":"b"}"#,
            r#"{"temp_clone_token" : null , "a":"b"}"#,
            r#"{"a":"temp_clone_token","b":"c"}"#,
            r#"["temp_clone_token","b"]"#,
            r#"["temp_clone_token" ]"#,
            r#"{"temp_clone_token":7,"a":"b"}"#,
            r#"{"temp_clone_token":["b"]}"#,
            r#"{"temp_clone_tokens":"b","temp_clone_toke":"b","xtemp_clone_token":"c"}"#,
            r#"{"temp_clone_token\u0000":"b","\temp_clone_token":"b","temp_clone_token\\":"c"}"#,
            r#"{"\u007temp_clone_token":"b"}"#,
            r#"{"TEMP_CLONE_TOKEN":"b"}"#,
            r#"{"description":"\"temp_clone_token\":\"x\""}"#,
            "no JSON: temp_clone_token: \"a\"",
        ] {
            assert_eq!(mask(text, &[]), text);
        }
    }

    #[test]
    fn what_holds_no_value_is_not_copied() {
        let piece = Bytes::from_static(br#"{"name":"site","temp_clone_token":null}"#);
        let masked = CloneTokens::default().mask(piece.clone());
        assert_eq!(masked.as_ptr(), piece.as_ptr());
    }

    /// JSON as text beside what is to become of it.
    fn json() -> impl Strategy<Value = (String, String)> {
        let same = |text: String| (text.clone(), text);
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("-1.5e3".to_owned()),
            Just("\"temp_clone_token\"".to_owned()),
            string(),
        ]
        .prop_map(same);
        leaf.prop_recursive(4, 32, 4, move |inner| {
            let blank = "[ \\t\\r\\n]{0,2}";
            let member = (key(), blank, blank, inner.clone()).prop_map(|(key, a, b, value)| {
                let member = |value: &str| format!("{key}{a}:{b}{value}");
                let hidden = if is_the_name(&key) && value.0.starts_with('"') {
                    format!("\"{}\"", "x".repeat(value.0.len() - 2))
                } else {
                    value.1.clone()
                };
                (member(&value.0), member(&hidden))
            });
            let joined = |around: [&'static str; 2]| {
                move |parts: Vec<(String, String)>| {
                    let (plain, masked): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
                    let list = |parts: Vec<String>| {
                        format!("{}{}{}", around[0], parts.join(","), around[1])
                    };
                    (list(plain), list(masked))
                }
            };
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(joined(["[", "]"])),
                prop::collection::vec(member, 0..4).prop_map(joined(["{", "}"])),
            ]
        })
    }

    fn string() -> impl Strategy<Value = String> {
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap())
    }

    fn key() -> impl Strategy<Value = String> {
        let spelled = prop::collection::vec(any::<bool>(), 16).prop_map(|escaped| {
            let bytes = NAME.iter().zip(escaped);
            let text: String = bytes
                .map(|(byte, escaped)| match escaped {
                    true => format!("\\u{byte:04X}"),
                    false => char::from(*byte).to_string(),
                })
                .collect();
            format!("\"{text}\"")
        });
        prop_oneof![
            Just("\"temp_clone_token\"".to_owned()),
            spelled,
            Just("\"temp_clone_tokenx\"".to_owned()),
            string(),
        ]
    }

    fn is_the_name(key: &str) -> bool {
        serde_json::from_str::<String>(key).unwrap().as_bytes() == NAME
    }

    proptest! {
        #[test]
        fn in_whatever_pieces_only_such_values_change(
            (text, want) in json(),
            cuts in prop::collection::vec(any::<usize>(), 0..12),
        ) {
            prop_assert_eq!(mask(&text, &cuts), want);
        }
    }
}

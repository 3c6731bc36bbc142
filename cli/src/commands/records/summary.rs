//! A record in one line, for reading: number, time, kind, and the fields that tell most.
//!
//! What a field holds may have been chosen by a caller, or by someone who wrote into a copy of a log. So it is
//! shown on one line, and a field cannot look like two.

use broker_protocol::printable;
use serde_json::Value;

use super::{Who, who};

/// How accounts are shown.
pub(crate) type NameOf<'a> = &'a mut dyn FnMut(u32) -> String;

/// The record's line; `None` if it is none.
pub(crate) fn summary(line: &[u8], name_of: NameOf<'_>) -> Option<String> {
    let record: Value = serde_json::from_slice(line).ok()?;
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let seconds = text("time")?.get(..19)?;
    let mut out = format!(
        "{:>6}  {}Z  {:<16}",
        record.get("seq")?.as_u64()?,
        printable::one_line(seconds),
        printable::one_line(text("kind")?)
    );
    if let Some(Who { role, uid, caller }) = who(&record) {
        add(&mut out, role, &name_of(uid));
        let owner = caller.and_then(|caller| caller.get("subordinate_of"));
        if let Some(owner) = owner.and_then(Value::as_u64) {
            let owner = u32::try_from(owner).map_or_else(|_large| owner.to_string(), name_of);
            add(&mut out, "subordinate_of", &owner);
        }
    }
    for name in FIELDS {
        match record.get(*name) {
            Some(Value::String(value)) => add(&mut out, name, value),
            Some(Value::Number(value)) => add(&mut out, name, &value.to_string()),
            _ => {}
        }
    }
    for name in ["fields", "touches"] {
        let names = record.get("graphql").and_then(|graphql| graphql.get(name));
        let names = names.and_then(Value::as_array).into_iter().flatten();
        let names: Vec<_> = names.filter_map(Value::as_str).collect();
        if !names.is_empty() {
            add(&mut out, name, &names.join(","));
        }
    }
    Some(out)
}

/// In the order in which they are shown.
const FIELDS: &[&str] = &[
    "purpose",
    "secret",
    "repository",
    "lease",
    "method",
    "path",
    "status",
    "rule",
    "code",
    "state",
    "deadline",
    "on",
    "reason",
    "why",
    "from",
    "to",
    "root_key",
];

/// What has blanks, quotes or characters that cannot be seen is quoted, with escapes.
fn add(out: &mut String, name: &str, value: &str) {
    let is_plain = |c: char| !c.is_whitespace() && c != '"' && !printable::is_hidden(c);
    if value.chars().all(is_plain) && !value.is_empty() {
        out.push_str(&format!("  {name}={value}"));
    } else {
        let quoted = format!("{value:?}");
        out.push_str(&format!("  {name}={}", printable::one_line(&quoted)));
    }
}

#[cfg(test)]
mod tests {
    use broker_audit::chain::Head;
    use broker_audit::record::{Body, BrokerEvent, write_line};
    use proptest::prelude::*;

    use super::super::tests::GRANTED;
    use super::*;

    fn shown(line: &[u8]) -> Option<String> {
        summary(line, &mut |uid| match uid {
            1000 => "alice".to_owned(),
            other => other.to_string(),
        })
    }

    #[test]
    fn a_record_is_one_line_with_what_tells_most() {
        assert_eq!(
            shown(GRANTED).unwrap(),
            "     7  2026-11-21T07:00:00Z  lease.granted     caller=alice  purpose=label-sync  secret=s  \
             lease=0123456789abcdef0123456789abcdef  rule=label-sync.toml#1  reason=\"by night\""
        );
        let answered = br#"{"v":1,"seq":8,"time":"2026-11-21T07:00:00.123456Z","prev":"00","kind":"proxy.response","lease":"0123456789abcdef0123456789abcdef","method":"GET","path":"/repos/acme/site/labels","status":200,"sent":0,"received":12}"#;
        assert_eq!(
            shown(answered).unwrap(),
            "     8  2026-11-21T07:00:00Z  proxy.response    lease=0123456789abcdef0123456789abcdef  \
             method=GET  path=/repos/acme/site/labels  status=200"
        );
        let graphql = br#"{"v":1,"seq":9,"time":"2026-11-21T07:00:00.123456Z","prev":"00","kind":"proxy.request","lease":"0123456789abcdef0123456789abcdef","method":"POST","path":"/graphql","graphql":{"fields":["addComment","closeIssue"],"touches":["acme/site"]}}"#;
        assert_eq!(
            shown(graphql).unwrap(),
            "     9  2026-11-21T07:00:00Z  proxy.request     lease=0123456789abcdef0123456789abcdef  \
             method=POST  path=/graphql  fields=addComment,closeIssue  touches=acme/site"
        );
        assert_eq!(shown(b"nonsense"), None);
    }

    #[test]
    fn who_acted_is_named_apart_from_who_asked() {
        let line = |who: &str| {
            let line =
                format!(r#"{{"seq":1,"time":"2026-11-21T07:00:00.123456Z","kind":"x.y",{who}}}"#);
            shown(line.as_bytes()).unwrap().split_off(48)
        };
        let alice = r#"{"uid":1000,"gid":1000}"#;
        assert_eq!(line(&format!("\"caller\":{alice}")), "caller=alice");
        assert_eq!(line(&format!("\"by\":{alice}")), "by=alice");
        assert_eq!(line("\"uid\":1000"), "account=alice");
        let subordinate = r#""caller":{"uid":165536,"gid":1,"subordinate_of":1000}"#;
        assert_eq!(line(subordinate), "caller=165536  subordinate_of=alice");
    }

    proptest! {
        /// Whatever a caller, or who wrote the file, put into a field.
        #[test]
        fn no_text_in_a_record_hides_changes_the_order_or_begins_another_field(
            why in "[a =\"\\\\\n\r\t\u{1b}\u{9b}\u{200b}\u{202e}\u{2066}\u{feff}\u{fe0f}\u{e0041}\u{2028}\u{301}]{0,20}"
        ) {
            let mut line = Vec::new();
            let body = Body::of(&BrokerEvent::Stopped { why: &why }).unwrap();
            let time = "2026-11-21T07:00:00Z".parse().unwrap();
            write_line(&mut line, Head::EMPTY, time, &body);
            let text = shown(&line).unwrap();
            prop_assert!(!text.contains(printable::is_hidden), "{text:?}");
            let (_, value) = text.split_once("why=").unwrap();
            let quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
            prop_assert!(quoted || !value.contains([' ', '"']), "{text}");
        }
    }
}

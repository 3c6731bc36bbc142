//! Lists that the broker gives in pages, put together to one.
//!
//! A list that came on one page is passed on as it came. The others are joined by name, so that what a
//! later version adds to an item is kept.

use broker_protocol::client::Response;
use broker_protocol::wiped::WipedBytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Failure;

/// Asks for the list at `path`, page by page.
pub(crate) fn all(
    path: &str,
    mut ask: impl FnMut(&str) -> Result<Response, Failure>,
) -> Result<Response, Failure> {
    let mut answer = ask(path)?;
    let Page { mut next, mut list } = answer.json()?;
    if next.is_none() {
        return Ok(answer);
    }
    while let Some(last) = next {
        let page: Page = ask(&format!("{path}?after={}", escaped(&last)))?.json()?;
        if page.next.as_ref() == Some(&last) {
            return Err(Failure::new(
                "the broker returns the same page again and again",
            ));
        }
        append(&mut list, page.list);
        next = page.next;
    }
    answer.body = WipedBytes::default();
    serde_json::to_writer(&mut answer.body, &list)
        .map_err(|error| Failure::new(error.to_string()))?;
    Ok(answer)
}

#[derive(Deserialize)]
struct Page {
    next: Option<String>,
    #[serde(flatten)]
    list: Map<String, Value>,
}

fn append(list: &mut Map<String, Value>, page: Map<String, Value>) {
    for (name, value) in page {
        match (list.get_mut(&name), value) {
            (Some(Value::Array(items)), Value::Array(more)) => items.extend(more),
            (Some(_), _) => {}
            (None, value) => drop(list.insert(name, value)),
        }
    }
}

/// As part of a URL's query.
fn escaped(text: &str) -> String {
    let escaped = |byte: u8| match byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// What comes of a broker that gives these pages, and what it was asked.
    fn asked(pages: &[&str]) -> (Result<String, Failure>, Vec<String>) {
        let mut asked = Vec::new();
        let mut left = pages.iter();
        let answer = all("/v1/leases", |path| {
            asked.push(path.to_owned());
            let mut body = WipedBytes::default();
            body.write_all(left.next().unwrap().as_bytes()).unwrap();
            Ok(Response { status: 200, body })
        });
        let text = answer.map(|answer| String::from_utf8(answer.body.to_vec()).unwrap());
        (text, asked)
    }

    #[test]
    fn a_list_of_one_page_is_passed_on_as_it_came() {
        let page = r#"{ "leases": [1, {"new": []}], "more": true }"#;
        let (text, asked) = asked(&[page]);
        assert_eq!(text.unwrap(), page);
        assert_eq!(asked, ["/v1/leases"]);
    }

    #[test]
    fn pages_are_asked_for_until_the_last_and_joined() {
        let (text, asked) = asked(&[
            r#"{"leases":[1,2],"next":"2&x y"}"#,
            r#"{"leases":[3],"next":"3"}"#,
            r#"{"leases":[4]}"#,
        ]);
        assert_eq!(text.unwrap(), r#"{"leases":[1,2,3,4]}"#);
        let want = ["", "?after=2%26x%20y", "?after=3"].map(|rest| format!("/v1/leases{rest}"));
        assert_eq!(asked, want);
    }

    #[test]
    fn a_broker_that_gives_the_same_page_for_ever_is_not_asked_for_ever() {
        let page = r#"{"leases":[1],"next":"1"}"#;
        assert!(asked(&[page, page]).0.is_err());
    }
}

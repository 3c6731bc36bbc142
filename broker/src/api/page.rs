//! Lists in pages, so that no answer grows with the number of leases or secrets.
//!
//! A page is limited in bytes, not in items. The cursor is the position of the last item in the list's
//! order, so items that come and go meanwhile do not shift the others: an item that is there all the time
//! is on exactly one page.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use broker_protocol::api::{MAX_PAGE, Page};
use broker_protocol::error::{ErrorCode, Problem};
use serde::Serialize;

use super::error::Refusal;
use super::extract::Query;

/// Where the page before ended; `None` for the first page.
pub(super) struct After(pub(super) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for After {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Query(page) = Query::<Page>::from_request_parts(parts, state).await?;
        Ok(Self(page.after))
    }
}

impl After {
    /// Whether an item of this name comes on this page or later, in a list by name.
    fn is_before(&self, name: &str) -> bool {
        self.0.as_deref().is_none_or(|after| name > after)
    }
}

/// One page of an `L` in the order of names, which are the cursors.
pub(super) fn page_by_name<L, T: Serialize>(
    list: &'static str,
    items: Vec<T>,
    name: impl Fn(&T) -> String,
    after: &After,
) -> Result<Listed<L>, Refusal> {
    let named = items.into_iter().map(|item| (name(&item), item));
    page(list, named.filter(|(name, _)| after.is_before(name)))
}

/// One page of an `L`, written out.
pub(super) struct Listed<L> {
    text: Vec<u8>,
    list: PhantomData<L>,
}

impl<L> IntoResponse for Listed<L> {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.text).into_response()
    }
}

/// Answers with as many items as fit, at least one; each comes with its place, which is the cursor.
pub(super) fn page<L, T: Serialize>(
    list: &'static str,
    items: impl Iterator<Item = (String, T)>,
) -> Result<Listed<L>, Refusal> {
    let text = cut(list, items, MAX_PAGE)
        .map_err(|error| Problem::new(ErrorCode::Internal, error.to_string()))?;
    let list = PhantomData;
    Ok(Listed { text, list })
}

fn cut<T: Serialize>(
    list: &'static str,
    items: impl Iterator<Item = (String, T)>,
    most: usize,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = format!("{{\"{list}\":[").into_bytes();
    let mut last = None;
    for (place, item) in items {
        let end = text.len();
        if last.is_some() {
            text.push(b',');
        }
        serde_json::to_writer(&mut text, &item)?;
        if text.len() > most
            && let Some(last) = &last
        {
            text.truncate(end);
            text.extend_from_slice(b"],\"next\":");
            serde_json::to_writer(&mut text, last)?;
            text.push(b'}');
            return Ok(text);
        }
        last = Some(place);
    }
    text.extend_from_slice(b"]}");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    /// Every page of a list of these items, asked for as a client would.
    fn pages(items: &BTreeMap<String, String>, most: usize) -> Vec<(Vec<String>, usize)> {
        let (mut pages, mut after) = (Vec::new(), After(None));
        loop {
            let rest = items.iter().filter(|(name, _)| after.is_before(name));
            let rest = rest.map(|(name, item)| (name.clone(), item.clone()));
            let text = cut("items", rest, most).unwrap();
            let page: Value = serde_json::from_slice(&text).unwrap();
            let items = page["items"].as_array().unwrap().iter();
            let items = items.map(|item| item.as_str().unwrap().to_owned());
            pages.push((items.collect(), text.len()));
            match page.get("next") {
                Some(next) => after = After(Some(next.as_str().unwrap().to_owned())),
                None => return pages,
            }
        }
    }

    #[test]
    fn pages_are_short_enough_and_miss_no_item() {
        for (count, length) in [
            (0, 1),
            (1, 10),
            (1, 10_000),
            (7, 300),
            (1000, 20),
            (50, 2000),
        ] {
            let item = |nth: usize| (format!("{nth:05}\"\\"), "\"".repeat(length));
            let items: BTreeMap<_, _> = (0..count).map(item).collect();
            let pages = pages(&items, 1000);
            for (page, bytes) in &pages {
                // The cursor and the closing brackets come on top; a longer item has a page of its own.
                assert!(*bytes <= 1040 || page.len() == 1, "{bytes}");
            }
            let all: Vec<_> = pages.into_iter().flat_map(|(page, _)| page).collect();
            assert_eq!(all, items.into_values().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_list_that_fits_has_no_cursor() {
        let items = ["a", "b"].map(|name| (name.to_owned(), name));
        let text = cut("items", items.into_iter(), 100).unwrap();
        assert_eq!(text, br#"{"items":["a","b"]}"#);
    }
}

//! The keys of a purpose that mean something only with `deliver = "proxy"`: `budget`, `paths` and `public`.

use broker_protocol::names::Delivery;

use super::{Budget, Rule};
use crate::document::{Item, Table};
use crate::reach::Operation;
use crate::request::Terms;

/// A rule has none of them: they are said once for all leases of a purpose.
pub(super) const KEYS: [&str; 3] = ["budget", "paths", "public"];

pub(super) fn budget(root: Table<'_>, whole: Option<&Terms>) -> Option<Option<Budget>> {
    root.value_or("budget", None, |item| {
        refuse_without_proxy(item, whole);
        item.parsed().map(Some)
    })
}

pub(super) fn paths(
    root: Table<'_>,
    whole: Option<&Terms>,
    rules: &[Rule],
) -> Option<Vec<Operation>> {
    let Some(item) = root.item("paths") else {
        return Some(Vec::new());
    };
    refuse_without_proxy(item, whole);
    let rules = rules.iter().map(|rule| &rule.terms);
    let terms: Vec<&Terms> = whole.into_iter().chain(rules).collect();
    item.list(|element| {
        let operation: Operation = element.parsed()?;
        if let Some(odd) = operation.odd_in_paths(&terms) {
            element.warn(odd);
        }
        Some(operation)
    })
}

pub(super) fn public(root: Table<'_>, whole: Option<&Terms>) -> Option<bool> {
    root.value_or("public", false, |item| {
        refuse_without_proxy(item, whole);
        item.flag()
    })
}

fn refuse_without_proxy(item: Item<'_>, whole: Option<&Terms>) {
    if whole.is_some_and(|whole| whole.deliver != Delivery::Proxy) {
        item.error(format!(
            "`{}` means something only with `deliver = \"proxy\"`, where the caller's requests go \
             through the broker",
            item.key
        ));
    }
}

//! Connections: a part of a list, and where it stands in the whole.

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::Selection;
use apollo_compiler::resolvers::ResolveInfo;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::arguments::Arguments;
use super::call::Call;
use super::error::Refused;
use super::found::{Found, count, leaf, nothing};
use super::thing::Thing;

/// Most objects on one page.
const MOST: u64 = 100;

/// The connection that a field gives.
pub(super) fn connection(
    call: &Call<'_>,
    owner: &Thing,
    info: &ResolveInfo<'_>,
    things: Vec<Thing>,
    more: Vec<(&'static str, Found)>,
) -> Result<Thing, Refused> {
    let field = info.field_name();
    let arguments = Arguments::of(info.arguments());
    let kind = info.field_definition().ty.inner_named_type();
    let things: Vec<Thing> = {
        let state = call.state();
        let seen = things.into_iter();
        seen.filter(|thing| state.sees(call.who, thing)).collect()
    };
    let pages = info.field_definition().argument_by_name("first").is_some();
    let fields = info.field_selections().iter();
    let mut selections = fields.map(|field| &field.selection_set.selections[..]);
    // To be counted, a list needs no bounds.
    let shows = selections.any(|some| shows_any(info.document(), some));
    let (from, to) = part(field, &arguments, things.len(), pages && shows)?;
    let edge = call.known.field_type(kind, "edges").map(str::to_owned);
    let path = format!("{field} {}", arguments.0);
    let edges = things[from..to]
        .iter()
        .zip(from..)
        .filter_map(|(thing, at)| {
            let fields = vec![
                ("node", Found::One(thing.clone())),
                ("cursor", leaf(cursor(at))),
            ];
            let edge = call.make(edge.as_deref()?, owner, &format!("{path} {at}"), fields);
            Some(Found::One(edge))
        });
    let edges = edges.collect();
    let shown = from < to;
    let end = |at: usize| if shown { leaf(cursor(at)) } else { nothing() };
    let info = vec![
        ("startCursor", end(from)),
        ("endCursor", end(to.saturating_sub(1))),
        ("hasNextPage", leaf(to < things.len())),
        ("hasPreviousPage", leaf(from > 0)),
    ];
    let info = call.make("PageInfo", owner, &path, info);
    let nodes = things[from..to].iter().cloned().map(Found::One).collect();
    let mut fields = vec![
        ("nodes", Found::Many(nodes)),
        ("edges", Found::Many(edges)),
        ("pageInfo", Found::One(info)),
        ("totalCount", count(things.len())),
    ];
    fields.extend(more);
    Ok(call.make(kind, owner, &path, fields))
}

/// Whether objects of the list are asked for, be it in a fragment.
fn shows_any(document: &ExecutableDocument, selections: &[Selection]) -> bool {
    selections.iter().any(|selection| match selection {
        Selection::Field(field) => ["nodes", "edges"].contains(&field.name.as_str()),
        Selection::InlineFragment(inline) => shows_any(document, &inline.selection_set.selections),
        Selection::FragmentSpread(spread) => {
            let fragment = document.fragments.get(&spread.fragment_name);
            fragment.is_some_and(|one| shows_any(document, &one.selection_set.selections))
        }
    })
}

/// Which part of so many is asked for.
fn part(
    field: &str,
    arguments: &Arguments,
    all: usize,
    bounded: bool,
) -> Result<(usize, usize), Refused> {
    let at = |name| arguments.text(name).and_then(position);
    let from = at("after").map_or(0, |at| (at + 1).min(all));
    let to = at("before").map_or(all, |at| at.clamp(from, all));
    for name in ["first", "last"] {
        let Some(wanted) = arguments.0[name].as_i64() else {
            continue;
        };
        let Ok(wanted) = u64::try_from(wanted) else {
            return Err(Refused::new(
                "INVALID_PAGINATION",
                format!("`{name}` on the `{field}` connection cannot be less than zero."),
            ));
        };
        if wanted > MOST {
            return Err(Refused::new(
                "EXCESSIVE_PAGINATION",
                format!(
                    "Requesting {wanted} records on the `{field}` connection exceeds the `{name}` limit of {MOST} records."
                ),
            ));
        }
        let wanted = usize::try_from(wanted).unwrap();
        return Ok(match name {
            "first" => (from, (from + wanted).min(to)),
            _ => (to.saturating_sub(wanted).max(from), to),
        });
    }
    if bounded {
        return Err(Refused::new(
            "MISSING_PAGINATION_BOUNDARIES",
            format!(
                "You must provide a `first` or `last` value to properly paginate the `{field}` connection."
            ),
        ));
    }
    Ok((from, to))
}

fn cursor(at: usize) -> String {
    STANDARD.encode(format!("cursor:v2:{at}"))
}

fn position(cursor: &str) -> Option<usize> {
    let bytes = STANDARD.decode(cursor).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    text.strip_prefix("cursor:v2:")?.parse().ok()
}

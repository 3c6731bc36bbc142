//! `Link`: the next page under the name by which the caller asked for this one.
//!
//! GitHub pages by number: the labels of `acme/site` go on at
//! `https://api.github.com/repositories/7/labels?page=2`, and what names a repository by its number is refused here.
//! So each link to another page becomes the path of the request itself, with the query of the link. Scheme and host
//! stay as GitHub spells them, since clients compare them with those they know.
//!
//! Grammar: RFC 8288, section 3. What does not parse is left out.

use reqwest::header::{HeaderMap, HeaderValue, LINK};

/// `Link` with `path` as the path of each link to another page; `None` if nothing is left of it.
pub(super) fn with_path(headers: &HeaderMap, path: &str) -> Option<HeaderValue> {
    let mut text = String::new();
    for value in headers.get_all(LINK) {
        let mut rest = value.to_str().unwrap_or_default();
        while !rest.is_empty() {
            let link = match Link::parse(rest) {
                Ok((link, after)) => {
                    rest = after;
                    link
                }
                Err(after) => {
                    rest = after;
                    continue;
                }
            };
            let target = if link.is_page {
                paged(link.target, path)
            } else {
                Some(link.target.to_owned())
            };
            if let Some(target) = target {
                let separator = if text.is_empty() { "" } else { ", " };
                text.extend([separator, "<", &target, ">", link.parameters]);
            }
        }
    }
    (!text.is_empty())
        .then(|| HeaderValue::try_from(text).ok())
        .flatten()
}

/// One link.
struct Link<'a> {
    target: &'a str,
    /// As they stand, with the first `;`.
    parameters: &'a str,
    /// Whether it leads to another page of the same list.
    is_page: bool,
}

impl<'a> Link<'a> {
    /// The first link of `text`, and what follows its comma; or only that, if it is none.
    fn parse(text: &'a str) -> Result<(Self, &'a str), &'a str> {
        let text = text.trim_start_matches([' ', '\t', ',']);
        let found = text
            .strip_prefix('<')
            .and_then(|rest| rest.split_once('>'))
            .and_then(|(target, rest)| {
                let (relation, after) = parameters(rest)?;
                Some((target, rest, relation, after))
            });
        let Some((target, rest, relation, after)) = found else {
            return Err(text.split_once(',').map_or("", |(_, after)| after));
        };
        let written = rest.len() - after.len();
        let parameters = rest.get(..written).unwrap_or_default();
        let link = Self {
            target,
            parameters: parameters.trim_end_matches(BLANK),
            is_page: relation.is_some_and(is_page),
        };
        Ok((link, after))
    }
}

/// Reads `; name=value` until a comma or the end: the value of the first `rel`, and what is left from the comma on.
fn parameters(mut text: &str) -> Option<(Option<&str>, &str)> {
    let mut relation = None;
    loop {
        text = text.trim_start_matches(BLANK);
        if text.is_empty() || text.starts_with(',') {
            return Some((relation, text));
        }
        text = text.strip_prefix(';')?.trim_start_matches(BLANK);
        let (name, after) = token(text);
        let after = after.trim_start_matches(BLANK);
        let Some(after) = after.strip_prefix('=') else {
            text = after;
            continue;
        };
        let (value, after) = value(after.trim_start_matches(BLANK))?;
        if name.eq_ignore_ascii_case("rel") && relation.is_none() {
            relation = Some(value);
        }
        text = after;
    }
}

/// A token or a quoted string, in which a backslash takes the meaning of the next character.
fn value(text: &str) -> Option<(&str, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return Some(token(text));
    };
    let mut escaped = false;
    let end = quoted.find(|c| match c {
        _ if escaped => {
            escaped = false;
            false
        }
        '\\' => {
            escaped = true;
            false
        }
        c => c == '"',
    })?;
    let (value, rest) = quoted.split_at_checked(end)?;
    Some((value, rest.strip_prefix('"')?))
}

fn token(text: &str) -> (&str, &str) {
    let end = text.find(['=', ';', ',', ' ', '\t', '"']);
    end.and_then(|end| text.split_at_checked(end))
        .unwrap_or((text, ""))
}

/// `rel` may name several relations.
fn is_page(relations: &str) -> bool {
    let mut relations = relations.split_ascii_whitespace();
    relations.any(|relation| {
        ["next", "prev", "first", "last"]
            .iter()
            .any(|page| relation.eq_ignore_ascii_case(page))
    })
}

/// Scheme and host of `target`, `path`, and the query of `target`.
fn paged(target: &str, path: &str) -> Option<String> {
    let target = target.split('#').next().unwrap_or_default();
    let (place, query) = match target.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (target, None),
    };
    let origin = match place.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split('/').next().unwrap_or_default();
            if host.is_empty() || scheme.contains('/') {
                return None;
            }
            place.get(..scheme.len() + "://".len() + host.len())?
        }
        // On the host that answers.
        None if place.starts_with('/') && !place.starts_with("//") => "",
        None => return None,
    };
    let mut own = String::with_capacity(target.len() + path.len());
    own.extend([origin, path]);
    if let Some(query) = query {
        own.extend(["?", query]);
    }
    Some(own)
}

const BLANK: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of these, asked for as `/repos/acme/site/labels`.
    fn of(links: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for link in links {
            headers.append(LINK, HeaderValue::from_bytes(link.as_bytes()).unwrap());
        }
        let value = with_path(&headers, "/repos/acme/site/labels")?;
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn what_does_not_parse_is_left_out() {
        for bad in [
            "",
            ",",
            " , ,",
            "<",
            "<>",
            "<https://api.github.com/x",
            "https://api.github.com/x; rel=next",
            "<https://api.github.com/x> rel=next",
            "<https://api.github.com/x>; rel=\"next",
            "<https://api.github.com/x>; rel=\"next\\\"",
            "<https://>; rel=next",
            "<https:///x>; rel=next",
            "<//evil.example/x>; rel=next",
            "<x?page=2>; rel=next",
            "<?page=2>; rel=next",
            "<http/evil://x?page=2>; rel=next",
            "<https://api.github.com/\u{e9}>; rel=next",
        ] {
            let found = of(&[bad]);
            // An empty target is one of RFC 3986, and leads to no page here.
            assert!(
                found.is_none() || found.as_deref() == Some("<>"),
                "{bad}: {found:?}"
            );
        }
        assert_eq!(
            of(&["nonsense, <https://h/1?page=2>; rel=next, <https://h/2; rel=last"]).as_deref(),
            Some("<https://h/repos/acme/site/labels?page=2>; rel=next"),
            "the rest still stands"
        );
    }

    #[test]
    fn each_link_to_a_page_becomes_the_path_asked_for_with_its_own_query() {
        for (links, want) in [
            (
                &[
                    "<https://api.github.com/repositories/1/labels?per_page=1&page=2>; rel=\"next\", \
                   <https://api.github.com/repositories/1/labels?per_page=1&page=9>; rel=\"last\"",
                ][..],
                "<https://api.github.com/repos/acme/site/labels?per_page=1&page=2>; rel=\"next\", \
                 <https://api.github.com/repos/acme/site/labels?per_page=1&page=9>; rel=\"last\"",
            ),
            (
                &[
                    "<https://h:8443/1?after=Y3Vyc29yOg%3D%3D>; title=\"a, <b>; rel=x\" ; REL = Prev",
                ],
                "<https://h:8443/repos/acme/site/labels?after=Y3Vyc29yOg%3D%3D>; title=\"a, <b>; rel=x\" ; \
                 REL = Prev",
            ),
            (
                &[
                    "<https://h/1>; rel=\"start first\"",
                    "</repositories/1/labels?page=3#x>;rel=last",
                ],
                "<https://h/repos/acme/site/labels>; rel=\"start first\", \
                 </repos/acme/site/labels?page=3>;rel=last",
            ),
            (
                &["<https://h?page=2>; crossorigin; rel=next"],
                "<https://h/repos/acme/site/labels?page=2>; crossorigin; rel=next",
            ),
        ] {
            assert_eq!(of(links).as_deref(), Some(want));
        }
    }

    #[test]
    fn what_leads_elsewhere_stays_as_it_is() {
        for link in [
            "<https://docs.github.com/rest/x,y;z>; rel=\"deprecation\"; type=\"text/html\"",
            "<https://h/1?page=2>; title=next",
            "<https://h/1?page=2>; rel=alternate; rel=next",
            "<https://h/1?page=2>",
        ] {
            assert_eq!(of(&[link]).as_deref(), Some(link));
        }
    }
}

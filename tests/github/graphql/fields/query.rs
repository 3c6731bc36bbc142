//! Where a query may start.

use apollo_compiler::resolvers::ResolveInfo;
use serde_json::json;

use super::super::super::clock::iso;
use super::super::super::identify::Who;
use super::super::arguments::Arguments;
use super::super::call::Call;
use super::super::error::Refused;
use super::super::found::{Answered, Found, leaf, maybe, nothing};
use super::super::thing::Thing;
use super::search::search;

pub(in super::super) fn query(
    call: &Call<'_>,
    name: &str,
    arguments: &Arguments,
    info: &ResolveInfo<'_>,
) -> Answered {
    Ok(Some(match name {
        "relay" => Found::One(Thing::Query),
        "id" => leaf("Q_kwDO"),
        "viewer" => Found::One(viewer(call)),
        "rateLimit" => rate_limit(call),
        "node" => {
            let id = arguments.demanded("id")?;
            Found::One(call.node(id)?)
        }
        "nodes" => nodes(call, arguments, info)?,
        "repository" => Found::One(repository(call, arguments)?),
        "organization" | "user" | "repositoryOwner" => account(call, name, arguments)?,
        "resource" => resource(call, arguments)?,
        "search" => search(call, arguments),
        _ => return Ok(None),
    }))
}

fn viewer(call: &Call<'_>) -> Thing {
    let Who::Installation(_, minted) = call.who else {
        let login = call.login();
        let state = call.state();
        let known = state.account_named(&login).map(|one| one.login.clone());
        return Thing::Account(known.unwrap_or(login));
    };
    let slug = call
        .state()
        .installation(minted.installation)
        .map_or_else(String::new, |(app, _)| app.slug.clone());
    let login = format!("{slug}[bot]");
    call.make(
        "User",
        &Thing::Account(login.clone()),
        "viewer",
        vec![("login", leaf(login)), ("isViewer", leaf(true))],
    )
}

fn rate_limit(call: &Call<'_>) -> Found {
    if !call.state().settings.rate_limits {
        return nothing();
    }
    let cost = call.cost;
    let reset = jiff::Timestamp::from_second(cost.reset).unwrap();
    let fields = vec![
        ("cost", leaf(cost.points)),
        ("limit", leaf(cost.limit)),
        ("remaining", leaf(cost.limit.saturating_sub(cost.used))),
        ("used", leaf(cost.used)),
        ("nodeCount", leaf(cost.nodes)),
        ("resetAt", leaf(iso(reset))),
    ];
    Found::One(call.make("RateLimit", &Thing::Query, "rateLimit", fields))
}

/// Most ids that `nodes` takes.
const MOST_IDS: usize = 100;

/// One that is not there is nothing in its place, and an error beside the others.
fn nodes(call: &Call<'_>, arguments: &Arguments, info: &ResolveInfo<'_>) -> Result<Found, Refused> {
    let ids = arguments.texts("ids").unwrap_or_default();
    if ids.len() > MOST_IDS {
        let message = format!(
            "You may not provide more than {MOST_IDS} node ids; you provided {}.",
            ids.len()
        );
        return Err(Refused::new("ARGUMENT_LIMIT", message));
    }
    let ids = ids.into_iter();
    let key = info.field_selections()[0].response_key().as_str();
    let found = ids.enumerate().map(|(at, id)| match call.node(&id) {
        Ok(thing) => Found::One(thing),
        Err(refused) => {
            call.note_error(&refused, json!([key, at]));
            nothing()
        }
    });
    Ok(Found::Many(found.collect()))
}

/// A former name leads to the present one, unless that is declined.
fn repository(call: &Call<'_>, arguments: &Arguments) -> Result<Thing, Refused> {
    let (owner, name) = (arguments.demanded("owner")?, arguments.demanded("name")?);
    named(
        call,
        owner,
        name,
        arguments.flag("followRenames") != Some(false),
    )
}

pub(in super::super) fn named(
    call: &Call<'_>,
    owner: &str,
    name: &str,
    renames: bool,
) -> Result<Thing, Refused> {
    let wanted = format!("{owner}/{name}").to_lowercase();
    let state = call.state();
    let mut all = state.repositories.values();
    let present = all
        .clone()
        .find(|one| one.full_name().to_lowercase() == wanted);
    let found = present.or_else(|| all.find(|one| renames && one.former_names.contains(&wanted)));
    let found = found.map(|one| Thing::Repository(one.id));
    found
        .filter(|thing| state.sees(call.who, thing))
        .ok_or_else(|| {
            Refused::not_found(format!(
                "Could not resolve to a Repository with the name '{owner}/{name}'."
            ))
        })
}

fn account(call: &Call<'_>, kind: &str, arguments: &Arguments) -> Result<Found, Refused> {
    let login = arguments.demanded("login")?;
    let state = call.state();
    let account = state.account_named(login).filter(|account| match kind {
        "organization" => account.members.is_some(),
        "user" => account.members.is_none(),
        _ => true,
    });
    let wanted = match kind {
        "organization" => "an Organization",
        "user" => "a User",
        // GitHub answers nothing, and no error.
        _ => return Ok(maybe(account.map(|one| Thing::Account(one.login.clone())))),
    };
    let account = account.ok_or_else(|| {
        Refused::not_found(format!(
            "Could not resolve to {wanted} with the login of '{login}'."
        ))
    })?;
    Ok(Found::One(Thing::Account(account.login.clone())))
}

/// By the address on the website.
fn resource(call: &Call<'_>, arguments: &Arguments) -> Result<Found, Refused> {
    let url = arguments.demanded("url")?;
    let path = url.strip_prefix("https://github.com/").unwrap_or(url);
    let pieces: Vec<&str> = path.trim_matches('/').split('/').collect();
    let found = match pieces[..] {
        [owner, name] => Some(named(call, owner, name, true)?),
        [owner, name, "issues" | "pull", number] => {
            let repository = named(call, owner, name, true)?;
            let state = call.state();
            let issue = match (repository, number.parse()) {
                (Thing::Repository(id), Ok(number)) => state.issue_numbered(id, number),
                _ => None,
            };
            issue.map(|issue| Thing::Issue(issue.id))
        }
        [login] => {
            let state = call.state();
            let account = state.account_named(login);
            account.map(|account| Thing::Account(account.login.clone()))
        }
        _ => None,
    };
    Ok(maybe(found))
}

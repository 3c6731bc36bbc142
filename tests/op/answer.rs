//! What `op` answers, in the words that were recorded from the real one.

use serde_json::json;

use crate::world::{Fault, Field, Item, Vault, World};

/// What it prints, or what it says on stderr before it ends with 1.
type Answer = Result<String, String>;

/// Answers one run, and counts what it used.
pub(crate) fn answer(world: &mut World, arguments: &[String]) -> Answer {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    authenticate(world)?;
    match arguments[..] {
        ["read", "-n", reference] => read(world, reference),
        ["item", "get", "--format", "json", "--vault", vault, item] => get(world, vault, item),
        ["service-account", "ratelimit"] => Ok(limits(world)),
        [first, ..] => Err(format!("unknown command \"{first}\" for \"op\"")),
        [] => Err("usage: op COMMAND".to_owned()),
    }
}

fn authenticate(world: &World) -> Result<(), String> {
    let shown = |name| std::env::var(name).ok();
    if shown("OP_CONNECT_HOST").is_some() || shown("OP_CONNECT_TOKEN").is_some() {
        return Err("it was given what takes precedence over any token".to_owned());
    }
    let Some(token) = shown("OP_SERVICE_ACCOUNT_TOKEN") else {
        return match (&world.desktop, shown("OP_ACCOUNT")) {
            (None, _) => Err(
                "error initializing client: You are not currently signed in. Please run `op signin \
                 --help` for instructions"
                    .to_owned(),
            ),
            (Some(signed_in), Some(wanted)) if *signed_in != wanted => {
                Err(format!("found no accounts for filter \"{wanted}\""))
            }
            (Some(_), _) => Ok(()),
        };
    };
    if !token.starts_with("ops_") {
        return Err(
            "error initializing client: Validation: (failed to session.DecodeSACredentials), Server: \
             (failed to DecodeSACredentials), illegal base64 data at input byte 12"
                .to_owned(),
        );
    }
    if world.token.as_ref().is_some_and(|known| *known != token) {
        return Err("(401) Unauthorized: invalid bearer token".to_owned());
    }
    Ok(())
}

fn read(world: &mut World, reference: &str) -> Answer {
    let why = |why: String| format!("could not read secret '{reference}': {why}");
    let parts: Vec<&str> = reference.trim_start_matches("op://").split('/').collect();
    let (vault, item, section, label) = match parts[..] {
        [vault, item, label] => (vault, item, None, label),
        [vault, item, section, label] => (vault, item, Some(section), label),
        _ => {
            return Err(
                "too many '/': secret references should match op://<vault>/<item>[/<section>]/<field>"
                    .to_owned(),
            );
        }
    };
    charge(world, vault, item)?;
    let (_, found) = find(world, vault, item)
        .map_err(|reason| why(format!("could not get item {vault}/{item}: {reason}")))?;
    let is_it = |field: &&Field| {
        let in_section = match (section, &field.section) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(part), Some((id, name))) => is_called(part, id, name),
        };
        in_section && is_called(label, &field.id, &field.label)
    };
    let field = found.fields.iter().find(is_it).ok_or_else(|| {
        why(format!(
            "item '{vault}/{item}' does not have a field '{label}'"
        ))
    })?;
    Ok(field.value.clone())
}

fn get(world: &mut World, vault: &str, item: &str) -> Answer {
    charge(world, vault, item)?;
    let (vault, found) = find(world, vault, item)?;
    let another = vault.items.iter().find(|other| other.id != found.id);
    let found = match world.fault {
        Some(Fault::GivesAnother) => another.unwrap_or(found),
        _ => found,
    };
    let sections = found
        .fields
        .iter()
        .filter_map(|field| field.section.as_ref());
    let section = |(id, label): &(String, String)| json!({"id": id, "label": label});
    let fields = found.fields.iter().map(|field| {
        let Field {
            id, label, value, ..
        } = field;
        let mut field_in_json = json!({
            "id": id,
            "type": "CONCEALED",
            "label": label,
            "value": value,
            "reference": format!("op://{}/{}/{label}", vault.name, found.title),
        });
        if let (Some(own), Some(field_in_json)) = (&field.section, field_in_json.as_object_mut()) {
            field_in_json.insert("section".to_owned(), section(own));
        }
        field_in_json
    });
    let item = json!({
        "id": found.id,
        "title": found.title,
        "version": found.version,
        "vault": {"id": vault.id, "name": vault.name},
        "category": "API_CREDENTIAL",
        "last_edited_by": "AAAAAAAAAAAAAAAAAAAAAAAAAA",
        "created_at": "2026-07-20T20:55:23Z",
        "updated_at": "2026-07-20T20:55:23Z",
        "sections": sections.map(section).collect::<Vec<_>>(),
        "fields": fields.collect::<Vec<_>>(),
    });
    Ok(format!("{item:#}\n"))
}

fn limits(world: &World) -> String {
    let (limit, minutes) = world.limit.unwrap_or((1000, 60));
    let left = limit.saturating_sub(world.used);
    let used = world.used;
    let reset = if used == 0 {
        "N/A".to_owned()
    } else {
        format!("{minutes} minutes from now")
    };
    format!(
        "TYPE       ACTION        LIMIT    USED    REMAINING    RESET\n\
         token      write         100      0       100          N/A\n\
         token      read          {limit:<8} {used:<7} {left:<12} {reset}\n\
         account    read_write    {limit:<8} {used:<7} {left:<12} {reset}\n"
    )
}

/// Names cost three requests, ids one, as 1Password documents it.
fn charge(world: &mut World, vault: &str, item: &str) -> Result<(), String> {
    if std::env::var_os("OP_SERVICE_ACCOUNT_TOKEN").is_none() {
        return Ok(());
    }
    let ids =
        |vault_of: &Vault| vault_of.id == vault && vault_of.items.iter().any(|i| i.id == item);
    world.used += if world.vaults.iter().any(ids) { 1 } else { 3 };
    match world.limit {
        Some((limit, minutes)) if world.used > limit => {
            world.used = limit;
            Err(format!(
                "(429) Too Many Requests: You've reached the maximum number of this type of requests \
                 this service account is allowed to make. Please retry in {minutes} minutes or try \
                 other requests."
            ))
        }
        _ => Ok(()),
    }
}

fn find<'a>(world: &'a World, vault: &str, item: &str) -> Result<(&'a Vault, &'a Item), String> {
    let is_vault = |other: &&Vault| is_called(vault, &other.id, &other.name);
    let found = world.vaults.iter().find(is_vault).ok_or_else(|| {
        format!("\"{vault}\" isn't a vault in this account. Specify the vault with its ID or name.")
    })?;
    let mut items = found
        .items
        .iter()
        .filter(|other| is_called(item, &other.id, &other.title));
    match (items.next(), items.next()) {
        (Some(one), None) => Ok((found, one)),
        (None, _) => Err(format!(
            "\"{item}\" isn't an item in the \"{vault}\" vault. Specify the item with its UUID, name, \
             or domain."
        )),
        (Some(first), Some(second)) => {
            let line =
                |one: &Item| format!("\n\t* for the item \"{item}\" in vault {vault}: {}", one.id);
            Err(format!(
                "More than one item matches \"{item}\". Try again and specify the item by its ID:{}{}",
                line(first),
                line(second)
            ))
        }
    }
}

fn is_called(part: &str, id: &str, name: &str) -> bool {
    part == id || part.eq_ignore_ascii_case(name)
}

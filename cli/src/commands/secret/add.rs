//! `secret add`: declares a secret in a policy file of its own, and stores its value.
//!
//! What can be refused is refused before the value is asked for, and the value is read before anything is
//! written: an interruption there leaves nothing behind. One between the declaration and the value leaves a
//! secret without a value, which the same command then stores.

use broker_protocol::api::{SecretState, SecretView};
use broker_protocol::client::ClientError;
use broker_protocol::error::ErrorCode;
use broker_protocol::names::SecretName;
use broker_protocol::token_shape::{self, Shape};
use clap::ValueEnum as _;

use super::{SECRETS, report, store, wanted};
use crate::args::{Declaration, Kind, SecretAdd, word};
use crate::broker::Broker;
use crate::error::Failure;
use crate::learnt::{self, Learnt};
use crate::policy_file::{self, NewFiles, secret_table};
use crate::secret_text::SecretText;
use crate::ui;

pub(super) fn run(broker: &Broker, add: &SecretAdd, json: bool) -> Result<(), Failure> {
    let SecretAdd { name, declared, .. } = add;
    let stored = declared.source == "vault";
    if !stored && add.expires.is_some() {
        return Err(Failure::Usage(
            "--expires goes with a value in the vault".to_owned(),
        ));
    }
    if let Some(known) = known(broker, name)?.filter(|known| known.declared) {
        require_unfinished(add, &known)?;
        ui::note(format_args!(
            "`{name}` is declared already and has no value; its declaration stays as it is"
        ));
        return store_value(broker, add, &read(name)?, json);
    }
    policy_file::require_writable(&broker.places)?;
    let path = broker.places.policies.join(format!("{name}.toml"));
    policy_file::require_absent(&path)?;
    let value = stored.then(|| read(name)).transpose()?;
    let kind = kind(add, value.as_ref())?;
    require_fitting(kind, declared)?;
    let mut files = NewFiles::new();
    files.write(&path, &secret_table(name, kind, declared))?;
    let loaded = files.load(broker)?;
    ui::note(format_args!("wrote {}", path.display()));
    loaded.warnings.iter().for_each(ui::warning);
    let Some(value) = value else {
        ui::note(format_args!(
            "its value is read from {}; `tokenctl doctor` shows whether it can be",
            declared.source
        ));
        if json {
            ui::print_json(&serde_json::json!({"name": name, "source": declared.source}))?;
        }
        return Ok(());
    };
    store_value(broker, add, &value, json)
}

fn read(name: &SecretName) -> Result<SecretText, Failure> {
    SecretText::read(&format!("Value of {name}"))
}

/// What the broker knows of that name.
fn known(broker: &Broker, name: &SecretName) -> Result<Option<SecretView>, Failure> {
    match broker.read(&format!("{SECRETS}/{name}")) {
        Ok(view) => Ok(Some(view)),
        Err(Failure::Broker(ClientError::Problem { problem, .. }))
            if problem.code == ErrorCode::NotFound =>
        {
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

/// Fails unless a run before this one can have ended before it stored the value.
fn require_unfinished(add: &SecretAdd, known: &SecretView) -> Result<(), Failure> {
    let name = &add.name;
    if known.source != "vault" {
        return Err(Failure::with_hint(
            format!(
                "`{name}` exists already, and its value comes from {}",
                known.source
            ),
            format!(
                "`tokenctl secret move {name} --to PLACE` changes the place, and `tokenctl secret show {name}` what there is"
            ),
        ));
    }
    if known.state == SecretState::Missing && add.declared.source != "vault" {
        return Err(Failure::with_hint(
            format!("`{name}` is declared already, and its value comes from the vault"),
            "change `source` in its policy file and run `tokenctl policy reload`",
        ));
    }
    if known.state != SecretState::Missing {
        return Err(Failure::with_hint(
            format!("`{name}` exists already"),
            format!(
                "a new value: `tokenctl secret set {name}`; another place: `tokenctl secret move {name} --to PLACE`"
            ),
        ));
    }
    let declared = known.kind.clone().unwrap_or_default();
    if add.kind.is_some_and(|kind| word(&kind) != declared) {
        return Err(Failure::with_hint(
            format!("`{name}` is declared already, as {declared}"),
            "change `kind` in its policy file and run `tokenctl policy reload`, then this again",
        ));
    }
    Ok(())
}

fn store_value(
    broker: &Broker,
    add: &SecretAdd,
    value: &SecretText,
    json: bool,
) -> Result<(), Failure> {
    let name = &add.name;
    let set = store(broker, name, value, add.expires, wanted(add.no_check));
    let set = set.inspect_err(|_| {
        ui::note(format_args!(
            "it is declared and has no value yet; the same command stores it"
        ));
    })?;
    let path = broker.places.policies.join(format!("{name}.toml"));
    let learnt: Vec<Learnt> = Learnt::of(name, set.check.as_ref()).into_iter().collect();
    // Where it is declared in another file, that one is the operator's own.
    let own = Some(path).filter(|path| path.exists());
    learnt::write(broker, own.as_slice(), &learnt);
    report(&set, json)
}

/// The kind: as given, by the value's first characters, by the options that belong to one kind; else the
/// operator is asked.
fn kind(add: &SecretAdd, value: Option<&SecretText>) -> Result<Kind, Failure> {
    if let Some(kind) = add.kind {
        return Ok(kind);
    }
    let declared = &add.declared;
    match value.map_or(Shape::Unknown, |value| token_shape::of(value.expose())) {
        Shape::Classic => Ok(Kind::Classic),
        Shape::FineGrained => Ok(Kind::FineGrained),
        Shape::PrivateKey if declared.client_id.is_none() => Err(Failure::Usage(
            "this is a private key: pass --kind app, and the App with --client-id".to_owned(),
        )),
        Shape::PrivateKey => Ok(Kind::App),
        // A proxy token was refused when the value was read.
        Shape::ShortLived | Shape::Proxy | Shape::Unknown => implied(declared).map_or_else(ask, Ok),
    }
}

/// The kind that these options are for.
fn implied(declared: &Declaration) -> Option<Kind> {
    let fine_grained = !declared.repositories.is_empty() || !declared.permissions.is_empty();
    [
        (declared.client_id.is_some(), Kind::App),
        (!declared.scopes.is_empty(), Kind::Classic),
        (fine_grained, Kind::FineGrained),
    ]
    .into_iter()
    .find_map(|(given, kind)| given.then_some(kind))
}

fn ask() -> Result<Kind, Failure> {
    if !ui::stdin_is_terminal() {
        return Err(Failure::Usage(format!(
            "the kind of the token is not known; pass --kind {KINDS}"
        )));
    }
    answered(ui::ask(&format!("Kind ({KINDS}): "))?.as_deref())
}

/// `None` is no answer: Ctrl-D.
fn answered(answer: Option<&str>) -> Result<Kind, Failure> {
    let answer = answer.ok_or_else(|| {
        Failure::with_hint(
            "stopped at the kind of the token; nothing was stored",
            format!("--kind names it: {KINDS}"),
        )
    })?;
    match Kind::from_str(answer.trim(), true) {
        Ok(kind) => Ok(kind),
        Err(_) => Err(Failure::Usage(format!("the kind is one of {KINDS}"))),
    }
}

const KINDS: &str = "classic, fine-grained or app";

/// Rejects options that belong to another kind, and an App without its client id.
fn require_fitting(kind: Kind, declared: &Declaration) -> Result<(), Failure> {
    let Declaration {
        scopes,
        repositories,
        permissions,
        client_id,
        ..
    } = declared;
    for (goes_with, given, option) in [
        (Kind::Classic, !scopes.is_empty(), "--scope"),
        (Kind::FineGrained, !repositories.is_empty(), "--repository"),
        (Kind::FineGrained, !permissions.is_empty(), "--permission"),
        (Kind::App, client_id.is_some(), "--client-id"),
    ] {
        if given && kind != goes_with {
            let kind = word(&goes_with);
            return Err(Failure::Usage(format!("{option} goes with --kind {kind}")));
        }
    }
    if kind == Kind::App && client_id.is_none() {
        return Err(Failure::Usage(
            "an App needs its client id: pass --client-id".to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_what_is_typed_is_no_kind_and_says_that_nothing_was_stored() {
        assert!(answered(Some("App\n")).is_ok_and(|kind| kind == Kind::App));
        let why = |answer| answered(answer).err().map(|failure| failure.to_string());
        let stopped = "stopped at the kind of the token; nothing was stored";
        assert_eq!(why(None).as_deref(), Some(stopped));
        let wrong = "the kind is one of classic, fine-grained or app";
        assert_eq!(why(Some("\n")).as_deref(), Some(wrong));
    }
}

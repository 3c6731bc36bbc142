//! Putting a value into 1Password, taking it out, and knowing that it is so.
//!
//! A change is made with one request that is never sent twice. Whatever became of its answer, the field
//! is read back, and what is there decides: a change whose answer was lost is a success if it happened.
//! Each call reads first, so that a second attempt makes nothing twice.

use broker_protocol::source::FieldReference;
use broker_secret_memory::token::AccessToken;
use reqwest::Method;
use serde_json::{Value, json};

use super::Connect;
use super::find::Ids;
use super::item::{Id, Summary};
use super::wire::{self, Ask, Failure};
use crate::one_password::{OnePasswordError, Part};

impl Connect {
    /// Puts a value there: into the field; into a new field of the item, if that lacks it; into a new
    /// item, if the vault has none of that name. Then reads it back. A value that is there already is
    /// not written again.
    ///
    /// # Errors
    ///
    /// [`OnePasswordError`]; [`OnePasswordError::Doubtful`] where it is not known whether the value
    /// is there.
    pub async fn write(
        &self,
        reference: &FieldReference,
        value: &AccessToken,
        token: &AccessToken,
    ) -> Result<(), OnePasswordError> {
        let _one_at_a_time = self.changing.lock().await;
        let sent = match self.item(reference, token).await {
            Ok(whole) => {
                let Some(operation) = putting(&whole.item()?, reference, value)? else {
                    return Ok(());
                };
                self.patch(&whole.ids, operation, token).await
            }
            Err(OnePasswordError::NoSuch(Part::Item)) => self.make(reference, value, token).await,
            Err(error) => return Err(error),
        };
        let failed = in_doubt(sent)?;
        let found = self.read(reference, token).await;
        let there = found.map(|found| found.value.hashed() == value.hashed());
        settle(
            there,
            failed,
            "the field holds another value than was written",
        )
    }

    /// Takes the field out of its item, which stays: it may hold more. A field that is not there any
    /// more is a success.
    ///
    /// # Errors
    ///
    /// [`OnePasswordError`]; [`OnePasswordError::Doubtful`] where it is not known whether the field
    /// is still there.
    pub async fn erase(
        &self,
        reference: &FieldReference,
        token: &AccessToken,
    ) -> Result<(), OnePasswordError> {
        let _one_at_a_time = self.changing.lock().await;
        let whole = match self.item(reference, token).await {
            Err(OnePasswordError::NoSuch(Part::Item)) => return Ok(()),
            found => found?,
        };
        let path = match whole.item()?.field(reference) {
            Err(OnePasswordError::NoSuch(_)) => return Ok(()),
            found => pointer(&found?.id),
        };
        let operation = json!({"op": "remove", "path": path});
        let failed = in_doubt(self.patch(&whole.ids, operation, token).await)?;
        let found = self.read(reference, token).await;
        let gone = match found {
            // A field that its kind of item always has stays behind empty.
            Err(OnePasswordError::NoSuch(_) | OnePasswordError::NotAValue(_)) => Ok(true),
            found => found.map(|_value| false),
        };
        settle(gone, failed, "the field is still there")
    }

    async fn patch(&self, ids: &Ids, operation: Value, token: &AccessToken) -> Result<(), Failure> {
        let path = [
            "v1",
            "vaults",
            ids.vault.as_str(),
            "items",
            ids.item.as_str(),
        ];
        let ask = Ask::send(Method::PATCH, &path, Value::Array(vec![operation]));
        self.ask(ask, Some(token)).await.map(drop)
    }

    /// Makes the item, whose title was just looked for and is not there.
    async fn make(
        &self,
        reference: &FieldReference,
        value: &AccessToken,
        token: &AccessToken,
    ) -> Result<(), Failure> {
        // What is named by an id can be found, and not made.
        if Id::of(&reference.item).is_some() {
            return Err(OnePasswordError::NoSuch(Part::Item).into());
        }
        let vault = self.vault(reference, token).await?;
        let section = reference.section.as_deref();
        let section = section.map(|label| Ok::<_, OnePasswordError>((new_id()?, label)));
        let section = section.transpose()?;
        let mut field = new_field(reference, value)?;
        let mut item = json!({
            "vault": {"id": vault.as_str()},
            "title": &*reference.item,
            "category": "API_CREDENTIAL",
        });
        if let Some((id, label)) = section {
            put(&mut field, "section", json!({"id": &id}));
            put(&mut item, "sections", json!([{"id": id, "label": label}]));
        }
        put(&mut item, "fields", Value::Array(vec![field]));
        let path = ["v1", "vaults", vault.as_str(), "items"];
        let body = self
            .ask(Ask::send(Method::POST, &path, item), Some(token))
            .await?;
        // Of no use, it is as good as lost: the item is looked for by its title.
        if let Ok(made) = wire::json::<Summary>(&body) {
            let ids = Ids {
                vault,
                item: made.id,
            };
            self.remember(reference, &ids);
        }
        Ok(())
    }
}

/// The operation that puts a value into an item; `None` if it is there.
fn putting(
    item: &super::item::Item<'_>,
    reference: &FieldReference,
    value: &AccessToken,
) -> Result<Option<Value>, OnePasswordError> {
    let field = match item.field(reference) {
        Err(OnePasswordError::NoSuch(Part::Field)) => None,
        found => Some(found?),
    };
    let Some(field) = field else {
        let mut field = new_field(reference, value)?;
        if let Some(name) = &reference.section {
            put(&mut field, "section", json!({"id": item.section(name)?}));
        }
        return Ok(Some(
            json!({"op": "add", "path": "/fields", "value": field}),
        ));
    };
    let held = field.value();
    if held.is_ok_and(|held| held.hashed() == value.hashed()) {
        return Ok(None);
    }
    let path = format!("{}/value", pointer(&field.id));
    // Into the body of the request, which is wiped.
    Ok(Some(
        json!({"op": "replace", "path": path, "value": value.expose()}),
    ))
}

/// A field that conceals its value. The one that this category is made for has an id of its own.
fn new_field(reference: &FieldReference, value: &AccessToken) -> Result<Value, OnePasswordError> {
    let label = &*reference.field;
    // What is named by an id can be found, and not made.
    if Id::of(label).is_some() {
        return Err(OnePasswordError::NoSuch(Part::Field));
    }
    let own = label.eq_ignore_ascii_case(CREDENTIAL) && reference.section.is_none();
    let id = match own {
        true => CREDENTIAL.to_owned(),
        false => new_id()?,
    };
    // Into the body of the request, which is wiped.
    let value = value.expose();
    Ok(json!({"id": id, "label": label, "type": "CONCEALED", "value": value}))
}

fn put(object: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = object {
        map.insert(key.to_owned(), value);
    }
}

/// As 1Password makes them: 26 letters and digits.
fn new_id() -> Result<String, OnePasswordError> {
    let mut bytes = [0; 26];
    getrandom::fill(&mut bytes).map_err(|error| {
        OnePasswordError::CannotAsk(format!("the system gives no random numbers: {error}").into())
    })?;
    let letter = |byte: u8| {
        let at = usize::from(byte) % LETTERS.len();
        LETTERS.get(at).map_or('a', |letter| char::from(*letter))
    };
    Ok(bytes.into_iter().map(letter).collect())
}

/// A field of an item by its id, as a JSON pointer (RFC 6901).
fn pointer(id: &str) -> String {
    format!("/fields/{}", id.replace('~', "~0").replace('/', "~1"))
}

/// Why a change may not have been made; what surely was not made ends here.
fn in_doubt(sent: Result<(), Failure>) -> Result<Option<OnePasswordError>, OnePasswordError> {
    match sent {
        Ok(()) => Ok(None),
        Err(failure) if failure.may_have_happened => Ok(Some(failure.error)),
        Err(failure) => Err(failure.error),
    }
}

/// What is there decides.
fn settle(
    done: Result<bool, OnePasswordError>,
    failed: Option<OnePasswordError>,
    otherwise: &str,
) -> Result<(), OnePasswordError> {
    use OnePasswordError::{Doubtful, Mismatch, NoSuch, NotAValue};
    match (done, failed) {
        (Ok(true), _) => Ok(()),
        (Ok(false) | Err(NoSuch(_) | NotAValue(_)), Some(failed)) => Err(failed),
        (Ok(false), None) => Err(Mismatch(otherwise.into())),
        (Err(cause), _) => Err(Doubtful(cause.to_string().into())),
    }
}

/// The field that holds the value of an `API_CREDENTIAL`.
const CREDENTIAL: &str = "credential";
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_decides_whatever_became_of_the_answer() {
        let silent = || OnePasswordError::Unreachable("lost".into());
        assert_eq!(settle(Ok(true), Some(silent()), ""), Ok(()));
        assert_eq!(settle(Ok(true), None, ""), Ok(()));
        assert_eq!(settle(Ok(false), Some(silent()), ""), Err(silent()));
        let none = || OnePasswordError::NoSuch(Part::Item);
        assert_eq!(settle(Err(none()), Some(silent()), ""), Err(silent()));
        for failed in [None, Some(silent())] {
            let settled = settle(Err(silent()), failed, "");
            assert!(matches!(settled, Err(OnePasswordError::Doubtful(_))));
        }
    }

    #[test]
    fn a_fields_id_is_one_piece_of_a_pointer() {
        assert_eq!(pointer("credential"), "/fields/credential");
        assert_eq!(pointer("a/b~c"), "/fields/a~1b~0c");
    }

    #[test]
    fn a_new_id_is_one() {
        let (one, two) = (new_id().unwrap(), new_id().unwrap());
        assert!(Id::of(&one).is_some() && one != two);
    }
}

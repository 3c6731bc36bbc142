//! Through `op`, 1Password's own program: one run for each value.
//!
//! The first value of a reference by name is one run. Before the second the name is resolved: by its
//! ids a value costs fewer of 1Password's requests, of which some plans have a thousand a day for all.
//! Ids are kept for as long as the broker runs, and are no secret.
//!
//! Not here: keeping values, asking once where many wait for the same, and counting what is spent. The
//! caller does, and [`Op::cost`] tells it beforehand.

mod item;
mod limits;
mod run;
mod texts;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_protocol::api::ServiceLimitView;
use broker_protocol::source::FieldReference;
use broker_protocol::value_form::{self, BadValue};
use broker_secret_memory::token::AccessToken;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use self::run::{Ended, Program, Run};
use self::texts::Asked;
use super::{Backend, OnePasswordError};
use crate::Fetched;

/// 1Password by way of `op`.
pub struct Op {
    program: Program,
    account: Option<String>,
    known: Mutex<HashMap<FieldReference, Known>>,
}

/// What is known of a reference by name that was read.
#[derive(Clone)]
enum Known {
    /// No more than that it can be read.
    Read,
    /// Its ids.
    Ids(FieldReference),
    /// That ids do not tell its field from others, or cannot be written as a reference.
    NameOnly,
}

impl Op {
    /// Runs nothing yet. `program` is an absolute path, or a name to be looked for in `PATH` each time.
    /// `account` is which account of the desktop app is asked, where it has several; a service account
    /// has one. `limit` is what a run may take.
    #[must_use]
    pub fn new(program: PathBuf, account: Option<String>, limit: Duration) -> Self {
        Self {
            program: Program::new(program, limit, |name| std::env::var_os(name)),
            account,
            known: Mutex::default(),
        }
    }

    /// Reads a value. `token` is a service account's; without one the desktop app is asked, for which
    /// someone has to be there.
    ///
    /// The version is given where the item was just looked at, so by the second reading of a reference
    /// by name: a value changed at that very moment is newer.
    ///
    /// # Errors
    ///
    /// [`OnePasswordError`].
    pub async fn read(
        &self,
        reference: &FieldReference,
        token: Option<&AccessToken>,
    ) -> Result<Fetched, OnePasswordError> {
        if reference.is_by_id() {
            return self.value_at(reference, token, None).await;
        }
        let known = self.known().get(reference).cloned();
        match known {
            Some(Known::NameOnly) => self.value_at(reference, token, None).await,
            None => self.first(reference, token).await,
            Some(Known::Read) => {
                let found = self.look_at_item(reference, token).await?;
                let known = found.ids.clone().map_or(Known::NameOnly, Known::Ids);
                self.known().insert(reference.clone(), known);
                let at = found.ids.as_ref().unwrap_or(reference);
                self.value_at(at, token, found.version).await
            }
            Some(Known::Ids(ids)) => match self.value_at(&ids, token, None).await {
                // Deleted, and perhaps created again under the same name.
                Err(OnePasswordError::NoSuch(_)) => {
                    self.known().remove(reference);
                    self.first(reference, token).await
                }
                answer => answer,
            },
        }
    }

    /// How many of 1Password's requests [`Self::read`] uses at most if it is called now. Only where an
    /// item was deleted and created again does the one reading that finds it out use more, by a first one.
    #[must_use]
    pub fn cost(&self, reference: &FieldReference) -> u32 {
        if reference.is_by_id() {
            return BY_IDS;
        }
        match self.known().get(reference) {
            None | Some(Known::NameOnly) => BY_NAMES,
            Some(Known::Read) => BY_NAMES + BY_IDS,
            Some(Known::Ids(_)) => BY_IDS,
        }
    }

    /// The service account's limits, and what is left of them. Uses none of the requests they count.
    ///
    /// # Errors
    ///
    /// [`OnePasswordError`].
    pub async fn limits(
        &self,
        token: &AccessToken,
    ) -> Result<Vec<ServiceLimitView>, OnePasswordError> {
        let arguments = ["service-account", "ratelimit"];
        let asked = Asked {
            reference: None,
            token: Some(token),
        };
        limits::parse(&self.ask(&arguments, &asked, too_long()).await?)
    }

    async fn first(
        &self,
        reference: &FieldReference,
        token: Option<&AccessToken>,
    ) -> Result<Fetched, OnePasswordError> {
        let fetched = self.value_at(reference, token, None).await?;
        self.known().insert(reference.clone(), Known::Read);
        Ok(fetched)
    }

    async fn value_at(
        &self,
        reference: &FieldReference,
        token: Option<&AccessToken>,
        version: Option<u64>,
    ) -> Result<Fetched, OnePasswordError> {
        let at = reference.to_string();
        let asked = Asked {
            reference: Some(reference),
            token,
        };
        let too_long = (
            value_form::LONGEST,
            OnePasswordError::NotAValue(BadValue::TooLong),
        );
        let bytes = self.ask(&["read", "-n", &at], &asked, too_long).await?;
        let value = AccessToken::read_bytes(bytes).map_err(OnePasswordError::NotAValue)?;
        Ok(Fetched { value, version })
    }

    /// The item holds values, too: they are passed over, and wiped with the rest.
    async fn look_at_item(
        &self,
        reference: &FieldReference,
        token: Option<&AccessToken>,
    ) -> Result<item::Found, OnePasswordError> {
        let FieldReference { vault, item, .. } = reference;
        let asked = Asked {
            reference: Some(reference),
            token,
        };
        let arguments = ["item", "get", "--format", "json", "--vault", vault, item];
        let json = self.ask(&arguments, &asked, too_long()).await?;
        item::find(&json, reference)
    }

    async fn ask(
        &self,
        arguments: &[&str],
        asked: &Asked<'_>,
        (most, too_much): (usize, OnePasswordError),
    ) -> Result<Zeroizing<Vec<u8>>, OnePasswordError> {
        let run = Run {
            arguments,
            token: asked.token,
            account: self.account.as_deref(),
            most,
            too_much,
        };
        match self.program.run(run).await? {
            Ended::Well(printed) => Ok(printed),
            Ended::Badly(status, said) => Err(texts::cause(status, &said, asked)),
        }
    }

    /// A thread that panicked here can have left no more than a name unresolved.
    fn known(&self) -> MutexGuard<'_, HashMap<FieldReference, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Op {
    fn read<'a>(
        &'a self,
        reference: &'a FieldReference,
        token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<Fetched, OnePasswordError>> {
        self.read(reference, token).boxed()
    }

    fn limits<'a>(
        &'a self,
        token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<Vec<ServiceLimitView>, OnePasswordError>> {
        async move {
            match token {
                Some(token) => self.limits(token).await,
                // The desktop app has none that are known.
                None => Ok(Vec::new()),
            }
        }
        .boxed()
    }

    fn cost(&self, reference: &FieldReference) -> u32 {
        self.cost(reference)
    }
}

fn too_long() -> (usize, OnePasswordError) {
    let error = OnePasswordError::Mismatch("an answer of more than 1 MiB".into());
    (LONGEST, error)
}

/// Requests of one run by ids. One by 1Password's documentation (“Use service accounts with 1Password
/// CLI”); two were measured by a third party with op 2.40 and its cache empty, as ours always is.
const BY_IDS: u32 = 2;
/// Requests of one run by names: three are documented for `op item get`, and one more for the same reason.
const BY_NAMES: u32 = 4;
/// Bytes of an item. What is attached to it is not in it.
const LONGEST: usize = 1024 * 1024;

#[cfg(test)]
mod tests;

//! A Connect server: 1Password's own program in one's own network, asked over HTTPS.
//!
//! A field is found in three calls by names and in one by ids, so that ids are kept in memory. What an
//! answer is of is checked here, whatever was asked for: another vault's item or another title is no
//! answer. The token goes to the configured address and nowhere else.
//!
//! ```text
//!   address.rs   where it is
//!   wire.rs      one request, its answer, and what a refusal means
//!   item.rs      what an answer holds; the field that a reference names
//!   find.rs      from names to ids, and what is kept of them
//!   write.rs     putting a value there, taking it out, and knowing that it is so
//!   health.rs    whether it answers and knows the token
//! ```
//!
//! Not here: when it is asked, for whom, and whether that is recorded; asking again after a failure.
//!
//! Source: 1Password Connect's description of its API, version 1.7.1.

mod address;
mod find;
mod health;
mod item;
mod wire;
mod write;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use broker_https::Https;
use broker_protocol::api::ServiceLimitView;
use broker_protocol::source::FieldReference;
use broker_secret_memory::token::AccessToken;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use self::find::{Ids, Names};
use crate::Fetched;
use crate::one_password::{Backend, OnePasswordError};

pub use self::address::ConnectAddress;

/// A Connect server, as this broker is configured to reach it.
pub struct Connect {
    address: ConnectAddress,
    https: Https,
    limit: Duration,
    /// What names turned out to be.
    ids: Mutex<BTreeMap<Names, Ids>>,
    /// One change at a time: two that find no item would make it twice.
    changing: tokio::sync::Mutex<()>,
}

impl Connect {
    /// Nothing is built, read or connected until it is asked. `ca` is a file of certificate authorities
    /// in PEM, trusted besides the machine's own; `limit` is how long one request may take.
    #[must_use]
    pub fn new(address: ConnectAddress, ca: Option<PathBuf>, limit: Duration) -> Self {
        Self {
            address,
            https: Https::new(ca, limit),
            limit,
            ids: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        }
    }

    /// The value of a field, with its item's version. One request where the ids are known.
    ///
    /// # Errors
    ///
    /// [`OnePasswordError`].
    pub async fn read(
        &self,
        reference: &FieldReference,
        token: &AccessToken,
    ) -> Result<Fetched, OnePasswordError> {
        let whole = self.item(reference, token).await?;
        let item = whole.item()?;
        Ok(Fetched {
            value: item.field(reference)?.value()?,
            version: item.version,
        })
    }
}

impl Backend for Connect {
    fn read<'a>(
        &'a self,
        reference: &'a FieldReference,
        token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<Fetched, OnePasswordError>> {
        async move { self.read(reference, required(token)?).await }.boxed()
    }

    /// There are none. Asked is whether it is well.
    fn limits<'a>(
        &'a self,
        token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<Vec<ServiceLimitView>, OnePasswordError>> {
        async move {
            self.probe(required(token)?).await?;
            Ok(Vec::new())
        }
        .boxed()
    }

    fn can_write(&self) -> bool {
        true
    }

    fn change<'a>(
        &'a self,
        reference: &'a FieldReference,
        value: Option<&'a AccessToken>,
        token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<(), OnePasswordError>> {
        async move {
            let token = required(token)?;
            match value {
                Some(value) => self.write(reference, value, token).await,
                None => self.erase(reference, token).await,
            }
        }
        .boxed()
    }
}

fn required(token: Option<&AccessToken>) -> Result<&AccessToken, OnePasswordError> {
    token.ok_or(OnePasswordError::Unauthenticated)
}

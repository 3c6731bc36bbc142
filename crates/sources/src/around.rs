//! What slow places have around them: below, how they are asked; above, the broker that asks.

use broker_clock::Now;
use broker_policy::SourceSpec;
use broker_secret_memory::token::AccessToken;
use futures_util::future::BoxFuture;

use super::SourceError;
use super::fetched::Fetched;
use super::one_password::ServiceLimit;
use super::requests::Spent;

/// How the places themselves are asked.
pub trait Ask: Send + Sync {
    /// Reads a value where it lies. `token` is what 1Password is shown.
    fn read<'a>(
        &'a self,
        source: &'a SourceSpec,
        token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<Fetched, SourceError>>;

    /// What 1Password says of the limits of whoever holds the token; nothing where there are none. Also
    /// tells whether it can be reached at all.
    fn limits<'a>(
        &'a self,
        token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<Vec<ServiceLimit>, SourceError>>;

    /// Whether a value can be written there, and erased.
    fn can_write(&self, source: &SourceSpec) -> bool;

    /// Puts a value there, in place of what is there.
    fn write<'a>(
        &'a self,
        source: &'a SourceSpec,
        value: &'a AccessToken,
        token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<(), SourceError>>;

    /// Erases a value. One that is not there is erased already.
    fn remove<'a>(
        &'a self,
        source: &'a SourceSpec,
        token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<(), SourceError>>;

    /// How many of 1Password's limited requests [`Self::read`] makes at most; none for other places.
    fn cost(&self, source: &SourceSpec) -> u32;
}

/// What reading a slow place needs of the broker around it.
pub trait Around: Send + Sync {
    /// This moment.
    fn now(&self) -> Now;

    /// What 1Password is to be shown, opened on record; `None` where configuration names nothing.
    fn token(&self) -> BoxFuture<'_, Result<Option<AccessToken>, SourceError>>;

    /// Keeps a value that was just read, where configuration says so, beyond this run of the broker.
    fn keep<'a>(&'a self, source: &'a SourceSpec, fetched: &'a Fetched) -> BoxFuture<'a, ()>;

    /// Erases what was kept so: its place answered, and does not give the value any more.
    fn forget<'a>(&'a self, source: &'a SourceSpec) -> BoxFuture<'a, ()>;

    /// Writes down, durably, what is about to be asked of 1Password.
    fn write_down(&self, spent: Spent) -> BoxFuture<'_, Result<(), SourceError>>;
}

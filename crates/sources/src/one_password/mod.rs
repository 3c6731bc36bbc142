//! Values in 1Password: `source = "op://VAULT/ITEM[/SECTION]/FIELD"`.
//!
//! Asked through 1Password's own program `op`, or through a Connect server over HTTPS ([`Backend`]). Here:
//! what is the same for both. The requests of a service account are limited, so they are counted and
//! stored before they are made, and an outage uses up next to none.

mod connect;
mod error;
mod op;
mod outage;
mod requests;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_clock::{Backoff, Now};
use broker_protocol::api::ServiceLimitView;
use broker_protocol::source::{FieldReference, Location, SourceSpec};
use broker_secret_memory::token::AccessToken;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use self::outage::Outage;
use crate::source::Effort;
use crate::{FailureKind, Fetched, ReadError, Source, SourceContext, SourceError};

pub use self::connect::{Connect, ConnectAddress};
pub use self::error::{OnePasswordError, Part};
pub use self::op::Op;
pub use self::requests::{HourlyRequests, Plan, Requests};

/// What 1Password is asked through. `token` is a service account's or Connect's.
pub trait Backend: Send + Sync {
    /// Reads a field.
    fn read<'a>(
        &'a self,
        reference: &'a FieldReference,
        token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<Fetched, OnePasswordError>>;

    /// Asks for the limits of the token, and so whether 1Password can be reached; empty where
    /// there are none.
    fn limits<'a>(
        &'a self,
        token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<Vec<ServiceLimitView>, OnePasswordError>>;

    /// Returns how many limited requests reading makes at most.
    fn cost(&self, _reference: &FieldReference) -> u32 {
        0
    }

    /// Whether it can write and erase.
    fn can_write(&self) -> bool {
        false
    }

    /// Writes a field; erases it without a value.
    fn change<'a>(
        &'a self,
        _reference: &'a FieldReference,
        _value: Option<&'a AccessToken>,
        _token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<(), OnePasswordError>> {
        let why = "it cannot be changed this way".into();
        async { Err(OnePasswordError::CannotAsk(why)) }.boxed()
    }
}

/// 1Password as a source.
pub struct OnePassword {
    backend: Box<dyn Backend>,
    plan: Plan,
    requests: Mutex<Requests>,
    outage: Mutex<Outage>,
}

impl OnePassword {
    /// Asks nothing yet.
    #[must_use]
    pub fn new(backend: Box<dyn Backend>, plan: Plan) -> Self {
        Self {
            backend,
            plan,
            requests: Mutex::default(),
            outage: Mutex::default(),
        }
    }

    /// Continues from the requests that an earlier run stored.
    pub fn restore_requests(&self, requests: Requests) {
        *self.requests() = requests;
    }

    /// Returns how many requests were made in the last 24 hours, and how many may be.
    #[must_use]
    pub fn requests_in_a_day(&self, now: Now) -> (u32, u32) {
        (self.requests().in_a_day(now), self.plan.shares().1)
    }

    /// Asks for the limits of the service account.
    ///
    /// # Errors
    ///
    /// [`SourceError`].
    pub async fn limits(
        &self,
        context: &dyn SourceContext,
    ) -> Result<Vec<ServiceLimitView>, SourceError> {
        let token = context.token().await?;
        self.limits_with(token.as_ref()).await
    }

    async fn limits_with(
        &self,
        token: Option<&AccessToken>,
    ) -> Result<Vec<ServiceLimitView>, SourceError> {
        let limits = self.backend.limits(token).await;
        limits.map_err(|cause| SourceError::OnePassword {
            place: "1Password".into(),
            cause,
        })
    }

    async fn read_field(
        &self,
        place: &Location,
        context: &dyn SourceContext,
    ) -> Result<Fetched, ReadError> {
        let reference = reference(place)?;
        let token = context.token().await.map_err(ReadError::not_asked)?;
        let token = token.as_ref();
        // Only a service account's requests are counted.
        let cost = token.map_or(0, |_| self.backend.cost(&reference));
        let read = async || {
            let read = self.backend.read(&reference, token).await;
            read.map_err(|cause| failed(place, cause))
        };
        if cost == 0 {
            return Ok(read().await?);
        }
        let mut answers = true;
        if self.outage().is_likely(context.now())
            && let Err(error) = self.limits_with(token).await
            && error.kind() == FailureKind::Unavailable
        {
            let now = context.now();
            if !self.outage().may_try(now) {
                self.outage().failed(now);
                return Err(error.into());
            }
            answers = false;
        }
        let counted = self.requests().count(cost, self.plan, context.now());
        let stored = match counted {
            Ok(requests) => context.store_requests(requests).await,
            Err(error) => Err(error),
        };
        stored.map_err(ReadError::not_asked)?;
        let read = read().await;
        if !answers {
            self.outage().tried(read.is_ok());
        }
        match read {
            Ok(fetched) => {
                self.outage().ended();
                Ok(fetched)
            }
            Err(error) => {
                if error.kind() == FailureKind::Unavailable {
                    self.outage().failed(context.now());
                }
                Err(ReadError {
                    error,
                    effort: if answers {
                        Effort::Spent
                    } else {
                        Effort::Asked
                    },
                })
            }
        }
    }

    /// A thread that panicked here can have left no more than a request that was not made.
    fn outage(&self) -> MutexGuard<'_, Outage> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Here, no more than one counted that was not made.
    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for OnePassword {
    fn scheme(&self) -> &'static str {
        "op"
    }

    fn read<'a>(
        &'a self,
        place: &'a Location,
        context: &'a dyn SourceContext,
    ) -> BoxFuture<'a, Result<Fetched, ReadError>> {
        self.read_field(place, context).boxed()
    }

    fn can_write(&self) -> bool {
        self.backend.can_write()
    }

    fn change<'a>(
        &'a self,
        place: &'a Location,
        value: Option<&'a AccessToken>,
        context: &'a dyn SourceContext,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        async move {
            let reference = reference(place)?;
            let token = context.token().await?;
            let changed = self.backend.change(&reference, value, token.as_ref()).await;
            changed.map_err(|cause| failed(place, cause))
        }
        .boxed()
    }

    fn how_to_remove(&self, place: &Location, new: &SourceSpec) -> String {
        match new.scheme() == self.scheme() {
            true => format!(
                "make sure that it is another field than {new}, and remove the old copy in {place}"
            ),
            false => format!("remove the old copy in {place}"),
        }
    }

    fn has_aliases(&self) -> bool {
        true
    }

    fn may_be_same(&self, one: &Location, other: &Location) -> bool {
        let one = FieldReference::parse(one.name()).ok();
        let other = FieldReference::parse(other.name()).ok();
        one.zip(other)
            .is_some_and(|(one, other)| one.may_be(&other))
    }

    fn backoff(&self, kind: FailureKind, spent: bool) -> Backoff {
        let (first, cap) = match kind {
            FailureKind::Limited(_) => (600, 3600),
            FailureKind::Unavailable if spent => (5, 900),
            FailureKind::Unavailable => (5, 120),
            FailureKind::Refused if spent => (30, 900),
            FailureKind::Refused => (30, 600),
        };
        Backoff {
            first: Duration::from_secs(first),
            cap: Duration::from_secs(cap),
        }
    }
}

fn reference(place: &Location) -> Result<FieldReference, SourceError> {
    let reference = FieldReference::parse(place.name());
    reference.map_err(|_checked| failed(place, OnePasswordError::BadReference))
}

fn failed(place: &Location, cause: OnePasswordError) -> SourceError {
    SourceError::OnePassword {
        place: place.to_string().into(),
        cause,
    }
}

//! What a place that has to be asked gives, or why it does not.

use std::time::Duration;

use broker_secret_memory::token::AccessToken;

/// A value, fresh from where it lies.
pub struct Fetched {
    /// The value.
    pub value: AccessToken,
    /// What the place itself counts changes with, where it does.
    pub version: Option<u64>,
}

/// What the lack of an answer says of the values known from before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Nothing: the place cannot be reached, or waits for a person.
    Down,
    /// Nothing: too much was asked, and it said for how long it will not answer, where it did.
    Limited(Option<Duration>),
    /// That they are none any more: the place answered, and does not give this value.
    Refused,
}

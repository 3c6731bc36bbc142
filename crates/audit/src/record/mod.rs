//! What a record says (`event`, one enum for each noun); how its line is written is in [`Body`] and
//! [`write_line`].
//!
//! Fields are borrowed text: names were parsed long before, and a record is written, not edited.

mod caller;
mod event;
mod kinds;
mod lease;
mod line;

pub use self::caller::Caller;
pub use self::event::{
    BrokerEvent, Event, GitHubEvent, GraphqlRequest, LeaseEvent, LogEvent, MoveEvent, PolicyEvent,
    ProxyEvent, RotationEvent, SecretEvent, VaultEvent,
};
pub use self::kinds::KINDS;
pub use self::lease::{Issued, Lease};
pub use self::line::{Body, write_line};

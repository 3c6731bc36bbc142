//! Every kind of record and its fields, in the words of docs/audit-format.md; one enum for each noun.

use serde::Serialize;

mod broker;
mod github;
mod lease;
mod log;
mod moving;
mod policy;
mod proxy;
mod rotation;
mod secret;
mod vault;

pub use self::broker::BrokerEvent;
pub use self::github::GitHubEvent;
pub use self::lease::LeaseEvent;
pub use self::log::LogEvent;
pub use self::moving::MoveEvent;
pub use self::policy::PolicyEvent;
pub use self::proxy::{GraphqlRequest, ProxyEvent};
pub use self::rotation::RotationEvent;
pub use self::secret::SecretEvent;
pub use self::vault::VaultEvent;

/// What a record reports. Serialises as an object with its `kind` first.
pub trait Event: Serialize + Sync {}

impl Event for BrokerEvent<'_> {}
impl Event for GitHubEvent<'_> {}
impl Event for LeaseEvent<'_> {}
impl Event for LogEvent<'_> {}
impl Event for MoveEvent<'_> {}
impl Event for PolicyEvent<'_> {}
impl Event for ProxyEvent<'_> {}
impl Event for RotationEvent<'_> {}
impl Event for SecretEvent<'_> {}
impl Event for VaultEvent<'_> {}

//! Warnings on their way out: a program of the operator's, and a URL.
//!
//! Both take a message, which is bytes to them, and report whether it arrived. A message that arrived and
//! whose answer was lost counts as not arrived and comes again; receivers recognise each
//! warning in it by its `id`.
//!
//! Nothing of the vault is in here and nothing secret in a message. What *is* secret is the webhook's
//! URL: anyone who has it can write where the warnings go. It is never in a trace or an error.
//!
//! Not here: what a warning is, when it is tried again.

mod hook;
mod webhook;

pub use hook::{Hook, HookError};
pub use webhook::{NotAUrl, Webhook, WebhookError, WebhookUrl};

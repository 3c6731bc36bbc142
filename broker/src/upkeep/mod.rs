//! Looks after secrets, the lock, the policies and what repositories' names mean: what operators do.
//!
//! A change is recorded before it is made, like a use. If the record cannot be written, nothing
//! changes; if the change fails after its record, a second record says so. Lock and unlock take effect
//! first: the one must never wait, and the other hands nothing out, since every lease still needs its
//! own record.

mod backup;
mod lock;
mod lock_and_revoke;
mod policies;
mod rekey;
mod removals;
mod secrets;

pub(crate) use self::lock::root_key_surroundings;
pub use self::rekey::RekeyOutcome;
pub(crate) use self::rekey::{rekey_mend, root_key_in_words};

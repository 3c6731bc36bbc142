//! Values in 1Password: `source = "op://VAULT/ITEM[/SECTION]/FIELD"`.
//!
//! Asked through 1Password's own program `op`, or through a Connect server over HTTPS. Both say the
//! same few things when they give no value: [`OnePasswordError`].

mod connect;
mod error;
mod op;

pub use self::connect::{BadConnectAddress, Connect, ConnectAddress};
pub use self::error::{OnePasswordError, Part};
pub use self::op::{Op, ServiceLimit};

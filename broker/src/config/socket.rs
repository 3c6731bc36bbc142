//! `[socket]`: who may connect.

use serde::{Deserialize, Deserializer};

use super::operators::group;
use super::read::parsed;

/// The socket's mode and group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SocketConfig {
    /// Permission bits, `0600` by default.
    #[serde(deserialize_with = "mode")]
    pub mode: u32,
    /// Group; the broker's own by default.
    #[serde(deserialize_with = "group")]
    pub group: Option<u32>,
}

impl Default for SocketConfig {
    fn default() -> Self {
        Self {
            mode: 0o600,
            group: None,
        }
    }
}

fn mode<'de, D: Deserializer<'de>>(value: D) -> Result<u32, D::Error> {
    parsed(value, |text| match text {
        "0600" | "600" => Ok(0o600),
        "0660" | "660" => Ok(0o660),
        "0666" | "666" => Ok(0o666),
        // Read and write only go together on a socket.
        other => Err(format!(
            "`{other}` is not a socket mode; write \"0600\" (own account only), \"0660\" (with \
             `group`) or \"0666\" (every account)"
        )),
    })
}

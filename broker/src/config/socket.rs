//! `[socket]`: who may connect.

use serde::Deserialize;

use super::operators::group_id;
use super::read::Wrong;

/// The socket's mode and group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketConfig {
    /// Permission bits, `0600` by default.
    pub mode: u32,
    /// Group; the broker's own by default.
    pub group: Option<u32>,
}

/// The table as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SocketTable {
    mode: Option<String>,
    group: Option<String>,
}

impl SocketTable {
    pub(super) fn read(self) -> Result<SocketConfig, Wrong> {
        let mode = match self.mode.as_deref() {
            None | Some("0600" | "600") => 0o600,
            Some("0660" | "660") => 0o660,
            Some("0666" | "666") => 0o666,
            // Read and write only go together on a socket.
            Some(other) => {
                let message = format!(
                    "`{other}` is not a socket mode; write \"0600\" (own account only), \"0660\" (with \
                     `group`) or \"0666\" (every account)"
                );
                return Err(("mode", message));
            }
        };
        let group = self
            .group
            .map(|name| group_id("group", &name))
            .transpose()?;
        Ok(SocketConfig { mode, group })
    }
}

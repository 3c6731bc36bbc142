//! The root key as operators see it.

use broker_protocol::api::RootKeyView;
use broker_vault::MOST_SEALS;
use jiff::Timestamp;

use super::Status;
use crate::secrets::{describe_root_key, rekey_hint};

impl Status {
    /// The root key in force as operators see it.
    pub(crate) fn root_key_view(&self) -> RootKeyView {
        let key = self.vault.root_key_in_force();
        RootKeyView {
            version: key.version,
            since: key.made_at,
            seals: key.seals,
            most_seals: MOST_SEALS,
            recovery: key.recovery,
            rekey_every: self.config.rekey_every.map(|every| every.as_secs()),
            deadline: self.secrets.root_key_deadline().at(),
            needs: key.needs_credential().then(|| "credential".to_owned()),
        }
    }

    /// What an operator should know of the root key: that it must change soon and that this takes an
    /// operator, that it should have changed, or that it has sealed more than it should.
    pub(crate) fn root_key_warnings(&self, now: Timestamp) -> Vec<String> {
        let key = self.vault.root_key_in_force();
        let used_up = (key.seals > MANY_SEALS).then(|| {
            format!(
                "the root key has sealed {} times, of 2^32 that AES-GCM allows; run `tokenctl rekey`",
                key.seals
            )
        });
        let deadline = self.secrets.root_key_deadline();
        let near =
            deadline.warning_due(now).is_some() && self.secrets.needs_operator(&deadline, now);
        let near = near.then(|| describe_root_key(&deadline, now)).flatten();
        let near = near.map(|near| format!("{near}; {}", rekey_hint(&key)));
        used_up.into_iter().chain(near).collect()
    }
}

/// A quarter of what the standard allows: time enough to act.
const MANY_SEALS: u64 = MOST_SEALS / 4;

//! `lock` and `unlock`: forget the root key, and load it again. `lock --revoke` is in `lock_and_revoke`.

use broker_protocol::api::{Status, Unlock as UnlockBody};
use broker_protocol::client::Request;
use zeroize::{Zeroize as _, Zeroizing};

use crate::args::Unlock;
use crate::broker::Broker;
use crate::error::Failure;
use crate::passphrase;
use crate::secret_text;
use crate::ui;

/// Makes the broker forget the root key.
pub(crate) fn lock(broker: &Broker) -> Result<(), Failure> {
    broker.send(&Request::new("POST", "/v1/lock"))?;
    ui::line("locked: no lease until `tokenctl unlock`")
}

/// Makes the broker load the root key again: from a passphrase where that is its source or one was
/// asked for, otherwise from its key file, credential or keyring.
pub(crate) fn unlock(broker: &Broker, how: &Unlock) -> Result<(), Failure> {
    let by_passphrase = how.passphrase || {
        let status: Status = broker.read("/v1/status")?;
        status.broker.is_some_and(|b| b.root_key == "passphrase")
    };
    let typed = if by_passphrase {
        Some(read_passphrase()?)
    } else {
        None
    };
    let mut body = UnlockBody {
        passphrase: typed.map(|mut text| std::mem::take(&mut *text)),
    };
    let request = Request::new("POST", "/v1/unlock").json(&body);
    body.passphrase.zeroize();
    // To the broker, which unwraps the root key with it.
    broker.send_secret(&request?)?;
    ui::line("unlocked")
}

/// From the terminal, or from stdin to its end.
fn read_passphrase() -> Result<Zeroizing<String>, Failure> {
    let text = if ui::stdin_is_terminal() {
        ui::ask_secretly("Passphrase")?
    } else {
        secret_text::read_to_end(&mut std::io::stdin().lock())?
    };
    passphrase::known(text, "passphrase")
}

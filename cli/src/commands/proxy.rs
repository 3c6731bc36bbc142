//! Proxy leases: how their token is used, and what is done with one that cannot be used.
//!
//! The token works only over the broker's second socket, beside the first. `get` says how, and `exec` leads a
//! command there. `git-credential` passes tokens to a git that knows nothing of that socket. It takes no such
//! lease, and revokes one that became a proxy lease between the question and the answer.

use broker_protocol::api::{LeaseView, ProxyView, PurposeView};
use broker_protocol::client::Request;
use broker_protocol::names::Delivery;

use crate::broker::Broker;
use crate::error::Failure;
use crate::shell::quoted;

/// Whether the purpose gives the caller a proxy token. One that no rule gives the caller is not looked
/// at here: the broker denies it, and records that.
pub(crate) fn is_delivered(view: &PurposeView) -> bool {
    view.deliver == Delivery::Proxy && view.rule.is_some()
}

/// Revokes a lease whose token is of no use to the command that took it.
pub(crate) fn give_back(broker: &Broker, lease: &LeaseView) -> Result<(), Failure> {
    let path = format!("/v1/leases/{}", lease.lease);
    broker.send(&Request::new("DELETE", &path)).map(drop)
}

/// The command that uses a token that is in the variable TOKEN.
pub(crate) fn command(proxy: &ProxyView) -> String {
    let socket = quoted(&proxy.socket);
    let url = quoted(&proxy.api);
    format!("curl --unix-socket {socket} -H \"Authorization: Bearer $TOKEN\" {url}/…")
}

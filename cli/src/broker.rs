//! How commands reach the broker: one connection for each request, and the check of who is on the
//! other end before a secret goes there.
//!
//! A secret is sent to a broker that runs as this account, as root, or as the configured account.
//! The configured one is `TOKEND_SERVER_USER` (a name or a uid) where it is set; otherwise, on the
//! system socket only, the account named `tokend`. Only root makes accounts and that socket's
//! directory, so no other account can impersonate it.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use broker_protocol::client::{
    ClientError, Connection, MAX_WHOLE_ANSWER, Request, Response, require_trusted,
};
use broker_protocol::error::ErrorCode;
use broker_protocol::paths::{Paths, SYSTEM_SOCKET};
use nix::unistd::{User, geteuid};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Failure;
use crate::pages;
use crate::starting;
use crate::ui;

/// For what has the broker ask elsewhere: it answers within a minute, and a little is added.
pub(crate) const PATIENCE: Duration = Duration::from_secs(65);

/// The broker that belongs to these places.
pub(crate) struct Broker {
    /// Where its files are.
    pub(crate) places: Paths,
}

impl Broker {
    /// Asks for something that has no body.
    pub(crate) fn get(&self, path: &str) -> Result<Response, Failure> {
        self.send(&Request::new("GET", path).longest(MAX_WHOLE_ANSWER))
    }

    /// Asks, and reads the answer.
    pub(crate) fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        Ok(self.get(path)?.json()?)
    }

    /// Asks for a list, all pages of it.
    pub(crate) fn list(&self, path: &str) -> Result<Response, Failure> {
        pages::all(path, |path| self.get(path))
    }

    /// Asks for a list, and reads all pages of it.
    pub(crate) fn read_list<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        Ok(self.list(path)?.json()?)
    }

    /// Posts a body that holds no secret.
    pub(crate) fn post(&self, path: &str, body: &impl Serialize) -> Result<Response, Failure> {
        let request = Request::new("POST", path).longest(MAX_WHOLE_ANSWER);
        self.send(&request.json(body)?)
    }

    /// Has the broker do something for which it may have to ask elsewhere.
    pub(crate) fn act(&self, path: &str) -> Result<Response, Failure> {
        self.send(&Request::new("POST", path).patience(PATIENCE))
    }

    /// Has the broker load its policies again.
    pub(crate) fn reload(&self) -> Result<Response, Failure> {
        let answer = self.send(&Request::new("POST", "/v1/policies/reload"));
        answer.map_err(|failure| match failure {
            Failure::Broker(refused @ ClientError::Problem { .. })
                if refused.code() == Some(ErrorCode::BadRequest) =>
            {
                Failure::Policies(refused)
            }
            other => other,
        })
    }

    /// Has the broker load its policies again after a change of theirs was undone: it goes on warning of
    /// what it refused until then.
    pub(crate) fn reload_without_it(&self) {
        let Err(Failure::Broker(error)) = self.reload() else {
            return;
        };
        if !matches!(
            error,
            ClientError::Problem { .. } | ClientError::NotThere(_) | ClientError::Deserted(_)
        ) {
            // It may have loaded the change before its answer was lost.
            ui::warning(format_args!(
                "the change is undone, and whether the broker still uses it is not known ({error}); run \
                 `tokenctl policy reload`"
            ));
        }
    }

    /// Sends a request that holds no secret.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Response, Failure> {
        Ok(starting::connect(&self.places)?.send(request)?)
    }

    /// Sends a request that holds a secret, if the server may have it.
    pub(crate) fn send_secret(&self, request: &Request<'_>) -> Result<Response, Failure> {
        Ok(self.trusted()?.send(request)?)
    }

    /// The same, and passes the answer on while it comes. Returns its length.
    pub(crate) fn download(
        &self,
        request: &Request<'_>,
        out: &mut dyn Write,
    ) -> Result<u64, Failure> {
        Ok(self.trusted()?.download(request, out)?)
    }

    fn trusted(&self) -> Result<Connection, Failure> {
        let connection = starting::connect(&self.places)?;
        let server = connection.server()?;
        let own = geteuid().as_raw();
        // Looking an account up may ask a directory service: only where it can change the answer.
        if require_trusted(server, own, None).is_err() {
            let named = std::env::var("TOKEND_SERVER_USER").ok();
            let configured = configured_account(named.as_deref(), &self.places.socket)?;
            require_trusted(server, own, configured)?;
        }
        Ok(connection)
    }
}

fn configured_account(named: Option<&str>, socket: &Path) -> Result<Option<u32>, Failure> {
    let name = match named.filter(|name| !name.is_empty()) {
        Some(name) => name,
        None if socket == Path::new(SYSTEM_SOCKET) => "tokend",
        None => return Ok(None),
    };
    if let Ok(uid) = name.parse() {
        return Ok(Some(uid));
    }
    match User::from_name(name) {
        Ok(user) => Ok(user.map(|user| user.uid.as_raw())),
        Err(errno) => Err(Failure::new(format!(
            "cannot look up the account `{name}`: {errno}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_system_socket_has_an_account_of_its_own_unless_one_is_named() {
        let other = Path::new("/tmp/elsewhere.sock");
        assert_eq!(configured_account(None, other).unwrap(), None);
        assert_eq!(configured_account(Some(""), other).unwrap(), None);
        assert_eq!(configured_account(Some("root"), other).unwrap(), Some(0));
        assert_eq!(configured_account(Some("4711"), other).unwrap(), Some(4711));
        let unknown = configured_account(Some("no-such-account-here"), other);
        assert_eq!(unknown.unwrap(), None);
    }
}

//! Tunnels: a command's HTTPS to one of GitHub's hosts, which ends here under its lease.
//!
//! A tunnel decides nothing but whose it is. The requests in it are those of any other connection: the token in
//! each says under which lease it goes on. Only one without a token goes on under the lease of the tunnel, and only
//! to what is public.

use std::sync::Arc;

use broker_policy::Caller;
use broker_protocol::api::TunnelView;
use broker_protocol::names::LeaseId;
use tokio_rustls::rustls::ServerConfig;

use super::{Forwarding, Refusal};
use crate::leases::proxied::TunnelError;

/// A tunnel that was opened.
pub(crate) struct Tunnel {
    /// The one host that it leads to, as `HOST:PORT`.
    target: Box<str>,
    /// The lease under whose certificate TLS ends.
    pub(crate) lease: LeaseId,
    pub(crate) server: Arc<ServerConfig>,
}

impl Tunnel {
    /// The host's name or address alone.
    pub(crate) fn host(&self) -> &str {
        name_of(&self.target)
    }

    /// Whether a request's `Host` names it.
    pub(crate) fn leads_to(&self, host: &str) -> bool {
        let without_port = self.target.strip_suffix(":443");
        host.eq_ignore_ascii_case(&self.target)
            || without_port.is_some_and(|target| host.eq_ignore_ascii_case(target))
    }
}

impl Forwarding {
    /// What a command needs for tunnels under a lease of this caller's account.
    ///
    /// # Errors
    ///
    /// [`TunnelError`]
    pub(crate) async fn make_tunnel(
        &self,
        lease: &LeaseId,
        caller: &Caller,
    ) -> Result<TunnelView, TunnelError> {
        let hosts = self.base().hosts();
        let names: Vec<_> = hosts.iter().map(|host| name_of(host).to_owned()).collect();
        let end = self.leases.make_tunnel(lease, caller.uid, &names).await?;
        Ok(TunnelView {
            lease: lease.clone(),
            hosts,
            authority: end.authority.to_string(),
        })
    }

    /// Opens a tunnel to `target`, `HOST:PORT`, under a lease of this account.
    ///
    /// # Errors
    ///
    /// [`Refusal`]
    pub(crate) async fn open_tunnel(
        &self,
        lease: LeaseId,
        uid: u32,
        target: &str,
    ) -> Result<Tunnel, Refusal> {
        let hosts = self.base().hosts();
        let target = hosts.iter().find(|host| host.eq_ignore_ascii_case(target));
        let target = target.ok_or_else(|| Refusal::no_tunnel_there(&hosts))?;
        let end = self.leases.tunnel(&lease, uid).await?;
        Ok(Tunnel {
            target: target.as_str().into(),
            lease,
            server: Arc::clone(&end.server),
        })
    }
}

/// Without its port, and an IPv6 address without its brackets.
fn name_of(host: &str) -> &str {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let address = name
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    address.unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_with_its_port_or_without_where_that_is_the_usual_one() {
        for (host, name) in [
            ("github.com:443", "github.com"),
            ("[::1]:4010", "::1"),
            ("127.0.0.1:4010", "127.0.0.1"),
        ] {
            assert_eq!(name_of(host), name);
        }
        let leads = |target: &str, host| {
            let tunnel = Tunnel {
                target: target.into(),
                lease: LeaseId::from_random(1),
                server: broker_tunnel::Certificate::make(
                    "1",
                    &["github.com".to_owned()],
                    jiff::Timestamp::UNIX_EPOCH,
                    jiff::Timestamp::UNIX_EPOCH,
                )
                .and_then(|made| made.server())
                .unwrap(),
            };
            tunnel.leads_to(host)
        };
        for host in ["github.com", "GitHub.com:443"] {
            assert!(leads("github.com:443", host), "{host}");
        }
        for host in [
            "api.github.com",
            "github.com:8443",
            "github.com.",
            "github.com:",
            "",
        ] {
            assert!(!leads("github.com:443", host), "{host}");
        }
        assert!(leads("git.acme.example:8443", "git.acme.example:8443"));
        assert!(!leads("git.acme.example:8443", "git.acme.example"));
    }
}

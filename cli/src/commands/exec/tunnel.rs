//! The way of a command's HTTPS to the broker: a certificate, a port, and the relay that serves it.
//!
//! The command will trust an authority that the broker names for GitHub's hosts. So that is asked only of a
//! broker that might be sent a secret.

use std::env;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{self, PathBuf};
use std::process::{Command, Stdio};

use broker_protocol::api::{LeaseView, TunnelView};
use broker_protocol::client::{ClientError, Request};
use nix::sys::prctl;
use nix::unistd::getpid;

use super::bundle::Bundle;
use super::certificates::Certificates;
use super::leases::Leases;
use crate::account;
use crate::broker::Broker;
use crate::commands::get::TakenLease;
use crate::error::Failure;
use crate::host_port::HostPort;
use crate::relay::process::OWN_PROGRAM;
use crate::relay::{READY, previous};
use crate::ui;

/// What leads a command to the broker, once it serves.
pub(super) struct Tunnel {
    /// GitHub's hosts, whose TLS ends in the broker.
    pub(super) hosts: Vec<HostPort>,
    /// The relay, as variables name a proxy.
    pub(super) relay: String,
    /// The file with all certificates to trust. The relay removes it.
    pub(super) bundle: PathBuf,
}

impl Tunnel {
    /// Starts it for these leases. Each has an authority of its own, so that the command's connections do not
    /// depend on one of them.
    pub(super) fn start(
        broker: &Broker,
        leases: &Leases,
        certificates: &Certificates,
    ) -> Result<Self, Failure> {
        let mut hosts: Vec<HostPort> = Vec::new();
        let mut authorities = Vec::new();
        for TakenLease { lease, .. } in leases.all() {
            let view = ask(broker, lease)?;
            for host in view.hosts {
                let host = host.parse().map_err(|_not| unreadable("a host"))?;
                if !hosts.contains(&host) {
                    hosts.push(host);
                }
            }
            authorities.push(view.authority);
        }
        let text = certificates.after(&authorities);
        let text = text.ok_or_else(|| unreadable("the authority"))?;
        if hosts.is_empty() {
            return Err(unreadable("the list of hosts"));
        }
        let failed = |error| Failure::new(format!("cannot listen on a port of 127.0.0.1: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let bundle = Bundle::write(&text)?;

        let mut relay = Command::new(OWN_PROGRAM);
        relay.arg0("tokenctl").arg("relay");
        relay.arg("--proxy");
        relay.arg(proxy_socket(broker, leases));
        for TakenLease { lease, .. } in leases.all() {
            relay.args(["--lease", lease.lease.as_str()]);
        }
        relay.arg("--bundle").arg(bundle.path());
        for host in &hosts {
            relay.args(["--host", &host.to_string()]);
        }
        start(relay, listener)?;
        note_if_reaper();
        Ok(Self {
            hosts,
            relay: format!("http://127.0.0.1:{port}"),
            bundle: bundle.into_path(),
        })
    }
}

fn ask(broker: &Broker, lease: &LeaseView) -> Result<TunnelView, Failure> {
    let path = format!("/v1/leases/{}/tunnel", lease.lease);
    let answer = broker.send_secret(&Request::new("POST", &path));
    let answer = answer.map_err(explain_untrusted)?;
    Ok(answer.json()?)
}

fn explain_untrusted(failure: Failure) -> Failure {
    match failure {
        Failure::Broker(ClientError::Untrusted(uid)) => Failure::with_hint(
            format!(
                "the broker runs as {}, which is neither this account nor root nor the configured one; the \
                 command was not led to it",
                account::name(uid)
            ),
            "find out whose socket that is; if the broker is meant to run as that account, set \
             TOKEND_SERVER_USER=NAME",
        ),
        failure => failure,
    }
}

fn unreadable(what: &str) -> Failure {
    Failure::with_hint(
        format!("the broker's answer cannot be read: {what} of its tunnel is not of this version"),
        "`tokenctl doctor` compares the two versions",
    )
}

/// Beside the socket that was asked, as this process sees it; the broker may know it by another name.
fn proxy_socket(broker: &Broker, leases: &Leases) -> PathBuf {
    let beside = path::absolute(&broker.places.proxy_socket).ok();
    let mut proxies = leases.all().filter_map(|taken| taken.lease.proxy.as_ref());
    let named = proxies.next().map(|proxy| PathBuf::from(&proxy.socket));
    match (beside, named) {
        (Some(beside), Some(named)) if !beside.exists() => named,
        (Some(beside), _) => beside,
        (None, named) => named.unwrap_or_default(),
    }
}

/// Starts the relay and waits until it takes connections.
fn start(mut relay: Command, listener: TcpListener) -> Result<(), Failure> {
    let no_start = |error: io::Error| Failure::new(format!("cannot start the relay: {error}"));
    let (mut ours, theirs) = UnixStream::pair().map_err(no_start)?;
    relay
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::from(OwnedFd::from(theirs)))
        .env_clear();
    for name in previous::VARIABLES
        .iter()
        .chain(&previous::EXCEPTIONS)
        .chain(&KEPT)
    {
        if let Some(value) = env::var_os(name) {
            relay.env(name, value);
        }
    }
    let mut first = relay.spawn().map_err(no_start)?;
    // With it goes this process's own end for the relay, so that the relay's silence is heard.
    drop(relay);
    let mut said = String::new();
    let heard = ours.read_to_string(&mut said);
    // An error says that someone else takes note of ended processes. What counts is what was said.
    first.wait().map(drop).unwrap_or_default();
    heard.map_err(no_start)?;
    match &*said {
        READY => Ok(()),
        "" => Err(Failure::new("cannot start the relay: it ended at once")),
        why => Err(Failure::new(why)),
    }
}

/// Processes whose parent has ended become children of process 1, or of a process that asked for them: so the
/// relay becomes the command's.
fn note_if_reaper() {
    let asked_for = prctl::get_child_subreaper() == Ok(true);
    if getpid().as_raw() == 1 || asked_for {
        ui::note(
            "the command gets the relay as a child that it has not started, and may wait for it for ever; give \
             the container an init, as with `docker run --init`",
        );
    }
}

/// What the relay needs of the environment to look names up, and to be run at all.
const KEPT: [&str; 5] = [
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "HOSTALIASES",
    "LOCALDOMAIN",
    "RES_OPTIONS",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_of_another_account_is_to_be_looked_into_before_it_is_trusted() {
        let failure = explain_untrusted(Failure::Broker(ClientError::Untrusted(4711)));
        assert!(
            failure.to_string().contains("runs as uid 4711"),
            "{failure}"
        );
        assert!(
            failure
                .hint()
                .unwrap()
                .starts_with("find out whose socket that is")
        );
        let other = explain_untrusted(Failure::Broker(ClientError::Cut));
        assert!(matches!(other, Failure::Broker(ClientError::Cut)));
    }
}

//! Where a `CONNECT` leads: to the broker, directly to the host, or to the previous proxy.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use broker_protocol::api::{ERROR_HEADER, LEASE_HEADER};
use broker_protocol::error::ErrorCode;
use broker_protocol::names::LeaseId;
use broker_protocol::paths::start_command_of;

use super::MOST_ELSEWHERE;
use super::answer::Answer;
use super::head::{self, Head, NoHead};
use super::place::{Open, Place};
use super::previous::Previous;
use super::stream::Stream;
use crate::host_port::HostPort;
use crate::no_proxy;

/// What the relay knows of the world.
pub(super) struct Ways {
    /// GitHub's hosts, whose TLS ends in the broker.
    pub(super) hosts: Vec<HostPort>,
    /// The broker's socket for them.
    pub(super) socket: PathBuf,
    /// The leases that their tunnels may belong to.
    pub(super) leases: Vec<LeaseId>,
    /// Which of them the broker accepted last. It is tried first: each refusal goes on record.
    pub(super) accepted: AtomicUsize,
    /// The proxy that leads to other hosts, if there is one.
    pub(super) previous: Option<Previous>,
    /// The hosts that were asked without it.
    pub(super) no_proxy: String,
    /// The connections that lead to other hosts.
    pub(super) open_elsewhere: Open,
}

/// The other end of a tunnel, and what it has said already.
pub(super) struct Opened {
    pub(super) stream: Stream,
    pub(super) said: Vec<u8>,
    /// Held while the tunnel is open, if it leads to another host than GitHub's.
    place: Option<Place>,
}

impl Ways {
    /// Opens a tunnel, or says why there is none.
    pub(super) fn open(&self, to: &HostPort) -> Result<Opened, Answer> {
        if self.hosts.contains(to) {
            return self.through_broker(to);
        }
        let place = Place::take(&self.open_elsewhere);
        if place.number() > MOST_ELSEWHERE {
            let to = " to other hosts than GitHub's";
            return Err(Answer::too_many(MOST_ELSEWHERE, to));
        }
        let mut opened = self.elsewhere(to)?;
        opened.place = Some(place);
        Ok(opened)
    }

    fn elsewhere(&self, to: &HostPort) -> Result<Opened, Answer> {
        // Another port of GitHub's is not the broker's, and not the previous proxy's either.
        let ours = self.hosts.iter().any(|host| host.host() == to.host());
        match &self.previous {
            Some(previous) if !ours && !no_proxy::goes_directly(&self.no_proxy, to) => {
                through_previous(previous, to)
            }
            _ => directly(to),
        }
    }

    /// Opens a tunnel under one of the leases: some may have ended before the others.
    fn through_broker(&self, to: &HostPort) -> Result<Opened, Answer> {
        let first = self.accepted.load(Ordering::Relaxed);
        let order = (first..self.leases.len()).chain(0..first);
        let mut unknown = None;
        for (at, lease) in order.filter_map(|at| Some((at, self.leases.get(at)?))) {
            match self.under(lease, to) {
                Ok(opened) => {
                    self.accepted.store(at, Ordering::Relaxed);
                    return Ok(opened);
                }
                Err(NoTunnel::UnknownLease(answer)) => unknown = Some(answer),
                Err(NoTunnel::Other(answer)) => return Err(answer),
            }
        }
        Err(unknown.unwrap_or_else(|| Answer::bad_gateway("the command has no lease")))
    }

    fn under(&self, lease: &LeaseId, to: &HostPort) -> Result<Opened, NoTunnel> {
        let path = self.socket.display();
        let failed = |why| NoTunnel::Other(Answer::bad_gateway(why));
        let stream = UnixStream::connect(&self.socket).map_err(|error| {
            let start = start_command_of(&self.socket);
            failed(format!(
                "the broker is not reachable at {path}: {error}; start it with `{start}`"
            ))
        })?;
        let stream = Stream::Unix(stream);
        let request =
            format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{LEASE_HEADER}: {lease}\r\n\r\n");
        let unanswered = |why| failed(format!("the broker has not answered at {path}: {why}"));
        let answer = ask(&stream, &request).map_err(unanswered)?;
        match answer.status() {
            Some(200..=299) => Ok(opened(stream, answer.rest)),
            Some(403) if answer.header(ERROR_HEADER) == Some(ErrorCode::UnknownLease.as_str()) => {
                Err(NoTunnel::UnknownLease(pass_on(&stream, answer)))
            }
            Some(_) => Err(NoTunnel::Other(pass_on(&stream, answer))),
            None => Err(unanswered(NOT_HTTP.to_owned())),
        }
    }
}

/// Why there is no tunnel under a lease.
enum NoTunnel {
    /// The lease has ended; what the broker says of it.
    UnknownLease(Answer),
    /// Another lease would not help.
    Other(Answer),
}

fn directly(to: &HostPort) -> Result<Opened, Answer> {
    let stream =
        dial(to).map_err(|error| Answer::bad_gateway(format!("cannot reach {to}: {error}")))?;
    Ok(opened(stream, Vec::new()))
}

fn through_previous(previous: &Previous, to: &HostPort) -> Result<Opened, Answer> {
    let Previous { variable, at, .. } = previous;
    let failed = |why: String| {
        Answer::bad_gateway(format!(
            "cannot reach {to} through the proxy in `{variable}`, {at}: {why}"
        ))
    };
    let stream = dial(at).map_err(|error| failed(error.to_string()))?;
    let mut request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n");
    if let Some(authorization) = &previous.authorization {
        request.push_str("Proxy-Authorization: ");
        request.push_str(authorization);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let answer = ask(&stream, &request).map_err(failed)?;
    match answer.status() {
        Some(200..=299) => Ok(opened(stream, answer.rest)),
        Some(407) => Err(failed(
            "it wants another name or password (status 407)".to_owned(),
        )),
        Some(status) => Err(failed(format!("it refused with status {status}"))),
        None => Err(failed(NOT_HTTP.to_owned())),
    }
}

/// Tries all addresses of the host.
fn dial(to: &HostPort) -> io::Result<Stream> {
    let addresses: Vec<SocketAddr> = (to.host(), to.port())
        .to_socket_addrs()?
        .take(MOST)
        .collect();
    let each = PATIENCE / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(3);
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(&address, each) {
            Ok(stream) => return Stream::tcp(stream),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("it has no address")))
}

fn ask(stream: &Stream, request: &str) -> Result<Head, String> {
    stream
        .set_patience(PATIENCE)
        .and_then(|()| stream.write_all(request.as_bytes()))
        .map_err(|error| error.to_string())?;
    head::read(stream, PATIENCE).map_err(|no_head| match no_head {
        NoHead::Cut => "it closed the connection".to_owned(),
        NoHead::Late => format!("it said nothing for {} s", PATIENCE.as_secs()),
        NoHead::TooLong | NoHead::NotHttp => NOT_HTTP.to_owned(),
    })
}

const fn opened(stream: Stream, said: Vec<u8>) -> Opened {
    Opened {
        stream,
        said,
        place: None,
    }
}

/// What the broker says instead of opening a tunnel, whole.
fn pass_on(stream: &Stream, head: Head) -> Answer {
    let mut bytes = head.bytes().to_vec();
    let body = head.content_length().unwrap_or(LONGEST_BODY);
    let whole = bytes.len() + body.min(LONGEST_BODY);
    bytes.extend_from_slice(&head.rest);
    let mut part = [0; 4096];
    while bytes.len() < whole {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => break,
            Ok(length) => bytes.extend_from_slice(part.get(..length).unwrap_or_default()),
        }
    }
    bytes.truncate(whole);
    stream.shut_down(Shutdown::Both);
    Answer::as_it_came(bytes)
}

/// For an answer, and for a connection to one of a host's addresses a part of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Addresses of a host.
const MOST: usize = 8;

/// Bytes of a refusal's body.
const LONGEST_BODY: usize = 64 * 1024;

const NOT_HTTP: &str = "it does not answer as a proxy does";

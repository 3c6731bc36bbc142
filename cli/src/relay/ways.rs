//! Where a `CONNECT` leads: to the broker, directly to the host, or to the proxy of before.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use broker_protocol::api::LEASE_HEADER;
use broker_protocol::names::LeaseId;

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
    /// The lease that their tunnels belong to.
    pub(super) lease: LeaseId,
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

    fn through_broker(&self, to: &HostPort) -> Result<Opened, Answer> {
        let path = self.socket.display();
        let stream = UnixStream::connect(&self.socket).map_err(|error| {
            let why =
                format!("the broker is not reachable at {path}: {error}; start it with `tokend`");
            Answer::bad_gateway(why)
        })?;
        let stream = Stream::Unix(stream);
        let lease = &self.lease;
        let request =
            format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{LEASE_HEADER}: {lease}\r\n\r\n");
        let unanswered =
            |why| Answer::bad_gateway(format!("the broker has not answered at {path}: {why}"));
        let answer = ask(&stream, &request).map_err(unanswered)?;
        match answer.status() {
            Some(200..=299) => opened(stream, answer.rest),
            Some(_) => Err(pass_on(&stream, answer)),
            None => Err(unanswered(NOT_HTTP.to_owned())),
        }
    }
}

fn directly(to: &HostPort) -> Result<Opened, Answer> {
    let stream =
        dial(to).map_err(|error| Answer::bad_gateway(format!("cannot reach {to}: {error}")))?;
    opened(stream, Vec::new())
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
        Some(200..=299) => opened(stream, answer.rest),
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
        .set_patience(Some(PATIENCE))
        .and_then(|()| stream.write_all(request.as_bytes()))
        .map_err(|error| error.to_string())?;
    head::read(stream, PATIENCE).map_err(|no_head| match no_head {
        NoHead::Cut(_) => "it closed the connection".to_owned(),
        NoHead::Late => format!("it said nothing for {} s", PATIENCE.as_secs()),
        NoHead::TooLong | NoHead::NotHttp => NOT_HTTP.to_owned(),
    })
}

fn opened(stream: Stream, said: Vec<u8>) -> Result<Opened, Answer> {
    Ok(Opened {
        stream,
        said,
        place: None,
    })
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

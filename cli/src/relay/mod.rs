//! The relay: a loopback port that leads one command's HTTPS to the broker.
//!
//! ```text
//! command ─CONNECT→ relay ─GitHub's hosts→ proxy.sock, where TLS ends
//!                         └─all others───→ the host, or the previous proxy
//! ```
//!
//! Clients know proxies, and no Unix socket. So `exec` leaves this process beside the command: forked
//! twice, in a session of its own, with none of the command's files. It holds no token. What passes
//! through it is encrypted between the command and the other end. It serves sockets of its own account
//! only, and ends when the command has ended.
//!
//! Blocking threads and no runtime: a tunnel is two loops that copy.
//!
//! Not here: what a request may do. That is the broker's to decide, on what is inside the tunnel.

mod account;
mod answer;
mod copy;
mod head;
mod place;
pub(crate) mod previous;
pub(crate) mod process;
mod stream;
mod ways;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::geteuid;

use self::answer::{Answer, established};
use self::head::{NoHead, ProxyRequest};
use self::place::{Open, Place};
use self::stream::Stream;
use self::ways::Ways;
use crate::args;
use crate::clock;
use crate::error::Failure;

/// What a relay says when it takes connections.
pub(crate) const READY: &str = "ready";

/// Runs as the relay that `exec` started; the first of two processes only starts the second.
pub(crate) fn run(asked: args::Relay) -> Result<(), Failure> {
    if !asked.detached {
        return process::start_again()
            .map_err(|error| Failure::new(format!("cannot start the relay: {error}")));
    }
    let bundle = asked.bundle.clone();
    match prepare(asked) {
        Ok(prepared) => {
            let served = say(READY).and_then(|()| prepared.serve());
            fs::remove_file(bundle).unwrap_or_default();
            served.map_err(|error| Failure::new(format!("the relay has ended: {error}")))
        }
        Err(failure) => {
            // `exec` reads it there, and says it in its own name: not twice.
            say(&failure.to_string()).map_err(Failure::Output)?;
            let silent = process::open_nothing().and_then(|nothing| process::fall_silent(&nothing));
            silent.map_err(Failure::Output)?;
            Err(failure)
        }
    }
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// What `exec` handed over, and what was made of it.
struct Prepared {
    relay: Relay,
    listener: TcpListener,
    /// Readable once the command has ended.
    command: OwnedFd,
    nothing: File,
}

impl Prepared {
    fn serve(self) -> io::Result<()> {
        process::fall_silent(&self.nothing)?;
        drop(self.nothing);
        self.relay.serve(&self.listener, &self.command)
    }
}

/// Takes over what `exec` handed over: the port as standard input, a socket pair as standard output.
fn prepare(asked: args::Relay) -> Result<Prepared, Failure> {
    let no_start = |error: io::Error| Failure::new(format!("the relay cannot start: {error}"));
    process::block_signals().map_err(no_start)?;
    process::leave().map_err(no_start)?;
    let listener = io::stdin().as_fd().try_clone_to_owned().map_err(no_start)?;
    let listener = TcpListener::from(listener);
    listener.set_nonblocking(true).map_err(no_start)?;
    // Who made the pair is who becomes the command: no process number that could be another's by now.
    let pair = io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map_err(no_start)?;
    let command = getsockopt(&UnixStream::from(pair), sockopt::PeerPidfd).map_err(|errno| {
        Failure::new(format!(
            "the kernel does not tell the relay when the command ends (Linux 6.5 does): {errno}"
        ))
    })?;
    let env = |name: &str| std::env::var_os(name);
    let exceptions = previous::first(&previous::EXCEPTIONS, &env)?;
    let ways = Ways {
        hosts: asked.hosts,
        socket: asked.proxy,
        leases: asked.leases,
        accepted: AtomicUsize::new(0),
        previous: previous::find(&env)?,
        no_proxy: exceptions.map_or_else(String::new, |(_, list)| String::clone(&list)),
        open_elsewhere: Arc::default(),
    };
    let own = geteuid().as_raw();
    let relay = Relay {
        ways: Arc::new(ways),
        open: Arc::default(),
        is_own: Box::new(move |peer, here| account::owner(peer, here) == Some(own)),
    };
    Ok(Prepared {
        relay,
        listener,
        command,
        nothing: process::open_nothing().map_err(no_start)?,
    })
}

struct Relay {
    ways: Arc<Ways>,
    open: Open,
    /// Whether the connection from there to here is of the relay's account.
    is_own: Box<dyn Fn(SocketAddrV4, SocketAddrV4) -> bool + Send>,
}

impl Relay {
    /// Serves until the command has ended.
    fn serve(&self, listener: &TcpListener, command: &impl AsFd) -> io::Result<()> {
        loop {
            let mut fds = [
                PollFd::new(command.as_fd(), PollFlags::POLLIN),
                PollFd::new(listener.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            let [command_fd, _] = fds;
            if command_fd.any() == Some(true) {
                return Ok(());
            }
            match listener.accept() {
                Ok((client, peer)) => self.admit(client, peer),
                Err(error) if is_of_one_connection(&error) => {}
                // No descriptor or no memory is left: tunnels that end make room.
                Err(_) => clock::pause(Duration::from_millis(20)),
            }
        }
    }

    /// Serves a connection in a thread of its own, if it is of this account.
    fn admit(&self, client: TcpStream, peer: SocketAddr) {
        let (SocketAddr::V4(peer), Ok(SocketAddr::V4(here))) = (peer, client.local_addr()) else {
            return;
        };
        if !(self.is_own)(peer, here) {
            return;
        }
        let place = Place::take(&self.open);
        if place.number() > MOST + MOST_REFUSED {
            return;
        }
        let ways = Arc::clone(&self.ways);
        let serve = move || {
            // A client that has gone needs no answer.
            serve(client, &ways, &place).unwrap_or_default();
        };
        // Without a thread the connection is closed: the command tries again, or says so.
        thread::Builder::new()
            .stack_size(STACK)
            .spawn(serve)
            .map(drop)
            .unwrap_or_default();
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(
        error.kind(),
        WouldBlock | Interrupted | ConnectionAborted | ConnectionReset
    )
}

fn serve(client: TcpStream, ways: &Ways, place: &Place) -> io::Result<()> {
    let client = Stream::tcp(client)?;
    let opened = match head::read(&client, HEAD_PATIENCE) {
        Err(NoHead::Cut) => return Ok(()),
        Err(NoHead::Late) => Err(Answer::too_late()),
        Err(NoHead::TooLong) => Err(Answer::too_long()),
        Err(NoHead::NotHttp) => Err(Answer::bad_request("this is no request in HTTP")),
        Ok(_) if place.number() > MOST => Err(Answer::too_many(MOST, "")),
        Ok(head) => match head.request() {
            ProxyRequest::OtherMethod => Err(Answer::only_connect()),
            ProxyRequest::Malformed => Err(Answer::bad_request(
                "CONNECT needs HOST:PORT and HTTP/1.1 or 1.0",
            )),
            ProxyRequest::Tunnel(to) => ways.open(&to).map(|opened| (opened, head.rest)),
        },
    };
    let (upstream, early) = match opened {
        Ok(opened) => opened,
        Err(answer) => return answer.send(&client),
    };
    established(&client)?;
    client.write_all(&upstream.said)?;
    upstream.stream.write_all(&early)?;
    copy::both_ways(&client, &upstream.stream, SILENCE)
}

/// Connections that are served at a time.
const MOST: usize = 256;

/// Those of them that may lead to other hosts than GitHub's: so many of a program's leave room for GitHub's.
const MOST_ELSEWHERE: usize = 192;

/// Connections beyond them that are told so.
const MOST_REFUSED: usize = 32;

/// For a client to say what it wants.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// For a way of a tunnel whose other way has ended: broken after one to two times this without a byte.
const SILENCE: Duration = Duration::from_secs(30);

/// Bytes: looking a name up takes the most.
const STACK: usize = 512 * 1024;

#[cfg(test)]
mod tests;

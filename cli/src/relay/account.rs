//! Whose socket is on the other end of a loopback connection.
//!
//! Every account of the machine can connect to a loopback port, and to the broker all that comes through
//! the relay is the relay's own account. So the relay serves no other. The kernel knows who opened the
//! other end; it is asked over netlink for that one socket, which takes microseconds. Reading
//! `/proc/net/tcp` takes milliseconds, because the kernel walks its whole table: that is for where there is
//! no such netlink, and not for connections that have gone meanwhile, of which any account can make many.

use std::fs;
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

/// The account whose socket has this local and this remote address, if a process holds such a connection.
pub(super) fn owner(local: SocketAddrV4, remote: SocketAddrV4) -> Option<u32> {
    match ask_netlink(local, remote) {
        DiagAnswer::Socket(owner) => owner,
        // A kernel whose netlink does not know TCP says the same. At the relay's own end there is always a
        // socket: the listener, if no other.
        DiagAnswer::NoEntry if matches!(ask_netlink(remote, local), DiagAnswer::Socket(_owner)) => {
            None
        }
        DiagAnswer::NoEntry | DiagAnswer::Unusable => read_from_tables(local, remote),
    }
}

/// What netlink answers.
#[derive(Debug, PartialEq, Eq)]
enum DiagAnswer {
    /// There is a socket; and its account, if it is this connection's and a process holds it.
    Socket(Option<u32>),
    /// There is none.
    NoEntry,
    /// Netlink is missing, or said something else.
    Unusable,
}

fn ask_netlink(local: SocketAddrV4, remote: SocketAddrV4) -> DiagAnswer {
    let flags = SockFlag::SOCK_CLOEXEC;
    let protocol = SockProtocol::NetlinkSockDiag;
    let ask = || -> nix::Result<DiagAnswer> {
        let diag = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        let question = question(local, remote);
        send(diag.as_raw_fd(), &question, MsgFlags::empty())?;
        let mut answer = [0; 1024];
        let length = recv(diag.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT)?;
        let answer = answer.get(..length).unwrap_or_default();
        Ok(read_answer(answer, local, remote).unwrap_or(DiagAnswer::Unusable))
    };
    ask().unwrap_or(DiagAnswer::Unusable)
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`: sock_diag(7). A question about one IPv4 connection
/// finds an IPv6 socket that it belongs to as well, such as Java's.
fn question(local: SocketAddrV4, remote: SocketAddrV4) -> Vec<u8> {
    let mut out = Vec::with_capacity(LENGTH.into());
    out.extend(u32::from(LENGTH).to_ne_bytes());
    out.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    out.extend(NLM_F_REQUEST.to_ne_bytes());
    out.extend([0; 8]); // sequence number and sender: one question a socket
    out.extend([AF_INET, IPPROTO_TCP, 0, 0]);
    let states = STATES.iter().fold(0_u32, |bits, state| bits | 1 << state);
    out.extend(states.to_ne_bytes());
    out.extend(socket_id(local, remote));
    out.extend([0; 4]); // any interface
    out.extend([0xff; 8]); // no cookie
    out
}

/// The first members of `struct inet_diag_sockid`.
fn socket_id(local: SocketAddrV4, remote: SocketAddrV4) -> Vec<u8> {
    let mut out = Vec::with_capacity(36);
    for port in [local.port(), remote.port()] {
        out.extend(port.to_be_bytes());
    }
    for ip in [local.ip(), remote.ip()] {
        out.extend(ip.octets());
        out.extend([0; 12]);
    }
    out
}

/// Reads a `struct nlmsghdr` with a `struct inet_diag_msg` or a `struct nlmsgerr` after it.
fn read_answer(answer: &[u8], local: SocketAddrV4, remote: SocketAddrV4) -> Option<DiagAnswer> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    if kind == NLMSG_ERROR {
        let errno = i32::from_ne_bytes(answer.get(16..20)?.try_into().ok()?);
        return (errno == -(Errno::ENOENT as i32)).then_some(DiagAnswer::NoEntry);
    }
    let state = *answer.get(17)?;
    let ports = answer.get(20..24)?;
    let uid = u32::from_ne_bytes(answer.get(80..84)?.try_into().ok()?);
    let inode = u32::from_ne_bytes(answer.get(84..88)?.try_into().ok()?);
    if kind != SOCK_DIAG_BY_FAMILY {
        return None;
    }
    let same_ports = socket_id(local, remote).starts_with(ports);
    // A socket that no process holds any more has no inode, and root for its account.
    let found = same_ports && STATES.contains(&state) && inode != 0;
    Some(DiagAnswer::Socket(found.then_some(uid)))
}

fn read_from_tables(local: SocketAddrV4, remote: SocketAddrV4) -> Option<u32> {
    // A line may be left out while others before it come and go.
    let tries = ["/proc/net/tcp", "/proc/net/tcp6"].repeat(3);
    tries.into_iter().find_map(|table| {
        let table = fs::read_to_string(table).ok()?;
        find(&table, local, remote)
    })
}

/// Finds the connection in the text of `/proc/net/tcp` or `/proc/net/tcp6`: proc_net_tcp.rst of the kernel.
fn find(table: &str, local: SocketAddrV4, remote: SocketAddrV4) -> Option<u32> {
    let v4 = |at: SocketAddrV4| format!("{}:{:04X}", word(at), at.port());
    let v6 = |at: SocketAddrV4| {
        let mapped = u32::from_ne_bytes([0, 0, 0xff, 0xff]);
        format!("{:016X}{mapped:08X}{}:{:04X}", 0, word(at), at.port())
    };
    let wanted = [[v4(local), v4(remote)], [v6(local), v6(remote)]];
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let ends = [fields.next()?, fields.next()?];
        let state = fields.next()?;
        let uid = fields.nth(3)?;
        let inode = fields.nth(1)?;
        let state = u8::from_str_radix(state, 16).ok()?;
        let found =
            wanted.iter().any(|wanted| *wanted == ends) && STATES.contains(&state) && inode != "0";
        found.then(|| uid.parse().ok()).flatten()
    })
}

/// The address as the kernel prints it there: its bytes read as one number of this machine.
fn word(at: SocketAddrV4) -> String {
    format!("{:08X}", u32::from_ne_bytes(at.ip().octets()))
}

/// Of the question, in bytes.
const LENGTH: u16 = 72;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;
const NLMSG_ERROR: u16 = 2;

/// `TCP_ESTABLISHED`, `TCP_FIN_WAIT1`, `TCP_FIN_WAIT2` and `TCP_CLOSE_WAIT`: a client may have said that it
/// sends no more.
const STATES: [u8; 4] = [1, 4, 5, 8];

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

    use nix::unistd::geteuid;

    use super::*;
    use crate::relay::stream::Stream;

    /// Both ends of a connection to a loopback port, and their addresses.
    fn connected(to: &str) -> (TcpStream, TcpStream, SocketAddrV4, SocketAddrV4) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(format!("{to}:{port}")).unwrap();
        let (server, peer) = listener.accept().unwrap();
        let (SocketAddr::V4(peer), SocketAddr::V4(own)) = (peer, server.local_addr().unwrap())
        else {
            panic!("not IPv4");
        };
        (client, server, peer, own)
    }

    #[test]
    fn the_kernel_says_whose_socket_it_is_in_both_ways() {
        let uid = Some(geteuid().as_raw());
        for to in ["127.0.0.1", "[::ffff:127.0.0.1]"] {
            let (client, server, peer, own) = connected(to);
            for half_closed in [false, true] {
                if half_closed {
                    client.shutdown(Shutdown::Write).unwrap();
                }
                assert_eq!(ask_netlink(peer, own), DiagAnswer::Socket(uid), "{to}");
                assert_eq!(read_from_tables(peer, own), uid, "{to}");
                assert_eq!(owner(peer, own), uid, "{to}");
            }
            drop((client, server));
        }
    }

    #[test]
    fn a_connection_that_no_process_holds_any_more_has_no_owner() {
        for broken in [false, true] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (SocketAddr::V4(peer), SocketAddr::V4(own)) =
                (client.local_addr().unwrap(), client.peer_addr().unwrap())
            else {
                panic!("not IPv4");
            };
            if broken {
                Stream::tcp(client).unwrap().break_on_close();
                // As a flood of connections leaves them: not one of the two ends is there.
                assert_eq!(ask_netlink(peer, own), DiagAnswer::NoEntry);
                assert_eq!(ask_netlink(own, peer), DiagAnswer::Socket(None));
            } else {
                drop(client);
                assert_eq!(ask_netlink(peer, own), DiagAnswer::Socket(None));
            }
            assert_eq!(owner(peer, own), None);
            assert_eq!(read_from_tables(peer, own), None);
        }
    }

    #[test]
    fn a_listener_or_a_connection_elsewhere_is_not_taken_for_it() {
        let (_client, _server, peer, own) = connected("127.0.0.1");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(listening) = listener.local_addr().unwrap() else {
            panic!("not IPv4");
        };
        let unused = SocketAddrV4::new(*own.ip(), 1);
        for (local, remote) in [
            (listening, own),
            (unused, own),
            (peer, unused),
            (unused, listening),
        ] {
            assert_eq!(owner(local, remote), None, "{local} {remote}");
        }
    }

    #[test]
    fn an_answer_that_is_short_or_about_something_else_says_nothing() {
        let local = "127.0.0.1:40000".parse().unwrap();
        let remote = "127.0.0.1:4711".parse().unwrap();
        let mut answer = vec![0; 88];
        answer[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        answer[17] = 1;
        answer[20..22].copy_from_slice(&40000_u16.to_be_bytes());
        answer[22..24].copy_from_slice(&4711_u16.to_be_bytes());
        answer[80..84].copy_from_slice(&1001_u32.to_ne_bytes());
        answer[84..88].copy_from_slice(&7_u32.to_ne_bytes());
        let found = Some(DiagAnswer::Socket(Some(1001)));
        assert_eq!(read_answer(&answer, local, remote), found);
        for length in 0..88 {
            assert_eq!(read_answer(&answer[..length], local, remote), None);
        }
        for state in 0..16 {
            answer[17] = state;
            let uid = [1, 4, 5, 8].contains(&state).then_some(1001);
            let want = Some(DiagAnswer::Socket(uid));
            assert_eq!(read_answer(&answer, local, remote), want, "{state}");
        }
        answer[17] = 1;
        for (at, byte) in [(17, 10), (20, 0), (23, 0), (84, 0)] {
            let mut other = answer.clone();
            other[at] = byte;
            let want = Some(DiagAnswer::Socket(None));
            assert_eq!(read_answer(&other, local, remote), want, "{at}");
        }
        answer[4] = 3;
        assert_eq!(read_answer(&answer, local, remote), None);
        for (errno, want) in [(2, Some(DiagAnswer::NoEntry)), (95, None), (0, None)] {
            answer[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
            answer[16..20].copy_from_slice(&i32::to_ne_bytes(-errno));
            assert_eq!(read_answer(&answer, local, remote), want, "{errno}");
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn tables_are_read_as_the_kernel_prints_them() {
        let v4 = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1267 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 2576738 1 0 100 0
   1: 0100007F:9C40 0100007F:1267 01 00000000:00000000 00:00000000 00000000  1001        0 2576739 2 0 20 4
   2: 0100007F:1267 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 2576740 1 0 20 4
   3: 0100007F:9C41 0100007F:1267 06 00000000:00000000 03:000017A2 00000000     0        0 0 3 0
   4: 0100007F:9C43 0100007F:1267 05 00000000:00000000 00:00000000 00000000  1003        0 2576741 1 0 20 4
   5: 0100007F:9C44 0100007F:1267 05 00000000:00000000 00:00000000 00000000     0        0 0 1 0 20 4
";
        let v6 = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0000000000000000FFFF00000100007F:9C42 0000000000000000FFFF00000100007F:1267 01 00000000:00000000 00:00000000 00000000  1002        0 1 1 0 20 4
";
        let at = |port: u16| SocketAddrV4::new([127, 0, 0, 1].into(), port);
        assert_eq!(find(v4, at(40000), at(4711)), Some(1001));
        assert_eq!(find(v4, at(4711), at(40000)), Some(1000));
        assert_eq!(find(v4, at(40001), at(4711)), None, "closed");
        assert_eq!(find(v4, at(40003), at(4711)), Some(1003), "half-closed");
        assert_eq!(find(v4, at(40004), at(4711)), None, "held by no process");
        assert_eq!(find(v4, at(4711), at(0)), None, "a listener");
        assert_eq!(find(v4, at(40000), at(4712)), None);
        assert_eq!(find(v6, at(40002), at(4711)), Some(1002));
        for cut in 0..v4.len() {
            find(v4.get(..cut).unwrap(), at(40000), at(4711));
        }
        for bad in [
            "",
            "x",
            "a b c d e f g h",
            "0: 0100007F:9C40 0100007F:1267 01 0 0 0 x 0 1",
        ] {
            assert_eq!(find(bad, at(40000), at(4711)), None);
        }
    }
}

//! How long a tunnel stays open whose one way has ended.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use super::*;
use crate::clock;

const SILENCE: Duration = Duration::from_millis(100);

/// The far ends of a tunnel, the client's and the upstream's, and what says that it has ended.
fn tunnel() -> (TcpStream, TcpStream, Receiver<()>) {
    let (client, near_client) = connection();
    let (upstream, near_upstream) = connection();
    let (tell, ended) = channel();
    thread::spawn(move || {
        both_ways(&near_client, &near_upstream, SILENCE).unwrap();
        drop((near_client, near_upstream));
        tell.send(()).unwrap_or_default();
    });
    (client, upstream, ended)
}

fn connection() -> (TcpStream, Stream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    far.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (far, Stream::tcp(listener.accept().unwrap().0).unwrap())
}

fn wait(ended: &Receiver<()>) {
    ended.recv_timeout(Duration::from_secs(20)).unwrap();
}

#[test]
fn a_client_that_keeps_what_its_host_has_closed_is_cut_off() {
    let (mut client, upstream, ended) = tunnel();
    drop(upstream);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    wait(&ended);
    // It sees that this was no orderly end.
    let broken = (0..500).any(|_| {
        clock::pause(Duration::from_millis(10));
        client.write_all(b"x").is_err()
    });
    assert!(broken);
}

#[test]
fn a_host_that_takes_no_more_and_says_no_more_is_cut_off() {
    let (client, _upstream, ended) = tunnel();
    client.shutdown(Shutdown::Write).unwrap();
    wait(&ended);

    let (mut client, upstream, ended) = tunnel();
    upstream.shutdown(Shutdown::Write).unwrap();
    // More than all buffers between the ends hold.
    let sending = thread::spawn(move || {
        let part = vec![0; 1 << 20];
        while client.write_all(&part).is_ok() {}
    });
    wait(&ended);
    sending.join().unwrap();
}

#[test]
fn a_half_closed_transfer_in_which_something_moves_goes_on() {
    let (mut client, mut upstream, ended) = tunnel();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(upstream.read(&mut [0]).unwrap(), 0);
    let mut byte = [0];
    for _ in 0..12 {
        clock::pause(SILENCE / 2);
        upstream.write_all(b"x").unwrap();
        client.read_exact(&mut byte).unwrap();
    }
    drop(upstream);
    assert_eq!(client.read(&mut byte).unwrap(), 0);
    wait(&ended);
}

#[test]
fn an_open_tunnel_may_be_silent() {
    let (mut client, mut upstream, ended) = tunnel();
    let silent = ended.recv_timeout(SILENCE * 5);
    assert_eq!(silent, Err(RecvTimeoutError::Timeout));
    client.write_all(b"x").unwrap();
    upstream.read_exact(&mut [0]).unwrap();
    drop(client);
    assert_eq!(upstream.read(&mut [0]).unwrap(), 0);
    drop(upstream);
    wait(&ended);
}

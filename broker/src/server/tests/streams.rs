//! Bodies that take their time, and clients that do not move.

use axum::body::Bytes;
use broker_clock::ManualClock;
use broker_policy::Caller;
use futures_util::stream;

use super::*;
use crate::caller::Peer;
use crate::config::Limits;
use crate::connection::Connection;
use crate::server::admission::Rank;
use crate::server::requests::Admitted;
use crate::server::slots::Slots;

#[tokio::test]
async fn an_upload_may_take_longer_than_a_head_may() {
    let waits = Waits {
        head: SHORT,
        ..PATIENT
    };
    let running = Running::proxy_with(waits, Fake::new(counted));
    let mut upload = running.proxy(POST).await;
    for byte in [b"a", b"b", b"c"] {
        tokio::time::sleep(2 * SHORT).await;
        upload.write_all(byte).await.unwrap();
    }
    let answer = answer(&mut upload).await;
    assert!(answer.ends_with("\r\n\r\n3"), "{answer}");

    let half = running.proxy("GET / HTTP/1.1\r\nhost: api").await;
    assert_eq!(rest(half).await, "", "a head may not");
}

#[tokio::test]
async fn an_upload_that_stops_is_cut_off_with_the_reason() {
    let waits = Waits {
        idle: SHORT,
        ..PATIENT
    };
    let running = Running::proxy_with(waits, Fake::new(counted));
    let upload = running.proxy(&format!("{POST}a")).await;
    let answer = rest(upload).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("sent nothing more"), "{answer}");
}

#[tokio::test]
async fn a_client_is_not_cut_off_while_no_one_asks_for_more_of_its_upload() {
    let waits = Waits {
        idle: SHORT,
        ..PATIENT
    };
    let late = Fake::new(|request| async {
        tokio::time::sleep(3 * SHORT).await;
        counted(request).await
    });
    let running = Running::proxy_with(waits, late);
    let mut upload = running.proxy(&format!("{POST}abc")).await;
    let answer = answer(&mut upload).await;
    assert!(answer.ends_with("\r\n\r\n3"), "{answer}");
}

/// An answer without an end, and word of when it was given up.
fn endless() -> (FakeProxy, mpsc::UnboundedReceiver<()>) {
    let (sender, given_up) = mpsc::unbounded_channel();
    let answer = move |_request| {
        let chunk = Bytes::from_static(&[b'x'; 16 * 1024]);
        let body = stream::repeat_with({
            let dropped = Dropped(sender.clone());
            move || {
                let _held = &dropped;
                Ok::<_, std::io::Error>(chunk.clone())
            }
        });
        async move { Body::from_stream(body).into_response() }
    };
    (Fake::new(answer), given_up)
}

#[tokio::test]
async fn an_answer_that_its_client_does_not_take_is_given_up() {
    let waits = Waits {
        idle: SHORT,
        ..PATIENT
    };
    let (endless, mut given_up) = endless();
    let running = Running::proxy_with(waits, endless);
    let client = running.proxy(GET).await;
    given_up.recv().await.unwrap();
    let taken = rest(client).await;
    assert!(taken.starts_with("HTTP/1.1 200") && !taken.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_transfer() {
    let (endless, mut given_up) = endless();
    let running = Running::proxy_with(PATIENT, endless);
    let mut client = running.proxy(GET).await;
    client.read_u8().await.unwrap();
    drop(client);
    given_up.recv().await.unwrap();
}

#[tokio::test]
async fn the_slot_of_a_transfer_goes_to_no_one_before_its_client_has_taken_all_of_it() {
    const SIZE: usize = 4 << 20;
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let clock = Arc::new(ManualClock::at("2026-11-30T07:00:00Z".parse().unwrap()));
    let slots = Arc::new(Slots::new(limits, clock.clone()));
    let (begun, mut has_begun) = mpsc::unbounded_channel();
    // One frame: the answer's body has ended as soon as it has begun.
    let large = FakeProxy::new(move |request| {
        begun.send(()).unwrap();
        async {
            drop(counted(request).await);
            Body::from(vec![b'x'; SIZE]).into_response()
        }
    });
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    let mut client = UnixStream::from_std(theirs).unwrap();
    let admitted = Admitted {
        stream: Connection::new(ours.into()).unwrap(),
        peer: Arc::new(Peer::pretended(Caller::default())),
        slot: slots.enter(7, Rank::Caller).unwrap(),
    };
    let (_stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(admitted.serve(large, PATIENT, stopped));

    client.write_all(POST.as_bytes()).await.unwrap();
    has_begun.recv().await.unwrap();
    assert!(
        slots.enter(8, Rank::Caller).is_none(),
        "its body is on the way"
    );
    client.write_all(b"abc").await.unwrap();
    let mut taken = vec![0; 1024];
    client.read_exact(&mut taken).await.unwrap();
    assert!(slots.enter(8, Rank::Caller).is_none(), "its answer is");

    let head = taken.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    let mut left = vec![0; SIZE + head - taken.len()];
    client.read_exact(&mut left).await.unwrap();
    while slots.enter(8, Rank::Caller).is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(rest(client).await, "", "closed for the other one");
    serving.await.unwrap();
}

//! Limits that hold for both sockets together.

use super::*;
use crate::server::admission::KEPT;

const ONE: &str = "connections = 1\n";

/// How the refusals of each socket look.
fn is_the_apis(refusal: &str) -> bool {
    refusal.starts_with("HTTP/1.1 429")
        && refusal.contains("\r\ncontent-type: application/problem+json\r\n")
        && refusal.contains("\"code\":\"rate_limited\"")
}

fn is_the_proxys(refusal: &str) -> bool {
    refusal.starts_with("HTTP/1.1 429")
        && refusal.contains("\r\ntokend-error: rate_limited\r\n")
        && refusal.contains("\r\nretry-after: 1\r\n")
        && refusal.contains("\r\nconnection: close\r\n")
        && refusal.contains("\"message\":\"too many open connections; close some first\"")
        && refusal.contains("\"documentation_url\":")
}

#[tokio::test]
async fn a_connection_on_one_socket_counts_on_the_other_and_kept_slots_are_not_for_the_proxy() {
    let (asked, mut was_asked) = mpsc::unbounded_channel();
    let running = Running::start(ONE, PATIENT, stuck(asked.clone()), Fake::new(counted));
    let _open = running.api(GET).await;
    was_asked.recv().await.unwrap();
    // The account of the tests is an operator, and gets a slot that is kept.
    let refusal = rest(running.proxy(GET).await).await;
    assert!(is_the_proxys(&refusal), "{refusal}");

    let running = Running::start(ONE, PATIENT, Fake::new(counted), stuck(asked));
    let _open = running.proxy(GET).await;
    was_asked.recv().await.unwrap();
    let lease = "POST /v1/leases HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let refusal = rest(running.api(lease).await).await;
    assert!(is_the_apis(&refusal), "{refusal}");
    let answer = answer(&mut running.api(GET).await).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn where_no_slot_is_left_each_socket_says_so_in_its_own_form() {
    let (asked, mut was_asked) = mpsc::unbounded_channel();
    let running = Running::start(ONE, PATIENT, stuck(asked), Fake::new(counted));
    let mut open = Vec::new();
    // All there are for root; an operator has fewer.
    for _ in 0..=KEPT {
        let stream = running.api(GET).await;
        let refused = tokio::select! {
            asked = was_asked.recv() => { asked.unwrap(); false }
            ready = stream.readable() => { ready.unwrap(); true }
        };
        open.push(stream);
        if refused {
            break;
        }
    }
    let refusal = rest(running.api(GET).await).await;
    assert!(is_the_apis(&refusal), "{refusal}");
    let refusal = rest(running.proxy(GET).await).await;
    assert!(is_the_proxys(&refusal), "{refusal}");
}

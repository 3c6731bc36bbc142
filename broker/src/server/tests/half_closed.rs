//! Clients that close their side of a connection, and clients that close it.

use super::*;

/// Begins when it is asked for, and ends when the test says so.
fn held<const STREAMED: bool>() -> (
    Fake<STREAMED>,
    mpsc::UnboundedReceiver<()>,
    watch::Sender<bool>,
) {
    let (asked, was_asked) = mpsc::unbounded_channel();
    let (go_on, held) = watch::channel(false);
    let service = Fake::new(move |request| {
        let (asked, mut held) = (asked.clone(), held.clone());
        async move {
            asked.send(()).unwrap();
            held.wait_for(|go_on| *go_on).await.unwrap();
            counted(request).await
        }
    });
    (service, was_asked, go_on)
}

#[tokio::test]
async fn a_client_that_closes_its_side_gets_every_answer_and_then_the_end() {
    let (api, mut api_asked, api_goes_on) = held();
    let (proxy, mut proxy_asked, proxy_goes_on) = held();
    let running = Running::start("", PATIENT, api, proxy);
    for (socket, asked, goes_on) in [
        ("tokend.sock", &mut api_asked, api_goes_on),
        ("proxy.sock", &mut proxy_asked, proxy_goes_on),
    ] {
        let two = format!("{POST}abc{GET}");
        let mut client = running.send(socket, two.as_bytes()).await;
        client.shutdown().await.unwrap();
        asked.recv().await.unwrap();
        goes_on.send(true).unwrap();
        let answers = rest(client).await;
        let found = answers.matches("HTTP/1.1 200").count();
        assert_eq!(found, 2, "{socket}: {answers}");
        assert!(answers.contains("\r\n\r\n3HTTP/1.1"), "{socket}: {answers}");
    }
}

#[tokio::test]
async fn half_a_request_before_a_closed_side_is_none() {
    let running = Running::start("", PATIENT, Fake::new(counted), Fake::new(counted));
    for socket in ["tokend.sock", "proxy.sock"] {
        let mut head = running.send(socket, b"GET / HTTP/1.1\r\nhost").await;
        head.shutdown().await.unwrap();
        let answer = rest(head).await;
        assert!(!answer.contains(" 200 "), "{socket}: {answer}");
        let mut body = running.send(socket, format!("{POST}ab").as_bytes()).await;
        body.shutdown().await.unwrap();
        let answer = rest(body).await;
        assert!(!answer.contains(" 200 "), "{socket}: {answer}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_request_whatever_it_closed_or_sent_before() {
    let (gone, mut is_gone) = mpsc::unbounded_channel();
    let (asked, mut was_asked) = mpsc::unbounded_channel();
    let running = Running::start(
        "",
        PATIENT,
        waiting(asked.clone(), gone.clone()),
        waiting(asked, gone),
    );
    for socket in ["tokend.sock", "proxy.sock"] {
        for (request, closes_its_side_first) in [
            (GET.to_owned(), false),
            (GET.to_owned(), true),
            (format!("{GET}{GET}"), false),
            (format!("{GET}{GET}"), true),
        ] {
            let mut client = running.send(socket, request.as_bytes()).await;
            was_asked.recv().await.unwrap();
            if closes_its_side_first {
                client.shutdown().await.unwrap();
            }
            drop(client);
            is_gone.recv().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_stop_waits_for_the_answer_of_a_closed_side_and_not_for_a_client_that_left() {
    let (api, mut asked, goes_on) = held();
    let (gone, mut is_gone) = mpsc::unbounded_channel();
    let (proxy_asked, mut proxy_was_asked) = mpsc::unbounded_channel();
    let running = Running::start("", PATIENT, api, waiting(proxy_asked, gone));
    let mut half_closed = running.api(GET).await;
    half_closed.shutdown().await.unwrap();
    let leaves = running.proxy(GET).await;
    asked.recv().await.unwrap();
    proxy_was_asked.recv().await.unwrap();
    running.stop.send(true).unwrap();
    drop(leaves);
    is_gone.recv().await.unwrap();
    goes_on.send(true).unwrap();
    assert!(rest(half_closed).await.starts_with("HTTP/1.1 200"));
    running.serving.await.unwrap();
}

/// Never answers, and says when it was asked and when it was given up.
fn waiting<const STREAMED: bool>(
    asked: mpsc::UnboundedSender<()>,
    gone: mpsc::UnboundedSender<()>,
) -> Fake<STREAMED> {
    Fake::new(move |request| {
        let held = Dropped(gone.clone());
        asked.send(()).unwrap();
        async move {
            let (_held, _request) = (held, request);
            std::future::pending().await
        }
    })
}

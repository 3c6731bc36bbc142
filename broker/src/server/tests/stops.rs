//! What a stop does with transfers.

use super::*;

#[tokio::test]
async fn a_stop_lets_an_upload_finish_and_closes_what_is_idle() {
    let (asked, mut was_asked) = mpsc::unbounded_channel();
    let service = Fake::new(move |request| {
        asked.send(()).unwrap();
        counted(request)
    });
    let running = Running::proxy_with(PATIENT, service);
    let mut idle = running.proxy(GET).await;
    answer(&mut idle).await;
    let mut upload = running.proxy(&format!("{POST}a")).await;
    for _ in 0..2 {
        was_asked.recv().await.unwrap();
    }
    running.stop.send(true).unwrap();
    assert_eq!(rest(idle).await, "");
    upload.write_all(b"bc").await.unwrap();
    let answer = rest(upload).await;
    assert!(answer.ends_with("\r\n\r\n3"), "{answer}");
    running.serving.await.unwrap();
}

#[tokio::test]
async fn a_stop_cuts_off_what_takes_too_long() {
    let waits = Waits {
        drain: SHORT,
        ..PATIENT
    };
    let (asked, mut was_asked) = mpsc::unbounded_channel();
    let running = Running::start("", waits, stuck(asked.clone()), stuck(asked));
    let open = [running.api(GET).await, running.proxy(GET).await];
    for _ in &open {
        was_asked.recv().await.unwrap();
    }
    running.stop.send(true).unwrap();
    running.serving.await.unwrap();
    for cut in open {
        assert_eq!(rest(cut).await, "");
    }
}

//! Figures, over the socket and over TCP.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};

use support::{Home, TestBroker, canary};

#[test]
fn a_scraper_without_the_socket_gets_the_figures_over_tcp_and_nothing_else() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let address = free.unwrap();
    let home = Home::ready();
    home.config(&format!("[metrics]\nlisten = \"{address}\"\n"));
    let _broker = home.start();
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        support::http::read_answer(&mut stream).unwrap()
    };
    // More than are served at once, one after the other and some left open.
    let left_open: Vec<_> = (0..8)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    for _ in 0..40 {
        let figures = ask("/metrics");
        assert_eq!(figures.status, 200);
        let text = String::from_utf8(figures.body).unwrap();
        assert!(text.contains("tokend_leases_live 0"), "{text}");
    }
    assert_eq!(ask("/v1/leases").status, 404);
    drop(left_open);
}

#[test]
fn the_figures_count_what_happened() {
    let broker = TestBroker::with_label_sync();
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 201);
    assert_eq!(broker.lease(r#"{"purpose":"none"}"#).status, 403);
    let metrics = broker.http("GET", "/metrics", "");
    assert_eq!(metrics.status, 200);
    let text = String::from_utf8(metrics.body).unwrap();
    for line in [
        r#"tokend_leases_granted_total{purpose="label-sync",deliver="raw"} 1"#,
        r#"tokend_refusals_total{code="denied"} 1"#,
    ] {
        assert!(
            text.lines().any(|other| other == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(!canary::is_in(text.as_bytes(), canary::CLASSIC));
}

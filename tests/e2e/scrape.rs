//! Figures over TCP.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};

use support::Home;

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

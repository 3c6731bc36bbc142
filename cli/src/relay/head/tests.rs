//! Heads, whole and cut, good and bad.

use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use super::*;

fn request(lines: &str) -> ProxyRequest {
    let head = split(format!("{lines}\r\n\r\n").as_bytes()).unwrap();
    head.unwrap().request()
}

#[test]
fn connect_is_read_in_both_versions_and_headers_say_nothing() {
    let to = |text: &str| ProxyRequest::Tunnel(text.parse().unwrap());
    for (lines, want) in [
        (
            "CONNECT api.github.com:443 HTTP/1.1\r\nHost: evil:1",
            "api.github.com:443",
        ),
        ("CONNECT API.GitHub.com.:443 HTTP/1.0", "api.github.com:443"),
        (
            "CONNECT [::1]:8443 HTTP/1.1\r\nProxy-Connection: keep-alive",
            "[::1]:8443",
        ),
    ] {
        assert_eq!(request(lines), to(want));
    }
}

#[test]
fn anything_but_a_well_formed_connect_is_told_from_it() {
    for lines in [
        "GET http://github.com/ HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "CONNECTED a:1 HTTP/1.1",
        "PRI * HTTP/2.0",
    ] {
        assert_eq!(request(lines), ProxyRequest::OtherMethod, "{lines}");
    }
    for lines in [
        "CONNECT",
        "CONNECT ",
        "CONNECT github.com:443",
        "CONNECT github.com HTTP/1.1",
        "CONNECT :443 HTTP/1.1",
        "CONNECT github.com:0 HTTP/1.1",
        "CONNECT github.com:99999 HTTP/1.1",
        "CONNECT https://github.com:443/ HTTP/1.1",
        "CONNECT user@github.com:443 HTTP/1.1",
        "CONNECT github.com:443/ HTTP/1.1",
        "CONNECT  github.com:443 HTTP/1.1",
        "CONNECT github.com:443 HTTP/1.1 ",
        "CONNECT github.com:443 HTTP/1.1 x",
        "CONNECT github.com:443 HTTP/2",
        "CONNECT github.com:443 http/1.1",
        "CONNECT github.com\t:443 HTTP/1.1",
        "CONNECT gith\u{fc}b.com:443 HTTP/1.1",
    ] {
        assert_eq!(request(lines), ProxyRequest::Malformed, "{lines}");
    }
}

#[test]
fn what_is_not_http_is_refused_at_once() {
    let bad: [&[u8]; 9] = [
        b"\x16\x03\x01\x02\x00",
        b" CONNECT a:1 HTTP/1.1\r\n\r\n",
        b"\r\nCONNECT a:1 HTTP/1.1\r\n\r\n",
        b"connect a:1 HTTP/1.1\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\n\n",
        b"CONNECT a:1 HTTP/1.1\r\nx: y\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nx: \0\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\rx: y\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\r\n\r\n",
    ];
    for bytes in bad {
        assert!(matches!(split(bytes), Err(NoHead::NotHttp)), "{bytes:?}");
    }
}

#[test]
fn a_head_is_whole_with_its_last_byte_and_what_follows_is_kept() {
    let head = b"CONNECT a:1 HTTP/1.1\r\nx: y\r\n\r\n";
    for length in 0..head.len() {
        assert!(split(&head[..length]).unwrap().is_none(), "{length}");
    }
    let more = [head.as_slice(), b"\x16\x03\n\n\r\n\r\n"].concat();
    let read = split(&more).unwrap().unwrap();
    assert_eq!(
        (read.bytes(), &*read.rest),
        (head.as_slice(), &more[head.len()..])
    );
}

#[test]
fn the_limit_on_its_length_is_exact() {
    let of = |length: usize| {
        let fill = length - "CONNECT a:1 HTTP/1.1\r\nx: \r\n\r\n".len();
        format!("CONNECT a:1 HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(fill))
    };
    assert!(split(of(LONGEST).as_bytes()).unwrap().is_some());
    assert!(matches!(
        split(of(LONGEST + 1).as_bytes()),
        Err(NoHead::TooLong)
    ));
    assert!(matches!(split(&vec![b'X'; LONGEST]), Err(NoHead::TooLong)));
    assert!(split(&vec![b'X'; LONGEST - 1]).unwrap().is_none());
}

#[test]
fn an_early_end_at_every_byte_and_a_slow_client_are_no_head() {
    let head = b"CONNECT a:1 HTTP/1.1\r\n\r\n";
    for length in 0..head.len() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(&head[..length]).unwrap();
        theirs.shutdown(Shutdown::Write).unwrap();
        let read = read(&Stream::Unix(ours), Duration::from_secs(10));
        assert_eq!(read.err(), Some(NoHead::Cut));
    }
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(&head[..9]).unwrap();
    let slow = read(&Stream::Unix(ours), Duration::from_millis(20));
    assert_eq!(slow.err(), Some(NoHead::Late));
    drop(theirs);
}

#[test]
fn of_an_answer_the_status_and_the_length_are_read() {
    let head = |text: &str| split(text.as_bytes()).unwrap().unwrap();
    for (line, status) in [
        ("HTTP/1.1 200 OK", Some(200)),
        ("HTTP/1.0 407", Some(407)),
        ("HTTP/1.1 200", Some(200)),
        ("HTTP/2 200 OK", None),
        ("HTTP/1.1 2000 OK", None),
        ("HTTP/1.1 +20 OK", None),
        ("HTTP/1.1 20", None),
        ("HTTP/1.1", None),
        ("SSH-2.0-x 200 OK", None),
    ] {
        assert_eq!(head(&format!("{line}\r\n\r\n")).status(), status, "{line}");
    }
    let answer = head("HTTP/1.1 403 Forbidden\r\nX: 9\r\nContent-Length: 12\r\n\r\n");
    assert_eq!(answer.content_length(), Some(12));
    assert_eq!(
        head("HTTP/1.1 403 No\r\nContent-Length: -1\r\n\r\n").content_length(),
        None
    );
}

//! Requests and answers over a real socket.

use std::io::Read as _;
use std::os::unix::net::UnixListener;
use std::thread;

use super::*;
use crate::error::ErrorCode;

/// Answers one request with these bytes and returns what came of it.
fn answered_with(bytes: impl Into<Vec<u8>>) -> Result<Response, ClientError> {
    let bytes = bytes.into();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let server = thread::spawn(move || {
        let mut seen = [0; 1024];
        let size = theirs.read(&mut seen).unwrap();
        // The reader may hang up in the middle of what it refuses.
        drop(theirs.write_all(&bytes));
        String::from_utf8(seen[..size].to_vec()).unwrap()
    });
    let request = Request::new("GET", "/healthz").patience(Duration::from_millis(300));
    let answer = Connection::of(ours).send(&request);
    assert!(
        server
            .join()
            .unwrap()
            .starts_with("GET /healthz HTTP/1.1\r\n")
    );
    answer
}

fn body_of(bytes: &str) -> String {
    let answer = answered_with(bytes).unwrap_or_else(|error| panic!("{error}"));
    String::from_utf8(answer.body.to_vec()).unwrap()
}

fn refusal(bytes: impl Into<Vec<u8>>) -> ClientError {
    match answered_with(bytes) {
        Err(error) => error,
        Ok(answer) => panic!("taken with status {}", answer.status),
    }
}

#[test]
fn bodies_are_read_by_length_by_chunks_and_to_the_end() {
    assert_eq!(
        body_of("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello more"),
        "hello"
    );
    assert_eq!(
        body_of(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"
        ),
        "hello"
    );
    assert_eq!(body_of("HTTP/1.1 200 OK\r\n\r\nhello"), "hello");
    assert_eq!(body_of("HTTP/1.1 204 No Content\r\n\r\n"), "");
}

#[test]
fn a_problem_keeps_its_code_its_hint_and_when_to_come_back() {
    let problem = Problem::new(ErrorCode::RateLimited, "slow down").with_hint("wait");
    let body = serde_json::to_string(&problem).unwrap();
    let answer = format!(
        "HTTP/1.1 429 Too Many\r\nretry-after: 7\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let ClientError::Problem {
        problem: read,
        retry_after,
    } = refusal(answer)
    else {
        panic!("not a problem");
    };
    assert_eq!((*read, retry_after), (problem, Some(7)));
}

#[test]
fn what_is_not_an_answer_is_refused_in_plain_words() {
    for bytes in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    ] {
        let error = refusal(bytes);
        assert!(matches!(error, ClientError::Garbled(_)), "{bytes}: {error}");
    }
    for bytes in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n",
    ] {
        let error = refusal(bytes);
        assert!(matches!(error, ClientError::Cut), "{bytes}: {error}");
    }
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    assert!(matches!(refusal(endless), ClientError::Garbled(_)));
    assert!(matches!(
        refusal("HTTP/1.1 500 Oh\r\n\r\nplain"),
        ClientError::Status(500)
    ));
}

fn downloaded(answer: &str, out: &mut dyn Write) -> Result<u64, ClientError> {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(answer.as_bytes()).unwrap();
    drop(theirs.shutdown(std::net::Shutdown::Write));
    Connection::of(ours).download(&Request::new("GET", "/"), out)
}

#[test]
fn a_download_is_whole_or_an_error() {
    let mut out = Vec::new();
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello more";
    assert_eq!(downloaded(answer, &mut out).unwrap(), 5);
    assert_eq!(out, b"hello");
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort";
    let error = downloaded(short, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, ClientError::Cut), "{error}");
    let error = downloaded("HTTP/1.1 200 OK\r\n\r\nno length", &mut Vec::new());
    assert!(matches!(error, Err(ClientError::Garbled(_))), "{error:?}");
    let full = &mut [0; 3][..];
    let error = downloaded(answer, &mut &mut *full).unwrap_err();
    assert!(matches!(error, ClientError::Output(_)), "{error}");
    let refused = "HTTP/1.1 500 Oh\r\ncontent-length: 5\r\n\r\nplain";
    let mut out = Vec::new();
    let error = downloaded(refused, &mut out).unwrap_err();
    assert!(matches!(error, ClientError::Status(500)) && out.is_empty());
}

#[test]
fn an_endless_body_is_cut_off() {
    let mut bytes = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    bytes.resize(MAX_ANSWER + 100_000, b'x');
    assert!(matches!(refusal(bytes), ClientError::Garbled(_)));
}

#[test]
fn a_silent_broker_is_not_waited_for_for_ever() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let request = Request::new("GET", "/").patience(Duration::from_millis(20));
    let answer = Connection::of(ours).send(&request);
    assert!(matches!(answer, Err(ClientError::Silent(_))));
    drop(theirs);
}

#[test]
fn each_way_not_to_reach_the_broker_has_its_own_words() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    assert!(matches!(
        Connection::open(&socket),
        Err(ClientError::NotThere(_))
    ));
    drop(UnixListener::bind(&socket).unwrap());
    assert!(matches!(
        Connection::open(&socket),
        Err(ClientError::Deserted(_))
    ));
    let long = dir.path().join("x".repeat(200));
    assert!(matches!(
        Connection::open(&long),
        Err(ClientError::TooLong(_))
    ));
}

#[test]
fn the_server_is_who_the_kernel_says() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = Connection::open(&socket).unwrap().server().unwrap();
    assert_eq!(server, nix::unistd::geteuid().as_raw());
    drop(listener);
}

#[test]
fn a_secret_goes_to_ones_own_account_to_root_and_to_the_configured_one_only() {
    assert!(require_trusted(1001, 1001, None).is_ok());
    assert!(require_trusted(1001, 1000, Some(1001)).is_ok());
    assert!(require_trusted(0, 1000, None).is_ok());
    for configured in [None, Some(1002)] {
        assert!(matches!(
            require_trusted(1001, 1000, configured),
            Err(ClientError::Untrusted(1001))
        ));
    }
}

#[test]
fn a_body_of_the_wrong_shape_is_placed_but_not_quoted() {
    let mut body = WipedBytes::default();
    body.write_all(br#"{"token": "ghp_x"}"#).unwrap();
    let answer = Response { status: 200, body };
    let error = answer.json::<Vec<u64>>().unwrap_err();
    assert!(!error.to_string().contains("ghp_x"), "{error}");
}

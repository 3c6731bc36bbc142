//! GitHub, as a test plays it.

use broker_clock::ManualClock;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use std::time::Duration;

use super::*;
use crate::BaseUrl;
use crate::waits::Waits;

pub(super) const CANARY: &str = "ghp_canary_91ce_in_a_test";

/// It listens, and the client is told of no other.
pub(super) struct Upstream {
    pub(super) github: GitHub,
    pub(super) clock: ManualClock,
    listener: TcpListener,
    credential: AccessToken,
    none: HeaderMap,
    bot: Principal,
}

impl Upstream {
    pub(super) async fn new() -> Self {
        Self::waited_for(Waits::default()).await
    }

    pub(super) async fn waited_for(waits: Waits) -> Self {
        Self::below("", waits).await
    }

    /// An Enterprise Server, whose API is below `/api/v3`.
    pub(super) async fn enterprise_server() -> Self {
        Self::below("/api/v3", Waits::default()).await
    }

    pub(super) async fn below(prefix: &str, waits: Waits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}{prefix}", listener.local_addr().unwrap());
        let clock = ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap());
        let github = GitHub::assembled(
            BaseUrl::parse(&base).unwrap(),
            None,
            Arc::new(clock.clone()),
            Box::new(|_wait| Box::pin(std::future::ready(()))),
            waits,
        );
        Self {
            github,
            clock,
            listener,
            credential: AccessToken::new(CANARY.to_owned()),
            none: HeaderMap::new(),
            bot: Principal::user("acme-bot"),
        }
    }

    pub(super) fn get<'a>(&'a self, path: &'a str) -> Forward<'a> {
        Forward {
            method: Method::GET,
            host: GithubHost::Api,
            path,
            query: None,
            headers: &self.none,
            body: None,
            credential: Some(self.credential.copy()),
            principal: Some(&self.bot),
            clone_token: false,
        }
    }

    pub(super) fn post<'a>(&'a self, path: &'a str, body: RequestBody) -> Forward<'a> {
        Forward {
            method: Method::POST,
            body: Some(body),
            ..self.get(path)
        }
    }

    /// What comes of a request that is answered so, and the request as it came.
    pub(super) async fn answering(
        &self,
        asked: Forward<'_>,
        answer: &str,
    ) -> (Result<Forwarded, GitHubError>, String) {
        let server = async {
            let (mut stream, request) = self.request().await;
            writes(&mut stream, answer).await;
            // Its end is the answer's, where that says no length.
            drop(stream);
            request
        };
        tokio::join!(self.github.forward(asked), server)
    }

    pub(super) async fn accept(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    /// A connection and the head of the request on it.
    pub(super) async fn request_head(&self) -> (TcpStream, String) {
        let mut stream = self.accept().await;
        let head = head(&mut stream).await;
        (stream, head)
    }

    /// A connection and the request on it, with its body where that has a length.
    pub(super) async fn request(&self) -> (TcpStream, String) {
        let (mut stream, mut request) = self.request_head().await;
        let length = request
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).await.unwrap();
        request.push_str(str::from_utf8(&body).unwrap());
        (stream, request)
    }

    /// That no connection was made.
    pub(super) async fn was_not_asked(&self) {
        tokio::select! {
            biased;
            _ = self.listener.accept() => panic!("GitHub was asked"),
            () = tokio::task::yield_now() => {}
        }
    }
}

/// The head of a request, with its empty line.
pub(super) async fn head(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(text).unwrap()
}

/// That this is what comes next.
pub(super) async fn reads(stream: &mut TcpStream, wanted: &str) {
    let mut read = vec![0; wanted.len()];
    stream.read_exact(&mut read).await.unwrap();
    assert_eq!(str::from_utf8(&read).unwrap(), wanted);
}

/// Sends this to the client.
pub(super) async fn writes(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// That the client ends the connection.
pub(super) async fn is_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // With or without a reset.
    let _end = stream.read_to_end(&mut rest).await;
}

pub(super) fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pairs = pairs.iter().map(|(name, value)| {
        let value = HeaderValue::from_str(value).unwrap();
        (HeaderName::from_static(name), value)
    });
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    headers
}

pub(super) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{text}\r\n{body}")
}

/// A body of these pieces.
pub(super) fn pieces(pieces: &[&'static str], length: Option<u64>) -> RequestBody {
    let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from(*piece))).collect();
    RequestBody {
        pieces: stream::iter(pieces).boxed(),
        length,
    }
}

/// A body that comes when the test says so.
pub(super) fn sent_by_hand(
    length: Option<u64>,
) -> (
    mpsc::UnboundedSender<Result<Bytes, &'static str>>,
    RequestBody,
) {
    let (sender, receiver) = mpsc::unbounded_channel::<Result<Bytes, &'static str>>();
    let pieces = stream::unfold(receiver, |mut receiver| async {
        let piece = receiver.recv().await?;
        Some((piece.map_err(Into::into), receiver))
    });
    let body = RequestBody {
        pieces: pieces.boxed(),
        length,
    };
    (sender, body)
}

/// The whole body as text, or what came before it was cut.
pub(super) async fn body(mut body: AnswerBody) -> Result<String, (String, AnswerCut)> {
    let mut text = String::new();
    while let Some(piece) = body.next().await {
        match piece {
            Ok(piece) => text.push_str(str::from_utf8(&piece).unwrap()),
            Err(cut) => return Err((text, cut)),
        }
    }
    Ok(text)
}

pub(super) fn refused(result: Result<Forwarded, GitHubError>) -> GitHubError {
    result.err().expect("an error")
}

/// Short enough for a test that waits them out, long enough for a loaded machine.
pub(super) fn short_waits() -> Waits {
    Waits {
        // Of no forwarded exchange: it would end each of those that wait.
        call: Duration::from_millis(100),
        head: Duration::from_millis(400),
        byte: Duration::from_millis(1200),
    }
}

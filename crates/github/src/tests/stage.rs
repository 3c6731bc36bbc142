//! The server that plays a script, and a client of it.

use std::collections::VecDeque;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// What the server does with a request it has read.
pub(super) enum Step {
    /// Sends this and closes.
    Answer(String),
    /// Closes without a word: done, or not done, no one can tell.
    Close,
    /// Says nothing and keeps the connection.
    Hang,
}

pub(super) struct Stage {
    pub(super) github: GitHub,
    pub(super) clock: ManualClock,
    pub(super) requests: Arc<Mutex<Vec<String>>>,
    pub(super) slept: Arc<Mutex<Vec<Duration>>>,
}

impl Stage {
    /// Steps are played in order; a request past the last one finds the connection closed.
    pub(super) async fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let steps: VecDeque<Step> = steps.into_iter().collect();
        tokio::spawn(play(listener, steps, Arc::clone(&requests)));
        Self::at(&api, requests)
    }

    pub(super) fn at(api: &str, requests: Arc<Mutex<Vec<String>>>) -> Self {
        let clock = ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap());
        let slept = Arc::new(Mutex::new(Vec::new()));
        let api = BaseUrl::parse(api).unwrap();
        let (timer, times) = (clock.clone(), Arc::clone(&slept));
        let sleep: Sleep = Box::new(move |wait| {
            timer.advance(wait);
            times.lock().unwrap().push(wait);
            Box::pin(std::future::ready(()))
        });
        // Long enough for an answer on a loaded machine, and only waited out by a server that hangs.
        let waits = Waits {
            call: Duration::from_secs(2),
            ..Waits::default()
        };
        let github = GitHub::assembled(api, None, Arc::new(clock.clone()), sleep, waits);
        Self {
            github,
            clock,
            requests,
            slept,
        }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Reply, GitHubError> {
        self.ask(Call::get(path, Credential::None)).await
    }

    pub(super) async fn get_with(&self, token: &AccessToken) -> Result<Reply, GitHubError> {
        self.ask(Call::get("/user", Credential::Token(token))).await
    }

    pub(super) async fn post(&self, path: &str) -> Result<Reply, GitHubError> {
        let mut call = Call::get(path, Credential::None);
        call.method = Method::POST;
        call.retry = Retry::Once;
        self.ask(call).await
    }

    pub(super) async fn ask(&self, call: Call<'_>) -> Result<Reply, GitHubError> {
        self.github.call(call.drawing_on(Some(bot()))).await
    }

    pub(super) fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

async fn play(listener: TcpListener, mut steps: VecDeque<Step>, requests: Arc<Mutex<Vec<String>>>) {
    let mut kept = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        requests.lock().unwrap().push(request);
        match steps.pop_front() {
            Some(Step::Answer(text)) => stream.write_all(text.as_bytes()).await.unwrap(),
            Some(Step::Hang) => kept.push(stream),
            Some(Step::Close) | None => {}
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await.unwrap();
        text.push(byte[0]);
    }
    let mut text = String::from_utf8(text).unwrap();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    text.push_str(str::from_utf8(&body).unwrap());
    text
}

pub(super) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Step {
    let mut text = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    Step::Answer(format!("{text}\r\n{body}"))
}

pub(super) fn ok(body: &str) -> Step {
    answer(200, &[], body)
}

pub(super) fn bot() -> Principal {
    Principal::user("acme-bot")
}

pub(super) fn error(result: Result<Reply, GitHubError>) -> GitHubError {
    result.err().expect("an error")
}

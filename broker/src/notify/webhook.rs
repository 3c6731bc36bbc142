//! A URL that gets warnings: the message as a JSON POST.
//!
//! Three attempts; between them a pause that grows, or what the receiver asks for (`Retry-After`). What
//! it refuses (4xx) is not sent again, except where it says that it has had too many (429). Redirects
//! are not followed: they could lead anywhere.

use std::fmt;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::CONTENT_TYPE;

use broker_https::{Https, NoAnswer, Unreachable, is_loopback, retry_after};

/// Where a webhook listens. The URL itself is the secret that lets one write there, so nothing shows
/// it: not even its host.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookUrl")
    }
}

/// Why a text is not where a webhook may listen. Does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an `https://` URL (`http://` only for this machine itself: 127.0.0.1, [::1], localhost)"
)]
pub struct NotAUrl;

impl WebhookUrl {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`NotAUrl`]: not a URL, or one that would carry warnings in the clear.
    pub fn parse(text: &str) -> Result<Self, NotAUrl> {
        let url = Url::parse(text).map_err(|_cause| NotAUrl)?;
        let loopback = is_loopback(url.host_str().ok_or(NotAUrl)?);
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if loopback => Ok(Self(url)),
            _ => Err(NotAUrl),
        }
    }
}

/// Why a webhook did not take a message. Says nothing of where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// TLS could not be set up on this machine.
    #[error("TLS cannot be set up for the webhook")]
    Setup,
    /// No answer came; the message may have arrived.
    #[error("the webhook {0}")]
    NoAnswer(&'static str),
    /// It answered, and not with success.
    #[error("the webhook answered with status {status}")]
    Refused {
        /// The status.
        status: u16,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
}

impl WebhookError {
    /// How long the receiver wants to be left alone.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Setup | Self::NoAnswer(_) => None,
        }
    }

    /// How long to wait for the next of three attempts, counted from 0; `None`: there is none.
    fn pause_after(&self, attempt: usize, pauses: &[Duration]) -> Option<Duration> {
        let pause = *pauses.get(attempt)?;
        match self {
            Self::Setup => None,
            Self::NoAnswer(_) => Some(pause),
            Self::Refused {
                status: 429 | 500..,
                retry_after,
            } => match retry_after {
                // Longer than anyone should hold a message in hand: it is tried in a later round.
                Some(wanted) if *wanted > LONGEST_PAUSE => None,
                Some(wanted) => Some(*wanted),
                None => Some(pause),
            },
            Self::Refused { .. } => None,
        }
    }
}

/// A webhook.
pub struct Webhook {
    url: WebhookUrl,
    https: Https,
    pauses: Vec<Duration>,
}

impl Webhook {
    /// The webhook at `url`. Sends nothing yet.
    #[must_use]
    pub fn new(url: WebhookUrl) -> Self {
        Self {
            url,
            https: Https::new(None, TOTAL),
            pauses: PAUSES.to_vec(),
        }
    }

    /// Sends a message, which is JSON.
    ///
    /// # Errors
    ///
    /// [`WebhookError`] of the last attempt, also where the message arrived and the answer was lost.
    pub async fn post(&self, message: &[u8]) -> Result<(), WebhookError> {
        let mut attempt = 0;
        loop {
            let Err(error) = self.attempt(message).await else {
                return Ok(());
            };
            let Some(pause) = error.pause_after(attempt, &self.pauses) else {
                return Err(error);
            };
            tracing::debug!(attempt, cause = %error, "a warning is sent again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, message: &[u8]) -> Result<(), WebhookError> {
        let client = self.https.client().await;
        let client = client.map_err(|_cause| WebhookError::Setup)?;
        let answer = client
            .post(self.url.0.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(message.to_vec())
            .send()
            .await
            .map_err(|error| WebhookError::NoAnswer(fault(error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        Err(WebhookError::Refused {
            status: status.as_u16(),
            retry_after: retry_after(answer.headers()),
        })
    }
}

/// What went wrong, in words that do not depend on the URL.
fn fault(error: reqwest::Error) -> &'static str {
    match NoAnswer::of(error) {
        NoAnswer::Unmakeable => "cannot be reached",
        NoAnswer::NotReached(cause) => match cause.why {
            Unreachable::Dns => "has a name that cannot be looked up",
            Unreachable::Connect => "refuses the connection, or cannot be reached",
            Unreachable::Tls => "has no TLS, or a certificate that this machine does not trust",
            Unreachable::TimedOut => "did not answer in time",
            Unreachable::Lost => "closed the connection before it answered",
        },
    }
}

const TOTAL: Duration = Duration::from_secs(15);
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one connection after the other with these, and keeps what it was sent. An empty answer
    /// closes the connection.
    struct Receiver {
        port: u16,
        got: Arc<Mutex<Vec<String>>>,
    }

    impl Receiver {
        async fn with(answers: &[&str]) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let got = Arc::new(Mutex::new(Vec::new()));
            let (answers, kept) = (
                answers.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>(),
                Arc::clone(&got),
            );
            tokio::spawn(async move {
                for answer in answers {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut text = Vec::new();
                    while !text.ends_with(b"}") {
                        let mut byte = [0; 256];
                        match stream.read(&mut byte).await.unwrap() {
                            0 => break,
                            read => text.extend_from_slice(&byte[..read]),
                        }
                    }
                    kept.lock().unwrap().push(String::from_utf8(text).unwrap());
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
            Self { port, got }
        }

        fn url(&self) -> WebhookUrl {
            let url = format!("http://127.0.0.1:{}/services/s3cret?key=s3cret", self.port);
            WebhookUrl::parse(&url).unwrap()
        }

        async fn hears(&self, message: &str) -> Result<(), WebhookError> {
            let webhook = Webhook {
                pauses: vec![Duration::ZERO; 2],
                ..Webhook::new(self.url())
            };
            webhook.post(message.as_bytes()).await
        }

        fn times(&self) -> usize {
            self.got.lock().unwrap().len()
        }
    }

    fn answer(status: &str, headers: &str) -> String {
        format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n")
    }

    #[tokio::test]
    async fn a_message_arrives_as_a_json_post() {
        let receiver = Receiver::with(&[&answer("204 No Content", "")]).await;
        receiver.hears("{\"text\":\"x\"}").await.unwrap();
        let got = receiver.got.lock().unwrap()[0].to_lowercase();
        assert!(got.starts_with("post /services/s3cret?key=s3cret http/1.1\r\n"));
        assert!(got.contains("\r\ncontent-type: application/json\r\n"));
        assert!(got.contains("\r\nuser-agent: tokend/"));
        assert!(got.ends_with("\r\n\r\n{\"text\":\"x\"}"));
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_three_times_and_a_lost_answer_sends_the_message_again() {
        let ok = answer("200 OK", "");
        let busy = answer("503 Service Unavailable", "");
        let full = answer("429 Too Many Requests", "Retry-After: 0\r\n");
        let receiver = Receiver::with(&[&busy, &full, &ok]).await;
        assert_eq!(receiver.hears("{}").await, Ok(()));
        assert_eq!(receiver.times(), 3);

        let receiver = Receiver::with(&["", &ok]).await;
        assert_eq!(receiver.hears("{}").await, Ok(()));
        assert_eq!(receiver.times(), 2, "it had arrived, and arrives twice");

        let receiver = Receiver::with(&[&busy, &busy, &busy, &ok]).await;
        let error = receiver.hears("{}").await.unwrap_err();
        assert_eq!(error.to_string(), "the webhook answered with status 503");
        assert_eq!(receiver.times(), 3);
    }

    #[tokio::test]
    async fn what_is_refused_or_sent_elsewhere_is_not_tried_again() {
        let ok = answer("200 OK", "");
        let elsewhere = "Location: http://127.0.0.1:1/\r\n";
        for refused in [
            answer("400 Bad Request", ""),
            answer("404 Not Found", ""),
            answer("302 Found", elsewhere),
            answer("429 Too Many Requests", "Retry-After: 3600\r\n"),
        ] {
            let receiver = Receiver::with(&[&refused, &ok]).await;
            assert!(receiver.hears("{}").await.is_err(), "{refused}");
            assert_eq!(receiver.times(), 1, "{refused}");
        }
    }

    #[tokio::test]
    async fn no_error_names_the_url() {
        let closed = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap().port()
        };
        let post = async |url: String| {
            let webhook = Webhook {
                pauses: Vec::new(),
                ..Webhook::new(WebhookUrl::parse(&url).unwrap())
            };
            webhook.post(b"{}").await.unwrap_err()
        };
        let refused = post(format!("http://127.0.0.1:{closed}/s3cret")).await;
        assert_eq!(
            refused,
            WebhookError::NoAnswer("refuses the connection, or cannot be reached")
        );
        let receiver = Receiver::with(&["no HTTP at all, s3cret"]).await;
        let port = receiver.port;
        for url in [
            format!("http://127.0.0.1:{port}/s3cret"),
            format!("https://127.0.0.1:{closed}/s3cret"),
        ] {
            let error = post(url.clone()).await;
            let words = format!("{error} {error:?} {:?}", WebhookUrl::parse(&url));
            assert!(
                !words.contains("s3cret") && !words.contains("127.0.0.1"),
                "{words}"
            );
        }
        for bad in [
            "http://s3cret.example/",
            "ftp://localhost/s3cret",
            "s3cret",
            "",
        ] {
            assert!(
                !WebhookUrl::parse(bad)
                    .unwrap_err()
                    .to_string()
                    .contains("s3cret")
            );
        }
    }

    #[test]
    fn only_this_machine_may_be_warned_without_tls() {
        for good in [
            "https://hooks.example/x",
            "http://localhost:8080/x",
            "http://127.0.0.1/x",
            "http://[::1]:80/x",
        ] {
            assert!(WebhookUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://hooks.example/x",
            "http://10.0.0.1/x",
            "http://localhost.example/",
        ] {
            assert!(WebhookUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_the_receiver_asks_for_is_honoured_or_left_for_a_later_round() {
        let pauses = [Duration::from_secs(1), Duration::from_secs(4)];
        let refused = |status, seconds: Option<u64>| WebhookError::Refused {
            status,
            retry_after: seconds.map(Duration::from_secs),
        };
        for (error, attempt, want) in [
            (refused(503, None), 0, Some(1)),
            (refused(503, None), 1, Some(4)),
            (refused(503, None), 2, None),
            (refused(503, Some(9)), 0, Some(9)),
            (refused(429, Some(2)), 1, Some(2)),
            (refused(429, Some(31)), 0, None),
            (refused(404, Some(2)), 0, None),
            (WebhookError::NoAnswer("x"), 0, Some(1)),
            (WebhookError::Setup, 0, None),
        ] {
            let got = error.pause_after(attempt, &pauses);
            assert_eq!(got, want.map(Duration::from_secs), "{error:?} {attempt}");
        }
    }
}

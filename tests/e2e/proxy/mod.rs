//! Requests to GitHub over `proxy.sock`, by programs of others, by hostile ones, and amid crashes. What is decided
//! about one request is tested in process, in `broker/src/tests/proxy`.

mod app;
mod crash;
mod curl;
mod gh;
mod path_tricks;
mod smuggling;
mod spellings;
mod transfers;
mod unrecorded;

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};
use support::broker::{Ran, own};
use support::github::{StandIn, World, hashed};
use support::http::{self, Answer};
use support::{Home, TestBroker, canary, wait};

/// What the lease is for: one repository of three that the stored token reaches.
const PURPOSE: &str = r#"
purpose      = "label-sync"
secret       = "org-label-sync-token"
repositories = ["acme/site"]
permissions  = { issues = "write", actions = "read", secrets = "read" }
deliver      = "proxy"
ttl          = { default = "15m", max = "1h" }

[[allow]]
caller = { uid = UID }
"#;

pub(crate) const LABELS: &str = "/repos/acme/site/labels";
/// In another repository than the lease's.
pub(crate) const OTHER_LABELS: &str = "/repos/acme/docs/labels";

/// A GitHub over TLS, and a broker that holds a token for it.
pub(crate) struct Scene {
    pub(crate) github: StandIn,
    pub(crate) broker: TestBroker,
    /// What the paths of its API begin with.
    prefix: &'static str,
}

/// A lease, and the token that was handed out for it.
pub(crate) struct Lease {
    pub(crate) id: String,
    pub(crate) token: String,
}

pub(crate) fn world() -> World {
    World::new()
        .organization("acme", &["acme-bot"])
        .organization("other", &["acme-bot"])
        .repository("acme/site")
        .repository("acme/docs")
        .repository("other/site")
        .classic(canary::CLASSIC, "acme-bot", &["repo", "workflow"])
        .classic(canary::CLASSIC_TWO, "acme-bot", &["repo", "workflow"])
}

impl Scene {
    /// One as on github.com.
    pub(crate) fn new() -> Self {
        Self::with("", |policy| policy, Home::start)
    }

    /// One as on Enterprise Server, whose clients put `/api/v3` before each path.
    pub(crate) fn of_a_server() -> Self {
        Self::with("/api/v3", |policy| policy, Home::start)
    }

    /// One whose API begins at this path, with another policy, and a broker that is started so.
    pub(crate) fn with(
        prefix: &'static str,
        policy: impl FnOnce(String) -> String,
        start: impl FnOnce(Home) -> TestBroker,
    ) -> Self {
        let github = StandIn::start(world());
        let home = Home::ready();
        home.policy("label-sync.toml", &policy(own(PURPOSE)));
        let api = format!("{}{prefix}", github.api());
        home.github_at(&api, github.ca(), QUIET);
        let broker = start(home);
        let set = ["secret", "set", "org-label-sync-token"];
        broker.home.ctl_with(&set, canary::CLASSIC).success();
        github.forget_calls();
        Self {
            github,
            broker,
            prefix,
        }
    }

    pub(crate) fn lease(&self) -> Lease {
        self.lease_with(&json!({"purpose": "label-sync"}))
    }

    fn lease_with(&self, wish: &Value) -> Lease {
        let answer = self.broker.lease(&wish.to_string());
        assert_eq!(answer.status, 201, "{answer:?}");
        let text = |field: &str| answer.json()[field].as_str().unwrap().to_owned();
        Lease {
            id: text("lease"),
            token: text("token"),
        }
    }

    /// Which `Host` requests are for.
    pub(crate) fn host(&self) -> String {
        self.github.api().replace("https://", "")
    }

    /// What a client of the socket asks for.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{}{path}", self.host(), self.prefix)
    }

    /// A request as text, with these headers besides `Host` and the token.
    pub(crate) fn request(&self, call: &str, token: &str, headers: &str, body: &str) -> String {
        let (method, path) = call.split_once(' ').unwrap();
        let host = self.host();
        format!(
            "{method} {}{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
             user-agent: a-script\r\n{headers}\r\n{body}",
            self.prefix
        )
    }

    /// A connection on which these bytes were sent.
    pub(crate) fn send(&self, bytes: &[u8]) -> UnixStream {
        let mut stream = http::connect(&self.broker.proxy_socket());
        // The broker may have closed it before all is written.
        stream.write_all(bytes).ok();
        stream
    }

    /// The answer to one request, if one comes; none where no one listens any more.
    pub(crate) fn try_ask(&self, call: &str, token: &str, body: &str) -> Option<Answer> {
        let headers = match body.len() {
            0 => String::new(),
            length => format!("content-length: {length}\r\n"),
        };
        let request = self.request(call, token, &headers, body);
        let mut stream = http::try_connect(&self.broker.proxy_socket())?;
        // The broker may have closed it before all is written.
        stream.write_all(request.as_bytes()).ok();
        http::read_answer(&mut stream)
    }

    #[track_caller]
    pub(crate) fn ask(&self, call: &str, token: &str, body: &str) -> Answer {
        self.try_ask(call, token, body).expect("an answer")
    }

    /// `METHOD path` of every call that reached GitHub, in order.
    fn reached(&self) -> Vec<String> {
        let calls = self.github.journal();
        let call = |call: &support::github::Exchange| format!("{} {}", call.method, call.path);
        calls.iter().map(call).collect()
    }

    /// Fails if GitHub was asked for what the lease does not hold, however a server may read it, or with
    /// another token than the stored one.
    #[track_caller]
    pub(crate) fn assert_all_within(&self) {
        let stored = hashed(canary::CLASSIC);
        for call in self.github.journal() {
            assert_eq!(call.hashed_token.as_deref(), Some(&*stored), "{call:?}");
            for reading in readings(&call.path) {
                let owner_and_name = ["repos", "acme", "site"];
                assert!(
                    reading.starts_with(&owner_and_name.map(str::to_owned)),
                    "{call:?}"
                );
            }
        }
    }

    /// The outcomes on record, once there are so many.
    fn outcomes(&self, count: usize) -> Vec<Value> {
        let recorded = || self.broker.home.records_of("proxy.response");
        wait::until(|| recorded().len() >= count);
        recorded()
    }

    /// The broker goes on as ever.
    #[track_caller]
    pub(crate) fn assert_serves(&self, lease: &Lease) {
        let answer = self.ask(&format!("GET {LABELS}"), &lease.token, "");
        assert_eq!(answer.status, 200, "{answer:?}");
        self.broker.home.ctl(&["audit", "verify"]).success();
    }

    /// `tokenctl` says yes.
    #[track_caller]
    fn ctl(&self, arguments: &[&str]) -> String {
        let ran: Ran = self.broker.home.ctl(arguments);
        ran.success()
    }
}

/// No calls of the broker's own, and as many refusals as a test takes.
const QUIET: &str =
    "check_every = \"off\"\npoll_every = \"off\"\n[limits]\ndenials_per_minute = 100000";

/// The segments of a path as servers may read them: decoded as often as one likes, backslashes taken for slashes,
/// empty segments left out, dots resolved, in small letters. Written by itself: what is tested has its own.
fn readings(path: &str) -> Vec<Vec<String>> {
    let mut readings = vec![segments(path)];
    let mut text = path.to_owned();
    loop {
        let decoded = decoded(&text);
        if decoded == text {
            return readings;
        }
        readings.push(segments(&decoded));
        text = decoded;
    }
}

fn segments(path: &str) -> Vec<String> {
    let mut segments = Vec::new();
    for segment in path.to_lowercase().split(['/', '\\']) {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment.to_owned()),
        }
    }
    segments
}

fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        let encoded = piece
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match encoded {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend(&piece.as_bytes()[2..]);
            }
            None => bytes.extend([b"%", piece.as_bytes()].concat()),
        }
    }
    // What is no text names no repository.
    String::from_utf8(bytes).unwrap_or_default()
}

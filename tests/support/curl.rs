//! curl: a client that shares nothing with the servers under test.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// Where to ask.
#[derive(Debug, Clone)]
pub struct Curl {
    base: String,
    ca: Option<PathBuf>,
}

/// What curl got.
#[derive(Debug)]
pub struct Got {
    /// The status; 0 if there was none.
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    /// The body, as far as it came.
    pub body: String,
    /// curl's exit code: 0, or why there is no whole answer.
    pub code: i32,
}

impl Got {
    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// GitHub's `message`.
    #[must_use]
    pub fn message(&self) -> String {
        self.json()["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// One header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    }
}

impl Curl {
    /// Asks below this URL; with a certificate of its own to trust, or none.
    #[must_use]
    pub fn to(base: &str, ca: Option<PathBuf>) -> Self {
        let base = base.to_owned();
        Self { base, ca }
    }

    /// `METHOD /path`, with a token or none.
    pub fn ask(&self, call: &str, token: &str) -> Got {
        self.send(call, token, &[])
    }

    /// The same with a JSON body.
    pub fn tell(&self, call: &str, token: &str, body: &Value) -> Got {
        let json = "Content-Type: application/json";
        self.send(
            call,
            token,
            &["--header", json, "--data", &body.to_string()],
        )
    }

    /// The same with more arguments for curl.
    pub fn send(&self, call: &str, token: &str, more: &[&str]) -> Got {
        let (method, path) = call.split_once(' ').expect("a method and a path");
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--include", "--max-time", "20"])
            .args(["--request", method])
            .args(more);
        if let Some(ca) = &self.ca {
            curl.arg("--cacert").arg(ca);
        }
        if !token.is_empty() {
            curl.args(["--header", &format!("Authorization: Bearer {token}")]);
        }
        let output = curl.arg(format!("{}{path}", self.base)).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Got {
            status: status.unwrap_or(0),
            head: head.to_owned(),
            body: body.to_owned(),
            code: output.status.code().unwrap(),
        }
    }
}

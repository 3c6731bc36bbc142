//! curl, which shares nothing with the server.

use std::process::Command;

use serde_json::Value;

use super::super::StandIn;

/// What curl got.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
    /// curl's exit code: 0, or why there is no answer.
    pub(super) code: i32,
}

impl Got {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(super) fn message(&self) -> String {
        self.json()["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    }
}

/// `METHOD /path`, with a token or none.
pub(super) fn ask(github: &StandIn, call: &str, token: &str) -> Got {
    send(github, call, token, &[])
}

/// The same with a JSON body.
pub(super) fn tell(github: &StandIn, call: &str, token: &str, body: &Value) -> Got {
    send(github, call, token, &["--data", &body.to_string()])
}

/// The same with more arguments for curl.
pub(super) fn send(github: &StandIn, call: &str, token: &str, more: &[&str]) -> Got {
    let (method, path) = call.split_once(' ').unwrap();
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--include",
        "--max-time",
        "20",
        "--request",
        method,
        "--cacert",
    ])
    .arg(github.ca())
    .args(more);
    if !token.is_empty() {
        curl.args(["--header", &format!("Authorization: Bearer {token}")]);
    }
    let output = curl
        .arg(format!("{}{path}", github.api()))
        .output()
        .unwrap();
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

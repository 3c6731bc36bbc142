//! A broker that answers from a script and remembers what it was asked.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use broker_protocol::error::Problem;
use serde_json::{Value, json};

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// An answer: a status and a body.
pub(crate) type Answer = (u16, String);

/// Lives as long as the test; its thread ends with the process.
pub(crate) struct FakeBroker {
    pub(crate) home: tempfile::TempDir,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl FakeBroker {
    /// A broker in a home of its own that answers `METHOD PATH` with what `answer` says.
    pub(crate) fn answering(answer: impl Fn(&Seen) -> Answer + Send + 'static) -> Self {
        Self::answering_with("", answer)
    }

    /// The same with these lines in the head of each answer.
    pub(crate) fn answering_with(
        headers: &'static str,
        answer: impl Fn(&Seen) -> Answer + Send + 'static,
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        for dir in ["run", "policies"] {
            std::fs::create_dir(home.path().join(dir)).unwrap();
        }
        let listener = UnixListener::bind(home.path().join("run/tokend.sock")).unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let remembered = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read(&mut stream);
                remembered.lock().unwrap().push(request.clone());
                let (status, body) = answer(&request);
                let text = format!(
                    "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}",
                    body.len()
                );
                // A caller that has gone has its reasons.
                drop(stream.write_all(text.as_bytes()));
            }
        });
        Self { home, seen }
    }

    /// A broker that grants one lease on `token` to every caller.
    pub(crate) fn granting(token: &str) -> Self {
        let body = lease(token);
        Self::answering(
            move |seen| match seen.line.strip_prefix("GET /v1/purposes/") {
                Some(name) => (200, purpose(name, "raw").to_string()),
                None => (201, body.clone()),
            },
        )
    }

    /// A broker that refuses everything.
    pub(crate) fn refusing(problem: &Problem) -> Self {
        let (status, body) = (problem.status, serde_json::to_string(problem).unwrap());
        Self::answering(move |_| (status, body.clone()))
    }

    /// What it was asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The command line, pointed at this broker.
    pub(crate) fn tokenctl(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenctl"));
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("TOKEND_HOME", self.home.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.tokenctl(args).output().unwrap()
    }

    /// Runs it to its end with this on stdin.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &str) -> Output {
        feed(&mut self.tokenctl(args), stdin)
    }

    pub(crate) fn policy(&self, name: &str) -> PathBuf {
        self.home.path().join("policies").join(name)
    }
}

pub(crate) fn feed(command: &mut Command, stdin: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses before it reads is right to.
    drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
    child.wait_with_output().unwrap()
}

pub(crate) fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

pub(crate) fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A purpose that gives the caller contents of all of `acme/*`.
pub(crate) fn purpose(name: &str, deliver: &str) -> Value {
    json!({
        "purpose": name, "about": null, "secret": "s", "deliver": deliver, "rule": "x.toml#1",
        "repositories": ["acme/*"], "organization": null, "permissions": {"contents": "write"},
        "ttl_default": 900, "ttl_max": 3600
    })
}

/// The same where GitHub refuses the value behind it.
pub(crate) fn rejected_lease(token: &str) -> String {
    let mut lease: Value = serde_json::from_str(&lease(token)).unwrap();
    lease["rejected_since"] = "2026-11-20T06:00:00Z".into();
    lease.to_string()
}

/// The answer to a request for a lease.
pub(crate) fn lease(token: &str) -> String {
    json!({
        "lease": "0123456789abcdef0123456789abcdef", "token": token, "deliver": "raw",
        "enforced_by": "none", "purpose": "label-sync", "secret": "org-label-sync-token",
        "rule": "label-sync.toml#1", "repositories": ["acme/*"], "organization": null,
        "permissions": {"issues": "write"}, "uid": 1000,
        "issued_at": "2026-11-21T07:00:00Z", "expires_at": "2026-11-21T07:15:00Z",
        "renewable_until": "2026-11-21T08:00:00Z", "audit_seq": 41
    })
    .to_string()
}

fn read(stream: &mut UnixStream) -> Seen {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = std::str::from_utf8(&bytes).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |n| n.parse().unwrap());
            if body.len() >= length {
                let line = head.lines().next().unwrap_or_default();
                return Seen {
                    line: line.trim_end_matches(" HTTP/1.1").to_owned(),
                    body: body.to_owned(),
                };
            }
        }
        let size = stream.read(&mut part).unwrap();
        if size == 0 {
            return Seen {
                line: "hung up".to_owned(),
                body: String::new(),
            };
        }
        bytes.extend_from_slice(&part[..size]);
    }
}

/// The status of a broker without secrets, as its operators see it.
pub(crate) fn operators_status() -> Value {
    let at = "2026-11-21T07:00:00Z";
    json!({
        "version": env!("CARGO_PKG_VERSION"), "locked": false, "ready": true, "not_ready": [],
        "caller": {"uid": 0, "gid": 0, "pid": 1, "unit": null, "user_unit": null, "exe": null},
        "operator": true, "own_leases": 0,
        "broker": {
            "started_at": at, "pid": 1, "root_key": "passphrase",
            "root_key_in_force": {
                "version": 1, "since": at, "seals": 1, "most_seals": 4294967296_u64,
                "rekey_every": null, "deadline": null, "needs": null, "recovery": false,
            },
            "live_leases": 0, "raw_leases": 0, "audit_records": 1, "audit_head": "00",
            "audit_key": "", "audit_fault": null, "purposes": 0, "policies_loaded_at": at,
            "policy_fault": null, "policy_files_changed": [], "memory_locked": true,
            "secrets": [], "warnings": [],
        },
    })
}

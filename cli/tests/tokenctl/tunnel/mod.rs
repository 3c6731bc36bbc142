//! `exec` for proxy tokens: what the command is led by, what is left beside it, and what is left after it.

mod environment;
mod purposes;
mod refused;
mod relay;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fake_broker::{Answer, FakeBroker, Seen, err, lease, out, purpose};

const ROOT: &str = "-----BEGIN CERTIFICATE-----\nT1RIRVI=\n-----END CERTIFICATE-----\n";

/// The lease of this purpose, told from others by its first letter.
fn id(purpose: &str) -> String {
    format!("{:02x}", purpose.as_bytes()[0]).repeat(16)
}

/// The authority of this purpose's lease.
fn authority(purpose: &str) -> String {
    authority_of(&id(purpose))
}

fn authority_of(lease: &str) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{lease}\n-----END CERTIFICATE-----\n")
}

/// The answer with a lease; its token is made of the purpose's first letter.
fn lease_for(purpose: &str, deliver: &str) -> Value {
    let first = purpose.chars().next().unwrap().to_string();
    let mut answer: Value = serde_json::from_str(&lease(&format!("tkp_{first}"))).unwrap();
    let fields = answer.as_object_mut().unwrap();
    fields.insert("lease".to_owned(), json!(id(purpose)));
    fields.insert("purpose".to_owned(), json!(purpose));
    fields.insert("deliver".to_owned(), json!(deliver));
    if deliver == "proxy" {
        let proxy = json!({
            "socket": "/nonexistent/proxy.sock", "api": "http://api.github.com",
            "requests": 0, "refused": 0, "refused_by_github": 0
        });
        fields.insert("proxy".to_owned(), proxy);
        fields.insert("enforced_by".to_owned(), json!("broker"));
    }
    answer
}

fn problem(code: &str, status: u16) -> Answer {
    let body = json!({
        "type": format!("urn:tokend:error:{code}"), "title": "no", "status": status, "code": code,
        "detail": "refused (audit record 7)"
    });
    (status, body.to_string())
}

/// How the broker answers where nothing is wrong. A purpose that begins with `d` is denied, one with `r` is raw.
fn usual(seen: &Seen, hosts: &[&str]) -> Answer {
    let deliver = |name: &str| {
        if name.starts_with('r') {
            "raw"
        } else {
            "proxy"
        }
    };
    match seen.line.split_once(' ').unwrap() {
        ("GET", path) => match path.strip_prefix("/v1/purposes/").unwrap() {
            name if name.starts_with('d') => problem("denied", 403),
            name => (200, purpose(name, deliver(name)).to_string()),
        },
        ("POST", "/v1/leases") => match seen.json()["purpose"].as_str().unwrap() {
            name if name.starts_with('d') => problem("denied", 403),
            name => (201, lease_for(name, deliver(name)).to_string()),
        },
        ("POST", path) => {
            let lease = path.strip_prefix("/v1/leases/").unwrap();
            let lease = lease.strip_suffix("/tunnel").unwrap();
            let tunnel = json!({"lease": lease, "hosts": hosts, "authority": authority_of(lease)});
            (200, tunnel.to_string())
        }
        _ => (
            200,
            json!({"lease": id("labels"), "recorded": true}).to_string(),
        ),
    }
}

fn broker() -> FakeBroker {
    FakeBroker::answering(|seen| {
        usual(
            seen,
            &[
                "api.github.com:443",
                "uploads.github.com:443",
                "github.com:443",
            ],
        )
    })
}

fn lines(broker: &FakeBroker) -> Vec<String> {
    broker.seen().into_iter().map(|seen| seen.line).collect()
}

/// `exec` with a runtime directory of its own, where the bundle goes.
fn exec(broker: &FakeBroker, args: &[&str]) -> Command {
    let mut tokenctl = broker.tokenctl(&[&["exec"], args].concat());
    tokenctl.env("XDG_RUNTIME_DIR", runtime(broker));
    tokenctl
}

/// `exec` in namespaces of its own; `None` where this account may not make them.
fn unshared(broker: &FakeBroker, options: &[&str]) -> Option<Command> {
    let made = Command::new("unshare")
        .args(options)
        .arg("true")
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        return None;
    }
    let tokenctl = exec(broker, &["labels"]);
    let mut unshare = Command::new("unshare");
    unshare
        .args(options)
        .arg(tokenctl.get_program())
        .args(tokenctl.get_args())
        .env_clear()
        .stdin(Stdio::null());
    for (name, value) in tokenctl.get_envs() {
        unshare.env(name, value.unwrap());
    }
    Some(unshare)
}

fn runtime(broker: &FakeBroker) -> PathBuf {
    let dir = broker.home.path().join("runtime");
    fs::create_dir_all(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    dir
}

fn bundles(broker: &FakeBroker) -> usize {
    fs::read_dir(runtime(broker)).unwrap().count()
}

fn until(what: impl Fn() -> bool) {
    let come = (0..2000).any(|_| {
        thread::park_timeout(Duration::from_millis(10));
        what()
    });
    assert!(come, "it has not come");
}

/// A command that has printed its environment and waits for its standard input to end.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    env: Vec<(String, String)>,
}

impl Running {
    fn start(mut exec: Command) -> Self {
        exec.args(["--", "sh", "-c", "env; echo end=; exec cat"]);
        let mut child = exec
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut env = Vec::new();
        for line in BufReader::new(child.stdout.as_mut().unwrap()).lines() {
            let line = line.unwrap();
            let (name, value) = line.split_once('=').unwrap();
            if name == "end" {
                break;
            }
            env.push((name.to_owned(), value.to_owned()));
        }
        let stdin = child.stdin.take();
        Self { child, stdin, env }
    }

    fn var(&self, name: &str) -> Option<&str> {
        let variable = self.env.iter().find(|(known, _)| known == name);
        variable.map(|(_, value)| value.as_str())
    }

    fn relay_address(&self) -> &str {
        self.var("HTTPS_PROXY")
            .unwrap()
            .strip_prefix("http://")
            .unwrap()
    }

    /// The relay's directory in `/proc`: the process that names the bundle.
    fn relay(&self) -> PathBuf {
        let bundle = self.var("SSL_CERT_FILE").unwrap();
        relay_of(Path::new(bundle)).unwrap()
    }

    fn end(mut self) {
        self.stdin = None;
        assert!(self.child.wait().unwrap().success());
    }
}

fn relay_of(bundle: &Path) -> Option<PathBuf> {
    let processes = fs::read_dir("/proc")
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut relays = processes.filter(|process| {
        // A process may be gone by now.
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8(line).unwrap_or_default();
        line.starts_with("tokenctl\0relay\0") && line.contains(bundle.to_str().unwrap())
    });
    relays.next()
}

/// Runs it, and makes sure that no command ran, and nothing is left of what was prepared.
fn refused(broker: &FakeBroker, mut exec: Command) -> String {
    let mark = broker.home.path().join("mark");
    let got = exec.args(["--", "touch"]).arg(&mark).output().unwrap();
    assert_eq!((got.status.code(), out(&got)), (Some(125), ""), "{got:?}");
    assert!(!mark.exists());
    assert!(!err(&got).contains("tkp_"), "{got:?}");
    assert_eq!(bundles(broker), 0);
    err(&got).to_owned()
}

//! prism, between a client and the stand-in: it holds every call and every answer against GitHub's
//! own description of the API, and fails what violates it.
//!
//! The description is that of npm `@octokit/openapi`, cut down by `conformance/cut.mjs` to the calls in use.
//!
//! For 1Password Connect it is `connect.yaml`, in our own words, made fit by `conformance/connect.mjs`.
//!
//! What prism cannot check, and other tests must:
//!
//! - who may do what, and which status a state deserves: any described status passes;
//! - answers with 400 and 422: with them described, prism would let bad requests pass;
//! - whether a refusal may have its status: of statuses that are not described it minds successes
//!   alone;
//! - statuses that may come anywhere and are described for few calls (301, 401, 403, 404, 429): they
//!   are added to the description, so that at least their bodies are checked;
//! - headers of answers (rate limits, scopes, expiry, `Retry-After`): few are described;
//! - fields the description does not know: most objects allow more than they list;
//! - that a secret's value opens, a JWT verifies, a token works.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use support::wait;
use tempfile::TempDir;

/// A running prism. Killed when dropped.
pub(crate) struct Prism {
    child: Child,
    port: u16,
    scratch: TempDir,
}

impl Prism {
    /// Starts it in front of `upstream`, which stands in for GitHub.
    pub(crate) fn start(tools: &Path, upstream: &str) -> Self {
        let described = tools.join("node_modules/@octokit/openapi/generated/api.github.com.json");
        Self::with(tools, "cut.mjs", &[&described], upstream)
    }

    /// Starts it in front of `upstream`, which stands in for 1Password Connect.
    pub(crate) fn for_connect(tools: &Path, upstream: &str) -> Self {
        let theirs = std::env::var_os("TOKEND_TEST_CONNECT_DESCRIPTION").map(PathBuf::from);
        let ours = || concat!(env!("CARGO_MANIFEST_DIR"), "/contract/connect.yaml").into();
        let described = theirs.unwrap_or_else(ours);
        Self::with(tools, "connect.mjs", &[tools, &described], upstream)
    }

    fn with(tools: &Path, cutter: &str, arguments: &[&Path], upstream: &str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let cut = Command::new("node")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/contract/conformance/").to_owned() + cutter)
            .args(arguments)
            .stdout(File::create(scratch.path().join(CUT)).unwrap())
            .status();
        assert!(cut.expect("node runs").success());
        // Free now, and hardly taken before prism has it.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let log = File::create(scratch.path().join(LOG)).unwrap();
        let child = Command::new("node")
            .arg(tools.join("node_modules/@stoplight/prism-cli/dist/index.js"))
            .args([
                "proxy",
                CUT,
                upstream,
                "--errors",
                "--port",
                &port.to_string(),
            ])
            .current_dir(scratch.path())
            .stdin(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .stdout(log)
            .spawn()
            .expect("node runs");
        let mut prism = Self {
            child,
            port,
            scratch,
        };
        prism.wait_until_it_listens();
        prism
    }

    /// It makes up an example of every call first, which takes a busy machine more than half a minute.
    fn wait_until_it_listens(&mut self) {
        for _ in 0..10 {
            let mut ended = None;
            let mut looks = 0;
            wait::until(|| {
                ended = self.child.try_wait().unwrap();
                looks += 1;
                ended.is_some() || looks > LOOKS || self.log().contains("Prism is listening")
            });
            assert!(ended.is_none(), "prism ended: {}", self.log());
            if looks <= LOOKS {
                return;
            }
        }
        panic!("prism does not listen: {}", self.log());
    }

    /// Where clients reach it.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The cut description.
    pub(crate) fn description(&self) -> serde_json::Value {
        let text = fs::read(self.scratch.path().join(CUT)).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// Which of its schemas prism cannot check and would let everything pass for.
    pub(crate) fn blind_spots(&self, tools: &Path) -> String {
        let mut node = Command::new("node");
        node.arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/contract/conformance/compiles.mjs"
        ));
        let output = node.arg(tools).arg(self.scratch.path().join(CUT)).output();
        String::from_utf8(output.expect("node runs").stdout).unwrap()
    }

    /// What was found so far, one line each.
    pub(crate) fn violations(&self) -> Vec<String> {
        let log = self.log();
        let bad = log.lines().filter(|line| line.contains('✖'));
        bad.map(str::to_owned).collect()
    }

    fn log(&self) -> String {
        let path: PathBuf = self.scratch.path().join(LOG);
        fs::read_to_string(path).unwrap()
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Fewer than `wait::until` takes.
const LOOKS: u32 = 2000;
const CUT: &str = "cut.json";
const LOG: &str = "prism.log";

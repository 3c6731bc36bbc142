//! A command under `tokenctl exec`: how long a TLS handshake takes through relay and tunnel, and how fast git clones and
//! pushes, beside the same past the proxy.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use support::broker::own;
use support::git_server::{GitServer, git};
use support::tls_front::TlsFront;
use support::{Home, TestBroker, canary};
use tokio_rustls::rustls::{ClientConfig, ClientConnection};

use crate::lease::timed;
use crate::proxy::SECRET;
use crate::table::{Row, Table, highest, lowest, median};
use crate::upstream::{name_of_loopback, trusting};

/// Handshakes of each kind in a round.
const HANDSHAKES: usize = 200;
/// How much git transfers at once, in bytes; it does not compress.
const TRANSFER: usize = 200 << 20;

const PURPOSE: &str = "purpose = \"load-git\"\nsecret = \"load-proxied\"\nrepositories = [\"acme/*\"]\n\
    permissions = { contents = \"write\" }\ndeliver = \"proxy\"\n[[allow]]\ncaller = { uid = UID }\n";
const QUIET: &str = "check_every = \"off\"\npoll_every = \"off\"";

/// Seconds, past the proxy and through it.
#[derive(Clone, Copy)]
struct Beside {
    past: f64,
    through: f64,
}

impl Beside {
    fn share(&self) -> f64 {
        self.past / self.through
    }
}

struct Round {
    handshake: Beside,
    push: Beside,
    clone: Beside,
}

pub(crate) fn measure(rounds: usize, table: &mut Table) {
    let rounds: Vec<Round> = (0..rounds.min(3)).map(|_| Scene::start().round()).collect();
    let handshakes = || rounds.iter().map(|round| round.handshake);
    let milliseconds = |seconds: f64| seconds * 1e3;
    let through = milliseconds(median(handshakes().map(|one| one.through)));
    let past = milliseconds(median(handshakes().map(|one| one.past)));
    let worst = milliseconds(highest(handshakes().map(|one| one.through)));
    table.push(Row {
        what: "a TLS handshake under `tokenctl exec`, p50",
        goal: "≤ 3 ms".to_owned(),
        raw: format!("direct {past:.2} ms"),
        median: format!("{through:.2} ms"),
        worst: format!("{worst:.2} ms"),
        met: Some(through <= 3.0),
    });
    let mut transferred = |what, pushes: usize, of: fn(&Round) -> Beside| {
        let share = median(rounds.iter().map(|round| of(round).share()));
        let speed = |seconds: f64| (pushes * TRANSFER) as f64 / seconds / 1e6;
        table.push(Row {
            what,
            goal: "≥ 0.80 × direct".to_owned(),
            raw: format!(
                "direct {:.0} MB/s",
                speed(median(rounds.iter().map(|round| of(round).past)))
            ),
            median: format!(
                "{:.0} MB/s, {share:.2} × direct",
                speed(median(rounds.iter().map(|round| of(round).through)))
            ),
            worst: format!(
                "{:.2} × direct",
                lowest(rounds.iter().map(|round| of(round).share()))
            ),
            met: Some(share >= 0.8),
        });
    };
    transferred("git push of 200 MiB under `tokenctl exec`", 1, |round| {
        round.push
    });
    transferred("git clone of 400 MiB under `tokenctl exec`", 2, |round| {
        round.clone
    });
}

struct Scene {
    broker: TestBroker,
    front: TlsFront,
    _server: GitServer,
}

impl Scene {
    fn start() -> Self {
        let server = GitServer::start(canary::CLASSIC);
        let front = TlsFront::before(&server.host());
        let home = Home::ready();
        home.github_at(
            &format!("https://{}/api/v3", front.host()),
            &front.ca(),
            QUIET,
        );
        home.policy("load-secret.toml", SECRET);
        home.policy("load-git.toml", &own(PURPOSE));
        let broker = home.start();
        let set = ["secret", "set", "load-proxied"];
        broker.home.ctl_with(&set, canary::CLASSIC).success();
        Self {
            broker,
            front,
            _server: server,
        }
    }

    fn round(&self) -> Round {
        let handshake = self.handshakes();
        // The first of each kind warms up what is to be warm.
        self.clone_to(Way::Through, "work");
        let work = self.path("work");
        let push = Beside {
            past: self.push(Way::Past, &work, 1),
            through: self.push(Way::Through, &work, 2),
        };
        // What is cloned is both pushes.
        let clone = Beside {
            past: self.clone_to(Way::Past, "past"),
            through: self.clone_to(Way::Through, "through"),
        };
        let round = Round {
            handshake,
            push,
            clone,
        };
        eprintln!(
            "  handshake {:.2}/{:.2} ms, push {:.2}/{:.2} s, clone {:.2}/{:.2} s (direct/exec)",
            handshake.past * 1e3,
            handshake.through * 1e3,
            push.past,
            push.through,
            clone.past,
            clone.through
        );
        round
    }

    fn path(&self, name: &str) -> PathBuf {
        self.broker.home.path().join(name)
    }

    fn handshakes(&self) -> Beside {
        let command = UnderExec::start(&self.broker.home);
        let (direct, tunnelled) = (trusting(&self.front.ca()), trusting(&command.bundle));
        let mut past = Vec::new();
        let mut through = Vec::new();
        let host = self.front.host();
        for _ in 0..HANDSHAKES {
            let seconds = timed(|| shake(TcpStream::connect(&host).unwrap(), &direct));
            past.push(seconds.as_secs_f64());
            let seconds = timed(|| shake(connected(&command.relay, &host), &tunnelled));
            through.push(seconds.as_secs_f64());
        }
        Beside {
            past: median(past),
            through: median(through),
        }
    }

    /// Returns how many seconds it took.
    fn clone_to(&self, way: Way, to: &str) -> f64 {
        let url = format!("https://{}/acme/site.git", self.front.host());
        let mut clone = self.git(way);
        clone.args(["clone", "--quiet", &url, to]);
        let seconds = run(&mut clone);
        if way != Way::Through || to != "work" {
            fs::remove_dir_all(self.path(to)).unwrap();
        }
        seconds
    }

    fn push(&self, way: Way, work: &Path, seed: u64) -> f64 {
        fs::write(work.join(format!("noise-{seed}")), noise(seed)).unwrap();
        git(work, &["config", "core.compression", "0"]);
        git(work, &["add", "."]);
        git(work, &["commit", "--quiet", "--message=Another"]);
        let mut push = self.git(way);
        push.current_dir(work)
            .args(["push", "--quiet", "origin", "main"]);
        run(&mut push)
    }

    /// git that reaches the server as it can: with the stored token, or under `tokenctl exec`.
    fn git(&self, way: Way) -> Command {
        let home = &self.broker.home;
        let mut command = match way {
            Way::Past => {
                let basic = STANDARD.encode(format!("x-access-token:{}", canary::CLASSIC));
                let header = format!("http.extraHeader=Authorization: Basic {basic}");
                let mut command = home.command(Path::new("git"));
                command.env("GIT_SSL_CAINFO", self.front.ca());
                command.args(["-c", &header]);
                command
            }
            Way::Through => {
                let mut command = home.tokenctl();
                command.args(["exec", "load-git", "--", "git"]);
                command
            }
        };
        command.current_dir(home.path());
        command
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Past,
    Through,
}

/// A command under `tokenctl exec` that waits, and what it was given.
struct UnderExec {
    child: Child,
    /// `127.0.0.1:PORT`
    relay: String,
    bundle: PathBuf,
}

impl UnderExec {
    fn start(home: &Home) -> Self {
        let mut command = home.tokenctl();
        command.args(["exec", "load-git", "--", "sh", "-c"]);
        command.arg("echo $HTTPS_PROXY; echo $SSL_CERT_FILE; exec cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = || lines.next().unwrap().unwrap();
        let relay = line().replace("http://", "");
        let bundle = line().into();
        Self {
            child,
            relay,
            bundle,
        }
    }
}

impl Drop for UnderExec {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A tunnel to this host.
fn connected(relay: &str, host: &str) -> TcpStream {
    let mut stream = TcpStream::connect(relay).unwrap();
    write!(stream, "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    stream
}

fn shake(mut stream: TcpStream, trust: &Arc<ClientConfig>) {
    let mut connection = ClientConnection::new(Arc::clone(trust), name_of_loopback()).unwrap();
    connection.complete_io(&mut stream).unwrap();
}

fn run(command: &mut Command) -> f64 {
    timed(|| assert!(command.status().unwrap().success())).as_secs_f64()
}

/// Bytes that do not compress, others for each seed.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(TRANSFER);
    while bytes.len() < TRANSFER {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mixed = (state ^ (state >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        bytes.extend((mixed ^ (mixed >> 29)).to_le_bytes());
    }
    bytes
}

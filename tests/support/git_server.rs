//! Repositories behind `git http-backend` and Basic authentication, as GitHub asks for it.
//!
//! A CGI server and no more: one thread and one answer a connection, bodies with a length or in
//! chunks. The user name is not looked at; the password is the token. Of Git LFS it sends back what it got.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::libc::linger;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::Linger;
use tempfile::TempDir;

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Method, path and query.
    pub line: String,
    /// Whether the password was the token.
    pub allowed: bool,
    /// Whether the body came in chunks.
    pub chunked: bool,
    /// How long the body was, in bytes.
    pub length: usize,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Seen {
    /// One header's value.
    #[must_use]
    pub fn header(&self, wanted: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    }
}

/// What happens to large answers: those that hold a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pack {
    /// They are sent.
    Whole,
    /// The connection is reset after so many bytes.
    Reset(usize),
    /// After so many bytes no more come.
    Held(usize),
}

/// The server. Its thread ends with the test.
pub struct GitServer {
    address: SocketAddr,
    directory: TempDir,
    site: Arc<Site>,
}

impl GitServer {
    /// Serves `acme/site.git` and `other/site.git`, which hold one commit, to clients that know `token`, and
    /// `open/site.git` to all.
    pub fn start(token: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        make_repository(directory.path());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let site = Arc::new(Site {
            root: directory.path().join("served"),
            tokens: Mutex::new(vec![token.to_owned()]),
            seen: Mutex::new(Vec::new()),
            packs: Mutex::new(Pack::Whole),
            holding: AtomicBool::new(false),
        });
        let serving = Arc::clone(&site);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let site = Arc::clone(&serving);
                // A client that hangs up is its own business.
                thread::spawn(move || site.answer(&stream.unwrap()).ok());
            }
        });
        Self {
            address,
            directory,
            site,
        }
    }

    /// From now on it knows this token too.
    pub fn honour(&self, token: &str) {
        self.site.tokens.lock().unwrap().push(token.to_owned());
    }

    /// From now on this happens to answers that are longer than it says.
    pub fn packs(&self, what: Pack) {
        *self.site.packs.lock().unwrap() = what;
    }

    /// Whether a pack is held back by now.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.site.holding.load(Ordering::Relaxed)
    }

    /// No request is known any more.
    pub fn forget(&self) {
        self.site.seen.lock().unwrap().clear();
    }

    /// `127.0.0.1:PORT`, as git names the host.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Where to clone from.
    pub fn url(&self) -> String {
        format!("http://{}/acme/site.git", self.address)
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.site.seen.lock().unwrap().clone()
    }

    /// What `git rev-parse` says of a name in the served repository.
    pub fn revision(&self, name: &str) -> String {
        let repository = self.directory.path().join("served/acme/site.git");
        git(&repository, &["rev-parse", name])
    }
}

/// Runs git in this directory with nothing configured, and returns what it wrote.
///
/// # Panics
///
/// If it fails.
pub fn git(directory: &Path, arguments: &[&str]) -> String {
    let out = Command::new("git")
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.org"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(out.status.success(), "git {arguments:?}: {out:?}");
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

fn make_repository(directory: &Path) {
    let (first, served) = (directory.join("first"), directory.join("served"));
    fs::create_dir_all(&first).unwrap();
    git(&first, &["init", "--quiet", "--initial-branch=main"]);
    fs::write(first.join("README"), "private\n").unwrap();
    git(&first, &["add", "README"]);
    git(&first, &["commit", "--quiet", "--message=First"]);
    for owner in ["acme", "other", "open"] {
        let served = served.join(owner);
        fs::create_dir_all(&served).unwrap();
        git(
            &served,
            &["clone", "--quiet", "--bare", "../../first", "site.git"],
        );
        // Tests push noise: what is not compressed, not unpacked and not compared is served fast.
        let repository = served.join("site.git");
        for (name, value) in [
            ("core.compression", "0"),
            ("receive.unpackLimit", "1"),
            ("pack.window", "0"),
        ] {
            git(&repository, &["config", name, value]);
        }
    }
}

struct Site {
    root: PathBuf,
    tokens: Mutex<Vec<String>>,
    seen: Mutex<Vec<Seen>>,
    packs: Mutex<Pack>,
    holding: AtomicBool,
}

impl Site {
    fn answer(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut input = BufReader::new(stream);
        let mut line = String::new();
        input.read_line(&mut line)?;
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            if input.read_line(&mut header)? == 0 {
                return Ok(());
            }
            let Some((name, value)) = header.trim_end().split_once(':') else {
                break;
            };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let header = |wanted: &str| {
            let found = headers.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.as_str())
        };
        let mut output = stream;
        if header("expect").is_some() {
            output.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let chunked = header("transfer-encoding") == Some("chunked");
        let body = if chunked {
            read_chunks(&mut input)?
        } else {
            let length = header("content-length").map_or(0, |text| text.parse().unwrap());
            let mut body = vec![0; length];
            input.read_exact(&mut body)?;
            body
        };
        let allowed = header("authorization").is_some_and(|value| self.allows(value));
        self.seen.lock().unwrap().push(Seen {
            line: line.trim_end().to_owned(),
            allowed,
            chunked,
            length: body.len(),
            headers: headers.clone(),
        });
        let open = line.split(' ').nth(1).is_some_and(is_open);
        if !allowed && !open {
            return output.write_all(
                b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"GitHub\"\r\n\
                  Content-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
        let answer = if line.contains("/info/lfs/") || line.contains("/releases/") {
            let length = body.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            [head.into_bytes(), body].concat()
        } else {
            self.backend(&line, &header, &body)
        };
        let packs = *self.packs.lock().unwrap();
        let sent = match packs {
            Pack::Reset(sent) | Pack::Held(sent) => sent,
            Pack::Whole => usize::MAX,
        };
        let Some(sent) = answer.get(..sent) else {
            return output.write_all(&answer);
        };
        output.write_all(sent)?;
        if let Pack::Held(_) = packs {
            self.holding.store(true, Ordering::Relaxed);
            // Until the other side ends it.
            return input.read_to_end(&mut Vec::new()).map(drop);
        }
        setsockopt(stream, Linger, &LINGER_NOT).map_err(Into::into)
    }

    fn allows(&self, authorization: &str) -> bool {
        let basic = authorization.strip_prefix("Basic ");
        let decoded = basic.and_then(|text| STANDARD.decode(text).ok());
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let password = decoded.as_deref().and_then(|text| text.split_once(':'));
        let known = self.tokens.lock().unwrap();
        password.is_some_and(|(_, password)| known.iter().any(|token| token == password))
    }

    /// Runs the CGI program and turns what it writes into an answer.
    fn backend<'a>(
        &self,
        line: &str,
        header: &dyn Fn(&str) -> Option<&'a str>,
        body: &[u8],
    ) -> Vec<u8> {
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut command = Command::new("git");
        command
            .arg("http-backend")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REQUEST_METHOD", method)
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            // A client that has a name may push.
            .env("REMOTE_USER", "token")
            .env("REMOTE_ADDR", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        for (name, variable) in [
            ("content-type", "CONTENT_TYPE"),
            ("content-length", "CONTENT_LENGTH"),
            ("content-encoding", "HTTP_CONTENT_ENCODING"),
            ("git-protocol", "GIT_PROTOCOL"),
        ] {
            if let Some(value) = header(name) {
                command.env(variable, value);
            }
        }
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let out = thread::scope(|scope| {
            // Beside the reading: either pipe may be full. It may end without reading all.
            scope.spawn(move || stdin.write_all(body).ok());
            child.wait_with_output().unwrap().stdout
        });
        let end = out.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(out[..end].to_vec()).unwrap();
        let status = head.lines().find_map(|line| line.strip_prefix("Status: "));
        let mut answer = format!("HTTP/1.1 {}\r\n", status.unwrap_or("200 OK")).into_bytes();
        for line in head.lines().filter(|line| !line.starts_with("Status: ")) {
            answer.extend_from_slice(format!("{line}\r\n").as_bytes());
        }
        answer.extend_from_slice(b"Connection: close\r\n");
        answer.extend_from_slice(&out[end + 2..]);
        answer
    }
}

/// What everyone may read.
fn is_open(target: &str) -> bool {
    let reads = target.starts_with("/open/") && !target.contains("git-receive-pack");
    reads || target.contains("/releases/")
}

/// A close that resets.
const LINGER_NOT: linger = linger {
    l_onoff: 1,
    l_linger: 0,
};

fn read_chunks(input: &mut BufReader<&TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let length = u64::from_str_radix(line.trim_end(), 16).unwrap();
        input.take(length).read_to_end(&mut body)?;
        input.read_line(&mut String::new())?;
        if length == 0 {
            return Ok(body);
        }
    }
}

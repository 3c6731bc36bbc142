//! GitHub at its own names: `api.github.com`, `uploads.github.com` and `github.com`, each on port 443 with TLS.
//!
//! To a broker alone. It runs with a `hosts` file of its own, in which these names are a loopback address of the
//! test's. Programs that it serves know no address of GitHub's: they reach it through the broker or not at all.
//!
//! ```text
//! api., uploads.github.com ─┐                      ┌─▶ the stand-in
//!                           ├─ 127.x.y.z:443, TLS ─┤
//! github.com ───────────────┘                      └─▶ git http-backend
//! ```
//!
//! Or at the one name of an Enterprise Server, where the path says which of the two answers.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional_with_sizes,
};
use tokio::net::TcpStream;

use crate::git_server::GitServer;
use crate::github::tls::acceptor_for;
use crate::github::{StandIn, State, World};
use crate::loopback::Loopback;
use crate::{Home, TestBroker, namespace, needs};

/// GitHub's names.
pub const HOSTS: [&str; 3] = ["api.github.com", "uploads.github.com", "github.com"];
/// The one for git.
const WEB: &str = HOSTS[2];
/// The name of the Enterprise Server.
const SERVER: &str = "git.acme.example";

/// What `[github] api` is by default.
pub const API: &str = "https://api.github.com";

/// Whether a broker can be made to believe in it here.
#[must_use]
pub fn can_be_played() -> bool {
    needs::root() && needs::program("unshare") && needs::program("git")
}

/// What answers at GitHub's names. Dropped, it is gone.
pub struct GithubCom {
    /// Its API.
    pub github: StandIn,
    /// Its repositories: `acme/site.git` and some more.
    pub git: GitServer,
    front: Loopback,
    directory: TempDir,
}

impl GithubCom {
    /// Starts it. `token` is what git authenticates with.
    #[must_use]
    pub fn start(world: World, token: &str) -> Self {
        Self::at(&HOSTS, world, token)
    }

    /// The same as an Enterprise Server, with nothing at GitHub's names.
    #[must_use]
    pub fn server(world: World, token: &str) -> Self {
        let server = Self::at(&[SERVER], world, token);
        let limits = |state: &mut State| state.settings.rate_limits = false;
        server.github.change(limits);
        server
    }

    fn at(names: &[&str], world: World, token: &str) -> Self {
        let (github, git) = (StandIn::start(world), GitServer::start(token));
        let directory = tempfile::tempdir().unwrap();
        let acceptor = acceptor_for(&directory.path().join(CA), names);
        let api = github.plain().replace("http://", "");
        let web = git.host();
        let front = Loopback::serve_on(listen(), move |stream| {
            let (acceptor, api, web) = (acceptor.clone(), api.clone(), web.clone());
            async move {
                let mut client = BufReader::new(acceptor.accept(stream).await?);
                let name = client.get_ref().get_ref().1.server_name();
                let (mut is_web, mut begun) = (name == Some(WEB), String::new());
                if name == Some(SERVER) {
                    client.read_line(&mut begun).await?;
                    is_web = !begun.contains(" /api/");
                    // The next request may be the other's.
                    begun.push_str("Connection: close\r\n");
                }
                let mut server = TcpStream::connect(if is_web { web } else { api }).await?;
                server.write_all(begun.as_bytes()).await?;
                // However one side ends, the other does.
                copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await
            }
        });
        let names = names.iter();
        let names = names.map(|host| format!("{} {host}\n", front.address.ip()));
        let hosts = format!("127.0.0.1 localhost\n{}", names.collect::<String>());
        fs::write(directory.path().join("hosts"), hosts).unwrap();
        // No one else is asked for a name.
        fs::write(directory.path().join("nsswitch"), "hosts: files\n").unwrap();
        Self {
            github,
            git,
            front,
            directory,
        }
    }

    /// The certificate of the authority behind its certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.directory.path().join(CA)
    }

    /// `127.x.y.z:443`.
    #[must_use]
    pub fn address(&self) -> String {
        self.front.address.to_string()
    }

    /// A configuration in which GitHub is at its own names, with these lines in `[github]` and after it.
    #[must_use]
    pub fn configuration(&self, more: &str) -> String {
        // Written out, because homes without it are kept away from GitHub.
        format!(
            "[github]\napi = \"{API}\"\nca = \"{}\"\n{more}\n",
            self.ca().display()
        )
    }

    /// Starts a broker to which GitHub is here. Its configuration must say so.
    #[must_use]
    pub fn broker(&self, home: Home) -> TestBroker {
        let files = self.name_files();
        let files: Vec<(&Path, &str)> = files
            .iter()
            .map(|(file, over)| (file.as_path(), *over))
            .collect();
        namespace::start(home, &files)
    }

    /// The files by which its names are found, each with the one of the machine that it takes the place of.
    #[must_use]
    pub fn name_files(&self) -> [(PathBuf, &'static str); 2] {
        [
            (self.directory.path().join("hosts"), "/etc/hosts"),
            (self.directory.path().join("nsswitch"), "/etc/nsswitch.conf"),
        ]
    }

    /// What makes curl ask it directly, as if it were GitHub.
    #[must_use]
    pub fn for_curl(&self) -> Vec<String> {
        let resolve = |host| format!("{host}:443:{}", self.front.address.ip());
        let resolved = HOSTS.map(resolve).into_iter();
        let mut arguments: Vec<_> = resolved
            .flat_map(|host| ["--resolve".to_owned(), host])
            .collect();
        arguments.extend(["--cacert".to_owned(), self.ca().display().to_string()]);
        arguments
    }
}

const CA: &str = "ca.pem";
/// How much is passed on at once, in bytes: git transfers hundreds of megabytes.
const BUFFER: usize = 64 * 1024;

/// Port 443 of a loopback address that no other test has.
fn listen() -> TcpListener {
    loop {
        let mut bytes = [0; 3];
        getrandom::fill(&mut bytes).unwrap();
        let [a, b, c] = bytes;
        // Neither a network nor a broadcast address, nor 127.0.0.1.
        let address = Ipv4Addr::new(127, a | 1, b, c.clamp(1, 254));
        match TcpListener::bind((address, 443)) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            listener => return listener.expect("root may listen on port 443"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Ran;
    use crate::canary;
    use crate::curl::Curl;

    #[test]
    fn each_name_leads_to_its_server_and_answers_name_the_api_as_github_does() {
        if !can_be_played() || !needs::program("curl") {
            return;
        }
        let world = World::new()
            .organization("acme", &["acme-bot"])
            .repository("acme/site")
            .classic(canary::CLASSIC, "acme-bot", &["repo"]);
        let com = GithubCom::start(world, canary::CLASSIC);
        let more = com.for_curl();
        let more: Vec<_> = more.iter().map(String::as_str).collect();
        let got = Curl::to(API, None).send("GET /repos/acme/site", canary::CLASSIC, &more);
        let url = &got.json()["url"];
        assert_eq!(url, "https://api.github.com/repos/acme/site");
        let uploads = Curl::to("https://uploads.github.com", None);
        let got = uploads.send("GET /repos/acme/site/releases", canary::CLASSIC, &more);
        assert_eq!(got.status, 404, "nothing but uploads");
        let web = Curl::to("https://github.com", None);
        let refs = "GET /acme/site.git/info/refs?service=git-upload-pack";
        let basic = format!("x:{}", canary::CLASSIC);
        let got = web.send(refs, "", &[&more[..], &["--user", &basic]].concat());
        assert_eq!(got.status, 200, "{got:?}");
        assert_eq!(com.git.seen().len(), 1);
    }

    #[test]
    fn a_broker_reaches_it_by_its_names_and_what_it_starts_from_does_not() {
        if !can_be_played() {
            return;
        }
        let world = World::new().classic(canary::CLASSIC, "acme-bot", &["repo", "workflow"]);
        let com = GithubCom::start(world, canary::CLASSIC);
        let home = Home::ready();
        home.config(&com.configuration("check_every = \"off\"\npoll_every = \"off\""));
        let broker = com.broker(home);
        let set = ["secret", "set", "org-label-sync-token"];
        broker.home.ctl_with(&set, canary::CLASSIC).success();
        let check = ["secret", "check", "org-label-sync-token"];
        broker.home.ctl(&check).success();
        assert_eq!(com.github.calls("GET /user"), 1);
        let hosts = fs::read_to_string("/etc/hosts").unwrap();
        assert!(!hosts.contains("github.com"), "{hosts}");
        let ran: Ran = broker.home.ctl(&["status"]);
        ran.success();
    }
}

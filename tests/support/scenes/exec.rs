//! Programs of others under `tokenctl exec`, unchanged, to which GitHub is at its own names.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::accounts;
use crate::broker::{Ran, own};
use crate::canary;
use crate::github::{IssueOf, World, hashed};
use crate::github_com::GithubCom;
use crate::{Home, TestBroker};

/// All labels of an organisation.
pub const LABEL_SYNC: &str = "label-sync";
/// Most that a lease can be held to, in one repository.
pub const SITE: &str = "site";
/// Reading one repository by git, and what is public.
pub const PUBLIC: &str = "public";
/// The stored token itself.
pub const RAW: &str = "raw";

/// Each with its repositories, permissions, delivery and what else it says.
const PURPOSES: [(&str, &str, &str, &str); 4] = [
    (
        LABEL_SYNC,
        "acme/*",
        "issues = \"write\"",
        "deliver = \"proxy\"",
    ),
    (
        SITE,
        "acme/site",
        "issues = \"write\", pull_requests = \"write\", contents = \"write\", \
         workflows = \"write\", actions = \"read\", secrets = \"write\", checks = \"read\", \
         statuses = \"read\"",
        "deliver = \"proxy\"",
    ),
    (
        PUBLIC,
        "acme/site",
        "contents = \"read\"",
        "deliver = \"proxy\"\npublic = true",
    ),
    (RAW, "acme/*", "issues = \"write\"", "deliver = \"raw\""),
];

/// No calls of the broker's own, and as many refusals as a test takes.
const QUIET: &str =
    "check_every = \"off\"\npoll_every = \"off\"\n[limits]\ndenials_per_minute = 100000";

/// GitHub, a broker that holds a token for it, and a user's own directory.
pub struct Scene {
    /// GitHub.
    pub com: GithubCom,
    /// The broker.
    pub broker: TestBroker,
    /// Where the user's programs have their home, their temporary and their runtime files.
    user: TempDir,
    /// What their environment holds besides.
    variables: BTreeMap<String, OsString>,
    /// That of the sockets of a broker that every account may ask.
    _open: Option<TempDir>,
}

/// A lease, and the token that was handed out for it.
pub struct Lease {
    /// Its id.
    pub id: String,
    /// Its token.
    pub token: String,
}

/// Who and what there is at this GitHub: issues, and in two repositories a pull request of Alice's.
#[must_use]
pub fn world() -> World {
    let world = World::new()
        .organization("acme", &["acme-bot"])
        .organization("other", &["acme-bot"])
        .repository_with("acme/site", |site| {
            let ci = ".github/workflows/ci.yml".to_owned();
            site.files.insert(ci, "name: CI\non: push\n".to_owned());
        })
        .repository("acme/docs")
        .repository("acme/new")
        .repository("other/site")
        .classic(canary::CLASSIC, "acme-bot", &["repo", "workflow"]);
    let world = world.issue("other/site", "The header is theirs");
    ["acme/site", "acme/docs"]
        .into_iter()
        .fold(world, |world, repository| {
            let pull = IssueOf {
                by: Some("alice".to_owned()),
                ..IssueOf::pull("Paint it blue", "blue")
            };
            world
                .issue(repository, "The header is red")
                .issue_with(repository, pull)
        })
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

impl Scene {
    /// With a broker for the account that runs the tests.
    pub fn new() -> Self {
        Self::with(|home, configuration| {
            home.config(configuration);
            None
        })
    }

    /// With a broker that every account may ask.
    pub fn open_to_all() -> Self {
        Self::with(|home, configuration| Some(accounts::open(home, configuration)))
    }

    fn with(configure: impl FnOnce(&mut Home, &str) -> Option<TempDir>) -> Self {
        let com = GithubCom::start(world(), canary::CLASSIC);
        let mut home = Home::ready();
        for (purpose, repositories, permissions, more) in PURPOSES {
            let policy = format!(
                "purpose = \"{purpose}\"\nsecret = \"org-label-sync-token\"\n\
                 repositories = [\"{repositories}\"]\n\
                 permissions = {{ metadata = \"read\", {permissions} }}\n{more}\n\
                 [[allow]]\ncaller = {{ uid = UID }}\n"
            );
            home.policy(&format!("{purpose}.toml"), &own(&policy));
        }
        let open = configure(&mut home, &com.configuration(QUIET));
        let broker = com.broker(home);
        let set = ["secret", "set", "org-label-sync-token"];
        broker.home.ctl_with(&set, canary::CLASSIC).success();
        com.github.forget_calls();
        let user = tempfile::Builder::new().prefix("user-").tempdir().unwrap();
        for name in ["tmp", "run", "work", "out"] {
            let directory = user.path().join(name);
            fs::create_dir(&directory).unwrap();
            fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        }
        Self {
            com,
            broker,
            user,
            variables: BTreeMap::new(),
            _open: open,
        }
    }

    /// The broker is started again, by another process.
    #[must_use]
    pub fn restarted(self) -> Self {
        let broker = self.com.broker(self.broker.kill());
        Self { broker, ..self }
    }

    /// From now on the user's programs have this in their environment.
    pub fn set(&mut self, variable: &str, value: impl Into<OsString>) {
        self.variables.insert(variable.to_owned(), value.into());
    }

    /// A file or directory of the user's. There are `tmp`, `run`, `work` and `out`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.user.path().join(name)
    }

    /// `tokenctl exec PURPOSE… -- COMMAND…`, as a user starts it in `work`.
    pub fn exec(&self, purpose: &[&str], command: &[&str]) -> Command {
        let mut tokenctl = self.broker.home.tokenctl();
        tokenctl
            .arg("exec")
            .args(purpose)
            .arg("--")
            .args(command)
            .env("HOME", self.user.path())
            .env("TMPDIR", self.path("tmp"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("OUT", self.path("out"))
            .env("SOCK", self.broker.proxy_socket())
            .env("GH_CONFIG_DIR", self.path("gh"))
            .env("GH_NO_UPDATE_NOTIFIER", "1")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            // Nothing of what Python compiles may stay in the tree.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(&self.variables)
            .current_dir(self.path("work"));
        tokenctl
    }

    /// Runs these by a shell, one after another under one `exec`, whatever each ends with. They are found by their
    /// names.
    #[track_caller]
    pub fn run(&self, purpose: &[&str], commands: &[(&str, &str)]) -> Commands {
        let script: String = commands
            .iter()
            .map(|(name, command)| {
                format!(
                    "( {command} ) >\"$OUT/{name}.out\" 2>\"$OUT/{name}.err\"\n\
                     echo $? >\"$OUT/{name}.code\"\n"
                )
            })
            .collect();
        Ran::of(&mut self.exec(purpose, &["sh", "-c", &script])).success();
        let out = self.path("out");
        let read = |name: &str, part| fs::read_to_string(out.join(format!("{name}.{part}")));
        let ran = commands.iter().map(|(name, _)| {
            let code: i32 = read(name, "code").unwrap().trim().parse().unwrap();
            let ran = Ran {
                status: ExitStatus::from_raw(code << 8),
                stdout: read(name, "out").unwrap(),
                stderr: read(name, "err").unwrap(),
            };
            ((*name).to_owned(), ran)
        });
        Commands(ran.collect())
    }

    /// A new lease, outside `exec`.
    #[track_caller]
    pub fn lease(&self, purpose: &str) -> Lease {
        let answer = self
            .broker
            .lease(&json!({ "purpose": purpose }).to_string());
        assert_eq!(answer.status, 201, "{answer:?}");
        let text = |field: &str| answer.json()[field].as_str().unwrap().to_owned();
        Lease {
            id: text("lease"),
            token: text("token"),
        }
    }

    /// The lease that was granted last.
    #[track_caller]
    pub fn last_lease(&self) -> String {
        let granted = self.broker.home.records_of("lease.granted");
        granted.last().unwrap()["lease"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Every call to GitHub's API and every request by git so far, as `METHOD path`.
    pub fn reached(&self) -> Vec<String> {
        let api = self.com.github.journal();
        let api = api
            .iter()
            .map(|call| format!("{} {}", call.method, call.path));
        let git = self.com.git.seen();
        let git = git.iter().map(|one| {
            let request = one.line.split(['?', ' ']).take(2);
            request.collect::<Vec<_>>().join(" ")
        });
        api.chain(git).collect()
    }

    /// Fails if GitHub was asked for what is not below one of these paths, or with another token than the stored
    /// one.
    #[track_caller]
    pub fn assert_within(&self, paths: &[&str]) {
        for call in self.reached() {
            let (_, path) = call.split_once(' ').unwrap();
            let is_within = paths.iter().any(|begin| {
                let rest = path.strip_prefix(begin);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
            assert!(is_within, "{call}");
        }
        let stored = hashed(canary::CLASSIC);
        for call in self.com.github.journal() {
            assert_eq!(call.hashed_token.as_deref(), Some(&*stored), "{call:?}");
        }
        for request in self.com.git.seen() {
            let headers = request.headers.iter();
            let credentials = headers.filter(|(name, _)| name == "authorization").count();
            assert!(request.allowed && credentials == 1, "{request:?}");
        }
    }

    /// Nothing that was asked so far is known any more.
    pub fn forget(&self) {
        self.com.github.forget_calls();
        self.com.git.forget();
    }

    /// What the broker has refused, on record.
    pub fn refused(&self) -> Vec<Value> {
        self.broker.home.records_of("proxy.refused")
    }

    /// The user's own directory.
    #[must_use]
    pub fn user(&self) -> &Path {
        self.user.path()
    }
}

/// What commands wrote, by their names.
#[derive(Debug)]
pub struct Commands(BTreeMap<String, Ran>);

impl Commands {
    /// How this one ended.
    #[track_caller]
    pub fn of(&self, name: &str) -> &Ran {
        &self.0[name]
    }

    /// What this one wrote, after it succeeded.
    #[track_caller]
    pub fn output(&self, name: &str) -> &str {
        let ran = self.of(name);
        assert!(ran.status.success(), "{name}: {ran:?}");
        &ran.stdout
    }

    /// What this one wrote, as JSON.
    #[track_caller]
    pub fn json(&self, name: &str) -> Value {
        let output = self.output(name);
        serde_json::from_str(output).unwrap_or_else(|error| panic!("{name}: {error}: {output}"))
    }
}

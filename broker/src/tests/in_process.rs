//! A broker, started and stopped.

use std::fs::File;
use std::mem;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use broker_audit::files::{self, Tail};
use broker_policy::Caller;
use broker_secret_memory::nonblocking_stderr::NonblockingStderr;
use broker_vault::root_key::{Keyring, RootKeySource};
use http_body_util::BodyExt as _;
use nix::fcntl::Flock;
use serde_json::json;
use support::Home;
use support::http::Answer;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::clock::MovedClock;
use crate::api::Api;
use crate::app::App;
use crate::caller::{Peer, Programs, Surroundings};
use crate::commands::init::{AuditLogChoice, InitOptions, init};
use crate::{life, startup};

/// A running broker. Dropped, it is gone as after a kill.
pub(crate) struct InProcess {
    pub(crate) home: Home,
    pub(crate) clock: MovedClock,
    running: Option<Running>,
}

struct Running {
    app: App,
    api: Api,
    /// This process.
    peer: Arc<Peer>,
    stop: watch::Sender<bool>,
    _store: Flock<File>,
    // Last: what runs in it uses all of the above.
    runtime: Runtime,
}

/// A home with a vault and the policies for `label-sync`, as after `tokenctl init`.
pub(crate) fn ready() -> Home {
    Home::ready_after(|home| {
        let options = InitOptions {
            root_key: Some(RootKeySource::File),
            passphrase: &|_| Ok(None),
            credentials: None,
            keyring: Keyring::SESSION,
            audit_log: AuditLogChoice::Keep,
        };
        init(&home.places, &options, jiff::Zoned::now().timestamp()).unwrap();
    })
}

impl InProcess {
    pub(crate) fn start(home: Home) -> Self {
        Self::start_by(home, MovedClock::new())
    }

    fn start_by(home: Home, clock: MovedClock) -> Self {
        home.stay_away_from_github();
        // One thread for what goes on by itself; requests run in that of the test.
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let (stop, stopped) = watch::channel(false);
        let (app, store) = runtime.block_on(async {
            let traces = NonblockingStderr::to_standard_error().unwrap();
            let clock = Arc::new(clock.clone());
            let started = startup::assemble(home.places.clone(), clock, traces);
            let (app, store) = started.await.unwrap();
            life::go_on(&app, stopped);
            (app, store)
        });
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let surroundings = Surroundings::look().unwrap();
        let peer = Peer::of(&ours, &surroundings, Programs::Path).unwrap();
        let running = Running {
            api: Api::of(app.clone()),
            app,
            peer: Arc::new(peer),
            stop,
            _store: store,
            runtime,
        };
        Self {
            home,
            clock,
            running: Some(running),
        }
    }

    /// A broker that holds [`support::canary::CLASSIC`] for `label-sync`.
    pub(crate) fn with_label_sync() -> Self {
        let broker = Self::start(ready());
        broker.set("org-label-sync-token", support::canary::CLASSIC);
        broker
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// One request by this process.
    pub(crate) fn http(&self, method: &str, path: &str, body: &str) -> Answer {
        self.http_by(Arc::clone(&self.running().peer), method, path, body)
    }

    /// One request by an account.
    pub(crate) fn http_as(&self, uid: u32, method: &str, path: &str, body: &str) -> Answer {
        let caller = Caller {
            uid,
            gid: uid,
            ..Caller::default()
        };
        self.http_by(Arc::new(Peer::pretended(caller)), method, path, body)
    }

    fn http_by(&self, peer: Arc<Peer>, method: &str, path: &str, body: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .extension(peer)
            .body(Body::from(body.to_owned()))
            .unwrap();
        let Running { api, runtime, .. } = self.running();
        runtime.block_on(async {
            let (parts, body) = api.answer(request).await.into_parts();
            let headers = parts.headers.iter();
            let lines = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
            Answer {
                status: parts.status.as_u16(),
                head: lines.collect::<Vec<_>>().join("\n"),
                body: body.collect().await.unwrap().to_bytes().to_vec(),
            }
        })
    }

    /// Asks for a lease with this body.
    pub(crate) fn lease(&self, body: &str) -> Answer {
        self.http("POST", "/v1/leases", body)
    }

    /// One request that must succeed.
    #[track_caller]
    pub(crate) fn done(&self, method: &str, path: &str, body: &str) -> Answer {
        let answer = self.http(method, path, body);
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        answer
    }

    /// Stores a value.
    #[track_caller]
    pub(crate) fn set(&self, secret: &str, value: &str) {
        let path = format!("/v1/secrets/{secret}");
        self.done("PUT", &path, &json!({ "value": value }).to_string());
    }

    /// Policies are read again.
    #[track_caller]
    pub(crate) fn reload(&self) {
        self.done("POST", "/v1/policies/reload", "");
    }

    /// The log is what its own records say.
    #[track_caller]
    pub(crate) fn assert_log_verifies(&self) {
        let log = std::slice::from_ref(&self.home.places.audit);
        let verified = files::verify(log, Tail::Live, 1).unwrap();
        assert_eq!(verified.report.records(), self.home.records().len() as u64);
    }

    /// Does at once what goes on by itself each second.
    pub(crate) fn round(&self) {
        let Running { app, runtime, .. } = self.running();
        app.leases.expire_leases();
        runtime.block_on(app.rotations.run_due_rotations());
    }

    #[track_caller]
    pub(crate) fn lock(&self) {
        self.done("POST", "/v1/lock", "");
    }

    #[track_caller]
    pub(crate) fn unlock(&self) {
        self.done("POST", "/v1/unlock", "");
    }

    /// Ends it without a word, as a kill would, and starts it again by the same clock.
    pub(crate) fn killed(mut self, meanwhile: impl FnOnce(&Home)) -> Self {
        self.end();
        meanwhile(&self.home);
        let clock = self.clock.clone();
        Self::start_by(mem::take(&mut self.home), clock)
    }

    /// Stops it in good order and starts it again, by the same clock.
    pub(crate) fn restarted(mut self) -> Self {
        let Running {
            app, stop, runtime, ..
        } = self.running();
        stop.send(true).unwrap();
        runtime.block_on(life::end(app, "a test")).unwrap();
        self.end();
        let clock = self.clock.clone();
        Self::start_by(mem::take(&mut self.home), clock)
    }

    fn end(&mut self) {
        let Some(Running {
            app, api, runtime, ..
        }) = self.running.take()
        else {
            return;
        };
        // Whatever a request or a task still waits for never comes.
        runtime.shutdown_timeout(Duration::from_secs(5));
        app.journal.close();
        drop((app, api));
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.end();
    }
}

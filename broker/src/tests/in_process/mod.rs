//! A broker, started and stopped.

mod ask;

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::mem;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_audit::files::{self, Tail};
use broker_protocol::causes;
use broker_secret_memory::nonblocking_stderr::NonblockingStderr;
use broker_secret_memory::redact::Redacting;
use broker_vault::root_key::{Keyring, Passphrase, RootKeySource};
use nix::fcntl::Flock;
use serde_json::json;
use support::http::Answer;
use support::{AnyBroker, Home, wait};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tracing::dispatcher::{self, DefaultGuard};
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Subscriber};

use super::clock::MovedClock;
use crate::api::Api;
use crate::app::App;
use crate::caller::{Peer, ProcEnv, Programs};
use crate::commands::init::{AuditLogChoice, InitOptions, PassphraseFor, init};
use crate::life;
use crate::proxy::Proxy;
use crate::startup::{self, StartError};

/// A running broker. Dropped, it is gone without a word; see [`InProcess::killed`].
pub(crate) struct InProcess {
    pub(crate) home: Home,
    pub(crate) clock: MovedClock,
    running: Option<Running>,
}

struct Running {
    app: App,
    api: Api,
    proxy: Proxy,
    /// This process.
    peer: Arc<Peer>,
    stop: watch::Sender<bool>,
    /// To the home's trace.
    traces: Dispatch,
    _store: Flock<File>,
    // Last: what runs in it uses all of the above.
    runtime: Runtime,
}

impl Running {
    /// Runs it in this thread.
    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        dispatcher::with_default(&self.traces, || self.runtime.block_on(work))
    }
}

thread_local! {
    /// Where a thread of a runtime sends its traces, for as long as it lives.
    static TRACED: RefCell<Option<DefaultGuard>> = const { RefCell::new(None) };
}

/// Writes to the home's trace what `tokend` would to its standard error.
fn traces(home: &Home, level: LevelFilter) -> impl Subscriber + Send + Sync + use<> {
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).open(home.trace_path());
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_writer(Redacting::new(Mutex::new(file.unwrap())))
        .finish()
}

/// A home with a vault and the policies for `label-sync`, as after `tokenctl init`.
pub(crate) fn ready() -> Home {
    Home::ready_after(|home| init_by(home, RootKeySource::File, None, AuditLogChoice::Keep))
}

/// [`PASSPHRASE`] guards the root key.
pub(crate) fn ready_behind_a_passphrase() -> Home {
    let asked = Some(PassphraseFor::New);
    Home::ready_after(|home| init_by(home, RootKeySource::Passphrase, asked, AuditLogChoice::Keep))
}

/// [`PASSPHRASE`] is the recovery passphrase.
pub(crate) fn ready_to_recover() -> Home {
    let asked = Some(PassphraseFor::Recovery);
    Home::ready_after(|home| init_by(home, RootKeySource::File, asked, AuditLogChoice::Keep))
}

/// `tokend init --new-audit-log`.
pub(crate) fn begin_a_new_log(home: &Home) {
    init_by(home, RootKeySource::File, None, AuditLogChoice::BeginNew);
}

pub(crate) const PASSPHRASE: &str = "correct horse battery";

/// `tokend init`, by someone who types [`PASSPHRASE`] where this is asked for.
fn init_by(
    home: &Home,
    root_key: RootKeySource,
    typed: Option<PassphraseFor>,
    audit_log: AuditLogChoice,
) {
    let type_it =
        |asked| Ok((Some(asked) == typed).then(|| Passphrase::new(PASSPHRASE.to_owned())));
    let options = InitOptions {
        root_key: Some(root_key),
        passphrase: &type_it,
        credentials: None,
        keyring: Keyring::SESSION,
        audit_log,
    };
    init(&home.places, &options, jiff::Zoned::now().timestamp()).unwrap();
}

impl InProcess {
    pub(crate) fn start(home: Home) -> Self {
        Self::start_by(home, MovedClock::new())
    }

    /// Traces all there is to trace.
    pub(crate) fn start_tracing_all(home: Home) -> Self {
        Self::started(Self::try_start_by(
            home,
            MovedClock::new(),
            LevelFilter::TRACE,
        ))
    }

    fn start_by(home: Home, clock: MovedClock) -> Self {
        Self::started(Self::try_start_by(home, clock, LevelFilter::INFO))
    }

    fn started(tried: Result<Self, Box<(Home, StartError)>>) -> Self {
        match tried {
            Ok(broker) => broker,
            Err(refused) => panic!("the broker did not start: {}", causes::describe(&refused.1)),
        }
    }

    /// Starts it, or says why it does not.
    pub(crate) fn try_start(home: Home) -> Result<Self, Box<(Home, StartError)>> {
        Self::try_start_by(home, MovedClock::new(), LevelFilter::INFO)
    }

    fn try_start_by(
        home: Home,
        clock: MovedClock,
        level: LevelFilter,
    ) -> Result<Self, Box<(Home, StartError)>> {
        home.stay_away_from_github();
        let traced = Dispatch::new(traces(&home, level));
        let traces = traced.clone();
        // One thread for what goes on by itself; requests run in that of the test.
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.on_thread_start(move || TRACED.set(Some(dispatcher::set_default(&traced))));
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let (stop, stopped) = watch::channel(false);
        let starting = async {
            let standard_error = NonblockingStderr::to_standard_error().unwrap();
            let clock = Arc::new(clock.clone());
            let started = startup::assemble(home.places.clone(), clock, standard_error);
            let (app, store) = started.await?;
            life::go_on(&app, stopped);
            Ok((app, store))
        };
        let started = dispatcher::with_default(&traces, || runtime.block_on(starting));
        let (app, store) = match started {
            Ok(started) => started,
            Err(error) => return Err(Box::new((home, error))),
        };
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let proc_env = ProcEnv::read().unwrap();
        let peer = Peer::of(&ours, &proc_env, Programs::Path).unwrap();
        let running = Running {
            api: Api::of(app.clone()),
            proxy: Proxy::of(&app),
            app,
            peer: Arc::new(peer),
            stop,
            traces,
            _store: store,
            runtime,
        };
        Ok(Self {
            home,
            clock,
            running: Some(running),
        })
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
        let running = self.running();
        let app = &running.app;
        running.run(async {
            app.leases.expire_leases();
            app.leases.renew_those_in_use().await;
            app.leases.forget_tunnels().await;
            if let Some(every) = app.config.github.check_every {
                app.checks.run_due_check(every).await;
            }
            app.rotations.run_due_rotations().await;
            app.operations.run_due_rekey().await;
        });
    }

    /// Asks at once what principals have left, where that is due.
    pub(crate) fn poll(&self) {
        let running = self.running();
        let app = &running.app;
        let every = app.config.github.poll_every.unwrap();
        running.run(app.limits.poll_those_due(app.leases.table.secrets(), every));
    }

    /// Waits for something while the broker's clock gains a second at each look.
    #[track_caller]
    pub(crate) fn until(&self, mut condition: impl FnMut() -> bool) {
        wait::until(|| {
            self.clock.advance(Duration::from_secs(1));
            condition()
        });
    }

    #[track_caller]
    pub(crate) fn lock(&self) {
        self.done("POST", "/v1/lock", "");
    }

    #[track_caller]
    pub(crate) fn unlock(&self) {
        self.done("POST", "/v1/unlock", "");
    }

    /// Ends it without a word and starts it again by the same clock. Nothing that goes on gets further, but
    /// records that waited to be written are written, and so is the vault. What must be on disk at the
    /// moment of a kill is tested with a process, in `tests/e2e`.
    pub(crate) fn killed(mut self, meanwhile: impl FnOnce(&Home)) -> Self {
        self.end();
        meanwhile(&self.home);
        let clock = self.clock.clone();
        Self::start_by(mem::take(&mut self.home), clock)
    }

    /// Stops it in good order and hands its home back.
    pub(crate) fn stop(mut self) -> Home {
        let running = self.running();
        running.stop.send(true).unwrap();
        let ended = running.run(life::end(&running.app, "a test"));
        ended.unwrap();
        self.end();
        mem::take(&mut self.home)
    }

    /// Stops it in good order and starts it again, by the same clock.
    pub(crate) fn restarted(self) -> Self {
        let clock = self.clock.clone();
        self.restarted_by(clock)
    }

    /// The same, by another clock.
    pub(crate) fn restarted_by(self, clock: MovedClock) -> Self {
        Self::start_by(self.stop(), clock)
    }

    fn end(&mut self) {
        let Some(Running {
            app,
            api,
            proxy,
            runtime,
            ..
        }) = self.running.take()
        else {
            return;
        };
        // Whatever a request or a task still waits for never comes.
        runtime.shutdown_timeout(Duration::from_secs(5));
        app.journal.close();
        drop((app, api, proxy));
    }
}

impl AnyBroker for InProcess {
    fn home(&self) -> &Home {
        &self.home
    }

    fn http(&self, method: &str, path: &str, body: &str) -> Answer {
        self.http(method, path, body)
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.end();
    }
}

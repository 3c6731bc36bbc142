//! `tokend --dev`: a broker to try, with made-up tokens and no GitHub, in a place that is gone afterwards.
//!
//! It starts as any other does, on paths and files that are written here. What sets it apart is in its
//! configuration ([`Config::into_dev`](crate::config::Config::into_dev)), and asked for where a broker reaches beyond
//! its own files: GitHub, the sources of values, the keyring, systemd. It reads nothing of the environment but where to
//! be.

mod lines;
mod place;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use broker_clock::Clock;
use broker_policy::Caller;
use broker_private_files::{self as private, PrivateError};
use broker_protocol::names::{NameError, SecretName};
use broker_protocol::paths::Paths;
use broker_secret_memory::nonblocking_stderr::NonblockingStderr;
use broker_secret_memory::token::AccessToken;
use broker_vault::root_key::RootKeySource;
use nix::fcntl::Flock;
use nix::unistd::{getegid, geteuid};
use tokio::signal::unix::{SignalKind, signal};

pub use self::place::PlaceError;

use self::place::Place;
use crate::app::App;
use crate::commands::init::{AuditLogChoice, InitError, InitOptions, init};
use crate::harden::Hardened;
use crate::life;
use crate::operations::NO_KEYRING;
use crate::socket::Sockets;
use crate::startup::{self, StartError};

/// Why it did not start, or how it ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevError {
    /// Its place.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The vault.
    #[error(transparent)]
    Init(#[from] InitError),
    /// A file of the place.
    #[error(transparent)]
    File(#[from] PrivateError),
    /// A made-up value, for this reason.
    #[error("a made-up token could not be stored: {0}")]
    Value(Box<str>),
    /// The name of one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The broker.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Runs it until it is stopped. `env` looks up one environment variable.
///
/// # Errors
///
/// [`DevError`].
pub async fn run(
    env: impl Fn(&str) -> Option<OsString>,
    clock: Arc<dyn Clock>,
    traces: NonblockingStderr,
    _hardened: &Hardened,
) -> Result<(), DevError> {
    // Before there is a place: from here on no signal ends it without removing that.
    let on = |kind| signal(kind).map_err(StartError::system("signals cannot be awaited"));
    let mut terminate = on(SignalKind::terminate())?;
    let mut interrupt = on(SignalKind::interrupt())?;
    let mut hangup = on(SignalKind::hangup())?;
    let place = Place::make(&env)?;
    let (app, _lock) = tokio::select! {
        assembled = assemble(&place, clock, traces) => assembled?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
        _ = hangup.recv() => return Ok(()),
    };
    let sockets = Sockets::own(&app.places, &app.config.socket).map_err(StartError::from)?;
    // Callers can connect from here on, and are answered in a moment.
    let lines = lines::to_try(place.home(), env("PATH").as_deref());
    print(io::stdout(), lines);
    Ok(life::run(app, sockets).await?)
}

/// Prints in a thread of its own, which is not waited for: the reader may never read.
fn print(mut out: impl Write + Send + 'static, text: String) {
    tokio::task::spawn_blocking(move || {
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            tracing::warn!(cause = %error, "the lines to try could not be printed");
        }
    });
}

/// Everything up to the sockets, values included.
pub(crate) async fn assemble(
    place: &Place,
    clock: Arc<dyn Clock>,
    traces: NonblockingStderr,
) -> Result<(App, Flock<File>), DevError> {
    let paths = Paths::below(place.home());
    private::write_new(&paths.config, CONFIG.as_bytes())?;
    private::make_directory(&paths.policies)?;
    private::write_new(&paths.policies.join("secrets.toml"), SECRETS.as_bytes())?;
    let own = geteuid().as_raw();
    let other = if own == 0 { 1 } else { 0 };
    for (name, text) in PURPOSES {
        let text = text.replace("OWN", &own.to_string());
        let text = text.replace("OTHER", &other.to_string());
        private::write_new(&paths.policies.join(name), text.as_bytes())?;
    }
    let options = InitOptions {
        root_key: Some(RootKeySource::File),
        passphrase: &|_| Ok(None),
        credentials: None,
        keyring: NO_KEYRING,
        audit_log: AuditLogChoice::Keep,
    };
    init(&paths, &options, clock.now().wall)?;
    let config = startup::configured(&paths)?.into_dev();
    let (app, lock) = startup::open(paths, config, clock, traces).await?;
    let by = Caller {
        uid: own,
        gid: getegid().as_raw(),
        ..Caller::default()
    };
    for (name, value) in VALUES {
        let name: SecretName = name.parse()?;
        let value = AccessToken::new(value.to_owned());
        let stored = app.secrets.set_secret(&by, &name, value, None);
        stored
            .await
            .map_err(|error| DevError::Value(error.to_string().into()))?;
    }
    Ok((app, lock))
}

const CONFIG: &str = "# Written by `tokend --dev`, for as long as it runs.\n\
                      [github]\ncheck_every = \"off\"\npoll_every = \"off\"\n";

const SECRETS: &str = "\
[secret.labels-token]
kind = \"classic\"

[secret.releases-token]
kind = \"classic\"
";

/// They have the form of GitHub's and say what they are. Their last six characters are not the checksum that
/// GitHub's have.
const VALUES: [(&str, &str); 2] = [
    ("labels-token", "ghp_MadeUpByTokendDevNotARealToken000001"),
    ("releases-token", "ghp_MadeUpByTokendDevNotARealToken000002"),
];

/// `OWN` is the broker's account, and `OTHER` is not.
const PURPOSES: [(&str, &str); 3] = [
    (
        "labels.toml",
        "\
purpose      = \"labels\"
about        = \"Keeps labels the same; the stored token stays in the broker\"
secret       = \"labels-token\"
repositories = [\"acme/*\"]
permissions  = { issues = \"write\", metadata = \"read\" }
deliver      = \"proxy\"
ttl          = { default = \"15m\", max = \"1h\" }

[[allow]]
caller = { uid = OWN }
",
    ),
    (
        "releases.toml",
        "\
purpose      = \"releases\"
about        = \"Reads releases; hands out the stored token itself\"
secret       = \"releases-token\"
repositories = [\"acme/site\"]
permissions  = { contents = \"read\" }
deliver      = \"raw\"
ttl          = { default = \"5m\", max = \"15m\" }

[[allow]]
caller = { uid = OWN }
",
    ),
    (
        "admin.toml",
        "\
purpose      = \"admin\"
about        = \"Allowed to another account\"
secret       = \"releases-token\"
repositories = [\"acme/*\"]
permissions  = { administration = \"write\" }
deliver      = \"raw\"
ttl          = { default = \"5m\", max = \"15m\" }

[[allow]]
caller = { uid = OTHER }
",
    ),
];

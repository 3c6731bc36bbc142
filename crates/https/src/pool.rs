//! The connection pool, built at first use, and why there can be none.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_protocol::causes;
use reqwest::{Client, redirect};
use tokio::sync::OnceCell;

use super::authorities::authorities;

/// A connection pool, once there is one.
pub struct Https {
    client: Mutex<Arc<OnceCell<Client>>>,
    ca: Option<PathBuf>,
    exchanges: Exchanges,
}

/// What a pool is for.
#[derive(Debug, Clone, Copy)]
enum Exchanges {
    /// Calls of this program's own: so long for one exchange, body included.
    Calls(Duration),
    /// Exchanges of any length, several at once.
    Streams,
}

/// Why there can be no connection pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CannotBuild {
    /// The file of certificate authorities, and what is wrong with it.
    Authorities(Box<str>),
    /// TLS, and what is wrong with it where that is known.
    Tls(Box<str>),
}

impl Https {
    /// Nothing is read yet. `ca` is a file of certificate authorities in PEM, trusted besides the
    /// machine's own; `total` is how long one exchange may take.
    #[must_use]
    pub fn new(ca: Option<PathBuf>, total: Duration) -> Self {
        Self::of(ca, Exchanges::Calls(total))
    }

    /// A pool for exchanges that are forwarded as they come: they may take any time, so whoever uses it ends
    /// those in which nothing moves. As many connections are kept as a busy machine has callers at once.
    #[must_use]
    pub fn for_streams(ca: Option<PathBuf>) -> Self {
        Self::of(ca, Exchanges::Streams)
    }

    fn of(ca: Option<PathBuf>, exchanges: Exchanges) -> Self {
        Self {
            client: Mutex::default(),
            ca,
            exchanges,
        }
    }

    /// The pool.
    ///
    /// # Errors
    ///
    /// [`CannotBuild`]; it is tried again next time.
    pub async fn client(&self) -> Result<Client, CannotBuild> {
        let client = Arc::clone(&self.lock());
        let build = || build(self.ca.clone(), self.exchanges);
        client.get_or_try_init(build).await.cloned()
    }

    /// Closes the connections that are not in use. Their buffers hold what was sent last, credentials included.
    /// Those in use are closed after it.
    pub fn close_idle(&self) {
        *self.lock() = Arc::default();
    }

    fn lock(&self) -> MutexGuard<'_, Arc<OnceCell<Client>>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn build(ca: Option<PathBuf>, exchanges: Exchanges) -> Result<Client, CannotBuild> {
    let built = tokio::task::spawn_blocking(move || {
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            // How often is decided by the caller, not by the library, which would otherwise make a copy of each
            // request for it, the credential included.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            // The environment must not be able to send credentials through another machine.
            .no_proxy()
            .referer(false)
            .user_agent(AGENT)
            .http1_only()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE);
        builder = match exchanges {
            Exchanges::Calls(total) => builder.timeout(total).pool_max_idle_per_host(MOST_IDLE),
            Exchanges::Streams => builder.pool_max_idle_per_host(MOST_IDLE_STREAMS),
        };
        if let Some(path) = &ca {
            builder = builder.tls_certs_merge(authorities(path)?.1);
        }
        builder
            .build()
            .map_err(|error| CannotBuild::Tls(causes::describe(&error).into()))
    });
    built
        .await
        .map_err(|_panic| CannotBuild::Tls(Box::default()))?
}

impl CannotBuild {
    /// For operators; `key` is where the configuration names the file of authorities.
    #[must_use]
    pub fn in_words(&self, key: &str) -> String {
        match self {
            Self::Authorities(why) => format!("`{key}`: {why}"),
            Self::Tls(why) if why.is_empty() => "TLS cannot be set up".to_owned(),
            Self::Tls(why) => format!("TLS cannot be set up: {why}"),
        }
    }
}

/// What `User-Agent` says.
const AGENT: &str = concat!("tokend/", env!("CARGO_PKG_VERSION"));
const CONNECT: Duration = Duration::from_secs(5);
/// A connection that the other end may have closed meanwhile costs a call that must not be repeated
/// its only attempt.
const IDLE: Duration = Duration::from_secs(15);
const MOST_IDLE: usize = 2;
/// Ours: as many as are measured at once under load. Each then finds a connection again, where a handshake
/// would cost more than the exchange.
const MOST_IDLE_STREAMS: usize = 64;

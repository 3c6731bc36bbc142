//! Paths: configuration, policies, store, audit log, socket.
//!
//! They follow from the environment and the two overrides alone, so that `tokend` and `tokenctl`
//! always agree. `TOKEND_HOME` puts everything under one directory; a configuration of
//! `/etc/tokend/tokend.toml` means the system service; otherwise the XDG directories of the account.
//!
//! Not here: reading any of these files, and their modes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The system service's configuration. Naming it selects the system places.
pub const SYSTEM_CONFIG: &str = "/etc/tokend/tokend.toml";

/// The system service's socket.
pub const SYSTEM_SOCKET: &str = "/run/tokend/tokend.sock";

/// The proxy's socket in the directory of the other one.
pub const PROXY_SOCKET: &str = "proxy.sock";

/// The paths of one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// `tokend.toml`, which need not exist.
    pub config: PathBuf,
    /// The directory of the live policies.
    pub policies: PathBuf,
    /// The key file, where one is used.
    pub root_key: PathBuf,
    /// The directory that holds vault and audit log.
    pub data: PathBuf,
    /// The SQLite database.
    pub vault: PathBuf,
    /// The directory of the audit log's segments.
    pub audit: PathBuf,
    /// The Unix socket of the API.
    pub socket: PathBuf,
    /// The Unix socket of the proxy: `proxy.sock` beside the other one.
    pub proxy_socket: PathBuf,
}

/// Neither `HOME` nor `TOKEND_HOME` is set to an absolute path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("neither TOKEND_HOME nor HOME names a directory; set TOKEND_HOME to an absolute path")]
pub struct NoHome;

/// What the command line may override.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--config`, before `TOKEND_CONFIG`.
    pub config: Option<PathBuf>,
    /// `--socket`, before `TOKEND_SOCKET`.
    pub socket: Option<PathBuf>,
}

/// The longest path of a Unix socket, in bytes: `sun_path` has 108, the last of them NUL (unix(7)).
const LONGEST_SOCKET: usize = 107;

/// The path of a socket is longer than the system takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the path of a socket has {} bytes, and Linux allows {LONGEST_SOCKET}; name a shorter one with \
     --socket or TOKEND_SOCKET: {}",
    .0.as_os_str().len(), .0.display()
)]
pub struct SocketTooLong(pub PathBuf);

/// Checks that a socket can have this path.
///
/// # Errors
///
/// [`SocketTooLong`].
pub fn check_socket(path: &Path) -> Result<(), SocketTooLong> {
    match path.as_os_str().len() {
        ..=LONGEST_SOCKET => Ok(()),
        _ => Err(SocketTooLong(path.to_owned())),
    }
}

/// The command that starts the broker behind a socket, its own or the proxy's.
#[must_use]
pub fn start_command_of(socket: &Path) -> &'static str {
    match socket.parent() == Path::new(SYSTEM_SOCKET).parent() {
        true => START_SERVICE,
        false => "tokend",
    }
}

/// The service's unit brings its sockets along.
const START_SERVICE: &str = "systemctl start tokend";

impl Paths {
    /// Finds the paths. `env` looks up one environment variable; empty counts as unset.
    ///
    /// # Errors
    ///
    /// [`NoHome`] if no directory of the account's own can be named.
    pub fn find(
        overrides: &Overrides,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, NoHome> {
        let path = |name: &str| env(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        // The XDG specification says to ignore relative paths.
        let absolute = |name: &str| path(name).filter(|p| p.is_absolute());
        let config = overrides.config.clone().or_else(|| path("TOKEND_CONFIG"));
        let socket = overrides.socket.clone().or_else(|| path("TOKEND_SOCKET"));

        let mut places = if config.as_deref() == Some(Path::new(SYSTEM_CONFIG)) {
            Self::system()
        } else if let Some(home) = path("TOKEND_HOME") {
            Self::below(&home)
        } else {
            let home = absolute("HOME").ok_or(NoHome);
            let below_home = |name: &str, rest: &str| match absolute(name) {
                Some(dir) => Ok(dir.join("tokend")),
                None => home.clone().map(|home| home.join(rest).join("tokend")),
            };
            let config = below_home("XDG_CONFIG_HOME", ".config")?;
            let data = below_home("XDG_DATA_HOME", ".local/share")?;
            // Never a shared directory such as /tmp: someone else could be there first.
            let run = absolute("XDG_RUNTIME_DIR")
                .map_or_else(|| data.join("run"), |dir| dir.join("tokend"));
            Self::of(&config, &data, &run)
        };
        if let Some(config) = config {
            if let Some(dir) = config.parent() {
                places.policies = dir.join("policies");
                places.root_key = dir.join("root.key");
            }
            places.config = config;
        }
        if let Some(socket) = socket {
            places.set_socket(socket);
        }
        Ok(places)
    }

    /// The command that starts the broker here.
    #[must_use]
    pub fn start_command(&self) -> &'static str {
        match self.config == Path::new(SYSTEM_CONFIG) {
            true => START_SERVICE,
            false => start_command_of(&self.socket),
        }
    }

    /// Names another socket. The proxy's moves with it.
    pub fn set_socket(&mut self, socket: PathBuf) {
        self.proxy_socket = socket.with_file_name(PROXY_SOCKET);
        self.socket = socket;
    }

    /// The places of the system service.
    #[must_use]
    pub fn system() -> Self {
        Self::of(
            Path::new("/etc/tokend"),
            Path::new("/var/lib/tokend"),
            Path::new("/run/tokend"),
        )
    }

    /// Everything under one directory, as `TOKEND_HOME` asks.
    #[must_use]
    pub fn below(home: &Path) -> Self {
        Self::of(home, home, &home.join("run"))
    }

    fn of(config: &Path, data: &Path, run: &Path) -> Self {
        Self {
            config: config.join("tokend.toml"),
            policies: config.join("policies"),
            root_key: config.join("root.key"),
            data: data.to_owned(),
            vault: data.join("vault.db"),
            audit: data.join("audit"),
            socket: run.join("tokend.sock"),
            proxy_socket: run.join(PROXY_SOCKET),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(env: &[(&str, &str)]) -> Result<Paths, NoHome> {
        Paths::find(&Overrides::default(), |name| {
            env.iter()
                .find(|(n, _)| *n == name)
                .map(|(_, v)| OsString::from(v))
        })
    }

    #[test]
    fn the_xdg_directories_are_used_where_they_are_set() {
        let places = find(&[
            ("HOME", "/home/a"),
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_RUNTIME_DIR", "/run/user/7"),
        ])
        .unwrap();
        assert_eq!(places.config, Path::new("/c/tokend/tokend.toml"));
        assert_eq!(
            places.vault,
            Path::new("/home/a/.local/share/tokend/vault.db")
        );
        assert_eq!(places.socket, Path::new("/run/user/7/tokend/tokend.sock"));
        let proxy = Path::new("/run/user/7/tokend/proxy.sock");
        assert_eq!(places.proxy_socket, proxy);
    }

    #[test]
    fn without_a_runtime_directory_the_socket_is_below_the_data() {
        let places = find(&[("HOME", "/home/a"), ("XDG_RUNTIME_DIR", "relative")]).unwrap();
        assert_eq!(
            places.socket,
            Path::new("/home/a/.local/share/tokend/run/tokend.sock")
        );
    }

    #[test]
    fn tokend_home_holds_everything_and_the_overrides_win() {
        let places = find(&[("TOKEND_HOME", "/t"), ("TOKEND_SOCKET", "/s")]).unwrap();
        assert_eq!(places.root_key, Path::new("/t/root.key"));
        assert_eq!(places.audit, Path::new("/t/audit"));
        assert_eq!(places.socket, Path::new("/s"));
    }

    #[test]
    fn the_proxys_socket_is_beside_the_other_one_however_that_is_named() {
        let proxy_of = |socket: &str| {
            let places = find(&[("TOKEND_HOME", "/t"), ("TOKEND_SOCKET", socket)]);
            places.unwrap().proxy_socket
        };
        assert_eq!(proxy_of("/a/b/x.sock"), Path::new("/a/b/proxy.sock"));
        assert_eq!(proxy_of("x.sock"), Path::new("proxy.sock"));
        let overrides = Overrides {
            socket: Some("/c/y".into()),
            ..Overrides::default()
        };
        let places = Paths::find(&overrides, |_| Some(OsString::from("/t"))).unwrap();
        assert_eq!(places.proxy_socket, Path::new("/c/proxy.sock"));
        let places = Paths::system().proxy_socket;
        assert_eq!(places, Path::new("/run/tokend/proxy.sock"));
    }

    #[test]
    fn naming_the_system_configuration_selects_the_system_service() {
        let places = find(&[("HOME", "/h"), ("TOKEND_CONFIG", SYSTEM_CONFIG)]).unwrap();
        assert_eq!(places, Paths::system());
    }

    #[test]
    fn a_service_is_started_by_systemd_and_any_other_broker_by_its_program() {
        assert_eq!(Paths::system().start_command(), "systemctl start tokend");
        let home = [("TOKEND_HOME", "/t")];
        assert_eq!(find(&home).unwrap().start_command(), "tokend");
        // A caller names the socket alone.
        for socket in [SYSTEM_SOCKET, "/run/tokend/proxy.sock"] {
            let command = start_command_of(Path::new(socket));
            assert_eq!(command, "systemctl start tokend");
        }
        assert_eq!(start_command_of(Path::new("/t/tokend.sock")), "tokend");
    }

    #[test]
    fn policies_are_beside_a_configuration_named_by_hand() {
        let places = find(&[("HOME", "/h"), ("TOKEND_CONFIG", "/x/my.toml")]).unwrap();
        assert_eq!(places.policies, Path::new("/x/policies"));
        assert_eq!(places.vault, Path::new("/h/.local/share/tokend/vault.db"));
    }

    #[test]
    fn a_socket_has_a_path_of_107_bytes_at_most() {
        let of = |bytes: usize| PathBuf::from(format!("/{}", "é".repeat((bytes - 1) / 2)));
        assert_eq!(check_socket(&of(107)), Ok(()));
        let why = check_socket(&of(109)).unwrap_err().to_string();
        assert!(why.starts_with("the path of a socket has 109 bytes, and Linux allows 107;"));
        assert!(why.contains("--socket"), "{why}");
    }

    #[test]
    fn without_a_home_the_error_says_what_to_set() {
        assert_eq!(find(&[]), Err(NoHome));
    }
}

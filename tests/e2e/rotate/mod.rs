//! A rotation from end to end: the real binaries against the stand-in for GitHub, over TLS.

mod interrupted;
mod killed;
mod sinks;
mod way;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use support::broker::Ran;
use support::github::{Place, StandIn, World};
use support::scenes::rotation::{self, NAME, NEW, OLD, SINK, in_place, world};
use support::{Home, TestBroker};

/// A GitHub with both tokens, and a broker that holds the old one, with these sinks.
struct Scene {
    github: StandIn,
    broker: TestBroker,
}

impl Scene {
    fn new() -> Self {
        Self::with(world(), SINK)
    }

    fn with(world: World, sinks: &str) -> Self {
        let github = StandIn::start(world);
        let broker = rotation::in_home(Home::ready(), &github, sinks).start();
        broker
            .home
            .ctl_with(&["secret", "set", NAME], OLD)
            .success();
        Self { github, broker }
    }

    /// A file with a value in it.
    fn file(&self, value: &str) -> PathBuf {
        let path = self.broker.home.path().join("value");
        fs::write(&path, value).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// `tokenctl rotate` with the new value and these options, to its end.
    fn rotate(&self, options: &[&str]) -> Ran {
        let file = self.file(NEW);
        let file = file.to_str().unwrap();
        let line = [&["rotate", NAME, "--value-file", file], options].concat();
        self.broker.home.ctl(&line)
    }

    /// The same, not waited for.
    fn rotating(&self, options: &[&str]) -> Child {
        let file = self.file(NEW);
        let mut command = self.broker.home.tokenctl();
        command
            .args(["rotate", NAME, "--value-file"])
            .arg(file)
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// What the Actions secret of the site holds.
    fn in_the_sink(&self) -> Option<String> {
        in_place(&self.github, &Place::repository("actions", "acme/site"))
    }

    fn is_dead(&self, token: &str) -> bool {
        self.github.change(|state| state.pat_mut(token).revoked)
    }

    /// The token that a caller is handed now.
    fn handed_out(&self) -> String {
        rotation::handed_out(&self.broker)
    }

    /// The one good end: one new secret in the sink, the old token dead, the new one in use.
    #[track_caller]
    fn assert_rotated(&self, how: &str) {
        rotation::assert_rotated(&self.github, &self.broker, how);
        self.broker.home.ctl(&["audit", "verify"]).success();
    }
}

//! The service, installed as the manual says, where `/etc`, `/var/lib` and `/run` are the test's own.

use std::process::Command;

use support::broker::Ran;
use support::{binaries, needs};

const MANUAL: &str = include_str!("../../docs/how-to/install-service.md");

/// The commands that follow a sentence of the manual.
fn commands_after(sentence: &str) -> &'static str {
    let (_, rest) = MANUAL.split_once(sentence).expect("the manual says so");
    let (_, block) = rest.split_once("```sh\n").unwrap();
    block.split_once("```").unwrap().0
}

/// What a machine has before: an account, the directory that systemd makes for the socket.
const BEFORE: &str = r#"
cp -a /etc "$1/etc" && mount --bind "$1/etc" /etc
mount -t tmpfs tmpfs /var/lib && mount -t tmpfs tmpfs /run
echo 'tokend:x:64999:64999::/nonexistent:/usr/sbin/nologin' >> /etc/passwd
echo 'tokend:x:64999:' >> /etc/group
install -d -m 0755 -o tokend -g tokend /run/tokend
PATH="$1/bin:$PATH"
"#;

/// It runs as its account, root operates it, and its account may change nothing that it obeys.
const AFTER: &str = r#"
setpriv --reuid=tokend --regid=tokend --init-groups tokend --config /etc/tokend/tokend.toml &
for _ in $(seq 300); do
    tokenctl --config /etc/tokend/tokend.toml status && break
    kill -0 $! && sleep 0.1
done
tokenctl --config /etc/tokend/tokend.toml policy reload
test -S /run/tokend/proxy.sock
if runuser -u tokend -- touch /etc/tokend/tokend.toml /etc/tokend/policies; then exit 1; fi
kill $! && wait $!
"#;

#[test]
fn a_service_installed_by_the_lines_of_the_manual_starts_and_can_be_operated() {
    if !needs::root() || !needs::program("unshare") || !needs::program("runuser") {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let bin = scratch.path().join("bin");
    for directory in [scratch.path(), &bin] {
        Command::new("install")
            .args(["-d", "-m", "755"])
            .arg(directory)
            .status()
            .unwrap();
    }
    binaries::install(&binaries::tokend(), &bin.join("tokend"));
    binaries::install(&binaries::tokenctl(), &bin.join("tokenctl"));
    let install = commands_after("under the service's account:");
    let ran = Ran::of(
        Command::new("unshare")
            .args(["--mount", "sh", "-exc", &[BEFORE, install, AFTER].concat()])
            .arg("sh")
            .arg(scratch.path())
            .env_remove("TOKEND_HOME"),
    );
    ran.success();
}

//! The kill switch and the end of the broker, with everything around it stalled at once.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use serde_json::json;
use support::broker::Ran;
use support::github::Fault;
use support::scenes::app::{lock_and_revoke, status_of, take_raw};
use support::stalled::Stalled;
use support::{TestBroker, http, needs, wait};

use super::{END, MINT, Setting};

/// All that the default configuration allows, by one account.
const CONNECTIONS: usize = 1024;
const CONFIG: &str =
    "[limits]\nconnections_per_account = 1024\nleases_per_account = 5000\nleases_per_minute = 5000";

/// Whether this process may have as many files open as it needs.
fn may_connect_as_often() -> bool {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let enough = hard >= 8192;
    if enough {
        setrlimit(Resource::RLIMIT_NOFILE, 8192, hard).unwrap();
    }
    needs::met("8192 open files", enough)
}

/// A caller who waits for a token that GitHub does not give.
fn waits_for_github(broker: &TestBroker) -> UnixStream {
    let body = r#"{"purpose":"acme-import","repositories":["acme/two"]}"#;
    let mut stream = http::connect(&broker.socket());
    let request = format!(
        "POST /v1/leases HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

#[test]
fn with_everything_around_it_stalled_the_kill_switch_ends_every_lease_and_sigterm_the_broker() {
    if !needs::program("prlimit") || !may_connect_as_often() {
        return;
    }
    let stderr = Stalled::new();
    let start = |home| {
        TestBroker::start(home, |command| {
            command.stderr(stderr.end());
        })
    };
    let Some(setting) = Setting::started("", CONFIG, start) else {
        return;
    };
    let broker = &setting.broker;
    let raw = take_raw(&setting.broker);
    let minted = setting.take(&json!({"repositories": ["acme/one"]}));
    setting.github.fault(Fault::on(MINT).hang());
    setting.github.fault(Fault::on(END).hang());
    let open: Vec<_> = (0..CONNECTIONS).map(|_| waits_for_github(broker)).collect();
    // On a place that is kept for operators no lease is taken.
    wait::until(|| broker.lease(r#"{"purpose":"acme-by-hand"}"#).status == 429);
    let pid = broker.pid().to_string();
    let full = ["--pid", &pid, "--fsize=1:unlimited"];
    Ran::of(Command::new("prlimit").args(full)).success();
    broker.signal(Signal::SIGHUP);

    let revoked = thread::scope(|scope| {
        let locking = scope.spawn(|| lock_and_revoke(broker));
        wait::until(|| {
            let status = broker.http("GET", "/v1/status", "").json();
            status["locked"] == true && status["broker"]["live_leases"] == 0
        });
        for lease in [&raw, &minted] {
            assert_eq!(status_of(broker, lease), 404);
        }
        // What is still under way by then, as the answer of the kill switch is, is finished.
        broker.signal(Signal::SIGTERM);
        locking.join().unwrap()
    });
    assert_eq!(revoked["leases"].as_array().unwrap().len(), 2, "{revoked}");
    assert_eq!(revoked["raw"].as_array().unwrap().len(), 1);
    assert!(!revoked["tokens_pending"].as_array().unwrap().is_empty());
    assert_eq!(revoked["recorded"], false);
    wait::gone(&pid);
    drop(open);
}

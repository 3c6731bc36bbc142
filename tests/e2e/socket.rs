//! The sockets: where they come from, and removed under a running broker.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use serde_json::Value;
use support::{Home, TestBroker, http, needs, wait};

fn not_ready(open: &mut UnixStream) -> Vec<Value> {
    let status = http::exchange(open, "GET", "/v1/status", "");
    assert_eq!(status.status, 200, "{status:?}");
    status.json()["not_ready"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Whether the proxy answers there: it has no word of the API's.
fn serves_the_proxy(socket: &Path) -> bool {
    let stream = http::try_connect(socket);
    stream.is_some_and(|mut stream| {
        let answer = http::exchange(&mut stream, "GET", "/v1/status", "");
        answer.header("tokend-error").is_some() && answer.json()["message"].is_string()
    })
}

#[test]
fn both_sockets_have_the_configured_mode_and_each_serves_its_own() {
    let home = Home::ready();
    home.config("[socket]\nmode = \"0660\"\n");
    let broker = home.start();
    assert_eq!(
        (mode(&broker.socket()), mode(&broker.proxy_socket())),
        (0o660, 0o660)
    );
    assert_eq!(broker.http("GET", "/v1/status", "").status, 200);
    assert!(serves_the_proxy(&broker.proxy_socket()));
}

#[test]
fn a_socket_that_has_the_name_of_the_proxys_is_refused_at_once() {
    let mut home = Home::ready();
    let socket = home.path().join("proxy.sock");
    home.places.set_socket(socket);
    let Err((home, ran)) = TestBroker::try_start(home, |_command| ()) else {
        panic!("the broker started");
    };
    assert!(
        ran.stderr.contains("the proxy's socket has that name"),
        "{ran:?}"
    );
    assert!(!home.places.audit.exists(), "before anything was done");
}

/// Binds its arguments after the first as systemd does, in this order, and becomes the first.
const SYSTEMD: &str = "
import fcntl, os, socket, sys
program, *paths = sys.argv[1:]
made = []
for path in paths:
    made.append(socket.socket(socket.AF_UNIX))
    made[-1].bind(path)
    os.chmod(path, 0o660)
    made[-1].listen()
aside = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 50) for one in made]
for at, fd in enumerate(aside):
    os.dup2(fd, 3 + at)
os.environ.update(LISTEN_FDS=str(len(paths)), LISTEN_PID=str(os.getpid()))
os.execv(program, [program])
";

fn under_systemd(home: Home, sockets: &[&str]) -> TestBroker {
    let run = home.path().join("run");
    fs::create_dir(&run).unwrap();
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
    TestBroker::start_by(home, "python3", |command, tokend| {
        command.args(["-c", SYSTEMD]).arg(tokend);
        command.args(sockets.iter().map(|name| run.join(name)));
    })
}

#[test]
fn sockets_that_systemd_passes_on_are_served_by_name_and_one_that_it_lacks_is_made() {
    if !needs::program("python3") {
        return;
    }
    for passed in [&["proxy.sock", "tokend.sock"][..], &["tokend.sock"]] {
        let broker = under_systemd(Home::ready(), passed);
        assert_eq!(broker.http("GET", "/v1/status", "").status, 200);
        assert!(serves_the_proxy(&broker.proxy_socket()), "{passed:?}");
        assert_eq!(mode(&broker.proxy_socket()), 0o660);
        let made = broker
            .home
            .trace()
            .contains("does not list the proxy's socket");
        assert_eq!(made, passed.len() == 1);
    }
}

#[test]
fn sockets_that_are_removed_with_their_directory_are_made_again_and_open_connections_go_on() {
    let broker = TestBroker::with_label_sync();
    let socket = broker.socket();
    let mut open = http::connect(&socket);
    fs::remove_dir_all(socket.parent().unwrap()).unwrap();
    assert_eq!(
        http::exchange(&mut open, "GET", "/v1/status", "").status,
        200
    );
    wait::until(|| http::try_connect(&socket).is_some());
    wait::until(|| serves_the_proxy(&broker.proxy_socket()));
    assert_eq!(
        (mode(&socket), mode(&broker.proxy_socket())),
        (0o600, 0o600)
    );
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 201);
    assert_eq!(not_ready(&mut open), Vec::<Value>::new());
}

#[test]
fn a_socket_that_another_program_put_in_its_place_is_left_alone_and_taken_back_when_it_is_free() {
    let broker = TestBroker::with_label_sync();
    let socket = broker.socket();
    let mut open = http::connect(&socket);
    let aside = broker.home.path().join("aside");
    let other = UnixListener::bind(&aside).unwrap();
    fs::rename(&aside, &socket).unwrap();
    wait::until(|| {
        let text = format!("{:?}", not_ready(&mut open));
        let us = format!(
            "another broker is listening there (process {})",
            std::process::id()
        );
        text.contains("no caller can connect") && text.contains(&us)
    });
    let figures = http::exchange(&mut open, "GET", "/metrics", "").body;
    let figures = String::from_utf8(figures).unwrap();
    assert!(figures.contains("\ntokend_socket_lost 1\n"), "{figures}");
    drop(other);
    wait::until(|| http::try_connect(&socket).is_some());
    wait::until(|| not_ready(&mut open).is_empty());
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 201);
    let said = broker.home.trace().matches("no caller can connect").count();
    assert_eq!(said, 1, "once");
}

#[test]
fn status_says_which_of_the_sockets_is_lost() {
    let broker = TestBroker::with_label_sync();
    let proxy = broker.proxy_socket();
    fs::remove_file(&proxy).unwrap();
    fs::write(&proxy, "a file").unwrap();
    let mut open = http::connect(&broker.socket());
    wait::until(|| !not_ready(&mut open).is_empty());
    let text = format!("{:?}", not_ready(&mut open));
    assert!(
        text.contains("no caller can connect") && text.contains("proxy.sock"),
        "{text}"
    );
    assert_eq!(broker.lease(r#"{"purpose":"label-sync"}"#).status, 201);
    fs::remove_file(&proxy).unwrap();
    wait::until(|| not_ready(&mut open).is_empty());
    assert!(serves_the_proxy(&proxy));
}

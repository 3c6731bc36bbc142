//! The process that is left beside the command.

use super::*;

#[test]
fn the_relay_is_no_child_holds_nothing_of_the_commands_and_ends_with_it() {
    let broker = broker();
    let lock = broker.home.path().join("lock");
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec 9>\"$LOCK\"; exec \"$@\"", "sh"]);
    let tokenctl = exec(&broker, &["labels"]);
    shell.arg(tokenctl.get_program()).args(tokenctl.get_args());
    shell
        .env_clear()
        .env("LOCK", &lock)
        .env("GH_TOKEN", "ghp_canary")
        .env("no_proxy", "x.test");
    for (name, value) in tokenctl.get_envs() {
        shell.env(name, value.unwrap());
    }
    let running = Running::start(shell);
    let relay = running.relay();
    let read = |name: &str| fs::read_to_string(relay.join(name)).unwrap();

    let status = read("status");
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .trim()
    };
    assert_eq!(field("Name:"), "tokenctl-relay");
    let command = running.child.id();
    assert_ne!(field("PPid:"), command.to_string());
    let children = fs::read_to_string(format!("/proc/{command}/task/{command}/children"));
    // Without the kernel's option for it there is no such file.
    assert_eq!(children.unwrap_or_default().trim(), "");
    let stat = read("stat");
    let session = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .nth(3)
        .unwrap()
        .to_owned();
    assert_eq!(relay.file_name().unwrap().to_str().unwrap(), session);
    assert_eq!(fs::read_link(relay.join("cwd")).unwrap(), Path::new("/"));

    let files = fs::read_dir(relay.join("fd")).unwrap().map(|entry| {
        let link = fs::read_link(entry.unwrap().path()).unwrap();
        link.to_str().unwrap().to_owned()
    });
    let mut files: Vec<String> = files.collect();
    files.retain(|file| file != "/dev/null");
    files.sort();
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(
        files[0].contains("pidfd") && files[1].starts_with("socket:"),
        "{files:?}"
    );
    assert_eq!(read("environ"), "no_proxy=x.test\0");
    assert!(!read("cmdline").contains("tkp_"));

    let bundle = PathBuf::from(running.var("SSL_CERT_FILE").unwrap());
    running.end();
    until(|| !bundle.exists() && !relay.exists());
}

#[test]
fn connect_reaches_the_brokers_socket_beside_the_one_that_was_asked() {
    let broker = broker();
    let socket = broker.home.path().join("run/proxy.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let running = Running::start(exec(&broker, &["labels"]));
    let relay = running.relay_address().to_owned();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\ntunnel").unwrap();
        String::from_utf8(request[..length].to_vec()).unwrap()
    });
    let mut client = TcpStream::connect(relay).unwrap();
    client
        .write_all(b"CONNECT api.github.com:443 HTTP/1.1\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\ntunnel"), "{answer}");
    let request = served.join().unwrap();
    let lease = format!("\r\ntokend-lease: {}\r\n", id("labels"));
    assert!(
        request.starts_with("CONNECT api.github.com:443 HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains(&lease), "{request}");
    running.end();
}

#[test]
fn other_hosts_are_reached_through_the_relay_outside() {
    let broker = broker();
    let host = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = host.local_addr().unwrap().port();
    let outer = Running::start(exec(&broker, &["labels"]));
    let mut inner = exec(&broker, &["analysis"]);
    inner.env("HTTPS_PROXY", outer.var("HTTPS_PROXY").unwrap());
    let inner = Running::start(inner);
    assert_ne!(inner.relay_address(), outer.relay_address());
    let mut client = TcpStream::connect(inner.relay_address()).unwrap();
    client
        .write_all(format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n").as_bytes())
        .unwrap();
    let (mut served, _) = host.accept().unwrap();
    served.write_all(b"hello").unwrap();
    drop(served);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    outer.end();
    until(|| bundles(&broker) == 1);
    client = TcpStream::connect(inner.relay_address()).unwrap();
    client
        .write_all(b"CONNECT pypi.test:443 HTTP/1.1\r\n\r\n")
        .unwrap();
    answer.clear();
    client.read_to_string(&mut answer).unwrap();
    assert!(
        answer.contains("cannot reach pypi.test:443 through the proxy in `HTTPS_PROXY`"),
        "{answer}"
    );
    inner.end();
}

#[test]
fn signals_that_ask_for_an_end_do_not_take_the_network_from_the_command() {
    let broker = broker();
    let host = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = host.local_addr().unwrap().port();
    let running = Running::start(exec(&broker, &["labels"]));
    let relay = running.relay();
    let pid = relay.file_name().unwrap().to_str().unwrap().to_owned();
    for signal in ["HUP", "INT", "QUIT", "TERM"] {
        let killed = Command::new("sh")
            .args(["-c", &format!("kill -{signal} {pid}")])
            .status();
        assert!(killed.unwrap().success());
    }
    let mut client = TcpStream::connect(running.relay_address()).unwrap();
    client
        .write_all(format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n").as_bytes())
        .unwrap();
    drop(host.accept().unwrap());
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(relay.exists());
    running.end();
    until(|| !relay.exists());
}

#[test]
fn a_command_that_inherits_the_relay_is_told_so() {
    let broker = broker();
    let options = [
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--mount-proc",
    ];
    let Some(mut exec) = unshared(&broker, &options) else {
        return;
    };
    let first = exec.args(["--", "sh", "-c", "echo $$"]).output().unwrap();
    assert_eq!(out(&first), "1\n", "{first:?}");
    assert!(
        err(&first).starts_with("tokenctl: note: the command gets the relay as a child")
            && err(&first).contains("`docker run --init`"),
        "{first:?}"
    );
    let beside = [&options[..], &["sh", "-c", "\"$@\"; echo $?", "sh"]].concat();
    let mut exec = unshared(&broker, &beside).unwrap();
    let second = exec.args(["--", "true"]).output().unwrap();
    assert_eq!((out(&second), err(&second)), ("0\n", ""));
}

#[test]
fn a_relay_that_cannot_start_says_why_once_and_fails() {
    let lease = id("labels");
    let args = [
        "relay",
        "--proxy",
        "/x",
        "--bundle",
        "/x",
        "--lease",
        &lease,
        "--detached",
    ];
    // Neither a port nor a process to watch.
    let got = broker().run(&args);
    assert_eq!(got.status.code(), Some(1), "{got:?}");
    assert!(
        !out(&got).is_empty() && !out(&got).starts_with("ready"),
        "{got:?}"
    );
    assert_eq!(err(&got), "");
}

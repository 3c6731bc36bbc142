//! Several purposes in one command, and one command in another.

use super::*;

#[test]
fn each_purpose_has_its_token_in_its_variable_and_one_relay_serves_all_leases() {
    let broker = broker();
    let args = [
        "labels",
        "--env",
        "ANALYSIS_TOKEN=analysis",
        "--env",
        "CODE_TOKEN=code",
    ];
    let narrowed = [
        "--ttl",
        "1h",
        "--reason",
        "nightly",
        "--fresh",
        "--repo",
        "acme/site",
    ];
    let running = Running::start(exec(&broker, &[&args[..], &narrowed].concat()));
    for (name, token) in [
        ("GH_TOKEN", "tkp_l"),
        ("GITHUB_TOKEN", "tkp_l"),
        ("ANALYSIS_TOKEN", "tkp_a"),
        ("CODE_TOKEN", "tkp_c"),
    ] {
        assert_eq!(running.var(name), Some(token), "{name}");
    }
    let seen = broker.seen();
    let asked: Vec<Value> = seen.iter().skip(3).take(3).map(Seen::json).collect();
    let common = |purpose: &str| {
        json!({
            "purpose": purpose, "ttl": 3600, "reason": "nightly", "until": "caller_exit", "fresh": true
        })
    };
    let mut first = common("labels");
    first["repositories"] = json!(["acme/site"]);
    assert_eq!(asked, [first, common("analysis"), common("code")]);
    let purposes = ["labels", "analysis", "code"];
    let tunnel = |purpose| format!("POST /v1/leases/{}/tunnel", id(purpose));
    assert_eq!(lines(&broker)[6..], purposes.map(tunnel));
    let bundle = fs::read_to_string(running.var("SSL_CERT_FILE").unwrap()).unwrap();
    let authorities = purposes.map(authority).concat();
    assert!(bundle.starts_with(&authorities), "{bundle}");
    let line = fs::read(running.relay().join("cmdline")).unwrap();
    let line = String::from_utf8(line).unwrap();
    let leases = purposes.map(|purpose| format!("--lease\0{}\0", id(purpose)));
    assert!(line.contains(&leases.concat()), "{line}");
    running.end();
}

#[test]
fn several_raw_purposes_need_no_relay() {
    let broker = broker();
    let args = [
        "raw",
        "--env",
        "OTHER=raw-too",
        "--",
        "sh",
        "-c",
        "echo $GH_TOKEN $OTHER $HTTPS_PROXY",
    ];
    let got = exec(&broker, &args).output().unwrap();
    assert_eq!((out(&got), err(&got)), ("tkp_r tkp_r\n", ""));
    assert_eq!(bundles(&broker), 0);
    assert!(!lines(&broker).iter().any(|line| line.ends_with("/tunnel")));
}

#[test]
fn proxy_and_raw_do_not_go_together() {
    let broker = broker();
    for (first, other, why) in [
        (
            "labels",
            "OTHER=raw",
            "`labels` delivers `proxy` and `raw` delivers `raw`",
        ),
        (
            "raw",
            "OTHER=labels",
            "`raw` delivers `raw` and `labels` delivers `proxy`",
        ),
    ] {
        let said = refused(&broker, exec(&broker, &[first, "--env", other]));
        assert!(
            said.contains(why) && said.contains("run two commands"),
            "{said}"
        );
    }
    assert!(!lines(&broker).iter().any(|line| line.starts_with("POST")));

    // Policy changes between the question and the answer.
    let broker = FakeBroker::answering(|seen| match seen.line.split_once(' ').unwrap() {
        ("GET", path) => {
            let name = path.strip_prefix("/v1/purposes/").unwrap();
            (200, purpose(name, "proxy").to_string())
        }
        _ => usual(seen, &["github.com:443"]),
    });
    let said = refused(&broker, exec(&broker, &["labels", "--env", "OTHER=raw"]));
    assert!(said.contains("one command cannot use both"), "{said}");
    let ended = ["l", "r"].map(|first| format!("DELETE /v1/leases/{}", id(first)));
    assert_eq!(lines(&broker)[4..], ended);
}

#[test]
fn a_denied_purpose_gives_the_leases_before_it_back() {
    let broker = broker();
    let said = refused(&broker, exec(&broker, &["labels", "--env", "OTHER=denied"]));
    assert!(said.contains("audit record 7"), "{said}");
    let ended = format!("DELETE /v1/leases/{}", id("labels"));
    assert_eq!(
        lines(&broker)[2..],
        ["POST /v1/leases", "POST /v1/leases", &ended]
    );
}

#[test]
fn a_purpose_that_became_proxy_meanwhile_is_led_to_the_relay_too() {
    let broker = FakeBroker::answering(|seen| match seen.line.split_once(' ').unwrap() {
        ("GET", _) => (200, purpose("labels", "raw").to_string()),
        _ => usual(seen, &["github.com:443"]),
    });
    let running = Running::start(exec(&broker, &["labels"]));
    assert!(running.var("HTTPS_PROXY").is_some());
    running.end();
}

#[test]
fn inside_a_tunnel_there_is_a_tunnel_but_no_raw_token() {
    let broker = broker();
    let tokenctl = env!("CARGO_BIN_EXE_tokenctl");
    let inner = |purpose: &str, command: &str| {
        let script = format!("{tokenctl} exec {purpose} -- sh -c '{command}'; echo code $?");
        let got = exec(&broker, &["labels", "--", "sh", "-c", &script])
            .output()
            .unwrap();
        (out(&got).to_owned(), err(&got).to_owned())
    };
    let (said, why) = inner("raw", "echo ran");
    assert_eq!(said, "code 125\n");
    assert!(why.contains("honours only proxy tokens"), "{why}");
    assert!(!lines(&broker).contains(&format!("DELETE /v1/leases/{}", id("raw"))));

    // The outer token is not sent along: git takes what comes after an empty value.
    let command = "echo $GH_TOKEN $GIT_CONFIG_COUNT $HTTPS_PROXY $TOKEND_EXEC_PROXY";
    let (said, why) = inner("analysis", command);
    assert_eq!(why, "");
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words[..2], ["tkp_a", "18"]);
    assert_eq!(words[2], words[3]);
    // git is still led to the relay, unless its settings go too.
    let unset = "env -u HTTPS_PROXY -u https_proxy";
    for (unset, ran, code) in [
        (unset.to_owned(), "", 125),
        (format!("{unset} -u GIT_CONFIG_COUNT"), "ran\n", 0),
    ] {
        let inner = format!("{unset} {tokenctl} exec raw -- echo ran; echo code $?");
        let got = exec(&broker, &["labels", "--", "sh", "-c", &inner])
            .output()
            .unwrap();
        assert_eq!(out(&got), format!("{ran}code {code}\n"), "{got:?}");
    }
}

#[test]
fn one_variable_cannot_hold_two_tokens() {
    let broker = broker();
    let got = broker.run(&["exec", "labels", "--env", "GH_TOKEN=raw", "--", "true"]);
    assert_eq!(got.status.code(), Some(2), "{got:?}");
    assert!(
        err(&got).contains("`GH_TOKEN` holds another token already"),
        "{got:?}"
    );
    assert!(lines(&broker).is_empty());
}

#[test]
fn without_a_purpose_of_its_own_a_command_has_the_tokens_that_it_names_and_no_other() {
    let broker = broker();
    let args = ["--env", "ONE=raw", "--env", "GH_TOKEN=raw-too"];
    let command = ["--", "sh", "-c", "echo $ONE $GH_TOKEN ${GITHUB_TOKEN-none}"];
    let got = broker.run(&[&["exec"][..], &args, &command].concat());
    assert_eq!((out(&got), err(&got)), ("tkp_r tkp_r none\n", ""));

    let running = Running::start(exec(&broker, &["--env", "ONE=labels"]));
    assert_eq!(running.var("ONE"), Some("tkp_l"));
    assert_eq!(running.var("GH_TOKEN"), None);
    let settings: u32 = running.var("GIT_CONFIG_COUNT").unwrap().parse().unwrap();
    let key = |number| running.var(&format!("GIT_CONFIG_KEY_{number}"));
    for number in 0..settings {
        assert!(key(number).unwrap().ends_with(".proxy"), "git has no token");
    }
    running.end();

    for (args, why) in [
        (&["--env", "ONE"][..], "of which purpose?"),
        (
            &["--env", "ONE=raw", "--repo", "acme/site"],
            "go with PURPOSE",
        ),
    ] {
        let got = broker.run(&[&["exec"][..], args, &["--", "true"]].concat());
        assert_eq!(got.status.code(), Some(2), "{got:?}");
        assert!(err(&got).contains(why), "{got:?}");
    }
}

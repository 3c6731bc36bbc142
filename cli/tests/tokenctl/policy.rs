//! `policy new` and `policy allow`: what is written, and what is taken back.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex};

use broker_protocol::error::{ErrorCode, Problem};
use broker_protocol::hex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::fake_broker::{Answer, FakeBroker, err, out};

const SECRETS: &str = "[secret.site-token]\nkind = \"fine-grained\"\n\n\
                       [secret.acme-app]\nkind = \"app\"\nclient_id = \"Iv1\"\n";

const SITE: &str = "# ours\r\npurpose = \"site\"\r\n\r\n[[allow]]\r\n\
                    caller = { user = \"no-such-account\" } # old";

/// What the broker says to a reload, given what it would read.
type Reload = fn(&BTreeMap<String, String>) -> Answer;

fn broker(reload: Reload) -> FakeBroker {
    let dir: Arc<Mutex<PathBuf>> = Arc::default();
    let policies = Arc::clone(&dir);
    let broker = FakeBroker::answering(move |seen| {
        assert_eq!(seen.line, "POST /v1/policies/reload");
        reload(&read(&policies.lock().unwrap()))
    });
    *dir.lock().unwrap() = broker.policy("");
    fs::write(broker.policy("secrets.toml"), SECRETS).unwrap();
    broker
}

/// Each file, and its SHA-256.
fn read(dir: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let file = |entry: fs::DirEntry| {
        let text = fs::read(entry.path()).unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, hex::of(&Sha256::digest(text)))
    };
    entries.map(file).collect()
}

fn loads(files: &BTreeMap<String, String>) -> Answer {
    let warnings = ["site.toml:9: a warning", "other.toml:1: another"];
    let loaded = json!({ "files": files, "purposes": 1, "revoked": [], "warnings": warnings });
    (200, loaded.to_string())
}

fn refuses(_: &BTreeMap<String, String>) -> Answer {
    let problem = Problem::new(ErrorCode::BadRequest, "site.toml:4: no");
    (400, serde_json::to_string(&problem).unwrap())
}

/// The broker of another configuration.
fn reads_elsewhere(_: &BTreeMap<String, String>) -> Answer {
    loads(&BTreeMap::from([("a.toml".to_owned(), "00".repeat(32))]))
}

/// The same, with a file of that name.
fn reads_another(_: &BTreeMap<String, String>) -> Answer {
    loads(&BTreeMap::from([("site.toml".to_owned(), "00".repeat(32))]))
}

/// Loads them, and its answer is lost.
fn is_cut_off(_: &BTreeMap<String, String>) -> Answer {
    (200, "{".to_owned())
}

fn new(broker: &FakeBroker, more: &[&str]) -> Output {
    let args = ["policy", "new", "site", "--repo", "acme/site"];
    let permission = ["--permission", "issues=write"];
    broker.run(&[&args[..], &permission, more].concat())
}

fn allow(broker: &FakeBroker, more: &[&str]) -> Output {
    broker.run(&[&["policy", "allow", "site"][..], more].concat())
}

fn text(broker: &FakeBroker, name: &str) -> String {
    fs::read_to_string(broker.policy(name)).unwrap()
}

#[test]
fn a_new_purpose_is_written_loaded_and_delivers_what_fits_its_secret() {
    for (secret, deliver) in [("site-token", "proxy"), ("acme-app", "installation")] {
        let broker = broker(loads);
        let got = new(&broker, &["--secret", secret, "--allow", "root"]);
        assert!(got.status.success(), "{}", err(&got));
        let written = text(&broker, "site.toml");
        assert!(
            written.contains(&format!("deliver      = \"{deliver}\"")),
            "{written}"
        );
        assert!(
            written.ends_with("[[allow]]\ncaller = { user = \"root\" }\n"),
            "{written}"
        );
        assert!(out(&got).contains("site.toml: in force"), "{}", out(&got));
        assert_eq!(broker.seen().len(), 1);
        assert!(err(&got).contains("site.toml:9: a warning"));
        assert!(!err(&got).contains("other.toml"), "{}", err(&got));
    }
}

#[test]
fn a_longest_life_that_is_not_named_is_no_shorter_than_the_ttl() {
    let broker = broker(loads);
    let got = new(&broker, &["--secret", "site-token", "--ttl", "2h"]);
    assert!(got.status.success(), "{}", err(&got));
    let written = text(&broker, "site.toml");
    assert!(
        written.contains("{ default = \"2h\", max = \"2h\" }"),
        "{written}"
    );
    assert!(err(&got).contains("no one may use it yet"), "{}", err(&got));
}

#[test]
fn a_new_purpose_that_is_refused_is_taken_back() {
    let answers: [(Reload, &str); 2] = [
        (refuses, "site.toml:4: no"),
        (reads_elsewhere, "the broker does not read"),
    ];
    for (answer, why) in answers {
        let broker = broker(answer);
        let got = new(&broker, &["--secret", "acme-app", "--deliver", "raw"]);
        assert!(!got.status.success());
        assert!(err(&got).contains(why), "{}", err(&got));
        assert!(!broker.policy("site.toml").exists());
    }
}

#[test]
fn a_purpose_that_exists_a_secret_and_an_account_that_do_not_are_refused_unasked() {
    let broker = broker(loads);
    let got = new(&broker, &["--secret", "site-tokn"]);
    assert!(err(&got).contains("declares the secret `site-tokn`"));
    assert!(err(&got).contains("declared are: site-token, acme-app"));
    let got = new(
        &broker,
        &["--secret", "site-token", "--allow", "no-such-account"],
    );
    assert!(err(&got).contains("no account `no-such-account` on this machine"));
    fs::write(broker.policy("a.toml"), SITE).unwrap();
    let got = new(&broker, &["--secret", "site-token"]);
    assert_eq!(got.status.code(), Some(1));
    assert!(err(&got).contains("exists already"), "{}", err(&got));
    assert!(
        err(&got).contains("tokenctl policy allow site"),
        "{}",
        err(&got)
    );
    assert!(broker.seen().is_empty());
}

#[test]
fn a_rule_is_added_at_the_end_and_every_other_byte_stays() {
    let broker = broker(loads);
    fs::write(broker.policy("by-another-name.toml"), SITE).unwrap();
    let got = allow(&broker, &["--user", "root"]);
    assert!(got.status.success(), "{}", err(&got));
    let rule = "\r\n\r\n[[allow]]\r\ncaller = { user = \"root\" }\r\n";
    let wanted = format!("{SITE}{rule}");
    assert_eq!(text(&broker, "by-another-name.toml"), wanted);
    assert!(out(&got).contains("added a rule for `root` to"));
    assert!(out(&got).contains("in force"), "{}", out(&got));
}

#[test]
fn a_rule_that_is_refused_or_not_read_is_removed_again() {
    let answers: [(Reload, i32); 3] = [(refuses, 1), (reads_another, 1), (is_cut_off, 1)];
    for (answer, code) in answers {
        let broker = broker(answer);
        fs::write(broker.policy("site.toml"), SITE).unwrap();
        let got = allow(&broker, &["--group", "root"]);
        assert_eq!(got.status.code(), Some(code), "{}", err(&got));
        assert_eq!(text(&broker, "site.toml"), SITE);
        assert_eq!(broker.seen().len(), 2, "the broker reads that it is gone");
    }
}

#[test]
fn who_is_allowed_already_changes_nothing_and_hears_which_rule_decides() {
    let broker = broker(loads);
    let rules = "purpose = \"site\"\n[[allow]]\ncaller = { unit = \"a.service\" }\n\
                 [[allow]]\nttl = { max = \"5m\" }\ncaller = { gid = 0 }\n";
    fs::write(broker.policy("site.toml"), rules).unwrap();
    let got = allow(&broker, &["--user", "root"]);
    assert!(got.status.success(), "{}", err(&got));
    assert!(
        out(&got).contains("`root` is allowed already, by rule 2"),
        "{}",
        out(&got)
    );
    assert!(
        err(&got).contains("rule 2 decides alone, and names its own ttl"),
        "{}",
        err(&got)
    );
    assert_eq!(text(&broker, "site.toml"), rules);
    let got = allow(&broker, &["--user", "root", "--json"]);
    let said: Value = serde_json::from_slice(&got.stdout).unwrap();
    assert_eq!(
        (&said["changed"], &said["in_force"]),
        (&json!(false), &json!(true))
    );
}

#[test]
fn a_rule_that_is_there_and_not_loaded_is_loaded_or_the_command_fails() {
    let rules = "purpose = \"site\"\n[[allow]]\ncaller = { gid = 0 }\n";
    let answers: [(Reload, Option<&str>); 4] = [
        (loads, None),
        (refuses, Some("site.toml:4: no")),
        (reads_another, Some("the broker does not read")),
        (is_cut_off, Some("not of this version")),
    ];
    for (answer, why) in answers {
        let broker = broker(answer);
        fs::write(broker.policy("site.toml"), rules).unwrap();
        let got = allow(&broker, &["--user", "root"]);
        assert_eq!(got.status.success(), why.is_none(), "{}", err(&got));
        assert_eq!(broker.seen().len(), 1, "the broker is asked to load it");
        match why {
            None => assert!(out(&got).contains("site.toml: in force"), "{}", out(&got)),
            Some(why) => assert!(err(&got).contains(why), "{}", err(&got)),
        }
        assert_eq!(text(&broker, "site.toml"), rules);
    }
}

#[test]
fn a_rule_before_it_that_decides_for_some_processes_is_named() {
    let broker = broker(loads);
    let rules = "purpose = \"site\"\n[[allow]]\ncaller = { unit = \"a.service\" }\n";
    fs::write(broker.policy("site.toml"), rules).unwrap();
    let got = allow(&broker, &["--user", "root"]);
    assert!(got.status.success(), "{}", err(&got));
    assert!(
        err(&got).contains("rule 1 comes before it and decides alone"),
        "{}",
        err(&got)
    );
}

#[test]
fn what_this_account_may_not_write_is_printed_with_the_place_where_it_goes() {
    let broker = broker(loads);
    fs::write(broker.policy("site.toml"), SITE).unwrap();
    let closed = fs::Permissions::from_mode(0o444);
    fs::set_permissions(broker.policy("site.toml"), closed).unwrap();
    let got = allow(&broker, &["--user", "root"]);
    assert_eq!(got.status.code(), Some(75), "{}", err(&got));
    assert_eq!(out(&got), "[[allow]]\ncaller = { user = \"root\" }\n");
    let file = broker.policy("site.toml").display().to_string();
    for part in [
        format!("{file} is not written here: the file is read-only"),
        "put the lines above there".to_owned(),
        format!("`chmod u+w {file}`, then this again"),
    ] {
        assert!(err(&got).contains(&part), "{}", err(&got));
    }
    assert!(!err(&got).contains("sudo"), "{}", err(&got));
    assert_eq!(text(&broker, "site.toml"), SITE);
    let got = allow(&broker, &["--user", "root", "--json"]);
    assert_eq!((got.status.code(), out(&got)), (Some(75), ""));
    let said = err(&got).lines().last().unwrap();
    let said: Value = serde_json::from_str(said).unwrap();
    let text = said["error"].as_str().unwrap();
    assert!(text.contains("caller = { user = \"root\" }"), "{text}");
    let inline = "purpose = \"site\"\nallow = [{ caller = { uid = 4711 } }]\n";
    fs::write(broker.policy("site2.toml"), inline.replace("site", "site2")).unwrap();
    let got = broker.run(&["policy", "allow", "site2", "--user", "root"]);
    assert_eq!(got.status.code(), Some(75), "{}", err(&got));
    assert!(broker.seen().is_empty());
}

#[test]
fn a_purpose_without_a_file_is_refused_with_those_that_have_one() {
    let broker = broker(loads);
    fs::write(broker.policy("site.toml"), SITE).unwrap();
    let got = broker.run(&["policy", "allow", "sites", "--user", "root"]);
    assert_eq!(got.status.code(), Some(1));
    assert!(err(&got).contains("has the purpose `sites`"));
    assert!(
        err(&got).contains("those that have one: site;"),
        "{}",
        err(&got)
    );
}

#[test]
fn a_fifo_among_the_policies_is_named_and_not_waited_for() {
    let broker = broker(loads);
    let fifo = broker.policy("zz.toml");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for got in [
        allow(&broker, &["--user", "root"]),
        new(&broker, &["--secret", "site-token"]),
    ] {
        assert!(err(&got).contains("zz.toml: it is a FIFO"), "{}", err(&got));
    }
}

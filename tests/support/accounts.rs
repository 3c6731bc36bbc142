//! Callers of other accounts. Needs root, and `curl` to be them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::unistd::{User, geteuid};
use tempfile::TempDir;

use crate::broker::{LABEL_SYNC, Ran, own_uid, run_as};
use crate::http::{self, Answer};
use crate::{Home, TestBroker, needs};

/// An account that is neither root nor the broker's. It need not have a name.
pub const ALICE: u32 = 61_001;
/// Another.
pub const BOB: u32 = 61_002;

/// The name of the account that runs the tests.
#[must_use]
pub fn own_name() -> String {
    User::from_uid(geteuid()).unwrap().unwrap().name
}

/// Whether tests with other accounts can run here.
#[must_use]
pub fn can_be_used() -> bool {
    needs::root() && needs::program("curl")
}

/// Starts a broker that every account may ask. `config` follows its `[socket]` table.
///
/// The directory holds the socket: the home is closed to others. It goes when it is dropped.
pub fn open_to_all(mut home: Home, config: &str) -> (TestBroker, TempDir) {
    let directory = open(&mut home, config);
    (home.start(), directory)
}

/// The home of a broker that every account may ask, once it is started.
pub fn open(home: &mut Home, config: &str) -> TempDir {
    let directory = tempfile::Builder::new().prefix("tokend-").tempdir();
    let directory = directory.unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    home.places.set_socket(directory.path().join("tokend.sock"));
    home.config(&format!("[socket]\nmode = \"0666\"\n{config}"));
    directory
}

/// A home with purposes for the tests' own account, for Alice and for Bob. Names of one length, so that
/// answers can be compared byte for byte.
pub fn three_accounts(home: Home) -> Home {
    for (purpose, uid) in [
        ("job-mine", own_uid()),
        ("job-alic", ALICE),
        ("job-bobs", BOB),
    ] {
        let policy = LABEL_SYNC
            .replace("\"label-sync\"", &format!("{purpose:?}"))
            .replace("UID", &uid.to_string());
        home.policy(&format!("{purpose}.toml"), &policy);
    }
    home
}

/// One request by this account.
pub fn request(broker: &TestBroker, uid: u32, method: &str, path: &str, body: &str) -> Answer {
    let mut curl = broker.home.command(Path::new("curl"));
    curl.args(["--silent", "--include", "--request", method, "--data", body])
        .arg("--unix-socket")
        .arg(broker.socket())
        .arg(format!("http://localhost{path}"))
        .current_dir("/");
    if uid != geteuid().as_raw() {
        run_as(&mut curl, uid, uid);
    }
    let text = Ran::of(&mut curl).success();
    http::read_answer(&mut text.as_bytes()).expect("an answer that is whole")
}

/// All that reaches the caller, but for the purpose's name, the record's number, the length, which follows from
/// that number's digits, and the date.
pub fn shown(answer: &Answer, purpose: &str) -> String {
    let head: Vec<_> = answer
        .head
        .lines()
        .filter(|line| {
            !["content-length:", "date:"]
                .iter()
                .any(|name| line.starts_with(name))
        })
        .collect();
    let body = String::from_utf8(answer.body.clone()).unwrap();
    let body = body.replace(purpose, "PURPOSE");
    let number = |c: char| c.is_ascii_digit();
    let body = match body.split_once("audit record ") {
        Some((before, after)) => {
            format!("{before}audit record {}", after.trim_start_matches(number))
        }
        None => body,
    };
    format!("{}\n\n{body}", head.join("\n"))
}

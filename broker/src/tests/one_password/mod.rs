//! Values in 1Password, through a Connect server: when it is asked, what is served while it is down, what is
//! kept. What only the program `op` does is in `tests/e2e/onepassword`.

mod down;
mod kept;

use std::thread;

use serde_json::{Value, json};
use support::Home;
use support::broker::{MANY_LEASES, SECRETS};
use support::canary;
use support::connect::{StandInConnect, TOKEN, World};
use support::described::{self, ask};
use support::github::Fault;

use super::InProcess;
use super::in_process::ready;

/// The secret behind `label-sync`.
const NAME: &str = "org-label-sync-token";
const VAULT: &str = "Github-Tokens";
const ITEM: &str = "Sync-Robot";
const REFERENCE: &str = "op://Github-Tokens/Sync-Robot/credential";
/// How the value is read.
const READS: &str = "GET /v1/vaults/*/items/*";

/// A Connect server that knows the value of [`REFERENCE`], and a broker that reads it there.
struct Scene {
    connect: StandInConnect,
    broker: InProcess,
}

fn home(connect: &StandInConnect, more: &str) -> Home {
    let home = ready();
    home.policy("secrets.toml", &SECRETS.replace("vault", REFERENCE));
    home.config(&format!("{MANY_LEASES}{}{more}\n", connect.config()));
    home
}

impl Scene {
    /// `more` goes on from within `[onepassword]`.
    fn new(more: &str) -> Self {
        let connect = StandInConnect::start(World::default());
        connect.set(VAULT, ITEM, "credential", canary::CLASSIC);
        let broker = InProcess::start(home(&connect, more));
        broker.set("onepassword-token", TOKEN);
        Self { connect, broker }
    }

    fn lease(&self) -> (u16, Value) {
        described::lease(&self.broker)
    }

    /// A lease on this value, which is in its time.
    #[track_caller]
    fn assert_leased(&self, value: &str) {
        let (status, leased) = self.lease();
        assert_eq!((status, &leased["token"]), (201, &value.into()), "{leased}");
        assert!(leased.get("stale_since").is_none(), "{leased}");
    }

    /// Everything there is to show of the secret.
    fn shown(&self) -> Value {
        let path = format!("/v1/secrets/{NAME}");
        ask(&self.broker, "GET", "/v1/secrets/{name}", &path, "").1
    }

    /// Asks every place for its value.
    fn probe(&self) -> (u16, Value) {
        let path = "/v1/sources/probe";
        ask(&self.broker, "POST", path, path, "")
    }

    /// How often the value was asked for.
    fn reads(&self) -> usize {
        self.connect.calls(READS)
    }

    /// From now on the server answers no one.
    fn goes_down(&self) {
        self.connect.fault(Fault::on("* /**").close_before());
    }
}

#[test]
fn without_a_token_nothing_is_asked_and_what_to_do_is_told() {
    let connect = StandInConnect::start(World::default());
    let broker = InProcess::start(home(&connect, ""));
    let scene = Scene { connect, broker };
    assert_eq!(scene.lease().0, 502);
    let fault = scene.shown()["source_fault"].to_string();
    let fix = "store it with `tokenctl secret set onepassword-token`";
    assert!(fault.contains(fix), "{fault}");
    assert!(scene.connect.journal().is_empty());
}

#[test]
fn sixty_four_who_come_at_once_ask_1password_once() {
    let scene = Scene::new("");
    // So that all are there before the answer.
    scene.connect.fault(Fault::on(READS).hold().times(1));
    thread::scope(|scope| {
        let ask = || scope.spawn(|| scene.lease());
        let first = ask();
        scene.connect.wait_for_calls(READS, 1);
        let others: Vec<_> = (1..64).map(|_| ask()).collect();
        support::wait::until(|| scene.broker.home.records_of("lease.granted").len() == 64);
        scene.connect.heal();
        for one in others.into_iter().chain([first]) {
            let (status, leased) = one.join().unwrap();
            assert_eq!((status, &leased["token"]), (201, &canary::CLASSIC.into()));
        }
    });
    assert_eq!(scene.reads(), 1);
    assert_eq!(scene.broker.home.records_of("lease.issued").len(), 64);
}

#[test]
fn a_lock_forgets_the_value_and_while_it_lasts_nothing_is_asked() {
    let scene = Scene::new("");
    scene.assert_leased(canary::CLASSIC);
    scene.assert_leased(canary::CLASSIC);
    assert_eq!(scene.reads(), 1);
    scene.broker.lock();
    let set = |value| scene.connect.set(VAULT, ITEM, "credential", value);
    set(canary::CLASSIC_TWO);
    assert_eq!(scene.lease().0, 503);
    let (status, problem) = scene.probe();
    assert_eq!((status, &problem["code"]), (503, &"locked".into()));
    assert_eq!(scene.reads(), 1, "locked, it cannot present its token");
    scene.broker.unlock();
    scene.assert_leased(canary::CLASSIC_TWO);
    assert!(scene.reads() > 1);
}

#[test]
fn a_wrong_reference_that_is_asked_for_a_hundred_times_is_looked_up_at_most_twice() {
    let scene = Scene::new("");
    scene
        .connect
        .change(|state| state.vault(VAULT).items.clear());
    scene.connect.forget_calls();
    for _ in 0..100 {
        let (status, problem) = scene.lease();
        let code = &problem["code"];
        assert_eq!((status, code), (502, &"source_unavailable".into()));
    }
    let looked_up = scene.connect.calls("GET /v1/vaults/*/items");
    assert!((1..=2).contains(&looked_up), "{looked_up}");
    let fault = scene.shown()["source_fault"].to_string();
    assert!(fault.contains("1Password has no such item"), "{fault}");
    // Put there, and said so.
    let set = |value| scene.connect.set(VAULT, ITEM, "credential", value);
    set(canary::CLASSIC);
    scene.broker.reload();
    scene.assert_leased(canary::CLASSIC);
}

#[test]
fn a_final_newline_is_no_part_of_a_value() {
    let scene = Scene::new("");
    let line = format!("{}\n", canary::CLASSIC);
    scene.connect.set(VAULT, ITEM, "credential", &line);
    scene.assert_leased(canary::CLASSIC);
}

#[test]
fn a_connect_server_is_asked_whether_it_is_well() {
    let scene = Scene::new("wait = \"5s\"");
    let (status, probed) = scene.probe();
    assert_eq!(status, 200, "{probed}");
    let sound = json!([{ "secret": NAME, "source": REFERENCE }]);
    assert_eq!(probed["sources"], sound);
    let one_password = &probed["one_password"];
    assert!(one_password.get("fault").is_none(), "{one_password}");
    assert_eq!(one_password["requests"], 0, "Connect has no such limit");
    scene.goes_down();
    scene.broker.reload();
    let (_, probed) = scene.probe();
    assert_eq!(probed["sources"], sound, "it is known and in its time");
    let fault = probed["one_password"]["fault"].as_str().unwrap();
    assert!(fault.contains("1Password cannot be reached"), "{fault}");
}

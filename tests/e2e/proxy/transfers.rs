//! An answer that is on its way while its lease, its store, its broker or its secret change.

use std::io::Read as _;

use support::github::Fault;

use super::*;

/// Of an answer, in bytes: more than the sockets and the broker between them hold.
const LENGTH: usize = 8 << 20;

/// A caller that has half of an answer.
struct Transfer(UnixStream, usize);

impl Scene {
    fn half_way(&self, lease: &Lease) -> Transfer {
        let call = format!("GET {LABELS}");
        self.github
            .fault(Fault::on(&call).hold_rest(LENGTH).times(1));
        let request = self.request(&call, &lease.token, "connection: close\r\n", "");
        let mut stream = self.send(request.as_bytes());
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 200"));
        stream.read_exact(&mut vec![0; LENGTH / 2]).unwrap();
        Transfer(stream, LENGTH / 2)
    }

    /// The outcome of the transfer, which is the first one with a body of this size.
    fn outcome(&self) -> Value {
        let of_it = |one: &Value| one["received"].as_u64() >= Some(LENGTH as u64 / 2);
        let find = || {
            let records = self.broker.home.records_of("proxy.response");
            records.into_iter().find(of_it)
        };
        wait::until(|| find().is_some());
        find().unwrap()
    }
}

impl Transfer {
    /// How much has come by its end.
    fn end(mut self) -> usize {
        self.1 + http::read_rest(&mut self.0).len()
    }
}

#[test]
fn a_revoked_lease_cuts_it_off() {
    let scene = Scene::new();
    let lease = scene.lease();
    let transfer = scene.half_way(&lease);
    scene.ctl(&["lease", "revoke", &lease.id]);
    assert_eq!(transfer.end(), LENGTH / 2);
    let outcome = scene.outcome();
    assert_eq!(
        (&outcome["why"], &outcome["status"]),
        (&json!("the lease ended"), &json!(200))
    );
    assert_eq!(outcome["received"], LENGTH / 2);
}

#[test]
fn a_lease_whose_time_is_over_cuts_it_off() {
    let ttl = |policy: String| {
        policy.replace(
            r#"{ default = "15m", max = "1h" }"#,
            r#"{ default = "4s", max = "4s" }"#,
        )
    };
    let scene = Scene::with("", ttl, Home::start);
    let lease = scene.lease();
    let transfer = scene.half_way(&lease);
    assert_eq!(transfer.end(), LENGTH / 2);
    assert_eq!(scene.outcome()["why"], "the lease ended");
    wait::until(|| scene.broker.home.records_of("lease.expired").len() == 1);
}

#[test]
fn the_kill_switch_cuts_it_off() {
    let scene = Scene::new();
    let lease = scene.lease();
    let transfer = scene.half_way(&lease);
    scene.ctl(&["lock", "--revoke"]);
    assert_eq!(transfer.end(), LENGTH / 2);
}

#[test]
fn a_lock_and_another_value_let_it_finish_and_count_for_the_next_request() {
    let scene = Scene::new();
    let lease = scene.lease();
    let ask = || scene.ask(&format!("GET {LABELS}"), &lease.token, "");

    let transfer = scene.half_way(&lease);
    scene.ctl(&["lock"]);
    assert_eq!(ask().header("tokend-error"), Some("locked"));
    scene.github.release();
    assert_eq!(transfer.end(), LENGTH, "it was decided on before");
    assert_eq!(scene.outcome().get("why"), None);
    scene.ctl(&["unlock"]);

    let transfer = scene.half_way(&lease);
    let rotate = [
        "rotate",
        "org-label-sync-token",
        "--value-file",
        "-",
        "--yes",
    ];
    scene
        .broker
        .home
        .ctl_with(&rotate, canary::CLASSIC_TWO)
        .success();
    assert!(
        scene
            .github
            .change(|state| state.pat_mut(canary::CLASSIC).revoked)
    );
    scene.github.forget_calls();
    let answer = ask();
    assert_eq!(answer.status, 200, "{answer:?}");
    let used = scene.github.journal()[0].hashed_token.clone();
    assert_eq!(used, Some(hashed(canary::CLASSIC_TWO)));
    scene.github.release();
    assert_eq!(transfer.end(), LENGTH);
    let issued = scene.broker.home.records_of("lease.issued");
    let uses: Vec<_> = issued.iter().map(|one| &one["hashed_credential"]).collect();
    assert_eq!(
        uses,
        [
            &json!(hashed(canary::CLASSIC)),
            &json!(hashed(canary::CLASSIC_TWO))
        ]
    );
}

#[test]
fn a_stopping_broker_lets_it_finish_and_a_killed_one_does_not() {
    let mut scene = Scene::new();
    let lease = scene.lease();
    let transfer = scene.half_way(&lease);
    scene.broker.signal(nix::sys::signal::Signal::SIGTERM);
    wait::until(|| scene.broker.home.trace().contains("stopping"));
    scene.github.release();
    assert_eq!(transfer.end(), LENGTH);
    scene.broker = scene.broker.stop().start();
    assert_eq!(scene.outcome().get("why"), None);

    let transfer = scene.half_way(&lease);
    scene.broker = scene.broker.kill().start();
    assert_eq!(transfer.end(), LENGTH / 2);
    scene.assert_serves(&lease);
    assert_eq!(scene.broker.home.records_of("lease.issued").len(), 2);
}

#[test]
fn whoever_ends_it_early_is_on_record() {
    let scene = Scene::new();
    let lease = scene.lease();
    drop(scene.half_way(&lease));
    scene.github.release();
    assert_eq!(
        scene.outcome()["why"],
        "the caller did not wait for all of it"
    );
    let call = format!("GET {LABELS}");
    scene
        .github
        .change(|state| state.add_labels("acme/site", ["bug".to_owned()]));
    scene.github.fault(Fault::on(&call).truncate().times(1));
    let answer = scene.try_ask(&call, &lease.token, "");
    assert_eq!(answer, None, "cut off");
    let outcomes = scene.outcomes(2);
    let why = outcomes.iter().map(|one| one["why"].as_str().unwrap());
    assert!(
        why.clone().any(|why| why.contains("GitHub")),
        "{outcomes:?}"
    );
    scene.assert_serves(&lease);
}

//! P2: while the log cannot be written, nothing is passed on.

use support::needs;

use super::*;

#[test]
fn p2_nothing_is_passed_on_while_files_may_not_grow_and_all_is_again_afterwards() {
    if !needs::program("prlimit") {
        return;
    }
    let scene = Scene::new();
    let lease = scene.lease();
    let (read, write) = (format!("GET {LABELS}"), format!("POST {LABELS}"));
    assert_eq!(scene.ask(&read, &lease.token, "").status, 200);
    // The record of that one is on disk before the disk is full.
    scene.outcomes(1);
    scene.github.forget_calls();
    for bytes in ["512", "1"] {
        scene.broker.limit_files(bytes);
        for call in [&write, &read, &write] {
            let body = if call == &write {
                r#"{"name":"bug"}"#
            } else {
                ""
            };
            let answer = scene.ask(call, &lease.token, body);
            assert_eq!(answer.status, 503, "{answer:?}");
            assert_eq!(answer.header("tokend-error"), Some("audit_unavailable"));
        }
        // Nor is what is refused for another reason answered as if it were on record.
        let refused = scene.ask(&format!("GET {OTHER_LABELS}"), &lease.token, "");
        assert_eq!(refused.header("tokend-error"), Some("audit_unavailable"));
        assert_eq!(scene.reached(), [""; 0]);

        scene.broker.limit_files("unlimited");
        wait::until(|| scene.ask(&read, &lease.token, "").status == 200);
        let made = scene.ask(
            &write,
            &lease.token,
            &format!("{{\"name\":\"after {bytes}\"}}"),
        );
        assert_eq!(made.status, 201, "{made:?}");
        scene.assert_all_within();
        scene.ctl(&["audit", "verify"]);
        scene.github.forget_calls();
    }
    assert_eq!(scene.broker.home.records_of("proxy.request").len(), 2);
}

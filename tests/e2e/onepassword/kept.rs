//! `[sources] keep = "vault"`: values go on beyond a run of the broker, and not beyond that line.

use std::fs;

use super::*;

const KEPT: &str = "wait = \"1s\"\n[sources]\nkeep = \"vault\"";

/// Whether the files of the vault hold the name of this place. Nothing else in them does: a row of what
/// is kept starts with it.
pub(super) fn is_kept(home: &Home, place: &str) -> bool {
    let vault = home.places.vault.display().to_string();
    let files = ["", "-wal"].map(|end| format!("{vault}{end}"));
    files.iter().any(|file| {
        let bytes = fs::read(file).unwrap_or_default();
        bytes.windows(place.len()).any(|at| at == place.as_bytes())
    })
}

#[test]
fn what_was_kept_is_leased_after_a_restart_although_op_does_not_answer() {
    let (_scratch, op) = op();
    let broker = broker(&op, KEPT);
    assert_leased(&broker, canary::CLASSIC);
    let calls = op.calls().len();
    op.hang();
    // In good order, and not.
    let broker = broker.stop().start();
    assert_leased(&broker, canary::CLASSIC);
    let broker = broker.kill().start();
    assert_leased(&broker, canary::CLASSIC);
    assert_eq!(op.calls().len(), calls, "it is in its time");
    // A lock forgets it, an unlock reads it again.
    broker.home.ctl(&["lock"]).success();
    assert_eq!(lease(&broker).0, 503);
    broker.home.ctl(&["unlock"]).success();
    assert_leased(&broker, canary::CLASSIC);
    assert_eq!(
        canary::files_with(broker.home.path(), canary::CLASSIC),
        [""; 0]
    );
}

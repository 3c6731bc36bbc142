//! What operators are told, in process.

use std::time::Duration;

use super::*;
use crate::app::scratch::Scratch;

fn warning(subject: &str) -> Warning {
    Warning {
        kind: WarningKind::RateFloor,
        subject: subject.to_owned(),
        secret: None,
        text: format!("{subject} differs"),
        hint: None,
    }
}

#[tokio::test]
async fn the_same_warning_is_given_once_a_day() {
    let scratch = Scratch::new("");
    let warnings = &scratch.app.warnings;
    let given = || warnings.of_last_day(scratch.app.journal.now().wall).len();
    warnings.run_round().await;
    warnings.warn(warning("one"));
    warnings.warn(warning("one"));
    warnings.warn(warning("two"));
    assert_eq!(given(), 2);
    scratch.clock.advance(Duration::from_secs(25 * 3600));
    assert_eq!(given(), 0);
    warnings.warn(warning("one"));
    assert_eq!(given(), 1);
}

#[tokio::test]
async fn what_a_check_found_is_shown_with_its_secret_and_not_once_more() {
    let scratch = Scratch::new("");
    let warnings = &scratch.app.warnings;
    warnings.run_round().await;
    warnings.warn(Warning {
        kind: WarningKind::Check,
        ..warning("one")
    });
    let now = scratch.app.journal.now().wall;
    assert_eq!(warnings.of_last_day(now), [""; 0]);
}

#[tokio::test]
async fn what_was_given_is_known_after_a_start_and_not_given_again() {
    let scratch = Scratch::new("");
    scratch.app.warnings.run_round().await;
    scratch.app.warnings.warn(warning("one"));
    scratch.app.warnings.store_history().await;
    let scratch = scratch.started_again();
    let warnings = &scratch.app.warnings;
    warnings.run_round().await;
    let now = scratch.app.journal.now().wall;
    assert_eq!(warnings.of_last_day(now), ["one differs"]);
}
